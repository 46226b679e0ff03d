"""What the command line asks for, each as one function from typed options to a typed answer.

Rule: no printing, no exit codes; progress goes to the callable that was handed in.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from legato.app.budgeting import budget
from legato.app.config import Project, find_project
from legato.app.fresh import name_of
from legato.app.freshness import remember
from legato.app.leftovers import make_own
from legato.app.opening import Opened, platform_name
from legato.app.options import ALL, Options, overrides_of
from legato.app.processes import actor, owner_name
from legato.domain.artifacts import trusts
from legato.domain.elements import split_target
from legato.domain.errors import ConfigurationError, LegatoError
from legato.domain.events import RunStarted
from legato.domain.graph import Graph
from legato.domain.plan import Plan, PlannedStep
from legato.domain.progress import AnyProgress, Moving, Noted, Summary
from legato.domain.units import counted, show_bytes
from legato.engine.logs import Logs
from legato.engine.plan import Forecast, forecast, one_of
from legato.engine.run import Run
from legato.engine.schedule import beyond, descendants
from legato.engine.settings import Settings, Tools
from legato.pipeline.select import select
from legato.scm import describe

LOCAL: Final = "local"
LEAST_SAVED: Final = 0.01
"""Less money than this is not worth saying that reuse saved it."""
_ENCODER = msgspec.json.Encoder()


def project_of(options: Options) -> Project:
    """Return the project that the options were typed in."""
    return find_project(Path(options.folder), options.member)


def open_pipeline(options: Options) -> Opened:
    """Load the pipeline that the options are about."""
    project = project_of(options)
    configured = overrides_of(project.parameters(options.environment), origin="config")
    _known_environment(project, options.environment)
    return Opened(project, (*configured, *options.overrides), options.environment)


def _known_environment(project: Project, name: str) -> None:
    known = ["local", *project.config.get("environments", {})]
    if name not in known:
        raise ConfigurationError(
            f"environment {name!r} is not configured",
            hint=f"known: {', '.join(known)}; write [environments.{name}] into legato.toml",
        )


def run(options: Options, report: Callable[[AnyProgress], None], typed: Sequence[str]) -> Summary:
    """Run a pipeline, or what its targets need.

    Args:
        options: What was asked for.
        report: Gets progress as it happens.
        typed: The words as typed, under which an up-to-date answer is remembered.

    Raises:
        LegatoError: Nothing ran: the pipeline could not be loaded or its graph is wrong.
    """
    with open_pipeline(options) as opened:
        _refuse_environment(opened, options.environment)
        opened.told = lambda text: report(Noted(step="", text=text))
        for note in opened.loaded.notes:
            opened.told(note)
        project = opened.project
        graph = select(opened.graph, (*options.targets, *options.only))
        _refresh(opened, graph, options.refresh)
        summary = _shared(opened, _executed(opened, graph, options, report), report)
        placed, kept = _placed(opened, graph, summary)
    for step, note in kept:
        report(Noted(step=step, text=note))
    saved = _saved(project, summary.saved_s)
    if saved:
        report(Noted(step="", text=f"reuse saved {saved} of this machine's time"))
    if summary.state == "succeeded" and not (options.again or options.from_ or options.refresh or kept):
        remember(opened, graph, name_of(options.folder, list(typed)), summary, placed)
    return summary


def _saved(project: Project, saved_s: float) -> str:
    """Return what reuse saved in money; nothing where no price is configured, or it is hardly any."""
    if not project.config.get("run", {}).keys() & {"price_per_hour", "currency"}:
        return ""
    from legato.app.forecasting import price_of  # it brings what statistics need

    price = price_of(project)
    if price is None or price.of(saved_s) < LEAST_SAVED:
        return ""
    return f"{price.of(saved_s):.2f} {price.currency}".rstrip()


def _placed(
    opened: Opened, graph: Graph, summary: Summary
) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
    """Put what stages of other tools' files wrote in place; return the paths, and by step what was kept instead."""
    if not any({"shell", "entry"} & node.detail.keys() for node in graph.nodes):
        return (), ()
    from legato.app.placing import place_outputs, told  # few pipelines are another tool's

    placing = place_outputs(opened.project, opened.store, graph, summary, opened.bring)
    return placing.paths, [*told(placing.kept)]


def _refresh(opened: Opened, graph: Graph, names: Sequence[str]) -> None:
    """Look at the sources that were asked for; what changed becomes this run's own lock."""
    if not (names or opened.has_datasets):
        return
    opened.datasets.places = True
    if not names:
        return
    found = opened.datasets.refresh(graph, [] if ALL in names else names)
    for entry in found:
        opened.told(
            f"{entry.name} is newer than legato.lock has it: {entry.digest[7:19]}, {show_bytes(entry.size_bytes)}"
        )
    if not found:
        opened.told("no source has changed since it was locked")


def _refuse_environment(opened: Opened, name: str) -> None:
    """Refuse to act in an environment that takes only what is trusted more."""
    needed = opened.project.built_by(name)
    if name != LOCAL and not trusts(needed, opened.origin.maker):
        raise ConfigurationError(
            f"environment {name!r} takes only what {needed} built, and this run is {opened.origin.maker}",
            hint=f'push, and let CI run it; or write built_by = "laptop" below [environments.{name}]',
        )


def _executed(
    opened: Opened, graph: Graph, options: Options, report: Callable[[AnyProgress], None]
) -> Summary:
    project = opened.project
    work = make_own(project.state / "work")
    settings = Settings(
        started=lambda: _started(opened, graph, options),
        environment=options.environment,
        owner=owner_name(),
        budget=budget(project),
        work=str(work),
        root=str(project.root),
        again=_again(graph, options),
        maker=opened.origin.maker,
        platform=platform_name(),
        may_leave=options.environment != "local",
    )
    tools = Tools(
        ledger=opened.ledger,
        results=opened.results,
        platform=opened.platform,
        kinds=opened.kinds,
        logs=Logs(project.state / "logs"),
        environment=opened.job_environment,
        secrets=opened.secrets,
        report=report,
        clock=time.time,
        monotonic=time.monotonic,
        bring=opened.bring,
    )
    for step, note in beyond(graph, settings.budget):
        report(Noted(step=step, text=note))
    try:
        return Run(graph, settings, tools).execute()
    finally:
        _sweep(work)


def _shared(opened: Opened, summary: Summary, report: Callable[[AnyProgress], None]) -> Summary:
    """Tell others what this run found out; where that cannot be done now, the next run does it."""
    if opened.sharing is None or not opened.project.share_results or summary.state == "cancelled":
        return summary
    what = f"sending to {opened.sharing.name}"
    try:
        told = opened.sharing.tell(
            opened.ledger,
            opened.store,
            lambda done, total: report(Moving(step="", what=what, done_bytes=done, total_bytes=total)),
        )
    except LegatoError as error:
        report(Noted(step="", text=f"not shared yet, the next run tries again: {error.message}"))
        return summary
    if not told.results:
        return summary
    left = f"{counted(told.results, 'result')} to {opened.sharing.name}"
    return msgspec.structs.replace(summary, left_machine=(*summary.left_machine, left))


def _sweep(work: Path) -> None:
    try:
        work.rmdir()
    except OSError:
        import shutil

        shutil.rmtree(work, ignore_errors=True)


def _again(graph: Graph, options: Options) -> frozenset[str]:
    known = {node.name for node in graph.nodes}
    for name in (*options.again, *options.from_):
        if name not in known and split_target(name)[0] not in known:
            raise ConfigurationError(
                f"step {name!r} is not part of this run", hint=f"its steps: {', '.join(sorted(known)[:20])}"
            )
    return frozenset(options.again) | descendants(graph, [split_target(name)[0] for name in options.from_])


def _started(opened: Opened, graph: Graph, options: Options) -> RunStarted:
    origin = opened.origin
    commit = describe(opened.project.root)
    if (
        origin.branch and not commit.branch
    ):  # a CI service checks out a commit, and says itself of which branch
        commit = msgspec.structs.replace(commit, branch=origin.branch)
    opened.registrar.commit = commit
    opened.registrar.actor = origin.actor or actor()
    parameters = {
        f"{node.name}.{setting.name}": setting.shown
        for node in graph.nodes
        for setting in node.settings
        if setting.origin not in {"default", "matrix"}
    }
    return RunStarted(
        number=0,
        targets=(*options.targets, *options.only),
        pipeline=opened.project.pipeline,
        environment=options.environment,
        commit=commit.id,
        dirty=commit.dirty,
        branch=commit.branch,
        actor=opened.registrar.actor,
        maker=origin.maker,
        owner=owner_name(),
        parameters=parameters,
        overrides=options.overrides,
        steps=tuple(node.name for node in graph.nodes),
    )


def plan(options: Options) -> Plan:
    """Return what a run with these options would do."""
    from legato.app.forecasting import with_outlook  # no run needs what it brings

    with open_pipeline(options) as opened:
        graph = select(opened.graph, (*options.targets, *options.only))
        found = forecast(
            graph,
            opened.kinds,
            opened.results,
            again=_again(graph, options),
            may_leave=options.environment != LOCAL,
        )
        shares = opened.sharing is not None and opened.project.share_results
        return with_outlook(
            opened.project,
            opened.ledger,
            graph,
            msgspec.structs.replace(
                _with_endpoints(opened, graph, found),
                notes=(
                    *opened.loaded.notes,
                    *(f"{step} {note}" for step, note in beyond(graph, budget(opened.project))),
                ),
            ),
            environment=options.environment,
            sent_to=opened.sharing.name if opened.sharing is not None and shares else "",
        )


def _with_endpoints(opened: Opened, graph: Graph, found: Plan) -> Plan:
    """Return the plan with what a run would do with endpoints, which are looked at each time."""
    if not any(node.kind == "deploy" for node in graph.nodes):
        return found
    from legato.app.deploying import foreseen  # what serves is imported only where something is served

    return foreseen(opened.project, opened.ledger, opened.results, graph, found)


def why(options: Options, name: str) -> PlannedStep:
    """Return what a run would do with one step, the recipe of its key, and its causes walked to their roots."""
    from legato.app.explaining import with_places  # no run needs what they bring
    from legato.engine.tracing import Past, explain

    with open_pipeline(options) as opened:
        graph = select(opened.graph, (name,))
        base = split_target(name)[0]
        node = graph.makers().get(base, base)
        found = Forecast(graph, opened.kinds, opened.results)
        plan = _with_endpoints(opened, graph, Plan(steps=tuple(found.steps)))
        step = one_of(plan, node + name[len(base) :])
        past = Past(opened.ledger)
        explained = explain(found, opened.results, past, step)
        return with_places(opened, found, explained)


def encode_json(value: object) -> bytes:
    """Return a structure as one line of JSON."""
    return _ENCODER.encode(value)
