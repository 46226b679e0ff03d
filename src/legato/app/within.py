"""The process of a step with packages of its own: loads the pipeline there, runs one order, says what came of it.

Rule: it is begun by `legato.app.apart` and by nobody else; what cannot be loaded there is a failure of the step.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from legato.app import absent
from legato.app.apart import Handed
from legato.app.loader import prepare_job
from legato.domain.errors import LegatoError
from legato.domain.messages import Failed, LoadRequest
from legato.pipeline.fingerprint import Sources
from legato.platforms import Execute


def main(order_fd: int, says_fd: int) -> None:
    """Be the process of a step with packages of its own: load the pipeline, run the order, say what came of it."""
    with os.fdopen(order_fd, "rb") as pipe:
        handed = msgspec.msgpack.decode(pipe.read(), type=Handed)
    os.set_inheritable(says_fd, False)  # noqa: FBT003 - its only form

    def say(line: bytes) -> None:
        rest = memoryview(line + b"\n")
        while rest:
            rest = rest[os.write(says_fd, rest) :]

    try:
        execute = _load(handed.request, handed.roots)
    except LegatoError as error:
        hint = (
            error.hint
            or "a step's own environment imports the pipeline too: add what is missing to packages="
        )
        say(msgspec.json.encode(Failed(error=type(error).__name__, message=str(error), hint=hint)))
        sys.exit(0)
    execute(msgspec.json.encode(handed.order), say)


def _load(request: LoadRequest, roots: Iterable[str]) -> Execute:
    sources = Sources(Path(request.root), None)
    with absent.tolerated(roots, sources.is_first_party_file):
        return prepare_job(msgspec.json.encode(request))
