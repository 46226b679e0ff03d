"""One run: walks a graph until nothing is left that can run, and records what became of each step.

Rule (law 2): a result is known only after its bytes are stored, in one ledger transaction that also gives its
lease back; killed at any point, another run goes on from what is known.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from legato.domain.artifacts import Artifact, Result, Usage
from legato.domain.errors import BugError, LegatoError
from legato.domain.events import Event, RunFinished, RunStarted, StepFailed, StepFinished, StepReused
from legato.domain.graph import Graph, Node, Struct
from legato.domain.keys import Cause, Recipe, base_key, full_key
from legato.domain.messages import Failed, Finished, Given, Sample, WorkerMessage, WorkOrder
from legato.domain.progress import (
    AnyProgress,
    Began,
    Ended,
    Planned,
    Printed,
    Retrying,
    Sampled,
    State,
    StepSummary,
    Summary,
)
from legato.domain.units import show_seconds
from legato.engine.kinds import Action, Call, Kind
from legato.engine.logs import Logs
from legato.engine.masking import Mask
from legato.engine.results import Results
from legato.engine.schedule import Budget, Schedule
from legato.ledger import Lease, Ledger, Query
from legato.platforms import Ended as JobEnded
from legato.platforms import Job, Platform
from legato.platforms import Printed as JobPrinted
from legato.platforms import Said

LEASE_S: Final = 60.0
LEASE_POLL_S: Final = 0.05
FIRST_BACKOFF_S: Final = 1.0
WHOLE_OUTPUT: Final = ""
_WORKER = msgspec.json.Decoder(WorkerMessage)
_ENCODER = msgspec.json.Encoder()


class Settings(Struct, frozen=True, kw_only=True):
    """What one run is told.

    Attributes:
        started: The event that opens the run; its number is given when the run first has something to record.
        owner: Who holds this run's leases.
        again: Steps to run whether or not a result serves.
        maker: Who makes results here (`laptop`, `untrusted`, `ci`).
        platform: Where results are made (`linux-x86_64-cpython-3.11`).
        may_leave: Steps marked `effect` may act.
        work: Folder for the private folders of executions, absolute.
        root: The repository, absolute.
    """

    started: RunStarted
    owner: str
    budget: Budget
    work: str
    root: str
    again: frozenset[str] = frozenset()
    maker: str = "laptop"
    platform: str = ""
    may_leave: bool = False


class Tools(Struct, frozen=True, kw_only=True):
    """The rooms that a run uses, handed in by `app`."""

    ledger: Ledger
    results: Results
    platform: Platform
    kinds: Mapping[str, Kind]
    logs: Logs
    environment: Callable[[Node], Mapping[str, str]]
    secrets: Callable[[Node], Iterable[str]]
    report: Callable[[AnyProgress], None]
    clock: Callable[[], float]
    monotonic: Callable[[], float]


class Step:
    """What a run knows of one node while it is on its way."""

    __slots__ = ("attempt", "began", "call", "causes", "claim", "ended", "job", "lease", "masks", "node", "outputs", "summary")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.attempt = 1
        self.began = 0.0
        self.call: Call | None = None
        self.causes: tuple[Cause, ...] = ()
        self.claim: Finished | Failed | None = None
        self.ended: JobEnded | None = None
        self.job = ""
        self.lease: Lease | None = None
        self.masks: dict[str, Mask] = {}
        self.outputs: Mapping[str, Artifact] = {}
        self.summary: StepSummary | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe of its call; empty when it has none."""
        return (self.call.recipe or ()) if self.call else ()

    @property
    def base(self) -> str:
        """The key before reads are known."""
        return base_key(self.recipe)


class Run:
    """Executes one graph. Use once: `Run(...).execute()`."""

    def __init__(self, graph: Graph, settings: Settings, tools: Tools) -> None:
        self._graph = graph
        self._settings = settings
        self._tools = tools
        self._steps = {node.name: Step(node) for node in graph.nodes}
        self._makers = graph.makers()
        self._schedule = Schedule(graph, settings.budget)
        self._queue: list[Step] = []
        self._waiting: list[Step] = []
        self._retries: list[tuple[float, Step]] = []
        self._jobs: dict[str, Step] = {}
        self._number = 0
        self._pending: list[Event] = []
        self._left: list[str] = []
        self._jobs_started = 0
        self._renewed = 0.0

    def execute(self) -> Summary:
        """Run until nothing is left, and return what became of every step.

        A `KeyboardInterrupt` stops every job, is recorded, and comes out again as state `cancelled`.
        """
        begun = self._renewed = self._tools.monotonic()
        self._tools.report(Planned(step="", steps=tuple(self._steps)))
        try:
            state = self._loop()
        except KeyboardInterrupt:
            self._cancel()
            state = "cancelled"
        except BaseException:
            self._cancel()
            raise
        return self._finish(state, self._tools.monotonic() - begun)

    def _loop(self) -> str:
        while self._schedule.unfinished:
            progressed = self._decide_ready()
            self._dispatch()
            if self._jobs:
                self._poll(self._patience())
            elif self._waiting or self._retries:
                self._tools.platform.poll(self._patience())
            elif not progressed and not self._queue:
                raise BugError(f"nothing can run but {sorted(self._schedule.unfinished)} are unfinished")
            self._wake()
        failed = any(step.summary and step.summary.state in _BAD for step in self._steps.values())
        return "failed" if failed else "succeeded"

    def _patience(self) -> float | None:
        if self._waiting:
            return LEASE_POLL_S
        if self._retries:
            return max(0.0, min(at for at, _ in self._retries) - self._tools.monotonic())
        return LEASE_S / 4

    def _wake(self) -> None:
        now = self._tools.monotonic()
        due = [step for at, step in self._retries if at <= now]
        self._retries = [(at, step) for at, step in self._retries if at > now]
        self._queue += due
        waiting, self._waiting = self._waiting, []
        for step in waiting:
            self._reuse_or_lease(step)
        if now - self._renewed > LEASE_S / 4:
            self._renewed = now
            held = [step.lease for step in self._steps.values() if step.lease]
            self._tools.ledger.renew(held, LEASE_S)

    def _decide_ready(self) -> bool:
        ready = self._schedule.take_ready()
        for name in ready:
            self._decide(self._steps[name])
        return bool(ready)

    def _decide(self, step: Step) -> None:
        node = step.node
        if node.words.effect and not self._settings.may_leave:
            self._hold(step)
            return
        try:
            step.call = self._tools.kinds[node.kind].call(node, self._inputs(node))
        except LegatoError as error:
            self._fail(step, "refused", error.message, hint=error.hint)
            return
        if step.call.recipe is None:
            step.causes = (Cause(kind="step", name=node.name, change="always runs"),)
            self._queue.append(step)
        else:
            self._reuse_or_lease(step)

    def _inputs(self, node: Node) -> dict[str, Artifact]:
        found = {}
        for item in node.inputs:
            maker = self._steps[self._makers[item.artifact]]
            field = next(o.field for o in maker.node.outputs if o.artifact == item.artifact)
            found[item.parameter] = maker.outputs[field]
        return found

    def _reuse_or_lease(self, step: Step) -> None:
        node, words = step.node, step.node.words
        again = node.name in self._settings.again or not words.cache
        if not again:
            result = self._tools.results.find(step.base, max_age_s=words.cache_age_s)
            if result is not None:
                self._reuse(step, result)
                return
        taken = self._tools.ledger.acquire([step.base], self._settings.owner, LEASE_S)
        if not taken:
            self._waiting.append(step)
            return
        step.lease = taken[0]
        if not again:  # the owner before us may have finished between our look and our lease
            result = self._tools.results.find(step.base, max_age_s=words.cache_age_s)
            if result is not None:
                self._tools.ledger.release([step.lease])
                step.lease = None
                self._reuse(step, result)
                return
        step.causes = self._causes(step)
        self._queue.append(step)

    def _causes(self, step: Step) -> tuple[Cause, ...]:
        if step.node.name in self._settings.again:
            return (Cause(kind="option", name="--again", change="asked for it"),)
        if not step.node.words.cache:
            return (Cause(kind="word", name="cache=False", change="runs each time"),)
        return self._tools.results.why(step.node.name, step.recipe, step.base)

    def _reuse(self, step: Step, result: Result) -> None:
        step.outputs = result.outputs
        self._pending.append(
            StepReused(run=self._number, step=step.node.name, kind=step.node.kind, key=result.key)
        )
        self._end(step, State.REUSED, key=result.key)

    def _dispatch(self) -> None:
        rest: list[Step] = []
        for step in self._queue:
            if step.call is not None and step.call.act is not None:
                self._act(step, step.call)
            elif self._schedule.fits(step.node):
                self._start(step)
            else:
                rest.append(step)
        self._queue = rest

    def _act(self, step: Step, call: Call) -> None:
        assert call.act is not None  # noqa: S101 - narrowed by the caller
        self._announce(step)
        try:
            acted = call.act(Action(run=self._run_number, key=step.base, recipe=step.recipe))
        except LegatoError as error:
            self._fail(step, "refused", error.message, hint=error.hint)
            return
        self._left += acted.left_machine
        if not acted.changed:
            step.outputs, step.causes = acted.outputs, ()
            self._end(step, State.REUSED, notes=acted.notes)
            return
        usage = Usage(wall_s=self._tools.monotonic() - step.began)
        self._succeed(step, Finished(outputs=acted.outputs), usage, notes=acted.notes)

    def _announce(self, step: Step) -> None:
        step.began = self._tools.monotonic()
        self._tools.report(
            Began(step=step.node.name, kind=step.node.kind, causes=step.causes, attempt=step.attempt)
        )

    def _start(self, step: Step) -> None:
        node, call = step.node, step.call
        assert call is not None  # noqa: S101 - queued only after a decision
        self._jobs_started += 1
        step.job = f"{self._run_number()}-{self._jobs_started}"
        step.claim = step.ended = None
        if node.words.secrets:
            secrets = list(self._tools.secrets(node))
            step.masks = {stream: Mask(secrets) for stream in ("stdout", "stderr", "claims")}
        self._announce(step)
        folder = f"{self._settings.work}/{step.job}"
        order = WorkOrder(
            node=node.name,
            kind=node.kind,
            run=self._number,
            key=step.base,
            attempt=step.attempt,
            folder=folder,
            root=self._settings.root,
            inputs=tuple(Given(parameter=p, artifact=a, path="") for p, a in call.inputs.items()),
            wiring=node.inputs,
            outputs=node.outputs,
            settings=node.settings,
            detail=node.detail,
            environment=self._settings.started.environment,
        )
        os.mkdir(folder)  # noqa: PTH102 - once a step, so speed
        self._jobs[step.job] = step
        self._schedule.occupy(node)
        self._tools.platform.start(
            Job(
                id=step.job,
                payload=_ENCODER.encode(order),
                cpus=node.words.cpus,
                memory_bytes=node.words.memory_bytes,
                timeout_s=node.words.timeout_s,
                environment=self._tools.environment(node),
                folder=folder,
            )
        )

    def _poll(self, timeout_s: float | None) -> None:
        for event in self._tools.platform.poll(timeout_s):
            step = self._jobs.get(event.job)
            if step is None:
                continue
            match event:
                case JobPrinted(data=data):
                    shown = step.masks[event.stream].feed(data) if step.masks else data
                    self._printed(step, event.stream, shown)
                case Said(line=line):
                    self._heard(step, line)
                case JobEnded():
                    del self._jobs[event.job]
                    self._schedule.vacate(step.node.name)
                    _remove(f"{self._settings.work}/{step.job}")
                    step.ended = event
                    for stream, mask in step.masks.items():
                        self._printed(step, stream, mask.rest())
                    self._settle(step, event)

    def _printed(self, step: Step, stream: str, data: bytes) -> None:
        if data:
            self._tools.logs.write(self._number, step.node.name, data)
            self._tools.report(Printed(step=step.node.name, stream=stream, data=data))

    def _heard(self, step: Step, line: bytes) -> None:
        try:
            message: WorkerMessage = _WORKER.decode(line)
        except msgspec.DecodeError as error:
            step.claim = Failed(error="BugError", message=f"the worker said what we cannot read: {error}")
            return
        match message:
            case Sample(values=values, step=at):
                self._tools.report(Sampled(step=step.node.name, values=values, at=at))
            case Finished() | Failed():
                step.claim = message

    def _settle(self, step: Step, ended: JobEnded) -> None:
        claim = step.claim
        if isinstance(claim, Finished) and ended.reason == "exited" and ended.code == 0:
            self._succeed(step, claim, ended.usage)
        elif isinstance(claim, Failed) and ended.reason == "exited":
            said = [_masked(step, text) for text in (claim.message, claim.details, claim.hint)]
            self._retry_or_fail(step, "raised", said[0], details=said[1], hint=said[2])
        else:
            message, hint = _ending(step.node, ended)
            self._retry_or_fail(step, _REASONS.get(ended.reason, ended.reason), message, hint=hint)

    def _succeed(self, step: Step, claim: Finished, usage: Usage, *, notes: tuple[str, ...] = ()) -> None:
        node = step.node
        wanted = {output.field for output in node.outputs}
        if wanted - claim.outputs.keys():
            self._fail(step, "refused", f"made {sorted(claim.outputs)} where {sorted(wanted)} were expected")
            return
        step.outputs = claim.outputs
        self._tools.results.rests_on(claim.reads)
        log = self._tools.logs.close(self._number, node.name)
        key = full_key(step.base, claim.reads)
        release = [step.lease] if step.lease else []
        step.lease = None
        if node.words.effect:
            self._left.append(node.name)
        result = Result(
            key=key,
            base=step.base,
            step=node.name,
            run=self._run_number(),
            outputs=claim.outputs,
            reads=claim.reads,
            recipe=step.recipe,
            usage=usage,
            maker=self._settings.maker,
            platform=self._settings.platform,
            finished_at=self._tools.clock(),
        )
        event = StepFinished(kind=node.kind, result=result, attempt=step.attempt, log=log)
        self._record([event], release)
        self._end(step, State.COMPUTED, key=key, usage=usage, log=log, notes=notes)

    def _retry_or_fail(self, step: Step, reason: str, message: str, *, details: str = "", hint: str = "") -> None:
        if step.attempt > step.node.words.retries or reason == "cancelled":
            self._fail(step, reason, message, details=details, hint=hint)
            return
        wait_s = FIRST_BACKOFF_S * 2 ** (step.attempt - 1)
        log = self._tools.logs.close(self._number, step.node.name)
        failed = self._failure(step, reason, message, details, hint, log)
        self._record([msgspec.structs.replace(failed, will_retry=True)], [])
        self._tools.report(
            Retrying(step=step.node.name, attempt=step.attempt, reason=reason, message=message, wait_s=wait_s)
        )
        step.attempt += 1
        self._retries.append((self._tools.monotonic() + wait_s, step))

    def _failure(  # noqa: PLR0913 - one a field of the event
        self, step: Step, reason: str, message: str, details: str, hint: str, log: str
    ) -> StepFailed:
        wall_s = self._tools.monotonic() - step.began if step.began else 0.0
        return StepFailed(
            run=self._run_number(),
            step=step.node.name,
            kind=step.node.kind,
            reason=reason,
            message=message,
            details=details,
            hint=hint,
            attempt=step.attempt,
            wall_s=wall_s,
            log=log,
            key=step.base,
        )

    def _fail(self, step: Step, reason: str, message: str, *, details: str = "", hint: str = "") -> None:
        log = self._tools.logs.close(self._number, step.node.name)
        failed = self._failure(step, reason, message, details, hint, log)
        release = [step.lease] if step.lease else []
        step.lease = None
        self._record([failed], release)
        usage = step.ended.usage if step.ended else Usage(wall_s=failed.wall_s)
        state = State.CANCELLED if reason == "cancelled" else State.FAILED
        self._end(step, state, usage=usage, message=message, details=details, hint=hint, log=log)

    def _hold(self, step: Step) -> None:
        message = "acts outside this machine, so it waits"
        hint = "legato run --environment NAME lets it act"
        self._pending.append(
            StepFailed(
                run=0, step=step.node.name, kind=step.node.kind, reason="held", message=message, hint=hint
            )
        )
        self._end(step, State.HELD, message=message, hint=hint)

    def _end(  # noqa: PLR0913 - one a field of the summary
        self,
        step: Step,
        state: State,
        *,
        key: str = "",
        usage: Usage | None = None,
        message: str = "",
        details: str = "",
        hint: str = "",
        log: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        node, usage = step.node, usage or Usage()
        step.summary = StepSummary(
            name=node.name,
            kind=node.kind,
            state=state,
            key=key,
            causes=step.causes,
            usage=usage,
            outputs={o.artifact: step.outputs[o.field] for o in node.outputs if o.field in step.outputs},
            message=message,
            hint=hint,
            details=details,
            log=log,
            notes=notes,
        )
        self._tools.report(
            Ended(
                step=node.name,
                kind=node.kind,
                state=state,
                usage=usage,
                message=message,
                details=details,
                hint=hint,
                log=log,
                notes=notes,
            )
        )
        if state in {State.COMPUTED, State.REUSED}:
            self._schedule.done(node.name)
            return
        for lost in self._schedule.failed(node.name):
            self._skip(self._steps[lost], node.name, state)

    def _skip(self, step: Step, cause: str, state: State) -> None:
        verb = {State.HELD: "is held", State.CANCELLED: "was cancelled"}.get(state, "failed")
        message = f"not run: {cause} {verb}"
        node = step.node
        self._pending.append(
            StepFailed(run=self._number, step=node.name, kind=node.kind, reason="skipped", message=message)
        )
        step.summary = StepSummary(name=node.name, kind=node.kind, state=State.SKIPPED, message=message)
        self._tools.report(Ended(step=node.name, kind=node.kind, state=State.SKIPPED, message=message))

    def _run_number(self) -> int:
        """Open the run in the ledger when it first has something to say: an idle run leaves no trace."""
        if not self._number:
            self._number = _open_run(self._tools.ledger, self._settings.started)
        return self._number

    def _record(self, events: list[Event], release: list[Lease]) -> None:
        number = self._run_number()
        before = [msgspec.structs.replace(event, run=number) for event in self._pending]
        self._pending = []
        self._tools.ledger.append([*before, *events], release=release)

    def _cancel(self) -> None:
        for job in list(self._jobs):
            self._tools.platform.cancel(job)
        while self._jobs:
            before = len(self._jobs)
            self._poll(10.0)
            if len(self._jobs) == before and not self._tools.platform.poll(0):
                break
        self._tools.platform.close()
        leases = [step.lease for step in self._steps.values() if step.lease]
        for step in self._steps.values():
            if step.summary is None:
                step.summary = StepSummary(name=step.node.name, kind=step.node.kind, state=State.CANCELLED)
        self._tools.ledger.release(leases)

    def _finish(self, state: str, wall_s: float) -> Summary:
        steps = tuple(step.summary for step in self._steps.values() if step.summary is not None)
        summary = Summary(
            number=self._number, state=state, steps=steps, wall_s=wall_s, left_machine=tuple(self._left)
        )
        if self._number:
            self._record(
                [
                    RunFinished(
                        number=self._number,
                        state=state,
                        computed=summary.count(State.COMPUTED),
                        reused=summary.count(State.REUSED),
                        failed=summary.count(State.FAILED),
                        skipped=summary.count(State.SKIPPED),
                        wall_s=wall_s,
                        left_machine=summary.left_machine,
                    )
                ],
                [],
            )
        return summary


_BAD: Final = frozenset({State.FAILED, State.SKIPPED, State.CANCELLED})
_REASONS: Final = {"signalled": "killed"}


def _open_run(ledger: Ledger, started: RunStarted) -> int:
    def decide(query: Query) -> list[Event]:
        number = query("next_run")[0]["number"]
        return [msgspec.structs.replace(started, number=number)]

    (stored,) = ledger.transact(decide)
    assert isinstance(stored.event, RunStarted)  # noqa: S101 - what we just appended
    return stored.event.number


def _masked(step: Step, text: str) -> str:
    mask = step.masks.get("claims")
    return (mask.feed(text.encode()) + mask.rest()).decode(errors="replace") if mask else text


def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)  # noqa: PTH106 - most are empty, and shutil is dear to import
    except OSError:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def _ending(node: Node, ended: JobEnded) -> tuple[str, str]:
    """Return what to say of a job that ended without a word, and what to do next."""
    match ended.reason:
        case "timeout":
            limit = show_seconds(node.words.timeout_s)
            return f"did not end within its timeout of {limit}", f'raise timeout="{limit}" on the step'
        case "memory":
            return "used more than its memory= allows", "raise memory= on the step, or make it use less"
        case "signalled":
            hint = "exit code -11 is a crash in native code" if ended.code in {-11, 11} else ""
            return f"was killed by signal {abs(ended.code)}", hint or "look at its log for the last words"
        case "cancelled":
            return "was cancelled", ""
        case "lost":
            return "was lost: the process that started it died", "run again; `legato doctor` looks for causes"
        case _:
            return f"exited with code {ended.code} before it returned", "a step returns its artifacts; it does not exit"
