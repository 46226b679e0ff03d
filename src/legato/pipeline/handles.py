"""What an author holds: the values that `lg.step`, `lg.dataset` and the other words leave in a module.

Rule: making a handle reads nothing and imports nothing; all is read when the pipeline is collected.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Protocol, TypeVar

from legato.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from legato.domain.verdicts import Gate

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

MARK: Final = "__legato__"
"""The attribute of a function that holds its `StepHandle`."""


class Spot:
    """Where an author wrote something.

    Attributes:
        file: As it was compiled, usually absolute.
        line: The first line of the call or of the decorated function.
        home: The namespace of the module it was written in.
    """

    __slots__ = ("file", "home", "line")

    def __init__(self, file: str, line: int, home: Mapping[str, object]) -> None:
        self.file = file
        self.line = line
        self.home = home

    def __str__(self) -> str:
        """Return `file:line`."""
        return f"{self.file}:{self.line}"

    def __reduce__(self) -> tuple[type[Spot], tuple[str, int, dict[str, object]]]:
        """Leave the namespace behind: a pickled step is to be called, not collected."""
        return Spot, (self.file, self.line, {})


def spot(depth: int) -> Spot:
    """Return where the caller `depth` frames above this function's caller stands."""
    frame = sys._getframe(depth + 1)  # noqa: SLF001 - `inspect` costs more than a whole small pipeline
    return Spot(frame.f_code.co_filename, frame.f_lineno, frame.f_globals)


class Handle:
    """One thing that an author made; its name is found when the pipeline is collected."""

    __slots__ = ("spot",)
    word: str = "thing"

    def __init__(self, where: Spot) -> None:
        self.spot = where
        MADE.append(self)


MADE: Final[list[Handle]] = []
"""Every handle in the order of making, so that one which lost its name is still found."""


class OneOutput(Handle):
    """One output of a step or command with several: `training.output("weights")`."""

    __slots__ = ("field", "of")
    word = "output"

    def __init__(self, of: Handle, field: str, where: Spot) -> None:
        super().__init__(where)
        self.of = of
        self.field = field


class StepHandle(Handle):
    """A step or check: its function, and the words on it. The function carries it as `__legato__`."""

    __slots__ = ("function", "kind", "words")

    def __init__(
        self, function: Callable[..., object], kind: str, words: Mapping[str, object], where: Spot
    ) -> None:
        super().__init__(where)
        self.function = function
        self.kind = kind
        self.words = words

    @property
    def word(self) -> str:  # type: ignore[override]
        """`step` or `check`."""
        return self.kind

    def using(self, **changes: object) -> Derived[Any, Any]:
        """Return the same step with other inputs or parameters, to be given a name of its own."""
        return Derived(self, changes, spot(1))

    def output(self, field: str) -> OneOutput:
        """Return a handle on one of the step's outputs."""
        return OneOutput(self, field, spot(1))


class Derived(Handle, Generic[P, R]):
    """The same step under its variable's name, with other inputs or parameters."""

    __slots__ = ("changes", "of")
    word = "step"

    def __init__(self, of: StepHandle, changes: Mapping[str, object], where: Spot) -> None:
        super().__init__(where)
        self.of = of
        self.changes = changes

    @property
    def __name__(self) -> str:
        """The name of the function it calls."""
        return self.of.function.__name__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the step's function with the parameters (not the inputs) that were given to `using`."""
        from legato.pipeline.signatures import read

        reading = read(self.of.function)
        given = {
            name: value
            for name, value in self.changes.items()
            if name in reading.parameters and not isinstance(value, Handle)
        }
        return self.of.function(*args, **(given | kwargs))  # type: ignore[return-value]

    def using(self, **changes: object) -> Derived[P, R]:
        """Return it once more, with these changes on top of its own."""
        return Derived(self.of, {**self.changes, **changes}, spot(1))

    def output(self, field: str) -> OneOutput:
        """Return a handle on one of the step's outputs."""
        return OneOutput(self, field, spot(1))


class Step(Protocol[P, R_co]):
    """A step: the author's own function, called as it was written, with two words more."""

    @property
    def __name__(self) -> str:
        """The function's name."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself."""

    def using(self, **changes: object) -> Step[P, R_co]:
        """Return the same step with other inputs (artifacts) or parameters (values)."""

    def output(self, field: str, /) -> OneOutput:
        """Return a handle on one of its outputs, where it has several."""


class Dataset(Handle):
    """An artifact that comes from outside: a file, folder or pattern of the repository, or an address."""

    __slots__ = ("path", "query", "version")
    word = "dataset"

    def __init__(self, path: str, where: Spot, query: str = "", version: str = "") -> None:
        super().__init__(where)
        self.path = path
        self.query = query
        self.version = version


class Registered(Handle):
    """A version of a registered model, looked up when a run starts: `churn@champion`, `churn:3`."""

    __slots__ = ("reference",)
    word = "registered model"

    def __init__(self, reference: str, where: Spot) -> None:
        super().__init__(where)
        self.reference = reference

    @property
    def path(self) -> str:
        """What was asked for, as people type it."""
        return self.reference


class Parameter(Handle):
    """One value for all steps that name it."""

    __slots__ = ("annotation", "default")
    word = "parameter"

    def __init__(self, annotation: object, default: object, where: Spot) -> None:
        super().__init__(where)
        self.annotation = annotation
        self.default = default


class Command(Handle):
    """A program to run, with its inputs, parameters and outputs."""

    __slots__ = ("code", "inputs", "line", "name", "outputs", "params", "words")
    word = "command"

    def __init__(  # noqa: PLR0913 - the fields of one record
        self,
        name: str,
        line: str,
        *,
        params: Mapping[str, object],
        inputs: Mapping[str, object],
        outputs: Mapping[str, object],
        code: Sequence[str] | None,
        words: Mapping[str, object],
        where: Spot,
    ) -> None:
        super().__init__(where)
        self.name = name
        self.line = line
        self.params = params
        self.inputs = inputs
        self.outputs = outputs
        self.code = code
        self.words = words

    def output(self, field: str) -> OneOutput:
        """Return a handle on one of its outputs."""
        return OneOutput(self, field, spot(1))


class Foreign(Handle):
    """Another tool's pipeline file, whose stages stand beside the author's own steps.

    Attributes:
        path: The file, relative to the folder of the file that says it.
        kind: `dvc` or `mlproject`.
    """

    __slots__ = ("kind", "path")
    word = "pipeline file"

    def __init__(self, path: str, kind: str, where: Spot) -> None:
        super().__init__(where)
        self.path = path
        self.kind = kind

    def output(self, path: str) -> str:
        """Return the artifact that a stage writes at `path`, relative to the repository."""
        return path


class Model(Handle):
    """A model: the artifact, the evaluation that judges it, and its gates."""

    __slots__ = ("artifact", "evaluation", "gates", "name")
    word = "model"

    def __init__(
        self, name: str, artifact: object, evaluation: object, gates: tuple[Gate, ...], where: Spot
    ) -> None:
        super().__init__(where)
        self.name = name
        self.artifact = artifact
        self.evaluation = evaluation
        self.gates = gates


class Endpoint(Handle):
    """Where predictions of a model are asked for."""

    __slots__ = ("environments", "model", "name")
    word = "endpoint"

    def __init__(self, name: str, model: Model, environments: tuple[str, ...], where: Spot) -> None:
        super().__init__(where)
        self.name = name
        self.model = model
        self.environments = environments


FORMATS: Final[list[tuple[type, type]]] = []
"""Types and the classes that save and load them, in the order of `@lg.format`."""


def handle_of(value: object) -> Handle | None:
    """Return the handle that `value` is or carries, or None when it is none of ours.

    Nothing is asked of foreign objects: their `__getattr__` may do anything.
    """
    if isinstance(value, Handle):
        return value
    if type(value) is FUNCTION:
        mark = value.__dict__.get(MARK)
        if isinstance(mark, StepHandle):
            return mark
    return None


FUNCTION: Final = type(handle_of)


def refuse(message: str, where: Spot, hint: str) -> ConfigurationError:
    """Return an error that names the place in the author's source."""
    return ConfigurationError(message, hint=hint, where=str(where))
