"""Office: from a pipeline's triggers to the configuration of another CI service. Pure: no I/O, no clock.

Rule: what is written depends on the graph and on what is told of the repository, never on a step's code.
"""

from collections.abc import Callable, Mapping
from typing import Final

from legato.domain.graph import Graph, Struct
from legato.export import azure, circleci, github, gitlab, jenkins
from legato.export.jobs import LAYOUTS, Outline, Repository, outline

__all__ = ["LAYOUTS", "SERVICES", "Exported", "Repository", "export"]

_PRINTERS: Final[Mapping[str, tuple[str, Callable[[Outline], tuple[str, list[str]]]]]] = {
    "github": (github.PATH, github.github),
    "gitlab": (gitlab.PATH, gitlab.gitlab),
    "jenkins": (jenkins.PATH, jenkins.jenkins),
    "circleci": (circleci.PATH, circleci.circleci),
    "azure": (azure.PATH, azure.azure),
}

SERVICES: Final[Mapping[str, str]] = {name: path for name, (path, _) in _PRINTERS.items()}
"""The file that each service reads, relative to the repository."""


class Exported(Struct, frozen=True, kw_only=True):
    """A service's file.

    Attributes:
        path: Relative to the repository.
        notes: What could not be said in it, and what people have to set up.
    """

    path: str
    text: str
    notes: tuple[str, ...] = ()


def export(service: str, graph: Graph, repository: Repository, layout: str = "job") -> Exported:
    """Return the file of one service.

    Args:
        service: One of `SERVICES`.
        graph: A whole pipeline with its triggers.
        repository: What is around it.
        layout: One of `LAYOUTS`.

    Raises:
        ConfigurationError: There is nothing to export, or the layout needs what is not there.
    """
    path, printer = _PRINTERS[service]
    text, notes = printer(outline(graph, repository, layout))
    return Exported(path=path, text=text, notes=tuple(notes))
