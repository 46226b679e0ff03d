"""What `legato tune` asks for: a search run as a step, its result read, drawn and written down.

Rule: no printing; what is read is the artifact that the search made, whether just now or long ago.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from legato.app import actions
from legato.app.found import write_found
from legato.app.options import Options
from legato.app.wiring import open_store
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.progress import AnyProgress, Summary
from legato.tune.pictures import bars, svg

KIND = "tune"


class Drawn(NamedTuple):
    """A search as pictures: an SVG, and lines of text."""

    svg: str
    bars: list[str]


def tune(options: Options, name: str, report: Callable[[AnyProgress], None]) -> Summary:
    """Run a search and all it needs.

    Raises:
        ConfigurationError: The step of that name is no search.
    """
    with actions.open_pipeline(options) as opened:
        node = next((node for node in opened.graph.nodes if node.name == name), None)
        searches = [node.name for node in opened.graph.nodes if node.kind == KIND]
    if node is None or node.kind != KIND:
        known = f"searches here: {', '.join(searches)}" if searches else "write search = lg.tune(…)"
        raise ConfigurationError(f"{name!r} is no search of this pipeline", hint=known)
    return actions.run(options, report, typed=("\0tune", name, *map(str, options.overrides)))


def result(options: Options, name: str, summary: Summary) -> dict[str, Any]:
    """Return what a search found; raises MissingError where its bytes are elsewhere."""
    artifact = next(step.outputs[name] for step in summary.steps if name in step.outputs)
    store = open_store(actions.project_of(options).state)
    if not store.has((artifact.digest,)):
        raise MissingError(f"the result of {name} is not on this machine", hint=f"legato get {name}")
    with store.open(artifact.digest) as source:
        found: dict[str, Any] = msgspec.json.decode(source.read())
    return found


def drawn(found: Mapping[str, Any]) -> Drawn:
    """Return the pictures of a search."""
    return Drawn(svg(found), bars(found["importance"]))


def write(options: Options, found: Mapping[str, Any]) -> str:
    """Set what was found as parameters of the environment; return the difference."""
    project = actions.project_of(options)
    return write_found(project.root, options.environment, found["best"]["parameters"])
