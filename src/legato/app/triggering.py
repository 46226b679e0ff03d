"""What `legato run --for TRIGGER` is: the run that a trigger of the pipeline describes.

Rule: a trigger adds its targets, parameters, environment and datasets; what a person typed beside it wins.
"""

import datetime as dt

import msgspec

from legato.app.actions import open_pipeline
from legato.app.options import ALL, Options
from legato.domain.elements import split_target
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Graph, Trigger
from legato.domain.messages import Override
from legato.pipeline.nearest import did_you_mean
from legato.pipeline.select import part_of


def for_trigger(options: Options, name: str, scheduled: str = "") -> Options:
    """Return the options of the run that a trigger starts.

    Args:
        options: As typed; targets, if any, are the part of the trigger's run that is wanted.
        name: Of the trigger.
        scheduled: The date that the run is for (`2026-11-23`); empty is today, in the trigger's time zone.

    Raises:
        MissingError: The pipeline has no such trigger.
        ConfigurationError: A target is no part of what the trigger runs, or the date is none.
    """
    with open_pipeline(msgspec.structs.replace(options, environment="local")) as opened:
        graph = opened.graph
    trigger = find_trigger(graph, name)
    targets = _narrowed(graph, trigger, options.targets)
    date = _date(scheduled, trigger)
    overrides = [
        *(one for one in options.overrides if one.origin == "file"),
        *(_override(name, wire=wire) for name, wire in trigger.params.items()),
        *(_override(name, text=date) for name in trigger.scheduled),
        *(one for one in options.overrides if one.origin != "file"),
    ]
    return msgspec.structs.replace(
        options,
        targets=targets,
        overrides=tuple(overrides),
        environment=trigger.environment if options.environment == "local" else options.environment,
        refresh=_refreshed(graph, trigger, targets) or options.refresh,
    )


def find_trigger(graph: Graph, name: str) -> Trigger:
    """Return the trigger called `name`; raises MissingError."""
    known = {trigger.name: trigger for trigger in graph.triggers}
    if name in known:
        return known[name]
    hint = did_you_mean(name, known, "triggers")
    if not known:
        hint = 'write triggers = [lg.on_push("main", run=…)] into the pipeline'
    raise MissingError(f"the pipeline has no trigger {name!r}", hint=hint)


def _date(text: str, trigger: Trigger) -> str:
    if text:
        try:
            return dt.date.fromisoformat(text).isoformat()
        except ValueError:
            raise ConfigurationError(f"{text!r} is no date", hint="write --scheduled 2026-11-23") from None
    zone: dt.tzinfo = dt.UTC
    if trigger.scheduled and trigger.tz != "UTC":
        from zoneinfo import ZoneInfo

        zone = ZoneInfo(trigger.tz)
    return dt.datetime.now(zone).date().isoformat()


def _override(name: str, *, wire: str | None = None, text: str | None = None) -> Override:
    step, _, parameter = name.rpartition(".")
    return Override(step=step, name=parameter, wire=wire, text=text, origin="trigger")


def _narrowed(graph: Graph, trigger: Trigger, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is run: all that the trigger names, or the part of it that is wanted."""
    if not wanted:
        return trigger.targets
    part = part_of(graph, trigger.targets)
    inside = {name for node in part.nodes for name in (node.name, *(one.artifact for one in node.outputs))}
    for target in wanted:
        if split_target(target)[0] not in inside:
            raise ConfigurationError(
                f"{target!r} is no part of what the trigger {trigger.name!r} runs",
                hint=f"leave it out: {trigger.name} runs {', '.join(trigger.targets)}",
            )
    return wanted


def _refreshed(graph: Graph, trigger: Trigger, targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the datasets to look at first, as far as the targets need them."""
    if ALL in trigger.refresh:
        return (ALL,)
    here = {node.name for node in part_of(graph, targets).nodes}
    return tuple(name for name in trigger.refresh if name in here)
