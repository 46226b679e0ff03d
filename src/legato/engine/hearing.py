"""What jobs print and say, on its way to logs and to whoever watches.

Rule: a secret is masked before anything else sees it; what a worker says is a claim, kept with its step until
the job ends.
"""

from typing import Final

import msgspec

from legato.domain.messages import Failed, Finished, Sample, WorkerMessage
from legato.domain.progress import Printed, Sampled
from legato.engine.record import Record
from legato.engine.settings import Tools
from legato.engine.steps import Step
from legato.platforms import Printed as JobPrinted

_WORKER: Final = msgspec.json.Decoder(WorkerMessage)


class Hearing:
    """Takes in what the jobs of one run print and say."""

    def __init__(self, tools: Tools, record: Record) -> None:
        self._tools = tools
        self._record = record

    def printed(self, step: Step, event: JobPrinted) -> None:
        """Hand on what a job printed."""
        data = step.masks[event.stream].feed(event.data) if step.masks else event.data
        self._print(step, event.stream, data)

    def rest(self, step: Step) -> None:
        """Hand on what was held back in case a secret went on."""
        for stream, mask in step.masks.items():
            self._print(step, stream, mask.rest())

    def _print(self, step: Step, stream: str, data: bytes) -> None:
        if data:
            self._tools.logs.write(self._record.number, step.node.name, data)
            self._tools.report(Printed(step=step.node.name, stream=stream, data=data))

    def said(self, step: Step, line: bytes) -> None:
        """Take in one line that a worker said."""
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
