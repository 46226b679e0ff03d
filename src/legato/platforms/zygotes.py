"""The zygotes of a platform as its owner sees them: which one serves a job, and what to fall back on.

Rule: a job is begun only from a zygote that has said it may be; one that may not is replaced by one that has
imported less.
"""

import os
from collections.abc import Callable
from typing import Final

import msgspec

from legato.platforms.channel import Channel, pair
from legato.platforms.orders import Begin, Broken, Cancel, Ready, Role, encode
from legato.platforms.outlets import Print
from legato.platforms.thread_limits import limited

MODES: Final = ("pipeline", "packages", "fresh")
"""From where jobs are begun, fastest first: a process that has imported all, only packages, nothing."""


class Zygote:
    """One zygote. `state` is `starting`, `ready`, `unfit` or `gone`."""

    def __init__(
        self, name: str, role: Role, channel: Channel, outlets: tuple[Print, ...], deadline: float
    ) -> None:
        self.id = name
        self.role = role
        self.channel = channel
        self.outlets = outlets
        self.deadline = deadline
        self.state = "starting"
        self.ready: Ready | None = None
        self.end = ""
        self.broken: Broken | None = None

    @property
    def mode(self) -> str:
        """From where its jobs are begun, one of `MODES`."""
        return "pipeline" if self.role.kind == "loader" else self.role.kind


class Zygotes:
    """Has zygotes begun by the stem, and finds the one for a number of threads.

    Args:
        stem: Where orders to begin zygotes go.
        template: A role whose kind, threads and packages are yet to be said.
        clock: Monotonic seconds.
        timeout_s: How long one may take to import.
        begun: Called with each new zygote.
    """

    def __init__(
        self,
        stem: Channel,
        template: Role,
        clock: Callable[[], float],
        timeout_s: float,
        begun: Callable[[Zygote], None],
    ) -> None:
        self._stem = stem
        self._template = template
        self._clock = clock
        self._timeout_s = timeout_s
        self._begun = begun
        self._note = ""
        self.mode = MODES[0]
        self._serving: dict[int, Zygote] = {}
        self.by_id: dict[str, Zygote] = {}
        self.loader = self._begin("loader", 1)

    def for_threads(self, threads: int) -> Zygote:
        """Return the zygote that serves jobs of so many threads, begun now if there is none."""
        serving = self._serving.get(threads)
        if serving is None or serving.state in ("unfit", "gone"):
            return self._begin(self.mode, threads)
        return serving

    def said(self, zygote: Zygote, notice: Ready | Broken) -> None:
        """Take note of what became of a zygote."""
        zygote.deadline = float("inf")
        if isinstance(notice, Broken):
            zygote.broken = notice
            self._fall_back(zygote, "fresh", notice.message)
            return
        zygote.ready = notice
        zygote.state = "ready"
        if notice.unfit:
            self._fall_back(zygote, "packages" if zygote.mode == "pipeline" else "fresh", notice.unfit)

    @property
    def note(self) -> str:
        """Why `mode` is not the fastest, with what to do; else empty."""
        if not self._note:
            return ""
        cost = "imports this repository's code" if self.mode == "packages" else "imports everything"
        return f"{self._note}, so each step {cost} anew; call such libraries inside steps only"

    def _fall_back(self, zygote: Zygote, mode: str, why: str) -> None:
        zygote.state = "unfit"
        forks = zygote.role.host == "linux"
        self.mode = max(self.mode, mode if forks else "fresh", key=MODES.index)
        self._note = self._note or why

    def cancel(self, zygote: Zygote) -> None:
        """Have a zygote ended with all its jobs."""
        self._stem.send(encode(Cancel(id=zygote.id)))

    def _begin(self, kind: str, threads: int) -> Zygote:
        ours, theirs = pair()
        stdout, stdout_end = os.pipe()
        stderr, stderr_end = os.pipe()
        role = msgspec.structs.replace(
            self._template,
            kind=kind,
            threads=threads,
            environment=limited(self._template.environment, threads),
            packages=self.loader.ready.packages if self.by_id and self.loader.ready else (),
        )
        outlets = (Print("", stdout, "stdout"), Print("", stderr, "stderr"))
        name = f"zygote-{len(self.by_id) + 1}"
        zygote = Zygote(name, role, Channel(ours), outlets, self._clock() + self._timeout_s)
        self.by_id[name] = self._serving[threads] = zygote
        self._stem.send(encode(Begin(id=name, order=encode(role))), [theirs.detach(), stdout_end, stderr_end])
        self._begun(zygote)
        return zygote
