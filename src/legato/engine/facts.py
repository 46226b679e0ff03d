"""What came of a step, as the facts that a run writes down.

Rule: a fact is made whole from what was said and measured; it is written by the record alone.
"""

from legato.domain.artifacts import Result, Usage
from legato.domain.events import StepFailed, StepFinished
from legato.domain.keys import full_key
from legato.domain.messages import Finished
from legato.engine.endings import Ending
from legato.engine.settings import Settings, Tools
from legato.engine.steps import Step


def success(
    step: Step, claim: Finished, usage: Usage, settings: Settings, tools: Tools, run: int
) -> StepFinished:
    """Return the fact that a step made what its worker claims; the notes are the caller's to add."""
    name = step.node.name
    result = Result(
        key=full_key(step.base, claim.reads),
        base=step.base,
        step=name,
        run=run,
        outputs=claim.outputs,
        reads=claim.reads,
        recipe=step.recipe,
        usage=usage,
        maker=settings.maker,
        platform=settings.platform,
        finished_at=tools.clock(),
    )
    log = tools.logs.close(run, name)
    return StepFinished(kind=step.node.kind, result=result, attempt=step.attempt, log=log)


def failure(step: Step, ending: Ending, tools: Tools, run: int, usage: Usage | None) -> StepFailed:
    """Return the fact that an attempt at a step ended without a result; `usage` is None where it was not measured."""
    wall_s = tools.monotonic() - step.began if step.began else 0.0
    return StepFailed(
        run=run,
        step=step.node.name,
        kind=step.node.kind,
        reason=ending.reason,
        message=ending.message,
        details=ending.details,
        hint=ending.hint,
        attempt=step.attempt,
        wall_s=wall_s,
        log=tools.logs.close(run, step.node.name),
        key=step.base,
        usage=usage or Usage(wall_s=wall_s),
    )
