"""Says what to do about a word that `legato` does not have.

Rule: a word that is planned is told from a word that is misspelt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from legato.domain.errors import ConfigurationError
from legato.pipeline.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

LATER: Final = {
    "canary": "leave rollout= out: an endpoint moves to the new version at once",
    "monitor": "leave monitor= out",
    "live": "leave monitor= out",
    "latency": "leave this gate out",
    "better_than": "use lg.no_worse_than_champion(metric, margin=0.0) for now",
    "bundle": "use one artifact as the model for now",
}
"""Words of the authoring interface that this version does not act on, and what serves until then."""


class WordError(ConfigurationError, AttributeError):
    """A word that `legato` does not have; also an AttributeError, so that `hasattr` answers."""


def no_such_word(name: str, known: Iterable[str]) -> WordError:
    """Return the error for `lg.<name>`.

    >>> no_such_word("datset", ["dataset", "step"]).hint
    'did you mean `lg.dataset`?'
    """
    if name in LATER:
        return WordError(f"lg.{name} is not supported by this version of legato", hint=LATER[name])
    words = [f"lg.{word}" for word in known if not word.startswith("_")]
    return WordError(f"legato has no word {name!r}", hint=did_you_mean(f"lg.{name}", words, "words"))
