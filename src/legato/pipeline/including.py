"""Takes steps of another module into a pipeline, each under its name with a prefix.

Rule: what is taken together stays wired together under the prefix; whatever else a step takes is found by its own name.
"""

from __future__ import annotations

import copy
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from legato.pipeline.handles import (
    MADE,
    Command,
    Dataset,
    Derived,
    Handle,
    OneOutput,
    Parameter,
    Spot,
    StepHandle,
    handle_of,
    refuse,
)
from legato.pipeline.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EXAMPLE: Final = 'lg.include(shared.steps, "split", prefix="churn_")'


class Included(Derived[..., Any]):
    """A step of another module, taken in under another name."""

    __slots__ = ("fields",)

    def __init__(self, of: StepHandle, changes: Mapping[str, object], where: Spot, fields: str) -> None:
        super().__init__(of, changes, where)
        self.fields = fields
        """What leads the names of its fields, where it makes several artifacts."""


class Inclusion:
    """What one `lg.include` takes in.

    Attributes:
        members: What was made of each thing, by its name in the pipeline.
        where: Where the author wrote it.
    """

    def __init__(self, prefix: str, where: Spot) -> None:
        self.prefix = prefix
        self.where = where
        self.members: dict[str, Handle] = {}


INCLUSIONS: Final[list[Inclusion]] = []
"""Every inclusion in the order of making; each belongs to the module whose namespace is its `where.home`."""


def include(module: object, names: tuple[str, ...], prefix: str, where: Spot) -> None:
    """Take steps in; see `legato.pipeline.authoring.include`.

    Raises:
        ConfigurationError: The module, a name or the prefix is not one.
    """
    if not isinstance(module, ModuleType):
        raise refuse(
            f"lg.include({module!r}) is given a {type(module).__name__} where a module belongs",
            where,
            f"import the module and pass it: {_EXAMPLE}",
        )
    if prefix and not prefix.isidentifier():
        raise refuse(f"prefix={prefix!r} cannot begin a name", where, 'write prefix="churn_"')
    things = _things(module)
    chosen = {name: things[name] for name in names if name in things} if names else dict(things)
    _refuse_unknown(module, names, things, where)
    if not chosen:
        raise refuse(f"{module.__name__} has no steps to include", where, "put @lg.step on a function of it")
    INCLUSIONS.append(_taken(module, chosen, prefix, where))


def _refuse_unknown(
    module: ModuleType, names: Iterable[str], things: Mapping[str, Handle], where: Spot
) -> None:
    for name in names:
        if name in things:
            continue
        other = vars(module).get(name)
        what = "" if other is None else f": there it is a {type(other).__name__}"
        raise refuse(
            f"{module.__name__} has no step {name!r}{what}",
            where,
            did_you_mean(str(name), things, f"steps of {module.__name__}"),
        )


def _things(module: ModuleType) -> dict[str, Handle]:
    """Return what may be taken: what the module itself makes, and what it has from others by name."""
    found = ((name, handle_of(value)) for name, value in vars(module).items())
    return {
        name: thing for name, thing in found if isinstance(thing, StepHandle | Derived | Dataset | Command)
    }


def _taken(module: ModuleType, chosen: Mapping[str, Handle], prefix: str, where: Spot) -> Inclusion:
    inclusion = Inclusion(prefix, where)
    parameters = {name: value for name, value in vars(module).items() if isinstance(value, Parameter)}
    by_thing: dict[int, Handle] = {}
    for name, thing in chosen.items():
        member = _member(thing, prefix + name, prefix, where, parameters)
        inclusion.members[prefix + name] = by_thing[id(thing)] = member
    for member in inclusion.members.values():
        if isinstance(member, Included):
            member.changes = {key: _here(value, by_thing, where) for key, value in member.changes.items()}
    return inclusion


def _member(
    thing: Handle, name: str, prefix: str, where: Spot, parameters: Mapping[str, Parameter]
) -> Handle:
    """Return the thing as it is taken in; it still says where it was written."""
    from legato.pipeline.signatures import read

    spot = Spot(thing.spot.file, thing.spot.line, where.home)
    if isinstance(thing, StepHandle | Derived):
        of = thing.of if isinstance(thing, Derived) else thing
        shared = {key: parameters[key] for key in read(of.function).parameters if key in parameters}
        own = thing.changes if isinstance(thing, Derived) else {}
        return Included(of, {**shared, **own}, spot, f"{name}." if isinstance(thing, Derived) else prefix)
    member = copy.copy(thing)
    member.spot = spot
    if isinstance(member, Command):
        member.name = name
    MADE.append(member)
    return member


def _here(value: object, members: Mapping[int, Handle], where: Spot) -> object:
    """Return what a variant of the other module was given, as this pipeline has it."""
    thing = handle_of(value)
    if isinstance(thing, OneOutput) and id(thing.of) in members:
        return OneOutput(
            members[id(thing.of)], thing.field, Spot(thing.spot.file, thing.spot.line, where.home)
        )
    return members.get(id(thing), value) if thing is not None else value


def of_module(namespace: Mapping[str, object]) -> list[Inclusion]:
    """Return what a module includes."""
    return [inclusion for inclusion in INCLUSIONS if inclusion.where.home is namespace]
