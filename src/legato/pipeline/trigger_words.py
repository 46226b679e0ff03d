"""The words that start runs: `lg.on_push`, `lg.on_schedule` and the others; they stand in the list `triggers`.

Rule: a word keeps what it was given; all of it is checked when the pipeline is collected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Required, TypedDict

from legato.pipeline.handles import Handle, Spot, refuse, spot
from legato.pipeline.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from legato.pipeline.handles import Command, Dataset, Endpoint, Model, OneOutput, Step

    Target = Step[..., Any] | OneOutput | Command | Model | Endpoint | str


class Scheduled:
    """The date that a triggered run is for; a parameter of a trigger may be it."""

    def __repr__(self) -> str:
        """Return the word as authors write it."""
        return "lg.scheduled"


scheduled: Final = Scheduled()


class TriggerWords(TypedDict, total=False):
    """What every trigger may say.

    Attributes:
        run: What is run: a step, model, endpoint or command, or several.
        params: Values of parameters, by `STEP.NAME` or `NAME`; `lg.scheduled` is the date the run is for.
        refresh: Datasets whose source is looked at first; True for all of the run.
        name: What `legato run --for` takes; without it, after the kind of trigger.
    """

    run: Required[Target | Sequence[Target]]
    params: Mapping[str, object]
    refresh: bool | Sequence[Dataset | str]
    name: str


class ActingWords(TriggerWords, total=False):
    """What a trigger of a trusted ref may say, too.

    Attributes:
        environment: Where the run may have effects.
    """

    environment: str


class TriggerHandle(Handle):
    """One trigger as its author wrote it.

    Attributes:
        kind: `pull_request`, `push`, `tag`, `schedule`, `drift`, `new_data`.
        about: What is positional in its word: patterns, a cron line, an endpoint, datasets.
        words: The others.
    """

    __slots__ = ("about", "kind", "words")
    word = "trigger"

    def __init__(self, kind: str, about: Sequence[object], words: Mapping[str, Any], where: Spot) -> None:
        super().__init__(where)
        self.kind = kind
        self.about = tuple(about)
        self.words = words


_ALL: Final = ("run", "params", "refresh", "name")
_KNOWN: Final = {
    "pull_request": _ALL,
    "push": (*_ALL, "environment"),
    "tag": (*_ALL, "environment"),
    "schedule": (*_ALL, "environment", "tz"),
    "drift": (*_ALL, "environment", "at_most"),
    "new_data": (*_ALL, "environment", "at_most"),
}


def on_pull_request(**words: Unpack[TriggerWords]) -> TriggerHandle:
    """Run for every pull request, at each push to it; it may have effects on nothing but itself.

    Args:
        **words: See `TriggerWords`.

    Raises:
        ConfigurationError: A word is unknown, or `run=` is missing.
    """
    return _trigger("pull_request", (), words, spot(1))


def on_push(*branches: str, **words: Unpack[ActingWords]) -> TriggerHandle:
    """Run for every push to a branch: `lg.on_push("main", "release/*", run=endpoint)`.

    Args:
        *branches: Names, or their beginning with a `*` at the end; without any, every branch.
        **words: See `ActingWords`.

    Raises:
        ConfigurationError: A word is unknown, or `run=` is missing.
    """
    return _trigger("push", branches or ("*",), words, spot(1))


def on_tag(*tags: str, **words: Unpack[ActingWords]) -> TriggerHandle:
    """Run for every new tag: `lg.on_tag("v*", run=endpoint, environment="production")`.

    Args:
        *tags: Names, or their beginning with a `*` at the end; without any, every tag.
        **words: See `ActingWords`.

    Raises:
        ConfigurationError: A word is unknown, or `run=` is missing.
    """
    return _trigger("tag", tags or ("*",), words, spot(1))


def on_schedule(cron: str, /, *, tz: str = "UTC", **words: Unpack[ActingWords]) -> TriggerHandle:
    """Run at set times: `lg.on_schedule("0 3 * * MON", run=endpoint, tz="Europe/Berlin")`.

    Args:
        cron: Minute, hour, day of the month, month, weekday.
        tz: The time zone of these.
        **words: See `ActingWords`.

    Raises:
        ConfigurationError: A word is unknown, or `run=` is missing.
    """
    return _trigger("schedule", (cron,), {**words, "tz": tz}, spot(1))


def on_drift(endpoint: Endpoint, /, *, at_most: str = "", **words: Unpack[ActingWords]) -> TriggerHandle:
    """Run when an endpoint's data or predictions have drifted.

    Args:
        endpoint: What `lg.endpoint` returned.
        at_most: How often it may start a run: `1 a day`.
        **words: See `ActingWords`.

    Raises:
        ConfigurationError: A word is unknown, or `run=` is missing.
    """
    return _trigger("drift", (endpoint,), {**words, "at_most": at_most}, spot(1))


def on_new_data(*datasets: Dataset | str, at_most: str = "", **words: Unpack[ActingWords]) -> TriggerHandle:
    """Run when the source of a dataset has changed; the run takes what is there then.

    Args:
        *datasets: What `lg.dataset` returned.
        at_most: How often it may start a run: `1 a day`.
        **words: See `ActingWords`.

    Raises:
        ConfigurationError: A word is unknown, or `run=` is missing.
    """
    return _trigger("new_data", datasets, {**words, "at_most": at_most}, spot(1))


def _trigger(kind: str, about: Sequence[object], words: Mapping[str, Any], where: Spot) -> TriggerHandle:
    for word in words:
        if word not in _KNOWN[kind]:
            raise refuse(
                f"lg.on_{kind} knows no word {word}=", where, did_you_mean(word, _KNOWN[kind], "words")
            )
    if not words.get("run"):
        raise refuse(f"lg.on_{kind} says nothing to run", where, "write run=STEP, a model or an endpoint")
    return TriggerHandle(kind, about, words, where)
