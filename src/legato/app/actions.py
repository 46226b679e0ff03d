"""What the command line asks for, each as one function from typed options to a typed answer.

Rule: no printing, no exit codes; progress goes to the callable that was handed in.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from legato.app.budgeting import budget
from legato.app.config import Project, find_project
from legato.app.fresh import name_of
from legato.app.freshness import remember
from legato.app.opening import Opened, platform_name
from legato.app.options import Options, overrides_of
from legato.app.processes import actor, owner_name
from legato.domain.errors import ConfigurationError
from legato.domain.events import RunStarted
from legato.domain.graph import Graph
from legato.domain.plan import Plan, PlannedStep
from legato.domain.progress import AnyProgress, Summary
from legato.engine.logs import Logs
from legato.engine.plan import forecast
from legato.engine.run import Run
from legato.engine.schedule import descendants
from legato.engine.settings import Settings, Tools
from legato.pipeline.select import select
from legato.scm import describe

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
        graph = select(opened.graph, (*options.targets, *options.only))
        project = opened.project
        work = project.state / "work" / str(os.getpid())
        work.mkdir(parents=True, exist_ok=True)
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
        )
        try:
            summary = Run(graph, settings, tools).execute()
        finally:
            _sweep(work)
    if summary.state == "succeeded" and not options.again and not options.from_:
        remember(opened, graph, name_of(options.folder, list(typed)), summary)
    return summary


def _sweep(work: Path) -> None:
    try:
        work.rmdir()
    except OSError:
        import shutil

        shutil.rmtree(work, ignore_errors=True)


def _again(graph: Graph, options: Options) -> frozenset[str]:
    known = {node.name for node in graph.nodes}
    for name in (*options.again, *options.from_):
        if name not in known:
            raise ConfigurationError(
                f"step {name!r} is not part of this run", hint=f"its steps: {', '.join(sorted(known)[:20])}"
            )
    return frozenset(options.again) | descendants(graph, options.from_)


def _started(opened: Opened, graph: Graph, options: Options) -> RunStarted:
    origin = opened.origin
    commit = describe(opened.project.root)
    if origin.branch and not commit.branch:  # a CI service checks out a commit, and says itself of which branch
        commit = msgspec.structs.replace(commit, branch=origin.branch)
    opened.registrar.commit = commit
    opened.registrar.actor = origin.actor or actor()
    parameters = {
        f"{node.name}.{setting.name}": setting.shown
        for node in graph.nodes
        for setting in node.settings
        if setting.origin != "default"
    }
    return RunStarted(
        number=0,
        targets=options.targets,
        pipeline=opened.project.pipeline,
        environment=options.environment,
        commit=commit.id,
        dirty=commit.dirty,
        branch=commit.branch,
        actor=opened.registrar.actor,
        maker=origin.maker,
        owner=owner_name(),
        parameters=parameters,
        steps=tuple(node.name for node in graph.nodes),
    )


def plan(options: Options) -> Plan:
    """Return what a run with these options would do."""
    with open_pipeline(options) as opened:
        graph = select(opened.graph, (*options.targets, *options.only))
        return forecast(
            graph,
            opened.kinds,
            opened.results,
            again=_again(graph, options),
            may_leave=options.environment != "local",
        )


def why(options: Options, name: str) -> PlannedStep:
    """Return what a run would do with one step, and the recipe of its key."""
    with open_pipeline(options) as opened:
        graph = select(opened.graph, (name,))
        node = graph.makers().get(name, name)
        found = forecast(graph, opened.kinds, opened.results)
        return next(step for step in found.steps if step.name == node)


def encode_json(value: object) -> bytes:
    """Return a structure as one line of JSON."""
    return _ENCODER.encode(value)
