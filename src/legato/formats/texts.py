"""Text and bytes, as they are.

Rule: what a person opens is exactly what the step returned.
"""

from pathlib import Path

from legato.domain.artifacts import Artifact
from legato.formats import Saved, Trust


def accepts(value: object) -> bool:
    """Take str that UTF-8 can hold, and bytes; not their subclasses."""
    if type(value) is str:
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return type(value) is bytes


def save(value: object, target: Path, trust: Trust) -> Saved:  # noqa: ARG001 - the port
    """Write a `.txt` in UTF-8 or a `.bin`."""
    text = isinstance(value, str)
    path = target.with_name(target.name + (".txt" if text else ".bin"))
    path.write_bytes(value.encode() if isinstance(value, str) else bytes(value))  # type: ignore[call-overload]
    return Saved(
        path=path,
        format="text/1" if text else "bytes/1",
        type="str" if text else "bytes",
        about={"characters" if text else "bytes": len(value)},  # type: ignore[arg-type]
    )


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read it back, as bytes where the consumer asks for bytes."""
    data = path.read_bytes()
    return data.decode() if artifact.format == "text/1" and form != "bytes" else data
