"""One run: walks a graph until nothing is left that can run.

Rule (law 2): a result is known only after its bytes are stored, in one ledger transaction that also gives its
lease back; killed at any point, another run goes on from what is known.
"""

import os
from collections.abc import Callable
from typing import Final

import msgspec

from legato.domain.artifacts import Artifact, Result, Usage
from legato.domain.errors import BugError, LegatoError
from legato.domain.events import StepFailed, StepFinished, StepReused
from legato.domain.graph import Graph, Node
from legato.domain.keys import Cause, full_key
from legato.domain.messages import Failed, Finished, Given, Sample, WorkerMessage, WorkOrder
from legato.domain.progress import (
    Began,
    Ended,
    Planned,
    Printed,
    Retrying,
    Sampled,
    State,
    StepSummary,
    Summary,
    Waited,
)
from legato.engine.endings import HELD, Ending, ending_of
from legato.engine.kinds import Acted, Action, Call
from legato.engine.record import Record
from legato.engine.schedule import Schedule
from legato.engine.settings import Settings, Tools
from legato.engine.steps import Step
from legato.platforms import Ended as JobEnded
from legato.platforms import Job, Said
from legato.platforms import Printed as JobPrinted

LEASE_S: Final = 60.0
LEASE_POLL_S: Final = 0.05
TICK_S: Final = 1.0
FIRST_BACKOFF_S: Final = 1.0
CANCEL_PATIENCE_S: Final = 10.0
_WORKER: Final = msgspec.json.Decoder(WorkerMessage)
_ENCODER: Final = msgspec.json.Encoder()
_BAD: Final = frozenset({State.FAILED, State.SKIPPED, State.CANCELLED})
_SKIPPED_FOR: Final = {State.HELD: "is held", State.CANCELLED: "was cancelled"}


class Run:
    """Executes one graph. Use once: `Run(...).execute()`."""

    def __init__(self, graph: Graph, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._steps = {node.name: Step(node) for node in graph.nodes}
        self._makers = {
            output.artifact: (self._steps[node.name], output.field)
            for node in graph.nodes
            for output in node.outputs
        }
        self._schedule = Schedule(graph, settings.budget)
        self._record = Record(tools.ledger, settings.started)
        self._queue: list[Step] = []
        self._waiting: list[Step] = []
        self._retries: list[tuple[float, Step]] = []
        self._jobs: dict[str, Step] = {}
        self._holders: dict[str, Step] = {}
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
        steps = tuple(step.summary for step in self._steps.values() if step.summary is not None)
        summary = Summary(
            number=self._record.settled(),
            state=state,
            steps=steps,
            wall_s=self._tools.monotonic() - begun,
            left_machine=tuple(self._left),
        )
        self._record.finish(summary)
        return summary

    def _loop(self) -> str:
        while self._schedule.unfinished:
            progressed = self._decide_ready()
            self._dispatch()
            if self._jobs:
                self._poll(self._patience())
            elif self._waiting or self._retries or self._queue:
                self._tools.platform.poll(self._patience())
            elif not progressed:
                raise BugError(f"nothing can run but {sorted(self._schedule.unfinished)} are unfinished")
            self._wake()
        failed = any(step.summary and step.summary.state in _BAD for step in self._steps.values())
        return "failed" if failed else "succeeded"

    def _patience(self) -> float:
        if self._waiting or any(step.coming and not step.coming.done() for step in self._queue):
            return LEASE_POLL_S
        if self._retries:
            return min(TICK_S, max(0.0, min(at for at, _ in self._retries) - self._tools.monotonic()))
        return TICK_S

    def _wake(self) -> None:
        """Look again at what waits: for a moment to try again, for another run's result, for a lease to be renewed."""
        now = self._tools.monotonic()
        self._queue += [step for at, step in self._retries if at <= now]
        self._retries = [(at, step) for at, step in self._retries if at > now]
        waiting, self._waiting = self._waiting, []
        for step in waiting:
            self._reuse_or_lease(step)
        if now - self._renewed > LEASE_S / 4:
            self._renewed = now
            self._tools.ledger.renew([step.lease for step in self._steps.values() if step.lease], LEASE_S)

    # -- deciding --------------------------------------------------------------------------------------------

    def _decide_ready(self) -> bool:
        ready = self._schedule.take_ready()
        for name in ready:
            self._decide(self._steps[name])
        return bool(ready)

    def _decide(self, step: Step) -> None:
        node = step.node
        if node.words.effect and not self._settings.may_leave:
            self._record.later(self._failure(step, HELD))
            self._end(step, State.HELD, ending=HELD)
            return
        try:
            step.decided(self._tools.kinds[node.kind].call(node, self._inputs(node)))
        except LegatoError as error:
            self._fail(step, _refused(error))
            return
        if step.recipe:
            self._reuse_or_lease(step)
        else:
            step.causes = (Cause(kind="step", name=node.name, change="looks each time"),)
            self._queue.append(step)

    def _inputs(self, node: Node) -> dict[str, Artifact]:
        makers = ((item.parameter, *self._makers[item.artifact]) for item in node.inputs)
        return {parameter: maker.outputs[field] for parameter, maker, field in makers}

    def _reuse_or_lease(self, step: Step) -> None:
        again = step.node.name in self._settings.again or not step.node.words.cache
        if not again and self._reuse(step):
            return
        holder = self._holders.get(step.base)
        mine = holder is not None and holder.lease is not None  # another step of this run has the same key
        taken = () if mine else self._tools.ledger.acquire([step.base], self._settings.owner, LEASE_S)
        if not taken:
            self._waiting.append(step)
            return
        step.lease, self._holders[step.base] = taken[0], step
        if not again and self._reuse(
            step
        ):  # its owner before us may have finished between our look and our lease
            self._tools.ledger.release(step.take_lease())
            return
        step.causes = self._causes(step)
        self._queue.append(step)

    def _causes(self, step: Step) -> tuple[Cause, ...]:
        if step.node.name in self._settings.again:
            return (Cause(kind="option", name="--again", change="asked for it"),)
        if not step.node.words.cache:
            return (Cause(kind="word", name="cache=False", change="runs each time"),)
        return self._tools.results.why(step.node.name, step.recipe, step.base)

    def _reuse(self, step: Step) -> bool:
        result = self._tools.results.find(step.base, max_age_s=step.node.words.cache_age_s)
        if result is None:
            return False
        step.outputs = result.outputs
        learned = self._tools.results.learned(result.key)
        if learned is not None:
            self._record.learned(learned)
        self._record.later(StepReused(run=0, step=step.node.name, kind=step.node.kind, key=result.key))
        self._end(step, State.REUSED, key=result.key)
        return True

    # -- running ---------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        rest: list[Step] = []
        for step in self._queue:
            call = step.call
            assert call is not None  # noqa: S101 - queued only after a decision
            if not self._arrived(step, call):
                rest.append(step)
            elif step.summary is not None:
                continue
            elif call.act is not None:
                self._act(step, call.act)
            elif self._schedule.fits(step.node):
                self._start(step, call)
            else:
                rest.append(step)
        self._queue = rest

    def _arrived(self, step: Step, call: Call) -> bool:
        """Say whether what the step needs is on this machine, or cannot come; it is asked for once."""
        if step.coming is None:
            step.coming = self._tools.bring(tuple(call.inputs.values()))
        if not step.coming.done():
            return False
        try:
            step.coming.result()
        except LegatoError as error:
            self._fail(step, _refused(error))
        return True

    def _act(self, step: Step, act: Callable[[Action], Acted]) -> None:
        self._announce(step)
        try:
            acted = act(Action(run=self._record.open, key=step.base, recipe=step.recipe))
        except LegatoError as error:
            self._fail(step, _refused(error))
            return
        self._left += acted.left_machine
        if acted.changed:
            usage = Usage(wall_s=self._tools.monotonic() - step.began)
            self._succeed(step, Finished(outputs=acted.outputs), usage, notes=acted.notes)
        else:
            step.outputs, step.causes = acted.outputs, ()
            self._end(step, State.REUSED, notes=acted.notes)

    def _announce(self, step: Step) -> None:
        step.began = self._tools.monotonic()
        name, kind = step.node.name, step.node.kind
        self._tools.report(Began(step=name, kind=kind, causes=step.causes, attempt=step.attempt))

    def _start(self, step: Step, call: Call) -> None:
        node = step.node
        try:
            environment = self._tools.environment(node)
            if node.words.secrets:
                step.hide(self._tools.secrets(node))
        except LegatoError as error:
            self._fail(step, _refused(error))
            return
        self._jobs_started += 1
        step.job, step.claim = f"{self._record.open()}-{self._jobs_started}", None
        self._announce(step)
        folder = f"{self._settings.work}/{step.job}"
        os.mkdir(folder)  # noqa: PTH102 - once a step, so speed
        self._jobs[step.job] = step
        self._schedule.occupy(node)
        self._tools.platform.start(
            Job(
                id=step.job,
                payload=_ENCODER.encode(self._order(step, call, folder)),
                cpus=node.words.cpus,
                memory_bytes=node.words.memory_bytes,
                timeout_s=node.words.timeout_s,
                environment=environment,
                folder=self._settings.root,
            )
        )

    def _order(self, step: Step, call: Call, folder: str) -> WorkOrder:
        node = step.node
        return WorkOrder(
            node=node.name,
            kind=node.kind,
            run=self._record.number,
            key=step.base,
            attempt=step.attempt,
            folder=folder,
            root=self._settings.root,
            inputs=tuple(Given(parameter=p, artifact=a, path="") for p, a in call.inputs.items()),
            wiring=node.inputs,
            outputs=node.outputs,
            settings=node.settings,
            detail=node.detail,
            environment=self._settings.environment,
        )

    # -- hearing ---------------------------------------------------------------------------------------------

    def _poll(self, timeout_s: float) -> None:
        events = self._tools.platform.poll(timeout_s)
        if not events:
            self._tools.report(Waited(step=""))
        for event in events:
            step = self._jobs.get(event.job)
            if step is None:
                continue
            match event:
                case JobPrinted(data=data):
                    self._printed(
                        step, event.stream, step.masks[event.stream].feed(data) if step.masks else data
                    )
                case Said(line=line):
                    self._heard(step, line)
                case JobEnded():
                    del self._jobs[event.job]
                    self._schedule.vacate(step.node.name)
                    _remove(f"{self._settings.work}/{step.job}")
                    for stream, mask in step.masks.items():
                        self._printed(step, stream, mask.rest())
                    self._settle(step, event)

    def _printed(self, step: Step, stream: str, data: bytes) -> None:
        if data:
            self._tools.logs.write(self._record.number, step.node.name, data)
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
            return
        ending = ending_of(step.node, ended)
        if isinstance(claim, Failed) and ended.reason == "exited":
            ending = Ending(
                reason="raised",
                message=step.masked(claim.message),
                details=step.masked(claim.details),
                hint=step.masked(claim.hint),
            )
        if step.attempt > step.node.words.retries or ending.reason == "cancelled":
            self._fail(step, ending, ended.usage)
        else:
            self._retry(step, ending)

    # -- ending ----------------------------------------------------------------------------------------------

    def _succeed(self, step: Step, claim: Finished, usage: Usage, *, notes: tuple[str, ...] = ()) -> None:
        node = step.node
        wanted = {output.field for output in node.outputs}
        if not wanted <= claim.outputs.keys():
            message = f"made {sorted(claim.outputs)} where {sorted(wanted)} were expected"
            self._fail(step, Ending(reason="refused", message=message), usage)
            return
        step.outputs = claim.outputs
        self._tools.results.rests_on(claim.reads)
        if node.words.effect:
            self._left.append(node.name)
        number = self._record.open()
        result = Result(
            key=full_key(step.base, claim.reads),
            base=step.base,
            step=node.name,
            run=number,
            outputs=claim.outputs,
            reads=claim.reads,
            recipe=step.recipe,
            usage=usage,
            maker=self._settings.maker,
            platform=self._settings.platform,
            finished_at=self._tools.clock(),
        )
        log = self._tools.logs.close(number, node.name)
        event = StepFinished(kind=node.kind, result=result, attempt=step.attempt, log=log)
        self._record.write(event, step.take_lease())
        self._end(step, State.COMPUTED, key=result.key, usage=usage, log=log, notes=notes)

    def _retry(self, step: Step, ending: Ending) -> None:
        wait_s = FIRST_BACKOFF_S * 2 ** (step.attempt - 1)
        self._record.write(self._failure(step, ending, will_retry=True))
        self._tools.report(
            Retrying(
                step=step.node.name,
                attempt=step.attempt,
                reason=ending.reason,
                message=ending.message,
                wait_s=wait_s,
            )
        )
        step.attempt += 1
        self._retries.append((self._tools.monotonic() + wait_s, step))

    def _fail(self, step: Step, ending: Ending, usage: Usage | None = None) -> None:
        failure = self._failure(step, ending)
        self._record.write(failure, step.take_lease())
        state = State.CANCELLED if ending.reason == "cancelled" else State.FAILED
        usage = usage or Usage(wall_s=failure.wall_s)
        self._end(step, state, usage=usage, ending=ending, log=failure.log)

    def _failure(self, step: Step, ending: Ending, *, will_retry: bool = False) -> StepFailed:
        return StepFailed(
            run=self._record.number if ending is HELD else self._record.open(),
            step=step.node.name,
            kind=step.node.kind,
            reason=ending.reason,
            message=ending.message,
            details=ending.details,
            hint=ending.hint,
            attempt=step.attempt,
            wall_s=self._tools.monotonic() - step.began if step.began else 0.0,
            log=self._tools.logs.close(self._record.number, step.node.name),
            key=step.base,
            will_retry=will_retry,
        )

    def _end(  # noqa: PLR0913 - one a field of the summary
        self,
        step: Step,
        state: State,
        *,
        key: str = "",
        usage: Usage = Usage(),  # noqa: B008 - frozen
        ending: Ending | None = None,
        log: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        node = step.node
        told = ending or Ending(reason="", message="")
        step.summary = StepSummary(
            name=node.name,
            kind=node.kind,
            state=state,
            key=key,
            causes=step.causes,
            usage=usage,
            outputs=step.named_outputs(),
            message=told.message,
            hint=told.hint,
            details=told.details,
            log=log,
            notes=notes,
        )
        self._tools.report(
            Ended(
                step=node.name,
                kind=node.kind,
                state=state,
                usage=usage,
                message=told.message,
                details=told.details,
                hint=told.hint,
                log=log,
                notes=notes,
            )
        )
        if state in {State.COMPUTED, State.REUSED}:
            self._schedule.done(node.name)
            return
        own = (
            State.HELD if state is State.HELD else State.SKIPPED
        )  # what waits for a held step has not failed
        for lost in self._schedule.failed(node.name):
            self._skip(self._steps[lost], own, f"not run: {node.name} {_SKIPPED_FOR.get(state, 'failed')}")

    def _skip(self, step: Step, state: State, message: str) -> None:
        name, kind = step.node.name, step.node.kind
        self._record.later(StepFailed(run=0, step=name, kind=kind, reason=state, message=message))
        step.summary = StepSummary(name=name, kind=kind, state=state, message=message)
        self._tools.report(Ended(step=name, kind=kind, state=state, message=message))

    def _cancel(self) -> None:
        """Stop every job, hear its end, and give every lease back."""
        for job in list(self._jobs):
            self._tools.platform.cancel(job)
        deadline = self._tools.monotonic() + CANCEL_PATIENCE_S
        while self._jobs and self._tools.monotonic() < deadline:
            self._poll(deadline - self._tools.monotonic())
        self._tools.platform.close()
        self._tools.ledger.release([lease for step in self._steps.values() for lease in step.take_lease()])
        for step in self._steps.values():
            if step.summary is None:
                step.summary = StepSummary(name=step.node.name, kind=step.node.kind, state=State.CANCELLED)


def _refused(error: LegatoError) -> Ending:
    return Ending(reason="refused", message=error.message, hint=error.hint)


def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)  # noqa: PTH106 - most are empty, and shutil is dear to import
    except OSError:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
