"""Gathers what is wrong with a pipeline, so that a person reads all of it at once.

Rule: nothing runs while there is one problem; the first is the error, the others stand in its hint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from legato.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from legato.domain.graph import Place

_SHOWN: Final = 20


class Problems:
    """What was found so far, in the order of finding."""

    def __init__(self) -> None:
        self.found: list[ConfigurationError] = []

    def add(self, message: str, at: Place | None = None, hint: str = "") -> None:
        """Note one problem; `at` is where the author wrote it."""
        error = ConfigurationError(message, hint=hint, where="" if at is None else str(at))
        if all(str(error) != str(other) for other in self.found):
            self.found.append(error)

    def note(self, error: ConfigurationError, subject: str, at: Place | None = None) -> None:
        """Note an error that a deeper part raised, led by what it is about."""
        self.add(f"{subject}: {error.message}", at, error.hint)

    def raise_first(self) -> None:
        """Raise the first problem with the others in its hint; do nothing when there is none."""
        if not self.found:
            return
        first, *others = self.found
        hint = first.hint
        if others:
            lines = [f"{other}" + (f" ({other.hint})" if other.hint else "") for other in others[:_SHOWN]]
            if len(others) > _SHOWN:
                lines.append(f"and {len(others) - _SHOWN} more")
            hint = "\n  ".join([hint + ("\n" if hint else "") + "also:", *lines])
        raise ConfigurationError(first.message, hint=hint, where=first.where)
