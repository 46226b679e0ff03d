"""`legato debug`: one step in the foreground, with the inputs that a run stored.

Rule: it runs the very code that a run would, on this terminal, and no fact is recorded.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from legato.app.actions import open_pipeline
from legato.app.leftovers import make_own
from legato.app.looking import find_artifact, run_of
from legato.app.opening import Opened
from legato.app.options import Options
from legato.domain.artifacts import Artifact
from legato.domain.elements import split_target
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Node, Struct
from legato.domain.keys import base_key
from legato.domain.messages import Failed, WorkerMessage, WorkOrder
from legato.engine.endings import ending_of
from legato.engine.orders import order_of
from legato.engine.plan import prepared
from legato.pipeline.select import select
from legato.platforms import Ended, Job, Said

DEBUGGED: Final = frozenset({"step", "check"})
_SAYS: Final = msgspec.json.Decoder(WorkerMessage)


class Debugged(Struct, frozen=True, kw_only=True):
    """How it ended; `message`, `details` and `hint` are empty when the step returned."""

    step: str
    wall_s: float
    message: str = ""
    details: str = ""
    hint: str = ""


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
        if number is not None:
            run_of(opened.ledger, number)
        if node.axes or any(item.part for item in node.inputs):
            node, inputs = _fanned(opened, node, name, number)
        else:
            inputs = {item.parameter: _artifact(opened, item.artifact, number) for item in node.inputs}
        opened.bring(tuple(inputs.values())).result()
        folder = make_own(opened.project.state / "work", "debug-")
        try:
            return _run(opened, _order(opened, node, inputs, str(folder), post_mortem=post_mortem), node)
        finally:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)


def _fanned(opened: Opened, node: Node, name: str, number: int | None) -> tuple[Node, dict[str, Artifact]]:
    """Return one element of a fanned-out step, or a step that gathers, with the inputs that a run would give it now."""
    if number is not None:
        raise ConfigurationError(
            f"{name} is fanned out, or gathers; its inputs of run {number} are not kept together",
            hint="leave --run out: it gets what a run would give it now",
        )
    element = node.name + name[len(split_target(name)[0]) :]
    return prepared(select(opened.graph, (element,)), opened.kinds, opened.results, element)


def _node(opened: Opened, name: str) -> Node:
    names = {node.name: node for node in opened.graph.nodes}
    base = split_target(name)[0]
    node = names.get(opened.graph.makers().get(base, base))
    if node is None:
        import difflib

        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"its steps: {', '.join(names)}"
        raise ConfigurationError(f"there is no step {name!r}", hint=hint)
    if node.kind not in DEBUGGED:
        raise ConfigurationError(
            f"{name!r} is a {node.kind}; only steps and checks can be debugged", hint=_instead(node)
        )
    return node


def _instead(node: Node) -> str:
    """Return what serves where a debugger does not."""
    if node.kind == "command":
        return f"its line is: {node.detail['line']}; what it wrote: legato logs {node.name}"
    return f"what became of it: legato show {node.name}"


def _artifact(opened: Opened, name: str, number: int | None) -> Artifact:
    try:
        return find_artifact(opened.ledger, _full_name(opened, name), number=number).artifact
    except MissingError:
        pass  # its step may have had another name when it ran
    try:
        return find_artifact(opened.ledger, name, number=number).artifact
    except MissingError as error:
        raise MissingError(
            f"input {name!r} is not stored: {error.message}", hint=f"legato run {name}"
        ) from error


def _full_name(opened: Opened, name: str) -> str:
    """Return the name of an artifact that no other step's field shares."""
    maker = opened.graph.node(opened.graph.makers()[name])
    field = next(output.field for output in maker.outputs if output.artifact == name)
    return f"{maker.name}.{field}" if field else maker.name


def _order(
    opened: Opened, node: Node, inputs: Mapping[str, Artifact], folder: str, *, post_mortem: bool
) -> WorkOrder:
    return msgspec.structs.replace(
        order_of(node, inputs),
        key=base_key(opened.sources.recipe(node, inputs)),
        folder=folder,
        root=str(opened.project.root),
        environment=opened.environment,
        post_mortem=post_mortem,
        keeps=False,
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
                return _debugged(node, report, failed)


def _debugged(node: Node, ended: Ended, failed: Failed | None) -> Debugged:
    wall_s = ended.usage.wall_s
    if failed is not None:
        return Debugged(
            step=node.name, wall_s=wall_s, message=failed.message, details=failed.details, hint=failed.hint
        )
    if ended.reason != "exited" or ended.code:
        told = ending_of(node, ended)
        return Debugged(step=node.name, wall_s=wall_s, message=f"{node.name} {told.message}", hint=told.hint)
    return Debugged(step=node.name, wall_s=wall_s)
