"""`legato ledger verify`: reads every event again.

Rule: what does not hold is named with its place; nothing is mended on the way.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from legato.app.looking import ledger_of
from legato.app.origin import origin
from legato.app.sharing import Sharing
from legato.domain.graph import Struct
from legato.ledger import Problem


class Verified(Struct, frozen=True, kw_only=True):
    """One ledger, how long it is, and what does not hold in it."""

    place: str
    events: int
    problems: tuple[Problem, ...] = ()


def verify_ledgers(
    folder: Path, variables: Mapping[str, str], told: Callable[[str], None], *, shared: bool
) -> Iterator[Verified]:
    """Yield this machine's ledger, and with `shared` each zone that this maker may read.

    Raises:
        MissingError: Nothing has run here yet.
        OutsideError: The shared ledger does not answer.
    """
    with ledger_of(folder) as (project, ledger):
        yield Verified(place="here", events=ledger.head().seq, problems=tuple(ledger.verify()))
    if not shared:
        return
    maker = origin(variables, project.trusted_branches).maker
    sharing = Sharing(project, maker, variables, told)
    try:
        for zone in sharing.readable():
            problems = tuple(zone.facts.verify())
            yield Verified(
                place=f"{sharing.name} ({zone.name})", events=zone.facts.head().seq, problems=problems
            )
    finally:
        sharing.close()
