"""What can go wrong, by who has to act next; each kind has its own exit code.

Rule: the message is one line that holds the offending value; the hint says what to type next.
"""

from typing import ClassVar


class LegatoError(Exception):
    """The root of every error that Legato raises on purpose.

    Args:
        message: One line that names the value.
        hint: What to type or change next.
        where: `file:line` of the user's source, where there is one.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        """Return the message, led by the place in the user's source."""
        return f"{self.where}: {self.message}" if self.where else self.message


class RunFailedError(LegatoError):
    """A step, check or gate failed, so the run did."""

    exit_code = 1


class ConfigurationError(LegatoError):
    """The user's pipeline, options or `legato.toml` cannot be followed."""

    exit_code = 2


class UserCodeError(LegatoError):
    """The user's own code raised; `details` holds their traceback, ours left out."""

    exit_code = 3

    def __init__(self, message: str, *, details: str = "", hint: str = "", where: str = "") -> None:
        super().__init__(message, hint=hint, where=where)
        self.details = details


class MissingError(LegatoError):
    """A thing that was named is not there: a run, a model, a file, a package."""

    exit_code = 4


class OutsideError(LegatoError):
    """The outside world refused: disk, network, another process."""

    exit_code = 5


class ConflictError(LegatoError):
    """Someone else was first: a compare-and-set or a fencing number did not match."""

    exit_code = 6


class BugError(LegatoError):
    """An invariant of Legato's own does not hold."""

    exit_code = 70


INTERRUPTED_EXIT_CODE = 130
