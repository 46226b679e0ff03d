"""Runs an application in this process: takes up generations as they come, drains when told to stop.

Rule: the old models answer until the new ones have passed their self-test; after SIGTERM every request that
was sent is answered before the process ends.
"""

import asyncio
import gc
import itertools
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from legato.domain.errors import BugError, LegatoError
from legato.serve.application import Application, Models
from legato.serve.generation import (
    Acknowledgement,
    Generation,
    acknowledgement_path,
    read_generation,
    write_atomically,
)
from legato.serve.limits import Limits
from legato.serve.listener import BACKLOG, refuse_new, waiting
from legato.serve.model import Model, Timer

_LOG: Final = logging.getLogger("legato.serve")
_LOOK_S: Final = 0.1
_FORGOTTEN_LOOKS: Final = 10
_QUIET_S: Final = 0.1
_LAME_DUCK_S: Final = 0.5

LoadModels = Callable[[Generation], list[Model]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What one worker process is given.

    Attributes:
        number: From 1.
        generation_file: Watched; says what to serve.
        listening: The socket to accept on; may be shared with other workers.
        load: Turns a generation into loaded models; may raise LegatoError.
        timer: Seconds that only grow.
        forgotten: Says whether nobody can find this process any more, so that it has to end itself.
    """

    number: int
    generation_file: Path
    listening: socket.socket
    load: LoadModels
    timer: Timer
    forgotten: Callable[[], bool]


class _EmbeddedServer(Server):
    """Granian inside our event loop, on a socket that is ours."""

    def __init__(self, application: Application, listening: socket.socket, limits: Limits) -> None:
        super().__init__(
            application,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
            backpressure=limits.connections,
            http1_settings=HTTP1Settings(header_read_timeout=max(1, int(limits.header_timeout_s * 1000))),
        )
        self._own = listening

    def _init_shared_socket(self) -> None:
        # granian's own listener shares its port with whoever else asks for it (SO_REUSEPORT)
        handle = os.dup(self._own.fileno())
        extra = (BACKLOG,) if sys.platform == "linux" else ()
        holder: Any = SocketHolder
        self._ssp: Any = None
        self._shd: Any = holder(handle, False, *extra)  # noqa: FBT003 - a foreign signature


def run(application: Application, limits: Limits, worker: Worker, on_ready: Callable[[], None]) -> bool:
    """Serve until SIGTERM or SIGINT; return whether every request was answered.

    Args:
        application: What answers; its models come from the generation file.
        limits: Times and sizes.
        worker: What to serve on which socket.
        on_ready: Called once the first generation answers.

    Raises:
        LegatoError: The first generation does not load or fails its self-test.
    """
    return asyncio.run(_serve(application, limits, worker, on_ready))


async def _serve(
    application: Application, limits: Limits, worker: Worker, on_ready: Callable[[], None]
) -> bool:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopping.set)
    watch = Watch(application, worker)
    await watch.first()
    server = _EmbeddedServer(application, worker.listening, limits)
    serving = asyncio.create_task(_served(server))
    looking = asyncio.create_task(_look(application, watch, worker.forgotten, stopping))
    gc.freeze()
    on_ready()
    told = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, looking, told}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.is_set():
        raise BugError("the HTTP server stopped by itself", hint="see the endpoint's log")
    return await _drained(application, limits, worker.listening, server, serving, looking)


async def _served(server: Server) -> None:
    await server.serve()


async def _look(
    application: Application, watch: "Watch", forgotten: Callable[[], bool], stopping: asyncio.Event
) -> None:
    for looks in itertools.count(1):
        await asyncio.sleep(_LOOK_S)
        application.drop_slow()
        await watch.look()
        if looks % _FORGOTTEN_LOOKS == 0 and forgotten() and not stopping.is_set():
            _LOG.warning("this endpoint's folder is gone or belongs to another process; stopping")
            stopping.set()


async def _drained(
    application: Application,
    limits: Limits,
    listening: socket.socket,
    server: Server,
    serving: "asyncio.Task[None]",
    looking: "asyncio.Task[None]",
) -> bool:
    """Stop in order: say so, let callers go, close the door, answer who is in, end."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limits.drain_timeout_s
    application.draining = True
    await asyncio.sleep(min(_LAME_DUCK_S, limits.drain_timeout_s))
    refuse_new(listening)
    answered = -1
    while loop.time() < deadline and (
        application.in_flight or waiting(listening) or answered != application.answered
    ):
        answered = application.answered
        await asyncio.sleep(_QUIET_S)
    clean = not application.in_flight
    looking.cancel()
    listening.close()
    server.stop()  # type: ignore[no-untyped-call]
    _, late = await asyncio.wait({serving}, timeout=max(1.0, deadline - loop.time()))
    if not clean or late:
        _LOG.error(
            "stopped with %d requests unanswered after %g s", application.in_flight, limits.drain_timeout_s
        )
    return clean and not late


class Watch:
    """Keeps an application's models as the generation file says, and says how that went."""

    def __init__(self, application: Application, worker: Worker) -> None:
        """Watch for `application` what `worker` was given."""
        self._application = application
        self._worker = worker
        self._seen: tuple[int, int, int] = (0, 0, 0)

    async def first(self) -> None:
        """Load the first generation; raises LegatoError when it does not."""
        self._seen = self._stamp()
        await self._take()
        error = self._error
        if error is not None:
            raise error

    async def look(self) -> None:
        """Take up the generation file if it is another one."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            await self._take()

    def _stamp(self) -> tuple[int, int, int]:
        try:
            facts = self._worker.generation_file.stat()
        except OSError:
            return self._seen
        return facts.st_ino, facts.st_mtime_ns, facts.st_size

    async def _take(self) -> None:
        number = 0
        self._error: LegatoError | None = None
        try:
            generation = read_generation(self._worker.generation_file)
            number = generation.number
            models = await asyncio.get_running_loop().run_in_executor(None, self._worker.load, generation)
            self._application.current = Models(number, models)
            _LOG.info(
                "generation %d answers: %s",
                number,
                ", ".join(f"{m.served.name}:{m.served.version}" for m in models),
            )
        except LegatoError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - a foreign library's own; the old models go on
            _LOG.exception("generation %d does not load", number)
            self._error = BugError(
                f"the model does not load: {type(error).__name__}: {error}", hint="see the endpoint's log"
            )
        self._acknowledge(number)

    def _acknowledge(self, number: int) -> None:
        error: Any = self._error
        if error is not None:
            _LOG.error(
                "generation %d is refused, generation %d goes on: %s",
                number,
                self._application.current.number,
                error,
            )
        said = Acknowledgement(
            number=number,
            serving=self._application.current.number,
            worker=self._worker.number,
            pid=os.getpid(),
            error=str(error) if error is not None else "",
            hint=error.hint if error is not None else "",
        )
        write_atomically(acknowledgement_path(self._worker.generation_file, self._worker.number), said)
