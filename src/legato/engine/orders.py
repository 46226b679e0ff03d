"""What a platform is handed for one execution of a step.

Rule: an order says everything that the worker needs; it asks nothing back.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from legato.domain.graph import Node
from legato.domain.messages import Given, WorkOrder
from legato.engine.kinds import Call, Inputs
from legato.engine.settings import Settings
from legato.engine.steps import Step
from legato.platforms import Job

_ENCODER: Final = msgspec.json.Encoder()


def job_of(step: Step, call: Call, settings: Settings, *, run: int, environment: Mapping[str, str]) -> Job:
    """Return the job of one attempt at a step."""
    words = step.node.words
    order = msgspec.structs.replace(
        order_of(step.node, call.inputs),
        run=run,
        key=step.base,
        attempt=step.attempt,
        folder=f"{settings.work}/{step.job}",
        root=settings.root,
        environment=settings.environment,
    )
    return Job(
        id=step.job,
        payload=_ENCODER.encode(order),
        cpus=words.cpus,
        memory_bytes=words.memory_bytes,
        timeout_s=words.timeout_s,
        environment=environment,
        folder=settings.root,
    )


def order_of(node: Node, inputs: Inputs) -> WorkOrder:
    """Return what a node asks of a worker, without what differs from run to run."""
    return WorkOrder(
        node=node.template or node.name,
        kind=node.kind,
        run=0,
        key="",
        attempt=1,
        folder="",
        root="",
        inputs=tuple(Given(parameter=p, artifact=a, path="") for p, a in inputs.items()),
        wiring=node.inputs,
        outputs=node.outputs,
        settings=node.settings,
        detail=node.detail,
        element=node.name if node.template else "",
    )
