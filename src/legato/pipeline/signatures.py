"""Reads how a function is called: its inputs, its parameters with their defaults, its annotations.

Rule: a function is read from its code object, without `inspect`, unless a decorator wraps it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType

_VARARGS: Final = 0x04
_VARKEYWORDS: Final = 0x08


class Required:
    """Stands where a value has to be given."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return what people read in signatures."""
        return "<required>"


REQUIRED: Final = Required()


class Reading:
    """How a step's function is called.

    Attributes:
        inputs: Names of the parameters without default that may be given by position.
        parameters: Default by name of all others; `REQUIRED` where there is none.
        annotations: As they stand: objects, or texts under `from __future__ import annotations`.
        namespace: Where texts among the annotations are looked up.
        problem: What makes it unfit for a step, in words; empty when nothing does.
    """

    __slots__ = ("annotations", "inputs", "namespace", "parameters", "problem")

    def __init__(
        self,
        inputs: tuple[str, ...],
        parameters: Mapping[str, object],
        annotations: Mapping[str, object],
        namespace: Mapping[str, object],
        problem: str = "",
    ) -> None:
        self.inputs = inputs
        self.parameters = parameters
        self.annotations = annotations
        self.namespace = namespace
        self.problem = problem


def read(function: Callable[..., object]) -> Reading:
    """Return how `function` is called; decorators that keep `__wrapped__` are looked through."""
    while (wrapped := function.__dict__.get("__wrapped__")) is not None and hasattr(wrapped, "__code__"):
        function = wrapped
    code: CodeType = function.__code__
    defaults: tuple[object, ...] = function.__defaults__ or ()
    keyword_defaults: Mapping[str, object] = function.__kwdefaults__ or {}
    positional = code.co_varnames[: code.co_argcount]
    inputs = positional[: len(positional) - len(defaults)]
    parameters = dict(zip(positional[len(inputs) :], defaults, strict=True))
    for name in code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]:
        parameters[name] = keyword_defaults.get(name, REQUIRED)
    return Reading(inputs, parameters, function.__annotations__, function.__globals__, _problem(code))


def _problem(code: CodeType) -> str:
    names = code.co_varnames
    end = code.co_argcount + code.co_kwonlyargcount
    if code.co_posonlyargcount:
        return f"its parameter `{names[0]}` is positional-only (before `/`), so it cannot be wired by name"
    if code.co_flags & _VARARGS:
        return f"it takes `*{names[end]}`, which names no artifacts"
    if code.co_flags & _VARKEYWORDS:
        return f"it takes `**{names[end]}`, which names no artifacts"
    return ""
