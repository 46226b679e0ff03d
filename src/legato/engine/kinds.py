"""What the engine asks of each kind of node: how it is cached, and how it runs.

Rule: two questions, as data; everything else about a kind stays with whoever provides it.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from legato.domain.artifacts import Artifact
from legato.domain.graph import Node, Struct
from legato.domain.keys import Recipe

Inputs = Mapping[str, Artifact]
"""Artifacts by the parameter that takes them."""


class Acted(Struct, frozen=True, kw_only=True):
    """What an inline action made, and what it did outside the store, in words.

    Where nothing is `changed`, the world was already as it should be, and no fact is recorded.
    """

    outputs: Mapping[str, Artifact] = {}
    changed: bool = True
    notes: tuple[str, ...] = ()
    left_machine: tuple[str, ...] = ()


class Action(Struct, frozen=True, kw_only=True):
    """One execution of an inline kind.

    Attributes:
        run: Returns the number of the run, which opens it in the ledger.
        key: The base key, equal on every retry.
    """

    run: Callable[[], int]
    key: str
    recipe: Recipe


class Call(Struct, frozen=True, kw_only=True):
    """What to run for one node, decided when its inputs are known.

    Attributes:
        recipe: What the result depends on; None: has no result that could be reused, so it always runs.
        inputs: The artifacts by parameter, as the job will get them (a kind may exchange some).
        act: Runs in this process; None: a job on the platform.
    """

    recipe: Recipe | None
    inputs: Inputs
    act: Callable[[Action], Acted] | None = None


class Kind(Protocol):
    """How one kind of node is cached and run."""

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return what to run; raises LegatoError where the inputs cannot be used."""
