"""The words that authors write: `lg.step`, `lg.dataset`, `lg.model` and the others.

Rule: a word reads its own arguments and nothing else; wiring and types are looked at when all is collected.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Never, ParamSpec, TypeVar, overload

from legato.domain.errors import ConfigurationError
from legato.pipeline import addresses
from legato.pipeline.handles import (
    FORMATS,
    FUNCTION,
    MARK,
    Command,
    Dataset,
    Endpoint,
    Foreign,
    Model,
    OneOutput,
    Parameter,
    Registered,
    Spot,
    StepHandle,
    refuse,
    spot,
)
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.signatures import REQUIRED
from legato.pipeline.words import StepWords, refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType
    from typing import Unpack

    from legato.domain.evaluation import Evaluation
    from legato.domain.verdicts import Gate
    from legato.pipeline.handles import Step

    Source = Step[..., Any] | OneOutput | Dataset | Command | Registered | str
    Judge = Step[..., Evaluation] | OneOutput | Command | str

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

_GENERATOR_OR_ASYNC: Final = 0x20 | 0x80 | 0x100 | 0x200
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_REFERENCE: Final = re.compile(rf"{_NAME.pattern}(@{_NAME.pattern}|:[cv]?[1-9][0-9]{{0,8}})?", re.ASCII)


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(**words: Unpack[StepWords]) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(function: Any = None, /, **words: Any) -> Any:
    """Make a function a step: parameters without default are its inputs, by name.

    The function itself is returned: calling the step calls it.

    Args:
        function: A plain function at the top level of a module.
        **words: See `StepWords`.

    Raises:
        ConfigurationError: It cannot be a step, or a word is unknown.
    """
    return _mark("step", function, words, spot(1))


@overload
def check(function: Callable[P, None], /) -> Step[P, None]: ...
@overload
def check(**words: Unpack[StepWords]) -> Callable[[Callable[P, None]], Step[P, None]]: ...
def check(function: Any = None, /, **words: Any) -> Any:
    """Make a function a check: it fails by raising, which stops what depends on the artifacts it judged.

    Args:
        function: A plain function at the top level of a module, with artifacts as parameters.
        **words: See `StepWords`.

    Raises:
        ConfigurationError: It cannot be a check, or a word is unknown.
    """
    return _mark("check", function, words, spot(1))


def _mark(kind: str, function: object, words: Mapping[str, object], where: Spot) -> object:
    refuse_unknown(words, where)
    if function is None:
        return lambda found: _mark_function(kind, found, words, where)
    return _mark_function(kind, function, words, where)


def _mark_function(kind: str, function: Any, words: Mapping[str, object], where: Spot) -> object:  # noqa: ANN401 - whatever an author decorates
    why = _unfit(function)
    if why:
        raise refuse(f"{_shown(function)} cannot be a {kind}: {why[0]}", where, why[1])
    code = function.__code__
    here = Spot(code.co_filename, code.co_firstlineno, where.home)
    if "__wrapped__" in function.__dict__:
        here = where
    mark = StepHandle(function, kind, words, here)
    setattr(function, MARK, mark)
    function.using = mark.using
    function.output = mark.output
    return function


def _unfit(function: Any) -> tuple[str, str] | None:  # noqa: ANN401 - whatever an author decorates
    if type(function) is not FUNCTION:
        return f"it is a {type(function).__name__}, not a function", "put it on a plain `def` function"
    if function.__name__ == "<lambda>":
        return "a lambda has no name", "write a `def` function"
    if function.__code__.co_flags & _GENERATOR_OR_ASYNC:
        return "it is a generator or async function", "return one value from a plain `def` function"
    owner = function.__qualname__.rpartition(".")[0]
    if owner and not owner.endswith("<locals>"):
        return f"it is a method of {owner}", "write it as a function at the top level of a module"
    if MARK in function.__dict__:
        other = function.__dict__[MARK]
        return f"it already is a {other.kind}, at {other.spot}", "leave one of the two decorators out"
    return None


def _shown(function: object) -> str:
    return f"`{getattr(function, '__name__', None) or repr(function)}`"


def dataset(
    address: str | Path, /, *, query: str | None = None, version: str | None = None, **unknown: Never
) -> Dataset:
    """Bring data in as an artifact, versioned by its content.

    Args:
        address: A file, folder or pattern (`data/*.parquet`), relative to the folder of the file that says it; or
            `http(s)://`, `s3://`, `gs://`, `az://`, `postgresql://`, `sqlite:///`, `duckdb:///`. `${NAME}` in an
            address is a variable of the environment, for what nobody should read.
        query: For databases: what to read. Without an `order by`, equal rows in another order are another version.
        version: For databases: a cheap question; while its answer is the same, nothing is read.
        **unknown: None.

    Raises:
        ConfigurationError: The address is of a kind that cannot be read.
    """
    where = spot(1)
    _none_of(unknown, "lg.dataset", where)
    path = _text_of(address)
    if path is None or any("\ud800" <= letter <= "\udfff" for letter in path):
        raise refuse(
            f"lg.dataset({address!r}) names no data",
            where,
            'write a path or an address in valid text: lg.dataset("data/wine.csv")',
        )
    refused = addresses.refusal(path, query, version)
    if refused is not None:
        raise refuse(refused[0], where, refused[1])
    return Dataset(path, where, query or "", version or "")


def _text_of(address: object) -> str | None:
    return str(address) if isinstance(address, str | PurePath) else None


def include(module: ModuleType, /, *names: str, prefix: str = "") -> None:
    """Take steps of another module into this pipeline: `lg.include(shared.steps, "split", prefix="churn_")`.

    Each is called as there, behind the prefix, and so are the artifacts it makes. An input that one of the same
    inclusion makes is taken from there; any other is found by its own name.

    Args:
        module: The imported module.
        *names: Which of its steps, checks, datasets and commands; without any, all that it has.
        prefix: What their names begin with here.

    Raises:
        ConfigurationError: It is no module, or has no such step.
    """
    from legato.pipeline.including import include as take

    take(module, names, prefix, spot(1))


def registered(reference: str, /) -> Registered:
    """Bring a registered model in as an artifact: `lg.registered("churn@champion")`, `lg.registered("churn:3")`.

    Which version that is, is looked up when a run starts; what takes it runs again when it is another.

    Args:
        reference: `MODEL` (its champion), `MODEL@ALIAS`, `MODEL:VERSION`, or `MODEL:c4` for a candidate's version.

    Raises:
        ConfigurationError: It is no such text.
    """
    where = spot(1)
    if _REFERENCE.fullmatch(str(reference)) is None:
        raise refuse(
            f"{reference!r} names no registered model",
            where,
            'write lg.registered("churn@champion"), or "churn:3" for one version',
        )
    return Registered(reference, where)


def parameter(annotation: object, /, *, default: object = REQUIRED) -> Parameter:
    """Make one value for all steps that have a keyword-only parameter of this name.

    Args:
        annotation: Its type: bool, int, float, str, an Enum, a Literal, a date, a tuple, a frozen dataclass.
        default: Left out: a run has to give it (`-p NAME=VALUE`).
    """
    if isinstance(annotation, bool | int | float | str) or type(annotation).__module__ == "datetime":
        raise ConfigurationError(
            f"lg.parameter({annotation!r}) is given a value where its type belongs",
            hint=f"write lg.parameter({type(annotation).__name__}, default={annotation!r})",
            where=str(spot(1)),
        )
    return Parameter(annotation, default, spot(1))


def command(
    name: str,
    line: str,
    /,
    *,
    params: Mapping[str, object] | None = None,
    inputs: Mapping[str, Path] | None = None,
    outputs: Mapping[str, Path | type] | None = None,
    code: Sequence[str] | None = None,
    **words: Unpack[StepWords],
) -> Command:
    """Run a program as a step: `lg.command("train", "python train.py {wine} {out.model}")`.

    Args:
        name: Its name in the graph.
        line: `{x}` is the path of input `x`, `{out.x}` a path to write, `{p}` a value of `params`, `{{` a
            brace. No shell reads it, and a value never becomes more than one argument.
        params: Parameters with their defaults.
        inputs: By name: the fixed path at which the program reads it, for one that is not in the line.
        outputs: By name: the fixed path the program writes, or the type of what it writes at `{out.NAME}`.
        code: Patterns of the files that the program is made of; without it, every tracked file.
        **words: See `StepWords`.

    Raises:
        ConfigurationError: A word is unknown, or the name or line is not a text.
    """
    where = spot(1)
    refuse_unknown(words, where)
    if not str(name).isidentifier():
        raise refuse(f"{name!r} is no name for a command", where, "use letters, digits and `_`")
    if not str(line).strip():
        raise refuse(f"the line {line!r} of command {name} is empty", where, "say what to run")
    if isinstance(code, str):
        raise refuse(f"code={code!r} is a text, not a list", where, f"write code=[{code!r}]")
    return Command(
        str(name),
        line,
        params=dict(params or {}),
        inputs=dict(inputs or {}),
        outputs=dict(outputs or {}),
        code=code,
        words=words,
        where=where,
    )


def dvc(path: str | Path = "dvc.yaml", /) -> Foreign:
    """Put the stages of a `dvc.yaml` beside the steps: what they write are artifacts, named by their path.

    A step takes such an artifact by `step.using(model="models/m.pkl")`, or by a parameter named like the path's
    stem; a stage that depends on a path that a command of this pipeline writes takes that.

    Args:
        path: Relative to the folder of the file that says it.
    """
    return Foreign(str(path), "dvc", spot(1))


def format(type_: type, /) -> Callable[[C], C]:  # noqa: A001 - the word of the interface
    """Make a class with `save(value, folder)` and `load(folder)` the format of a type of your own.

    Raises:
        ConfigurationError: The class has no `save` or no `load`, or the type is none.
    """
    where = spot(1)
    if not isinstance(type_, type):
        raise refuse(f"lg.format({type_!r}) names no type", where, "write @lg.format(MyType) on a class")

    def register(writer: C) -> C:
        for deed in ("save", "load"):
            if not callable(getattr(writer, deed, None)):
                raise refuse(
                    f"the format {writer.__name__} of {type_.__name__} has no {deed}()",
                    where,
                    "give the class save(value, folder) and load(folder); folder is a pathlib.Path",
                )
        FORMATS.append((type_, writer))
        return writer

    return register


def model(
    name: str, artifact: Source, evaluation: Judge, /, *, gates: Sequence[Gate] = (), **unknown: Never
) -> Model:
    """Name a trained artifact as a model, judged by an evaluation and its gates.

    Args:
        name: Of the model in the registry.
        artifact: The step that trains it, or a handle on one of its outputs, or an artifact's name.
        evaluation: The step that returns the `lg.Evaluation`.
        gates: What must hold before a candidate goes on; all of them.
        **unknown: None; words of later versions are refused with a reason.

    Raises:
        ConfigurationError: The name, a gate or a word is not one.
    """
    where = spot(1)
    _none_of(unknown, "lg.model", where)
    _plain_name(name, "model", where)
    return Model(name, artifact, evaluation, _gates(gates, where), where)


def endpoint(
    name: str, model: Model, /, *, environments: Sequence[str] = ("local",), **unknown: Never
) -> Endpoint:
    """Serve a model: where predictions are asked for.

    Args:
        name: Of the endpoint.
        model: What `lg.model` returned.
        environments: Where it may exist. Only `local` acts in this version.
        **unknown: None; words of later versions are refused with a reason.

    Raises:
        ConfigurationError: The name, the model, an environment or a word is not one.
    """
    where = spot(1)
    _none_of(unknown, "lg.endpoint", where)
    _plain_name(name, "endpoint", where)
    if not isinstance(model, Model):
        raise refuse(
            f"endpoint {name} serves {_shown(model)}, which is no model",
            where,
            "pass what lg.model() returned",
        )
    if isinstance(environments, str):
        raise refuse(
            f"environments={environments!r} is a text, not a list",
            where,
            f"write environments=[{environments!r}]",
        )
    for environment in environments:
        _plain_name(environment, "environment", where)
    return Endpoint(name, model, tuple(environments), where)


def _gates(gates: Sequence[Gate], where: Spot) -> tuple[Gate, ...]:
    from legato.domain.verdicts import Gate

    found = tuple(gates) if isinstance(gates, list | tuple) else (gates,)
    for gate in found:
        if not isinstance(gate, Gate):
            raise refuse(
                f"gates= holds {gate!r}, which is no gate", where, 'write lg.at_least("accuracy", 0.8)'
            )
    names = [gate.name for gate in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise refuse(f"the gate {twice[0]!r} is there twice", where, "leave one of them out")
    return found


_LATER: Final = {
    "lg.dataset": (),
    "lg.model": ("transform", "request"),
    "lg.endpoint": ("rollout", "monitor"),
}
_WORDS: Final = {"lg.dataset": ("query", "version"), "lg.model": ("gates",), "lg.endpoint": ("environments",)}


def _none_of(unknown: Mapping[str, object], what: str, where: Spot) -> None:
    for word in unknown:
        if word in _LATER[what]:
            raise refuse(
                f"{what}({word}=) is not supported by this version of legato",
                where,
                f"leave {word}= out for now",
            )
        raise refuse(f"{what} knows no word {word}=", where, did_you_mean(word, _WORDS[what], "words"))


_A: Final = {"model": "a model", "endpoint": "an endpoint", "environment": "an environment"}


def _plain_name(name: object, what: str, where: Spot) -> None:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise refuse(
            f"{name!r} is not a name that {_A[what]} can have",
            where,
            "use up to 100 letters, digits, `.`, `_` and `-`, not led by `.` or `-`",
        )
