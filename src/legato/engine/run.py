"""One run: walks a graph until nothing is left that can run.

Rule (law 2): a result is known only after its bytes are stored, in one ledger transaction that also gives its
lease back; killed at any point, another run goes on from what is known.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import msgspec

from legato.domain.artifacts import Artifact, Usage
from legato.domain.errors import BugError, LegatoError
from legato.domain.events import StepFailed, StepReused
from legato.domain.graph import Graph
from legato.domain.keys import Cause
from legato.domain.messages import Failed, Finished
from legato.domain.progress import (
    Expanded,
    Planned,
    Retrying,
    State,
    StepSummary,
    Summary,
)
from legato.engine.endings import HELD, NOT_WANTED, Ending, ending_of, refused, tried_again
from legato.engine.facts import failure, success
from legato.engine.fanning import FanOut
from legato.engine.jobs import Jobs
from legato.engine.kinds import Acted, Action
from legato.engine.queue import Queue
from legato.engine.record import Record
from legato.engine.schedule import Schedule, refuse_unmet
from legato.engine.settings import Coming, Settings, Tools
from legato.engine.steps import Step
from legato.engine.waiting import POLL_S, Waiting
from legato.engine.wiring import Wiring
from legato.platforms import Ended as JobEnded

LEASE_S: Final = 60.0
CANCEL_LOOK_S: Final = 0.4
AHEAD: Final = 8
"""How many steps of a line are asked for their inputs before it is their turn."""
_SKIPPED_FOR: Final = {
    State.HELD: "is held",
    State.CANCELLED: "was cancelled",
    State.NOT_WANTED: "is not wanted",
}
_LOST_AS: Final = {State.HELD: State.HELD, State.NOT_WANTED: State.NOT_WANTED}
"""What waits for a held step has not failed, nor what waits for one that is not wanted."""


class _CancelledError(Exception):
    """Someone asked for the end of this run."""


class Run:
    """Executes one graph. Use once: `Run(...).execute()`."""

    def __init__(self, graph: Graph, settings: Settings, tools: Tools) -> None:
        refuse_unmet(graph, settings.budget)
        self._settings = settings
        self._tools = tools
        self._steps = {node.name: Step(node) for node in graph.nodes}
        self._order = tuple(self._steps)
        self._wiring = Wiring(graph, tools.results.family, tools.results.keep)
        self._fan_out = FanOut(self._steps, self._wiring)
        self._schedule = Schedule(graph, settings.budget)
        self._record = Record(tools.ledger, settings.started)
        self._jobs = Jobs(settings, tools, self._record, self._schedule)
        self._queue = Queue()
        self._waiting = Waiting()
        self._twins: dict[str, list[Step]] = {}
        self._holders: dict[str, Step] = {}
        self._left: list[str] = []
        self._saved_s = 0.0
        self._renewed = self._looked = 0.0

    def execute(self) -> Summary:
        """Run until nothing is left, and return what became of every step.

        A `KeyboardInterrupt` stops every job, is recorded, and comes out again as state `cancelled`; so does the
        wish of someone else.
        """
        begun = self._renewed = self._looked = self._tools.monotonic()
        self._tools.report(Planned(step="", steps=self._order))
        try:
            state = self._loop()
        except (KeyboardInterrupt, _CancelledError):
            self._cancel()
            state = "cancelled"
        except BaseException:
            self._cancel()
            raise
        self._jobs.tidy()
        summary = Summary(
            number=self._record.settled(),
            state=state,
            steps=tuple(self._summaries()),
            wall_s=self._tools.monotonic() - begun,
            left_machine=tuple(self._left),
            saved_s=self._saved_s,
            cancelled_by=self._record.cancelled_by() if state == "cancelled" else "",
        )
        self._record.finish(summary)
        return summary

    def _summaries(self) -> Iterable[StepSummary]:
        for name in self._order:
            for one in (name, *self._wiring.families.members(name)):
                summary = self._steps[one].summary
                if summary is not None:
                    yield summary

    def _loop(self) -> str:
        self._leave_out()
        self._expand()
        while self._schedule.unfinished:
            decided = self._decide_ready()
            progressed = self._dispatch() or decided
            if self._jobs:
                for step, ended in self._jobs.poll(self._patience()):
                    self._settle(step, ended)
            elif self._waiting or len(self._queue):
                self._tools.platform.poll(self._patience())
            elif not progressed:
                raise BugError(f"nothing can run but {sorted(self._schedule.unfinished)[:20]} are unfinished")
            self._wake()
        return "failed" if self._fan_out.unexcused(self._schedule) else "succeeded"

    def _patience(self) -> float:
        late = any(step.coming and not step.coming.done() for step in self._queue.next(AHEAD))
        return POLL_S if late else self._waiting.patience(self._tools.monotonic())

    def _wake(self) -> None:
        """Look again at what waits: for a moment to try again, for another run's result, for a lease to be renewed."""
        now = self._tools.monotonic()
        for step in self._waiting.due(now):
            self._queue.put(step)
        for step in self._waiting.claimed():
            if not self._reuse(step):
                self._queue.put(step)
        self._waiting.arrive()
        if now - self._renewed > LEASE_S / 4:
            self._renewed = now
            self._tools.ledger.renew([step.lease for step in self._steps.values() if step.lease], LEASE_S)
        if now - self._looked > CANCEL_LOOK_S:
            self._looked = now
            if self._record.cancel_is_asked():
                raise _CancelledError

    # -- fanning out -----------------------------------------------------------------------------------------

    def _leave_out(self) -> None:
        """End what a parameter says is not wanted, before anything else is decided."""
        for name in self._order:
            step = self._steps[name]
            if not step.node.wanted and step.summary is None:
                self._drop(step)

    def _drop(self, step: Step) -> None:
        ending = Ending(reason=NOT_WANTED, message=f"{step.node.when or 'its when='} is False")
        self._record.later(self._failure(step, ending))
        self._end(step, State.NOT_WANTED, ending=ending)

    def _expand(self) -> None:
        """Add the elements of each step whose axes have become known."""
        for template in self._wiring.families.expandable():
            step = self._steps[template.name]
            if step.summary is not None:
                continue
            try:
                elements = self._wiring.families.expand(template)
            except LegatoError as error:
                self._fail(step, refused(error))
                continue
            self._steps |= {element.node.name: Step(element.node) for element in elements}
            names = self._wiring.families.members(template.name)
            self._tools.report(Expanded(step=template.name, elements=names))
            for name, vain in self._schedule.expand(template.name, elements):
                self._lose(name, vain)

    def _lose(self, name: str, vain: str) -> None:
        """Skip an element that was in vain before it was known."""
        before = self._steps[vain].summary
        state = before.state if before is not None else State.FAILED
        for lost in (name, *self._schedule.failed(name)):
            self._skip(lost, _LOST_AS.get(state, State.SKIPPED), _not_run(vain, state))

    def _made(self, step: Step, coming: Coming) -> None:
        """Tell those that wait for a step that it is done; first of all those that are fanned out over it."""
        try:
            coming.result()
            self._wiring.learn(step.node)
        except LegatoError as error:
            for lost in self._schedule.failed(step.node.name):
                self._skip(lost, State.SKIPPED, f"not run: {error.message}")
            return
        self._expand()
        self._schedule.done(step.node.name)

    # -- deciding --------------------------------------------------------------------------------------------

    def _decide_ready(self) -> bool:
        ready = self._schedule.take_ready()
        for name in ready:
            self._decide(self._steps[name])
        return bool(ready)

    def _decide(self, step: Step) -> None:
        node = step.node
        if node.axes:
            self._tools.report(self._fan_out.over(node.name))
            self._schedule.done(node.name)
        elif node.when:
            condition = self._wiring.artifact(node.when)
            assert condition is not None  # noqa: S101 - it is one of the step's needs
            self._waiting.once(self._tools.bring((condition,)), partial(self._decide_wanted, step, condition))
        else:
            self._decide_now(step)

    def _decide_wanted(self, step: Step, condition: Artifact) -> None:
        try:
            wanted = self._tools.results.truth(condition, step.node.when)
        except LegatoError as error:
            self._fail(step, refused(error))
            return
        if wanted:
            self._decide_now(step)
        else:
            self._drop(step)

    def _decide_now(self, step: Step) -> None:
        node = step.node
        refusal = self._fan_out.refusal(node)
        if refusal is not None:
            for lost in (node.name, *self._schedule.failed(node.name)):
                self._skip(lost, refusal.state, refusal.message)
            return
        if node.words.effect and not self._settings.may_leave:
            self._record.later(self._failure(step, HELD))
            self._end(step, State.HELD, ending=HELD)
            return
        try:
            step.decided(self._tools.kinds[node.kind].call(node, self._wiring.inputs(node)))
        except LegatoError as error:
            self._fail(step, refused(error))
            return
        if not step.recipe:
            step.causes = (Cause(kind="step", name=node.name, change="looks each time"),)
        elif self._reuse(step):
            return
        self._queue.put(step)

    def _asked(self, step: Step) -> Cause | None:
        """Return why a step runs though a result might serve, if it does."""
        node = step.node
        if node.name in self._settings.again or node.template in self._settings.again:
            return Cause(kind="option", name="--again", change="asked for it")
        return None if node.words.cache else Cause(kind="word", name="cache=False", change="runs each time")

    def _is_mine(self, step: Step) -> bool:
        """Say whether a step is this run's to compute: nobody else is at it, nor has finished it meanwhile."""
        if not step.recipe or step.lease is not None:
            return True
        holder = self._holders.get(step.base)
        if holder is not None and holder.lease is not None:  # another step of this run has the same key
            self._twins.setdefault(step.base, []).append(step)
            return False
        taken = self._tools.ledger.acquire([step.base], self._settings.owner, LEASE_S)
        if not taken:
            self._waiting.elsewhere(step)
            return False
        step.lease, self._holders[step.base] = taken[0], step
        if self._reuse(step):  # its owner before us may have finished between our look and our lease
            self._tools.ledger.release(step.take_lease())
            return False
        asked = self._asked(step)
        causes = (asked,) if asked else self._tools.results.why(step.node.name, step.recipe, step.base)
        step.causes = causes
        return True

    def _reuse(self, step: Step) -> bool:
        if self._asked(step) is not None:
            return False
        result = self._tools.results.find(step.base, max_age_s=step.node.words.cache_age_s)
        if result is None:
            return False
        step.outputs = result.outputs
        self._saved_s += result.usage.wall_s
        learned = self._tools.results.learned(result.key)
        if learned is not None:
            self._record.learned(learned)
        self._record.later(StepReused(run=0, step=step.node.name, kind=step.node.kind, key=result.key))
        self._end(step, State.REUSED, key=result.key, notes=self._fan_out.notes(step.node))
        return True

    # -- running ---------------------------------------------------------------------------------------------

    def _dispatch(self) -> bool:
        """Begin what fits; say whether it was any step's turn."""
        for step in self._queue.next(AHEAD):
            self._is_here(step)
        turns = 0
        for step in self._queue.take(self._schedule.fits, self._is_here):
            turns += 1
            if self._is_mine(step):
                self._begin(step)
        return turns > 0

    def _is_here(self, step: Step) -> bool:
        """Say whether what the step needs is on this machine, or cannot come; it is asked for once."""
        if step.coming is None:
            assert step.call is not None  # noqa: S101 - queued only after a decision
            step.coming = self._tools.bring(self._wiring.all_inputs(step.node, step.call.inputs))
        return step.coming.done()

    def _begin(self, step: Step) -> None:
        call = step.call
        assert call is not None  # noqa: S101 - queued only after a decision
        try:
            if step.coming is not None:
                step.coming.result()
            if call.act is not None:
                self._act(step, call.act)
            else:
                self._jobs.start(step, call)
        except LegatoError as error:
            self._fail(step, refused(error))

    def _act(self, step: Step, act: Callable[[Action], Acted]) -> None:
        self._tools.report(step.begun(self._tools.monotonic()))
        acted = act(Action(run=self._record.open, key=step.base, recipe=step.recipe))
        self._left += acted.left_machine
        if acted.changed:
            usage = Usage(wall_s=self._tools.monotonic() - step.began)
            self._succeed(step, Finished(outputs=acted.outputs), usage, notes=acted.notes)
        else:
            step.outputs, step.causes = acted.outputs, ()
            self._end(step, State.REUSED, notes=acted.notes)

    # -- ending ----------------------------------------------------------------------------------------------

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
                error=claim.error,
            )
        if tried_again(step.node.words, ending, step.attempt):
            self._retry(step, ending, ended.usage)
        else:
            self._fail(step, ending, ended.usage)

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
        notes = (*notes, *self._fan_out.notes(node))
        fact = success(step, claim, usage, self._settings, self._tools, number)
        event = msgspec.structs.replace(fact, notes=notes)
        self._record.write(event, step.take_lease())
        self._end(step, State.COMPUTED, key=fact.result.key, usage=usage, log=fact.log, notes=notes)

    def _retry(self, step: Step, ending: Ending, usage: Usage) -> None:
        wait_s = step.node.words.backoff_s * 2 ** (step.attempt - 1)
        self._record.write(msgspec.structs.replace(self._failure(step, ending, usage), will_retry=True))
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
        self._waiting.until(self._tools.monotonic() + wait_s, step)

    def _failure(self, step: Step, ending: Ending, usage: Usage | None = None) -> StepFailed:
        """Return the fact; one of a step that only waits opens no run."""
        quiet = ending.reason in {HELD.reason, NOT_WANTED}
        number = self._record.number if quiet else self._record.open()
        return failure(step, ending, self._tools, number, usage)

    def _fail(self, step: Step, ending: Ending, usage: Usage | None = None) -> None:
        failure = self._failure(step, ending, usage)
        self._record.write(failure, step.take_lease())
        state = State.CANCELLED if ending.reason == "cancelled" else State.FAILED
        self._end(step, state, usage=failure.usage, ending=ending, log=failure.log)

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
        ended = step.ended(state, usage=usage, ending=ending, log=log, notes=notes)
        step.summary = step.summed(ended, key)
        self._tools.report(ended)
        if state in {State.COMPUTED, State.REUSED}:
            self._go_on(step)
        else:
            self._wiring.unwanted.update([step.node.name] if state is State.NOT_WANTED else ())
            for lost in self._schedule.failed(step.node.name):
                self._skip(lost, _LOST_AS.get(state, State.SKIPPED), _not_run(step.node.name, state))
        for twin in self._twins.pop(step.base, ()) if self._holders.get(step.base) is step else ():
            if not self._reuse(twin):
                self._queue.put(twin)

    def _go_on(self, step: Step) -> None:
        self._wiring.made(step.node, step.outputs)
        source = self._wiring.source(step.node)
        if source is None:
            self._schedule.done(step.node.name)
        else:
            coming = self._tools.bring((source,))
            self._waiting.once(coming, partial(self._made, step, coming))

    def _skip(self, name: str, state: State, message: str) -> None:
        step = self._steps[name]
        if state is State.NOT_WANTED:
            self._wiring.unwanted.add(name)
        if step.node.axes and not self._wiring.families.unexpanded(name):
            return  # its elements speak for it
        self._record.later(StepFailed(run=0, step=name, kind=step.node.kind, reason=state, message=message))
        ended = step.ended(state, ending=Ending(reason=state, message=message))
        step.summary = step.summed(ended, "")
        self._tools.report(ended)

    def _cancel(self) -> None:
        """Stop every job, hear its end, and give every lease back."""
        for step, ended in self._jobs.cancel():
            self._settle(step, ended)
        self._tools.platform.close()
        self._tools.ledger.release([lease for step in self._steps.values() for lease in step.take_lease()])
        for name, step in self._steps.items():
            expanded = step.node.axes and not self._wiring.families.unexpanded(name)
            if step.summary is None and not expanded:
                step.summary = step.summed(step.ended(State.CANCELLED), "")


def _not_run(name: str, state: State) -> str:
    return f"not run: {name} {_SKIPPED_FOR.get(state, 'failed')}"
