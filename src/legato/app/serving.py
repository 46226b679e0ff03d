"""The serving process: `python -m legato.app.serving --generation FILE` answers for the models named there.

Rule: the only process that loads models for others to ask; it listens on this machine alone, and reads a
pickle only where the generation file allows it. Format of its state file: docs/formats/generation.md.
"""

import argparse
import contextlib
import faulthandler
import logging
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from legato.app.processes import STATE_FILE, ServingState, started_at
from legato.domain.artifacts import Artifact
from legato.domain.digests import Digest
from legato.domain.errors import ConfigurationError, LegatoError
from legato.domain.version import __version__
from legato.serve.application import Application
from legato.serve.first_party import FirstParty
from legato.serve.generation import Generation, write_atomically
from legato.serve.hosts import Hosts, loopback, shown_host
from legato.serve.limits import Limits
from legato.serve.listener import listen
from legato.serve.model import Model, load_model
from legato.serve.servable import Servable

_RESPAWNS: Final = 5
_LOOK_S: Final = 0.2
_LOG: Final = logging.getLogger("legato.serve")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; return the exit code."""
    words = _parser().parse_args(arguments)
    faulthandler.enable()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        return _serve(words)
    except LegatoError as error:
        sys.stderr.write(f"error: {error}\n\nhint: {error.hint}\n")
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    limits = Limits()
    parser = argparse.ArgumentParser(
        prog="python -m legato.app.serving", description="Answer for models over HTTP."
    )
    parser.add_argument(
        "--generation", type=Path, required=True, help="The file that says what to serve; watched."
    )
    parser.add_argument("--host", default="127.0.0.1", help="The address to listen on; this machine's own.")
    parser.add_argument(
        "--port", type=int, default=0, help="0 takes a free port and writes it to state.json."
    )
    parser.add_argument("--workers", type=int, default=1, help="Processes that answer.")
    parser.add_argument("--body-bytes", type=int, default=limits.body_bytes, help="The largest body.")
    parser.add_argument(
        "--header-timeout", type=float, default=limits.header_timeout_s, help="Seconds for headers."
    )
    parser.add_argument(
        "--body-timeout", type=float, default=limits.body_timeout_s, help="Seconds for a body."
    )
    parser.add_argument(
        "--drain-timeout", type=float, default=limits.drain_timeout_s, help="Seconds to stop."
    )
    parser.add_argument("--worker", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--listen-fd", type=int, default=-1, help=argparse.SUPPRESS)
    return parser


def _serve(words: argparse.Namespace) -> int:
    _raise_open_files()
    host = loopback(words.host)
    if words.listen_fd >= 0:
        return _work(words, socket.socket(fileno=words.listen_fd), words.worker)
    with listen(host, words.port) as listening:
        state = ServingState(
            host=host,
            port=listening.getsockname()[1],
            pid=os.getpid(),
            started=started_at(os.getpid()),
            workers=words.workers,
            python=sys.executable,
            legato=__version__,
        )
        write_atomically(words.generation.with_name(STATE_FILE), state)
        if words.workers > 1:
            return _Supervisor(words, listening).run()
        return _work(words, listening, 1)


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


def _work(words: argparse.Namespace, listening: socket.socket, number: int) -> int:
    from legato.serve.process import Worker, run  # Granian is loaded only where it answers

    limits = Limits(
        body_bytes=words.body_bytes,
        header_timeout_s=words.header_timeout,
        body_timeout_s=words.body_timeout,
        drain_timeout_s=words.drain_timeout,
    )
    application = Application(
        Hosts(listening.getsockname()[0]), limits, lambda: secrets.token_hex(6), threads=os.cpu_count() or 1
    )
    worker = Worker(
        number=number,
        generation_file=words.generation,
        listening=listening,
        load=load_generation,
        timer=time.perf_counter,
        forgotten=lambda: _is_forgotten(words.generation.with_name(STATE_FILE)),
    )
    host, port = listening.getsockname()[:2]
    where = f"http://{shown_host(host)}:{port}"
    clean = run(application, limits, worker, lambda: _LOG.info("worker %d answers at %s", number, where))
    return 0 if clean else 1


def _is_forgotten(state_file: Path) -> bool:
    """Say whether the state file no longer leads to this process or, for one of several workers, to its parent."""
    try:
        state = msgspec.json.decode(state_file.read_bytes(), type=ServingState)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        return True
    except OSError:
        return False
    return state.pid not in {os.getpid(), os.getppid()}


def load_generation(generation: Generation) -> list[Model]:
    """Load every version of a generation and try each on its golden rows.

    Raises:
        LegatoError: One of them does not load, is not allowed, or fails its self-test.
    """
    with FirstParty(generation.code_paths()) as code:

        def load_native(folder: Path, servable: Servable) -> object:
            return _load_native(folder, servable, code, allow_unsafe=generation.allow_unsafe)

        return [load_model(served, load_native, time.perf_counter) for served in generation.models]


def _load_native(folder: Path, servable: Servable, code: FirstParty, *, allow_unsafe: bool) -> object:
    from legato.formats.shelf import Shelf  # only where a model serves natively

    native = servable.native
    unsafe = native.unsafe or native.format.startswith("pickle")
    if unsafe and not allow_unsafe:
        raise ConfigurationError(
            f"{native.type or 'the model'} is a pickle: reading it can run any code, so it is not served",
            hint="let the step return a model in a safe format, or allow unsafe artifacts for this endpoint",
        )
    artifact = Artifact(
        digest=Digest(""),
        size_bytes=0,
        format=native.format,
        type=native.type,
        tree=native.tree,
        classes=native.classes,
        unsafe=unsafe,
    )
    return Shelf(code.owns).load(folder / native.path, artifact, allow_unsafe=allow_unsafe)


class _Supervisor:
    """Keeps several workers on one socket, and passes a stop on to them."""

    def __init__(self, words: argparse.Namespace, listening: socket.socket) -> None:
        self._words = words
        self._listening = listening
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._deaths: list[float] = []
        self._stopping = False

    def run(self) -> int:
        """Start the workers and watch them until they are told to stop; return the exit code."""
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._stop)
        self._workers = {number: self._start(number) for number in range(1, self._words.workers + 1)}
        code = 0
        while self._workers:
            time.sleep(_LOOK_S)
            for number, worker in list(self._workers.items()):
                ended = worker.poll()
                if ended is not None:
                    del self._workers[number]
                    code = max(code, self._ended(number, ended))
        return code

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        words, handle = self._words, self._listening.fileno()
        command = [
            sys.executable, "-P", "-m", "legato.app.serving", "--generation", str(words.generation),
            "--host", words.host, "--worker", str(number), "--listen-fd", str(handle),
            "--body-bytes", str(words.body_bytes), "--header-timeout", str(words.header_timeout),
            "--body-timeout", str(words.body_timeout), "--drain-timeout", str(words.drain_timeout),
        ]  # fmt: skip
        return subprocess.Popen(command, pass_fds=[handle])

    def _stop(self, *_: object) -> None:
        if self._stopping:
            return
        self._stopping = True
        for worker in self._workers.values():
            worker.send_signal(signal.SIGTERM)

    def _ended(self, number: int, code: int) -> int:
        """Replace a worker that died; return the exit code that its end calls for."""
        if code == -signal.SIGTERM and self._stopping:  # it was told so before it answered anyone
            return 0
        if code == 0:  # it was told to stop, or found that nobody can reach this endpoint any more
            self._stop()
        if self._stopping:
            return abs(code)
        now = time.monotonic()
        self._deaths = [*(death for death in self._deaths if now - death < 60), now]  # noqa: PLR2004 - a minute
        _LOG.error("worker %d ended with code %d", number, code)
        if len(self._deaths) > _RESPAWNS:
            self._stop()
            return abs(code) or 1
        self._workers[number] = self._start(number)
        return 0


if __name__ == "__main__":
    sys.exit(main())
