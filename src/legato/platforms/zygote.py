"""Processes that others are begun from: the stem, which has imported nothing, and zygotes, which have.

Rule: a zygote imports, says what became of it, and from then on only supervises; no job is run in it.
"""

import gc
import importlib
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Final, NamedTuple

import msgspec

from legato.domain.errors import BugError
from legato.platforms import Execute, Prepared, Rehearse, Say, fork_safety, job_process
from legato.platforms.channel import Channel
from legato.platforms.host import Begins, Family
from legato.platforms.names import resolve
from legato.platforms.orders import JOBS, Broken, FreshJob, Ready, Role, Stem, encode
from legato.platforms.supervisor import Supervisor

_SEND_TIMEOUT_S: Final = 60.0
_IMPORTING: Final = (50_000, 20, 100)
"""How rarely garbage is looked for while importing, which makes little: a sixth of the time is saved."""


class _Brought(NamedTuple):
    """What a zygote has become able to do."""

    ready: Ready
    execute: Execute | None
    answer: Callable[[bytes], bytes]
    rehearse: Rehearse | None = None


def be_zygote(order: bytes, fds: Sequence[int]) -> int:
    """Import what the role says, report, and begin jobs until the channel (`fds[0]`) ends."""
    role = msgspec.msgpack.decode(order, type=Role)
    channel = Channel(socket.socket(fileno=fds[0]))
    job_process.take_streams(fds[1], fds[2], None)
    job_process.renew_streams()
    job_process.enter("", role.environment)
    usual = gc.get_threshold()
    gc.set_threshold(*_IMPORTING)
    try:
        brought = _bring_up(role)
    except BaseException as error:  # noqa: BLE001 - the user's code may raise anything, also SystemExit
        channel.send(encode(_broken(error)))
        channel.flush_all(_SEND_TIMEOUT_S)
        return 1
    finally:
        gc.set_threshold(*usual)
        job_process.flush_streams()
    begins = _begins(role, brought)
    channel.send(encode(brought.ready))
    Supervisor(
        channel, begins, _family(role.host, of_supervisors=False), resolve(role.entry.clock), brought.answer
    ).serve()
    return 0


def be_fresh_job(order: bytes, fds: Sequence[int]) -> int:
    """Import the user's code and run one job, in a process that has imported nothing of it."""
    fresh = msgspec.msgpack.decode(order, type=FreshJob)

    def execute(payload: bytes, say: Say) -> None:
        resolve(fresh.entry.prepare_job)(fresh.request)(payload, say)

    return job_process.run(execute, JOBS.decode(fresh.job), fds)


def be_stem(order: bytes, fds: Sequence[int]) -> int:
    """Begin zygotes until the channel (`fds[0]`) ends."""
    stem = msgspec.msgpack.decode(order, type=Stem)
    channel = Channel(socket.socket(fileno=fds[0]))
    usual = gc.get_threshold()
    gc.set_threshold(*_IMPORTING)
    for name in stem.imports:
        with suppress(Exception):  # the zygote will meet whatever is wrong, and tell
            importlib.import_module(name)
    gc.set_threshold(*usual)
    begins: Begins = _host(stem.host).begins(f"{__name__}:be_zygote", be_zygote, lambda order: order, None)
    Supervisor(
        channel,
        begins,
        _family(stem.host, of_supervisors=True),
        resolve(stem.clock),
        _answer_nothing,
        measures=False,
    ).serve()
    return 0


def _bring_up(role: Role) -> _Brought:
    match role.kind:
        case "loader":
            prepared: Prepared = resolve(role.entry.prepare)(role.request)
            ready = Ready(reply=prepared.reply, packages=prepared.packages, unfit=_why_unfit(role))
            return _Brought(ready, prepared.execute, prepared.answer, prepared.rehearse)
        case "pipeline":
            execute: Execute = resolve(role.entry.prepare_job)(role.request)
            return _Brought(Ready(unfit=_why_unfit(role)), execute, _answer_nothing)
        case "packages":
            resolve(role.entry.prepare_packages)(role.request, role.packages)
            return _Brought(Ready(unfit=_why_unfit(role)), None, _answer_nothing)
        case _:
            return _Brought(Ready(), None, _answer_nothing)


def _why_unfit(role: Role) -> str:
    if role.host != "linux":
        return "forking is not safe on this system"
    return fork_safety.why_unfit()


def _begins(role: Role, brought: _Brought) -> Begins:
    execute = brought.execute

    def fresh(order: bytes) -> bytes:
        return encode(FreshJob(entry=role.entry, request=role.request, job=order))

    def follow(order: bytes, fds: Sequence[int]) -> int:
        if execute is None:
            return be_fresh_job(fresh(order), fds)
        return job_process.run(execute, JOBS.decode(order), fds)

    ahead = None if brought.ready.unfit else brought.rehearse or _do_nothing
    begins: Begins = _host(role.host).begins(f"{__name__}:be_fresh_job", follow, fresh, ahead)
    return begins


def _host(name: str) -> ModuleType:
    """Return the module of a host, imported only here: one needs ctypes, and only some systems have one."""
    return importlib.import_module(f"legato.platforms.{name}")


def _family(host: str, *, of_supervisors: bool) -> Family:
    family: Family = _host(host).family(of_supervisors=of_supervisors)
    return family


def _broken(error: BaseException) -> Broken:
    import traceback

    return Broken(
        message=f"{type(error).__name__}: {error}", details="".join(traceback.format_exception(error))
    )


def _do_nothing() -> None:
    """A rehearsal where there is nothing to rehearse."""


def _answer_nothing(request: bytes) -> bytes:
    raise BugError(f"a process that has loaded nothing was asked {request[:80]!r}")
