"""Endpoints of this machine: serving processes in the background, kept as their generation files say.

Rule: asking twice changes nothing; a new version is swapped in without a lost request, and one that does not
load or fails its self-test leaves the old one answering. Format of the folder: docs/formats/generation.md.
"""

import contextlib
import fcntl
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from legato.app.processes import STATE_FILE, ServingState, started_at
from legato.domain.errors import ConfigurationError, LegatoError, OutsideError
from legato.domain.graph import Struct
from legato.serve.generation import (
    Acknowledgement,
    Generation,
    acknowledgement_path,
    check_generation,
    read_acknowledgement,
    read_generation,
    write_atomically,
)
from legato.serve.limits import Limits

GENERATION_FILE: Final = "generation.json"
LOG_FILE: Final = "server.log"
_LOCK_FILE: Final = "lock"
_LOOK_S: Final = 0.02
_TAIL_LINES: Final = 12
_GRACE_S: Final = 5.0
_PASSED_ON: Final = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
_PASSED_ON_ENDS: Final = ("_NUM_THREADS", "_MAX_THREADS")


class Endpoint(Struct, frozen=True, kw_only=True):
    """One endpoint of this machine.

    Attributes:
        address: Where it answers (`http://127.0.0.1:43177`).
        models: What it answers for, as `name:version`; the first of each name is its default.
        generation: The number of the generation it serves.
        action: `started`, `swapped` or `unchanged`; empty from `status`.
        ready: It answers that it is ready.
    """

    name: str
    address: str
    pid: int
    models: tuple[str, ...]
    generation: int
    action: str = ""
    ready: bool = True


def ensure(  # noqa: PLR0913 - what an endpoint is made of
    folder: Path,
    name: str,
    generation: Generation,
    *,
    port: int = 0,
    python: str = sys.executable,
    timeout_s: float = 120.0,
    environment: Mapping[str, str] = os.environ,
) -> Endpoint:
    """Have an endpoint serve `generation`, and return it once every worker answers with it.

    Args:
        folder: The endpoint's own folder (`.legato/endpoints/NAME`).
        name: Its name.
        generation: What to serve; its `number` is set here.
        port: Where to listen; 0 keeps the port it has or had, else takes a free one.
        python: The interpreter to run it with; another one than before restarts it.
        timeout_s: How long loading may take.
        environment: Variables; only a short list of them is passed on.

    Raises:
        OutsideError: The port is taken, or the process died or hangs; the message holds the end of its log.
        ConfigurationError: A model does not load, is not allowed, or fails its self-test.
    """
    check_generation(generation)
    folder.mkdir(parents=True, exist_ok=True)
    keeper = _Keeper(folder.resolve(), name, timeout_s)
    with _locked(folder):
        state = _living(folder)
        if state is not None and (state.python != python or port not in {0, state.port}):
            _end(state)
            state = None
        if state is None:
            return keeper.start(generation, port, python, _passed_on(environment))
        return keeper.swap(generation, state)


def status(folder: Path) -> Endpoint | None:
    """Return the endpoint that lives in `folder`, or None when none does."""
    state = _living(folder)
    if state is None:
        return None
    try:
        generation = read_generation(folder / GENERATION_FILE)
    except LegatoError:
        return None
    return _endpoint(generation.endpoint, state, generation, "", ready=_is_ready(state))


def difference(folder: Path, name: str, generation: Generation, *, python: str = sys.executable) -> str:
    """Return in words why `ensure` would start or swap what lives in `folder`; empty where it would change nothing."""
    state = _living(folder) if folder.is_dir() else None
    if state is None:
        return "does not answer"
    if state.python != python:
        return f"answers with {state.python}"
    return _Keeper(folder.resolve(), name, 0.0).difference(generation, state)


def process_of(folder: Path) -> tuple[int, str] | None:
    """Return the process that answers for the endpoint in `folder` and when it started, or None."""
    state = _living(folder)
    return (state.pid, state.started) if state is not None else None


def stop(folder: Path) -> bool:
    """Stop the endpoint in `folder`; requests under way are answered. Return whether there was one."""
    if not folder.is_dir():
        return False
    with _locked(folder):
        state = _living(folder)
        if state is not None:
            _end(state)
        return state is not None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change the endpoint; the system lifts the lock of one that dies."""
    with (folder / _LOCK_FILE).open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _living(folder: Path) -> ServingState | None:
    """Return the state of the process that lives there; one that is dead counts as none."""
    try:
        state = msgspec.json.decode((folder / STATE_FILE).read_bytes(), type=ServingState)
    except (OSError, msgspec.MsgspecError):
        return None
    _reap(state.pid)
    return state if state.started and started_at(state.pid) == state.started else None


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _is_ready(state: ServingState) -> bool:
    connection = http.client.HTTPConnection(state.host, state.port, timeout=5)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(state: ServingState) -> None:
    """End a process: first so that it answers who is in, after its time by force."""
    _signal(state, signal.SIGTERM)
    if not _within(Limits().drain_timeout_s + 5, lambda: started_at(state.pid) != state.started, state.pid):
        _signal(state, signal.SIGKILL)
        _within(_GRACE_S, lambda: started_at(state.pid) != state.started, state.pid)


def _signal(state: ServingState, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if started_at(state.pid) == state.started:
            os.kill(state.pid, number) if number == signal.SIGTERM else os.killpg(state.pid, number)


def _within(timeout_s: float, holds: Callable[[], bool], pid: int) -> bool:
    """Wait until `holds`; return whether it did in time."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
        _reap(pid)
    return True


def _passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name in _PASSED_ON or name.startswith("LC_") or name.endswith(_PASSED_ON_ENDS)
    }


def _endpoint(
    name: str, state: ServingState, generation: Generation, action: str, *, ready: bool = True
) -> Endpoint:
    return Endpoint(
        name=name,
        address=state.address,
        pid=state.pid,
        models=tuple(f"{model.name}:{model.version}" for model in generation.models),
        generation=generation.number,
        action=action,
        ready=ready,
    )


def _names(generation: Generation) -> str:
    return ", ".join(f"{model.name}:{model.version}" for model in generation.models)


class _Keeper:
    """Starts and changes one endpoint; the caller holds its lock."""

    def __init__(self, folder: Path, name: str, timeout_s: float) -> None:
        self._folder = folder
        self._file = folder / GENERATION_FILE
        self._name = name
        self._timeout_s = timeout_s

    def start(
        self, generation: Generation, port: int, python: str, environment: Mapping[str, str]
    ) -> Endpoint:
        """Start a process and wait until it answers."""
        before = self._before()
        wanted = msgspec.structs.replace(generation, number=before.number + 1 if before is not None else 1)
        chosen = port or self._last_port()
        for worker in self._folder.glob("worker-*.json"):
            worker.unlink()
        (self._folder / STATE_FILE).unlink(missing_ok=True)
        write_atomically(self._file, wanted)
        pid = self._spawn(python, chosen, environment)
        try:
            state = self._settled(wanted, pid)
        except LegatoError:
            self._clear_away(pid)
            raise
        return _endpoint(self._name, state, wanted, "started")

    def swap(self, generation: Generation, state: ServingState) -> Endpoint:
        """Have a living process take up `generation`; when it cannot, it goes on as before; this raises."""
        before = self._before()
        number = before.number if before is not None else 0
        if before is not None and not self.difference(generation, state):
            return _endpoint(self._name, state, before, "unchanged")
        wanted = msgspec.structs.replace(generation, number=number + 1)
        write_atomically(self._file, wanted)
        try:
            self._settled(wanted, state.pid)
        except LegatoError:
            if before is not None:  # a process that starts again must not find what does not load
                again = msgspec.structs.replace(before, number=number + 2)
                write_atomically(self._file, again)
                with contextlib.suppress(LegatoError):
                    self._settled(again, state.pid)
            raise
        return _endpoint(self._name, state, wanted, "swapped")

    def difference(self, generation: Generation, state: ServingState) -> str:
        """Return in words how what a living process serves differs from `generation`; empty where it does not."""
        before = self._before()
        if before is None:
            return "serves what its folder does not say"
        if before.models != generation.models:
            return f"answers with {_names(before)}, not {_names(generation)}"
        if msgspec.structs.replace(generation, number=before.number) != before:
            return "is set up otherwise"
        said = self._said(before, state)
        return "" if said and all(one.serving == before.number for one in said) else "is not settled"

    def _clear_away(self, pid: int) -> None:
        """Leave nothing running of a start that failed; most end by themselves."""
        started = started_at(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        if started and not _within(_GRACE_S, lambda: started_at(pid) != started, pid):
            os.killpg(pid, signal.SIGKILL)
            _within(_GRACE_S, lambda: started_at(pid) != started, pid)

    def _before(self) -> Generation | None:
        try:
            return read_generation(self._file)
        except LegatoError:
            return None

    def _last_port(self) -> int:
        """Return the port that the endpoint had, if it is still free: addresses outlive restarts."""
        try:
            state = msgspec.json.decode((self._folder / STATE_FILE).read_bytes(), type=ServingState)
            with socket.socket() as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind((state.host, state.port))
        except (OSError, msgspec.MsgspecError):
            return 0
        return state.port

    def _spawn(self, python: str, port: int, environment: Mapping[str, str]) -> int:
        command = [
            python, "-P", "-m", "legato.app.serving", "--generation", str(self._file), "--port", str(port),
        ]  # fmt: skip
        log = str(self._folder / LOG_FILE)
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        try:
            return os.posix_spawn(python, command, dict(environment), file_actions=files, setsid=True)
        except OSError as error:
            raise OutsideError(
                f"{python} does not start: {error.strerror}",
                hint="name an interpreter that has Legato installed",
            ) from error

    def _settled(self, wanted: Generation, pid: int) -> ServingState:
        """Wait until every worker has taken `wanted`; raises when one refuses, dies, or time is up."""
        started = started_at(pid)
        found: list[ServingState] = []

        def decided() -> bool:
            state = _living(self._folder)
            if state is None or state.pid != pid:
                return not started or started_at(pid) != started
            said = self._said(wanted, state)
            if any(one.error for one in said):
                return True
            if len(said) == state.workers:
                found.append(state)
            return bool(found)

        in_time = _within(self._timeout_s, decided, pid)
        if found:
            return found[0]
        raise self._failure(wanted, in_time=in_time)

    def _said(self, generation: Generation, state: ServingState) -> list[Acknowledgement]:
        """Return what the workers said of this very generation."""
        paths = [acknowledgement_path(self._file, worker) for worker in range(1, state.workers + 1)]
        said = [one for one in map(read_acknowledgement, paths) if one is not None]
        return [one for one in said if one.number == generation.number]

    def _failure(self, wanted: Generation, *, in_time: bool) -> LegatoError:
        for path in self._folder.glob("worker-*.json"):
            said = read_acknowledgement(path)
            if said is not None and said.number == wanted.number and said.error:
                return ConfigurationError(f"endpoint {self._name!r}: {said.error}", hint=said.hint)
        if not in_time:
            return OutsideError(
                f"endpoint {self._name!r} did not answer within {self._timeout_s:g} seconds{self._tail()}",
                hint=f"see {self._folder / LOG_FILE}",
            )
        return self._death()

    def _death(self) -> LegatoError:
        lines = (self._folder / LOG_FILE).read_text(errors="replace").splitlines()
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
        if errors:
            return OutsideError(f"endpoint {self._name!r}: {errors[-1]}", hint=hints[-1] if hints else "")
        return OutsideError(
            f"endpoint {self._name!r} ended while it started{self._tail()}",
            hint=f"see {self._folder / LOG_FILE}",
        )

    def _tail(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self._folder / LOG_FILE).read_text(errors="replace").splitlines()[-_TAIL_LINES:]
            return "".join(f"\n  | {line}" for line in lines)
        return ""
