"""What of a store is still wanted, and what may go: the roots of garbage collection.

Rule: what a model version, a dataset's lock or a recent run rests on stays; everything else goes, after a grace in
which a writer may still rely on it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from legato.app.config import Project
from legato.domain.artifacts import Artifact, Result
from legato.domain.digests import Digest
from legato.domain.events import (
    CandidateRegistered,
    DataPushed,
    ResultFetched,
    StepFinished,
    StepReused,
    VersionCreated,
    kinds,
)
from legato.domain.graph import Struct
from legato.domain.units import seconds
from legato.ledger import Reader

RESULTS: Final = "90d"
"""For how long a result stays after a run last used it, unless `[retention]` says otherwise."""

_KINDS: Final = kinds(
    StepFinished, ResultFetched, StepReused, CandidateRegistered, VersionCreated, DataPushed
)


class Retention(Struct, frozen=True, kw_only=True):
    """How long results stay after their last use, in seconds."""

    results_s: float


def retention(project: Project) -> Retention:
    """Return what the project's configuration says; raises ConfigurationError where it cannot be read."""
    told = project.config.get("retention", {})
    return Retention(results_s=seconds(told.get("results", RESULTS)))


class Roots:
    """Reads what must stay from the facts of one ledger."""

    def __init__(self) -> None:
        self._results: dict[str, Result] = {}
        self._used: dict[str, float] = {}
        self._last: dict[str, str] = {}
        self._candidates: dict[tuple[str, int], CandidateRegistered] = {}
        self._at: dict[tuple[str, int], float] = {}
        self._versions: set[tuple[str, int]] = set()
        self._data: set[Digest] = set()

    def read(self, ledger: Reader) -> None:
        """Take in every fact that keeps something."""
        for stored in ledger.events(0, _KINDS):
            match stored.event:
                case StepFinished(result=result) | ResultFetched(result=result):
                    self._results[result.key] = result
                    self._used[result.key] = stored.at
                    self._last[result.step] = result.key
                case StepReused(key=key):
                    self._used[key] = stored.at
                case CandidateRegistered(model=model, number=number) as candidate:
                    self._candidates[model, number] = candidate
                    self._at[model, number] = stored.at
                case VersionCreated(model=model, candidate=number):
                    self._versions.add((model, number))
                case DataPushed(datasets=datasets):
                    self._data |= set(datasets.values())
                case _:
                    pass

    def artifacts(self, kept_since: float) -> Iterator[Artifact]:
        """Yield what versions hold, and what runs used after `kept_since` or is the newest of its step."""
        newest = set(self._last.values())
        for key, result in self._results.items():
            if key in newest or self._used[key] >= kept_since:
                yield from result.outputs.values()
        for name, candidate in self._candidates.items():
            if name in self._versions or self._at[name] >= kept_since:
                yield candidate.artifact
                yield from (
                    found for found in (candidate.servable, candidate.evaluation) if found is not None
                )

    @property
    def data(self) -> frozenset[Digest]:
        """Datasets that someone pushed."""
        return frozenset(self._data)


def wanted(
    ledgers: Iterable[Reader],
    locked: Iterable[Digest],
    *,
    kept_since: float,
    parts: Callable[[Artifact], Iterable[Digest]],
) -> frozenset[Digest]:
    """Return the digests that must stay.

    Args:
        ledgers: All that speak of the store.
        locked: Datasets of `legato.lock`, now and at every commit that a branch or tag still leads to.
        kept_since: Seconds since 1970; a result that was used later stays.
        parts: Returns the digests of artifacts that lie inside another, which no manifest names.
    """
    roots = Roots()
    for ledger in ledgers:
        roots.read(ledger)
    found = {*locked, *roots.data}
    for artifact in roots.artifacts(kept_since):
        found.add(artifact.digest)
        found.update(parts(artifact))
    return frozenset(found)


def old_logs(state: Path, runs: Mapping[int, float], kept_since: float) -> Iterator[Path]:
    """Yield the log folders of runs that ended before `kept_since`.

    Args:
        state: The state folder.
        runs: When each run began, by number.
        kept_since: Seconds since 1970.
    """
    for folder in (state / "logs").glob("*"):
        if folder.name.isdecimal() and runs.get(int(folder.name), kept_since) < kept_since:
            yield folder
