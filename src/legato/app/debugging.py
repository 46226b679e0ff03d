"""`legato debug`: one step in the foreground, with the inputs that a run stored.

Rule: it runs the very code that a run would, on this terminal, and no fact is recorded.
"""

import os
from collections.abc import Mapping
from typing import Final

import msgspec

from legato.app.actions import open_pipeline
from legato.app.looking import find_artifact
from legato.app.opening import Opened
from legato.app.options import Options
from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Node, Struct
from legato.domain.keys import base_key
from legato.domain.messages import Failed, Given, WorkerMessage, WorkOrder
from legato.platforms import Ended, Job, Said

DEBUGGED: Final = frozenset({"step", "check"})
_SAYS: Final = msgspec.json.Decoder(WorkerMessage)


class Debugged(Struct, frozen=True, kw_only=True):
    """How it ended; `message` and `details` are empty when the step returned."""

    wall_s: float
    message: str = ""
    details: str = ""


def debug(options: Options, name: str, *, number: int | None = None, post_mortem: bool = False) -> Debugged:
    """Run one step on this terminal.

    Args:
        options: Where it was typed, and parameters.
        name: The step, or an artifact that it makes.
        number: With the inputs that this run had; else with the newest that any run had.
        post_mortem: Open a debugger where it raises.

    Raises:
        MissingError: An input was never made, or not in that run.
        ConfigurationError: There is no such step, or it is of a kind that cannot be debugged.
    """
    with open_pipeline(options) as opened:
        node = _node(opened, name)
        inputs = {item.parameter: _artifact(opened, item.artifact, number) for item in node.inputs}
        folder = opened.project.state / "work" / f"debug-{os.getpid()}"
        folder.mkdir(parents=True)
        try:
            return _run(opened, _order(opened, node, inputs, str(folder), post_mortem=post_mortem), node)
        finally:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)


def _node(opened: Opened, name: str) -> Node:
    names = {node.name: node for node in opened.graph.nodes}
    node = names.get(opened.graph.makers().get(name, name))
    if node is None:
        import difflib

        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"its steps: {', '.join(names)}"
        raise ConfigurationError(f"there is no step {name!r}", hint=hint)
    if node.kind not in DEBUGGED:
        raise ConfigurationError(f"{name!r} is a {node.kind}; only steps and checks can be debugged")
    return node


def _artifact(opened: Opened, name: str, number: int | None) -> Artifact:
    try:
        return find_artifact(opened.ledger, name, number=number).artifact
    except MissingError as error:
        raise MissingError(
            f"input {name!r} is not stored: {error.message}", hint=f"legato run {name}"
        ) from error


def _order(
    opened: Opened, node: Node, inputs: Mapping[str, Artifact], folder: str, *, post_mortem: bool
) -> WorkOrder:
    return WorkOrder(
        node=node.name,
        kind=node.kind,
        run=0,
        key=base_key(opened.sources.recipe(node, inputs)),
        attempt=1,
        folder=folder,
        root=str(opened.project.root),
        inputs=tuple(Given(parameter=p, artifact=a, path="") for p, a in inputs.items()),
        wiring=node.inputs,
        outputs=node.outputs,
        settings=node.settings,
        detail=node.detail,
        environment=opened.environment,
        post_mortem=post_mortem,
    )


def _run(opened: Opened, order: WorkOrder, node: Node) -> Debugged:
    opened.platform.start(
        Job(
            id="debug",
            payload=msgspec.json.encode(order),
            folder=order.root,
            environment=opened.job_environment(node),
            cpus=node.words.cpus,
            interactive=True,
        )
    )
    failed: Failed | None = None
    while True:
        for report in opened.platform.poll(None):
            if isinstance(report, Said):
                said: WorkerMessage = _SAYS.decode(report.line)
                failed = said if isinstance(said, Failed) else failed
            elif isinstance(report, Ended):
                return _debugged(report, failed)


def _debugged(ended: Ended, failed: Failed | None) -> Debugged:
    wall_s = ended.usage.wall_s
    if failed is not None:
        return Debugged(wall_s=wall_s, message=failed.message, details=failed.details)
    if ended.reason != "exited" or ended.code:
        return Debugged(wall_s=wall_s, message=f"{ended.reason} with code {ended.code}")
    return Debugged(wall_s=wall_s)
