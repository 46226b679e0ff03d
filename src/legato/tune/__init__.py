"""Workshop: hyperparameter search. Asks Optuna what to try, and drives the runs that it is handed.

Rule: the room is called like the word of the interface, so that importing it must not take `lg.tune` away: whoever
calls the room calls the word.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from legato.pipeline.searches import Tune


class _Room(ModuleType):
    """This package, which can be called as `lg.tune`."""

    @property
    def __call__(self) -> "Callable[..., Tune]":
        """The word itself, so that it sees its caller."""
        from legato.pipeline.searches import tune  # no author needs this room to write the word

        return tune


sys.modules[__name__].__class__ = _Room
