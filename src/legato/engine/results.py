"""Which result a recipe leads to, if any: the cache as the engine sees it.

Rule (laws 1 and 2): a result serves only when its key still holds, files it read included, and every byte of it
is in the store.
"""

from collections.abc import Callable, Iterable, Iterator

from legato.domain.artifacts import Result
from legato.domain.errors import LegatoError
from legato.domain.events import StepFinished, decode
from legato.domain.keys import Cause, Read, Recipe, causes, full_key
from legato.engine.files import Files
from legato.ledger import Ledger
from legato.store import Store


class Results:
    """The results that the ledger knows and the store can still give.

    Args:
        current: Says whether a format name is one that is still written.
        clock: Seconds since the epoch, for the age of results.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        files: Files,
        *,
        current: Callable[[str], bool],
        clock: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._files = files
        self._current = current
        self._clock = clock

    def find(self, base: str, *, max_age_s: float = 0.0) -> Result | None:
        """Return the newest result of a base key that still holds, or None."""
        for result in self._by_base(base):
            if max_age_s and self._clock() - result.finished_at > max_age_s:
                continue
            if self._reads_hold(result) and self._held(result):
                return result
        return None

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
        if not all(self._current(artifact.format) for artifact in artifacts):
            return False
        try:
            wanted = {artifact.digest for artifact in artifacts}
            return self._store.has(wanted) >= wanted
        except LegatoError:
            return False

    def _lost(self, result: Result) -> str:
        if not all(self._current(artifact.format) for artifact in result.outputs.values()):
            return "was written in an older format"
        return "is too old" if self._held(result) else "is no longer whole in the store"


def _result(payload: bytes | str) -> Result:
    event = decode(payload.encode() if isinstance(payload, str) else payload)
    assert isinstance(event, StepFinished)  # noqa: S101 - the projection stores nothing else
    return event.result


def _read_cause(read: Read, now: str) -> Cause:
    kind = "folder" if read.path.endswith("/") else "file"
    change = "is gone" if not now else ("is new" if not read.digest else "changed")
    return Cause(kind=kind, name=read.path, change=change)
