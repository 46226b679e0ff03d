"""Which result a recipe leads to, if any: the cache as the engine sees it.

Rule (laws 1 and 2): a result serves only when its key still holds, files it read included, and every byte of it
is in the store.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

import msgspec

from legato.domain.artifacts import Artifact, Result, trusts
from legato.domain.digests import Digest
from legato.domain.elements import ELEMENTS, Family, unpack
from legato.domain.errors import ConfigurationError, LegatoError, OutsideError
from legato.domain.events import ResultFetched, StepFinished, decode
from legato.domain.graph import Struct
from legato.domain.keys import Cause, Read, Recipe, causes, full_key
from legato.engine.files import Files
from legato.ledger import Ledger
from legato.store import Store

_TRUTH: Final = {b"true": True, b"false": False}
_TRUTH_BYTES: Final = 16

ResultEvent = StepFinished | ResultFetched
"""The facts that make a result known."""


class Elsewhere(Protocol):
    """What others made, where this machine can reach it."""

    def results(self, base: str) -> Iterator[tuple[str, ResultEvent]]:
        """Yield where it was found, and the fact, for each result of a base key, the newest first."""
        ...

    def holds(self, digests: frozenset[Digest]) -> bool:
        """Say whether all of these could be fetched."""
        ...


class Rules(Struct, frozen=True, kw_only=True):
    """Which results may serve.

    Attributes:
        current: Says whether a format name is one that is still written.
        clock: Seconds since the epoch, for the age of results.
        maker: Who looks: only what is trusted as much serves.
    """

    current: Callable[[str], bool]
    clock: Callable[[], float]
    maker: str = "laptop"


class Results:
    """The results that the ledger knows and a store can still give.

    Args:
        elsewhere: What others made; None where there is nothing shared.
    """

    def __init__(
        self, ledger: Ledger, store: Store, files: Files, rules: Rules, elsewhere: Elsewhere | None = None
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._files = files
        self._rules = rules
        self._elsewhere = elsewhere
        self._found_elsewhere: dict[str, ResultFetched] = {}

    def find(self, base: str, *, max_age_s: float = 0.0) -> Result | None:
        """Return the newest result of a base key that still holds, or None."""
        for result in self._by_base(base):
            if self._serves(result, max_age_s):
                return result
        for source, event in self._elsewhere.results(base) if self._elsewhere else ():
            if self._serves(event.result, max_age_s):
                fetched = ResultFetched(kind=event.kind, result=event.result, source=source)
                self._found_elsewhere[event.result.key] = fetched
                return event.result
        return None

    def learned(self, key: str) -> ResultFetched | None:
        """Return, once, the fact that makes a result known here that was found elsewhere."""
        return self._found_elsewhere.pop(key, None)

    def _serves(self, result: Result, max_age_s: float) -> bool:
        if max_age_s and self._rules.clock() - result.finished_at > max_age_s:
            return False
        return trusts(self._rules.maker, result.maker) and self._reads_hold(result) and self._held(result)

    def family(self, artifact: Artifact) -> Family:
        """Return what an artifact of elements holds; its bytes have to be here.

        Raises:
            OutsideError: It holds something else.
        """
        with self._store.open(artifact.digest) as source:
            data = source.read()
        try:
            return unpack(data)
        except msgspec.DecodeError as error:
            raise OutsideError(
                f"{artifact.digest} does not hold elements: {error}", hint="make it again with --again"
            ) from error

    def is_here(self, artifact: Artifact) -> bool:
        """Say whether the bytes of an artifact are on this machine."""
        return bool(self._store.has((artifact.digest,)))

    def keep(self, data: bytes, format_: str) -> Artifact:
        """Store bytes as an artifact of a format."""
        return Artifact(digest=self._store.put(io.BytesIO(data)), size_bytes=len(data), format=format_)

    def truth(self, artifact: Artifact, name: str) -> bool:
        """Return the truth value that an artifact holds.

        Raises:
            ConfigurationError: It holds something else.
        """
        if artifact.size_bytes <= _TRUTH_BYTES:
            with self._store.open(artifact.digest) as source:
                text = source.read().strip()
            if text in _TRUTH:
                return _TRUTH[text]
        raise ConfigurationError(
            f"when={name!r} asks for True or False, and {name} is a {artifact.type or artifact.format}",
            hint=f"let {name} return a bool: return bool(...)",
        )

    def rests_on(self, reads: Iterable[Read]) -> None:
        """Note the files that a new result of this run was made from."""
        for read in reads:
            self._files.touch(read.path)

    def last_of(self, step: str) -> Result | None:
        """Return the last result that a step of this name had."""
        rows = self._ledger.query("last_result_of_step", step=step)
        return _result(rows[0]["payload"]) if rows else None

    def why(self, step: str, recipe: Recipe, base: str) -> tuple[Cause, ...]:
        """Return why a step with this recipe has no result that serves."""
        for result in self._by_base(base):
            changed = [read for read in result.reads if self._files.digest(read.path) != read.digest]
            if changed:
                return tuple(_read_cause(read, self._files.digest(read.path)) for read in changed)
            return (Cause(kind="result", name=step, change=self._lost(result)),)
        last = self.last_of(step)
        if last is None:
            return (Cause(kind="step", name=step, change="has not run before"),)
        return causes(last.recipe, recipe) or (Cause(kind="step", name=step, change="has no result here"),)

    def _by_base(self, base: str) -> Iterator[Result]:
        for row in self._ledger.query("results_by_base", base=base):
            yield _result(row["payload"])

    def _reads_hold(self, result: Result) -> bool:
        now = [Read(read.path, self._files.digest(read.path)) for read in result.reads]
        return full_key(result.base, now) == result.key

    def _held(self, result: Result) -> bool:
        artifacts = result.outputs.values()
        if not all(self._rules.current(artifact.format) for artifact in artifacts):
            return False
        wanted = frozenset(artifact.digest for artifact in artifacts)
        try:
            if not self._reachable(wanted):
                return False
            families = [found for found in artifacts if found.format == ELEMENTS]
            return all(self._reachable(self._digests_in(found)) for found in families)
        except LegatoError:
            return False

    def _digests_in(self, artifact: Artifact) -> frozenset[Digest]:
        """Return what an artifact of elements names; nothing while its own bytes are still elsewhere."""
        if not self._store.has((artifact.digest,)):
            return frozenset()
        return frozenset(item.digest for item in self.family(artifact).items.values())

    def _reachable(self, wanted: frozenset[Digest]) -> bool:
        missing = wanted - self._store.has(wanted)
        return not missing or (self._elsewhere is not None and self._elsewhere.holds(missing))

    def _lost(self, result: Result) -> str:
        if not all(self._rules.current(artifact.format) for artifact in result.outputs.values()):
            return "was written in an older format"
        return "is too old" if self._held(result) else "is no longer whole in the store"


def result_event(payload: bytes | str) -> ResultEvent:
    """Return the fact that a row of the results' table points at."""
    event = decode(payload.encode() if isinstance(payload, str) else payload)
    assert isinstance(event, ResultEvent)  # noqa: S101 - the projection stores nothing else
    return event


def _result(payload: bytes | str) -> Result:
    return result_event(payload).result


def _read_cause(read: Read, now: str) -> Cause:
    kind = "folder" if read.path.endswith("/") else "file"
    change = "is gone" if not now else ("is new" if not read.digest else "changed")
    return Cause(kind=kind, name=read.path, change=change)
