"""Pickles, for those who ask: `-> lg.Pickled[Thing]`.

Rule: such an artifact is marked unsafe, and equal values need not give equal bytes.
"""

import pickle
import pickletools
from pathlib import Path

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.domain.units import with_article
from legato.formats import Saved, Trust
from legato.formats.annotations import type_name

_PROTOCOL = 5


def accepts(value: object) -> bool:  # noqa: ARG001 - the port
    """Take nothing unasked."""
    return False


def save(value: object, target: Path, trust: Trust) -> Saved:
    """Write one `.pkl` file."""
    path = target.with_name(target.name + ".pkl")
    try:
        data = pickletools.optimize(pickle.dumps(value, protocol=_PROTOCOL))
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(
            f"{with_article(type_name(type(value)))} cannot be pickled: {error}",
            hint=f"write `@lg.format({type(value).__name__})` on a class with `save` and `load`",
        ) from error
    path.write_bytes(data)
    return Saved(
        path=path,
        format="pickle/1",
        type=type_name(type(value)),
        classes=_first_party_names(data, trust),
        unsafe=True,
    )


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Run the pickle; the shelf has asked whether it may."""
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - allowed by the caller, artifact by artifact


def _first_party_names(data: bytes, trust: Trust) -> tuple[str, ...]:
    """Return the first-party names in a pickle: STACK_GLOBAL takes the two texts before it."""
    texts: list[str] = []
    memo: list[object] = []
    found: set[str] = set()
    for opcode, argument, _ in pickletools.genops(data):
        if "UNICODE" in opcode.name:
            texts.append(str(argument))
        elif opcode.name == "MEMOIZE":
            memo.append(texts[-1] if texts else "")
        elif opcode.name in ("BINGET", "LONG_BINGET") and isinstance(argument, int) and argument < len(memo):
            texts.append(str(memo[argument]))
        elif opcode.name == "STACK_GLOBAL" and trust.first_party(texts[-2]):
            found.add(f"{texts[-2]}:{texts[-1]}")
    return tuple(sorted(found))
