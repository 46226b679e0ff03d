"""Jobs as processes of this machine, forked from one that has already imported the user's code.

Rule: this process never imports nor runs the user's code, and when it ends, in whatever way, every process
below it does.
"""

import os
import resource
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Final

import msgspec

from legato.domain.errors import BugError, OutsideError, UserCodeError
from legato.domain.units import show_bytes, show_seconds
from legato.platforms import (
    LONGEST_LINE_BYTES,
    Ended,
    Entry,
    Job,
    Printed,
    Reason,
    Report,
    Traits,
    fork_safety,
)
from legato.platforms.channel import Channel, pair
from legato.platforms.names import resolve
from legato.platforms.orders import (
    BE_STEM,
    Answer,
    Ask,
    Begin,
    Broken,
    Cancel,
    Gone,
    Notice,
    Ready,
    Role,
    Stem,
    encode,
)
from legato.platforms.outlets import Outlet, Print, Speech
from legato.platforms.switchboard import Switchboard
from legato.platforms.thread_limits import VARIABLES, threads_for
from legato.platforms.zygotes import Zygote, Zygotes

PREPARE_TIMEOUT_S: Final = 600.0
ASK_TIMEOUT_S: Final = 60.0
_CLOSE_TIMEOUT_S: Final = 10.0
_LOADING_BYTES: Final = 2**20
_FDS_A_JOB: Final = 3
_SPARE_FDS: Final = 128


def launch(
    entry: Entry,
    request: bytes,
    *,
    environment: Mapping[str, str],
    prepare_timeout_s: float = PREPARE_TIMEOUT_S,
    forks: bool | None = None,
    begun: tuple[int, int] | None = None,
) -> "ProcessPlatform":
    """Begin to import the user's code in a process of its own, and return the platform at once.

    Call it before this process has threads or open databases: it is forked.

    Args:
        entry: What to call there.
        request: For `entry.prepare` and `entry.prepare_job`.
        environment: All variables while importing.
        prepare_timeout_s: Wall seconds that importing may take.
        forks: Whether jobs are forked; None: where that is safe. Without, each is a new interpreter.
        begun: Process number of, and descriptor to, a stem that was forked before; only where jobs are forked.
    """
    linux = sys.platform == "linux"
    host = "linux" if (linux if forks is None else forks) else "posix"
    if begun is not None and host == "linux":
        pid, ours = begun[0], socket.socket(fileno=begun[1])
    else:
        pid, ours = _begin_stem(host, encode(Stem(host=host, clock=entry.clock)), environment)
    clock = resolve(entry.clock)
    role = Role(kind="", threads=1, entry=entry, request=request, environment=dict(environment), host=host)
    return ProcessPlatform(pid, Channel(ours), role, clock, prepare_timeout_s)


def _begin_stem(host: str, order: bytes, environment: Mapping[str, str]) -> tuple[int, socket.socket]:
    ours, theirs = pair()
    with theirs:
        return _begin_as_stem(host, order, theirs.fileno(), environment), ours


def _begin_as_stem(host: str, order: bytes, fd: int, environment: Mapping[str, str]) -> int:
    if host == "linux" and (not fork_safety.forbidding_threads() or not fork_safety.why_unfit()):
        from legato.platforms.linux import fork_stem

        return fork_stem(BE_STEM, order, fd)
    from legato.platforms.posix import spawn

    return spawn(BE_STEM, order, [fd], environment)


class _Running:
    """A job that has been started and has not ended; `zygote` is None while it waits."""

    __slots__ = ("job", "note", "outlets", "zygote")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.zygote: Zygote | None = None
        self.outlets: list[Outlet] = []
        self.note = ""


class ProcessPlatform:
    """See `Platform` for what it promises. Begun by `launch`."""

    def __init__(
        self,
        stem_pid: int,
        stem: Channel,
        template: Role,
        clock: Callable[[], float],
        prepare_timeout_s: float,
    ) -> None:
        self._stem_pid = stem_pid
        self._stem = stem
        self._clock = clock
        self._reports: list[Report] = []
        self._answers: dict[int, Answer] = {}
        self._asked = 0
        self._jobs: dict[str, _Running] = {}
        self._waiting: deque[_Running] = deque()
        self._loading_bytes = 0
        self._closed = self._over = False
        self._most = max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FDS) // _FDS_A_JOB)
        self._switchboard = Switchboard(self._report, self._end_babble)
        self._switchboard.connect(stem, self._hear_stem, self._lose_stem)
        self._zygotes = Zygotes(stem, template, clock, prepare_timeout_s, self._connect)
        linux = template.host == "linux"
        self.traits = Traits(name="process", isolates=True, kills=True, limits_memory=linux, parallel=True)

    # What the engine calls.

    def start(self, job: Job) -> None:
        """See `Platform`."""
        if self._closed or job.id in self._jobs or not job.id:
            state = "the platform is closed" if self._closed else "there is such a job already"
            raise BugError(f"job {job.id!r} cannot be started: {state}")
        running = _Running(job)
        self._jobs[job.id] = running
        self._waiting.append(running)
        self._admit()

    def poll(self, timeout_s: float | None) -> Sequence[Report]:
        """See `Platform`."""
        until = float("inf") if timeout_s is None else self._clock() + timeout_s
        while not self._closed:
            idle = not self._jobs and timeout_s is None
            self._turn(0.0 if self._reports or idle else until)  # 0 is long past: do not wait
            if self._reports or idle or self._clock() >= until:
                break
        reports, self._reports = self._reports, []
        return reports

    def cancel(self, job_id: str) -> None:
        """See `Platform`."""
        running = self._jobs.get(job_id)
        if running is None:
            return
        if running.zygote is None:
            self._waiting.remove(running)
            self._end(running, Ended(job=job_id, reason="cancelled", code=0))
        else:
            running.zygote.channel.send(encode(Cancel(id=job_id)))

    def close(self) -> None:
        """See `Platform`."""
        self.dismiss()
        if self._over:
            return
        self._over = True
        while not self._stem.ended and self._stem.wait(_CLOSE_TIMEOUT_S):
            for _frame, _fds in self._stem.receive():
                pass  # nobody is told any more
        if not self._stem.ended:
            os.kill(self._stem_pid, signal.SIGKILL)
        os.waitpid(self._stem_pid, 0)
        self._stem.close()

    def dismiss(self) -> None:
        """Begin to close, and do not wait: all that runs is ending when this returns; `close` sees to it."""
        if self._closed:
            return
        self._closed = True
        self._reports = []
        for running in self._jobs.values():
            self._switchboard.drop(running.outlets)
        for zygote in self._zygotes.by_id.values():
            self._part_from(zygote)
        self._switchboard.close()
        self._stem.finish_sending()

    # What the application asks of the loader.

    @property
    def mode(self) -> str:
        """From where jobs are begun: `pipeline`, `packages`, `fresh` (known once `reply` has returned)."""
        return self._zygotes.mode

    @property
    def note(self) -> str:
        """Why `mode` is not `pipeline`, for people; else empty."""
        return self._zygotes.note

    def reply(self) -> bytes:
        """Return what the loader replied, waiting for it.

        Raises:
            UserCodeError: Importing raised past `prepare`, ended the process, or took too long.
        """
        loader = self._zygotes.loader
        while loader.state == "starting":
            self._turn(float("inf"))
        if loader.broken is not None:
            raise UserCodeError(
                f"loading the pipeline raised {loader.broken.message}", details=loader.broken.details
            )
        if loader.ready is None:
            hint = "a pipeline file should define steps and do no work itself; see what it printed"
            raise UserCodeError(f"loading the pipeline ended early: {loader.end}", hint=hint)
        return loader.ready.reply

    def ask(self, request: bytes, timeout_s: float = ASK_TIMEOUT_S) -> bytes:
        """Return the loader's answer to a question about what it has loaded.

        Raises:
            UserCodeError: Answering raised.
            OutsideError: The loader is gone, or did not answer in time.
        """
        self.reply()
        self._asked += 1
        loader, number, until = self._zygotes.loader, self._asked, self._clock() + timeout_s
        loader.channel.send(encode(Ask(number=number, request=request)))
        while number not in self._answers:
            if loader.state == "gone":
                raise OutsideError(
                    f"the process that loaded the pipeline is gone: {loader.end}", hint="run again"
                )
            if self._clock() >= until:
                took = show_seconds(timeout_s)
                raise OutsideError(
                    f"the process that loaded the pipeline gave no answer in {took}", hint="run again"
                )
            self._turn(until)
        answer = self._answers.pop(number)
        if answer.problem:
            raise UserCodeError(f"looking at the loaded pipeline raised {answer.problem}")
        return answer.reply

    # What arrives.

    def _turn(self, until: float) -> None:
        """Wait for something to arrive, at most until then or until a zygote has imported for too long."""
        if self._closed:
            raise BugError("a platform was used after it was closed")
        starting = [one for one in self._zygotes.by_id.values() if one.state == "starting"]
        until = min([until, *(one.deadline for one in starting)])
        self._switchboard.turn(None if until == float("inf") else max(0.0, until - self._clock()))
        for zygote in starting:
            if zygote.state == "starting" and zygote.deadline <= self._clock():
                zygote.deadline = float("inf")
                zygote.end = "it took too long"
                self._zygotes.cancel(zygote)

    def _report(self, report: Report) -> None:
        """Keep a report until it is asked for; of what loading prints, only so much."""
        if isinstance(report, Printed) and not report.job:
            self._loading_bytes += len(report.data)
            if self._loading_bytes > _LOADING_BYTES:
                return
        self._reports.append(report)

    def _connect(self, zygote: Zygote) -> None:
        self._switchboard.connect(zygote.channel, partial(self._hear_zygote, zygote), _ignore)
        for outlet in zygote.outlets:
            self._switchboard.listen(outlet)

    def _hear_zygote(self, zygote: Zygote, notice: Notice) -> None:
        match notice:
            case Ready() | Broken():
                self._zygotes.said(zygote, notice)
                self._admit()
            case Answer():
                self._answers[notice.number] = notice
            case Gone():
                self._end_as_told(notice)

    def _end_as_told(self, gone: Gone) -> None:
        running = self._jobs.get(gone.id)
        if running is not None:
            reason: Reason = "lost" if running.note else gone.reason
            note = running.note or gone.note
            self._end(running, Ended(job=gone.id, reason=reason, code=gone.code, usage=gone.usage, note=note))
            self._admit()

    def _hear_stem(self, notice: Notice) -> None:
        """A zygote has ended, and all below it: what it had begun is lost."""
        if not isinstance(notice, Gone):
            raise BugError(f"the stem said {notice!r}")
        code = f"exit code {notice.code}" if notice.reason == "exited" else f"signal {notice.code}"
        self._lose(self._zygotes.by_id[notice.id], notice.note or f"it ended with {code}")

    def _lose_stem(self) -> None:
        for zygote in self._zygotes.by_id.values():
            self._lose(zygote, "the process above it is gone")

    def _lose(self, zygote: Zygote, end: str) -> None:
        if zygote.state == "gone":
            return
        was_ready = zygote.ready is not None or zygote.broken is not None
        zygote.state = "gone"
        zygote.end = zygote.end or end
        self._switchboard.drain(zygote.outlets)
        self._part_from(zygote)
        note = f"the process that steps are forked from is gone: {zygote.end}; run again"
        for running in [one for one in self._jobs.values() if one.zygote is zygote]:
            self._end(running, Ended(job=running.job.id, reason="lost", code=0, note=note))
        if not was_ready:  # the next would end in the same way: do not try for ever
            for running in [one for one in self._waiting if threads_for(one.job.cpus) == zygote.role.threads]:
                self._forgo(running, note)
        self._admit()

    # How a job moves on: it waits for a zygote that is ready, runs, and ends.

    def _admit(self) -> None:
        """Begin what waits, as far as zygotes are ready and descriptors are left."""
        room = self._most - (len(self._jobs) - len(self._waiting))
        for running in list(islice(self._waiting, max(0, room))):
            if self._stem.ended:
                self._forgo(running, "the process that steps are begun from is gone; run again")
                continue
            zygote = self._zygotes.for_threads(threads_for(running.job.cpus))
            if zygote.state == "ready":
                self._waiting.remove(running)
                self._begin(running, zygote)

    def _begin(self, running: _Running, zygote: Zygote) -> None:
        job = running.job
        try:
            running.outlets, given = _connect_job(job)
        except OSError as error:
            note = f"no pipes could be made for it: {error}; fewer jobs at once, or `ulimit -n`, may help"
            self._end(running, Ended(job=job.id, reason="lost", code=0, note=note))
            return
        running.zygote = zygote
        for outlet in running.outlets:
            self._switchboard.listen(outlet)
        limits = {name: zygote.role.environment[name] for name in VARIABLES}
        order = encode(msgspec.structs.replace(job, environment={**limits, **job.environment}))
        begin = Begin(id=job.id, order=order, timeout_s=job.timeout_s, memory_bytes=job.memory_bytes)
        zygote.channel.send(encode(begin), given)

    def _end(self, running: _Running, ended: Ended) -> None:
        """Report everything that is left of a job, its end last."""
        del self._jobs[ended.job]
        self._switchboard.drain(running.outlets)
        self._reports.append(ended)

    def _forgo(self, running: _Running, note: str) -> None:
        self._waiting.remove(running)
        self._end(running, Ended(job=running.job.id, reason="lost", code=0, note=note))

    def _end_babble(self, job_id: str) -> None:
        running = self._jobs.get(job_id)
        if running is not None:
            running.note = f"it said a line of more than {show_bytes(LONGEST_LINE_BYTES)}"
            self.cancel(job_id)

    def _part_from(self, zygote: Zygote) -> None:
        self._switchboard.drop(zygote.outlets)
        if zygote.channel.fileno() >= 0:
            self._switchboard.disconnect(zygote.channel)


def _ignore() -> None:
    """A zygote's channel has ended: the stem will say more, once all below it is gone."""


def _connect_job(job: Job) -> tuple[list[Outlet], list[int]]:
    """Return the ends that are read here, and those that the job gets, of new pipes."""
    ends: list[int] = []
    try:
        ends += os.pipe()
        if job.interactive:
            return [Speech(job.id, ends[0])], [ends[1], os.dup(1), os.dup(2), os.dup(0)]
        ends += os.pipe()
        ends += os.pipe()
    except OSError:
        for fd in ends:
            os.close(fd)
        raise
    outlets = [Speech(job.id, ends[0]), Print(job.id, ends[2], "stdout"), Print(job.id, ends[4], "stderr")]
    return outlets, [ends[1], ends[3], ends[5]]
