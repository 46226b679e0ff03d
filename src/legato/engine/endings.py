"""How a step can end without a result, in words: what happened, and what to do next.

Rule: one line that names the limit or signal, and a hint that can be followed.
"""

import signal
from typing import Final

from legato.domain.errors import LegatoError
from legato.domain.graph import Node, Struct, Words
from legato.domain.units import show_bytes, show_seconds
from legato.platforms import Ended

_REASONS: Final = {"signalled": "killed"}


class Ending(Struct, frozen=True, kw_only=True):
    """Why a step has no result.

    Attributes:
        reason: `raised`, `exited`, `killed`, `timeout`, `memory`, `cancelled`, `lost`, `refused`, `held`.
        message: One line.
        details: The user's own traceback, where there is one.
        error: The name of the exception that was raised, where one was.
    """

    reason: str
    message: str
    details: str = ""
    hint: str = ""
    error: str = ""


NOT_WANTED: Final = "not wanted"
"""The reason of a step that `when=` leaves out."""


def tried_again(words: Words, ending: Ending, attempt: int) -> bool:
    """Say whether a step that failed so, at this attempt, is tried again."""
    if attempt > words.retries or ending.reason == "cancelled":
        return False
    return not words.retry_on or ending.reason in words.retry_on or ending.error in words.retry_on


HELD: Final = Ending(
    reason="held",
    message="acts outside this machine, so it waits",
    hint="legato run --environment NAME lets it act",
)


def refused(error: LegatoError) -> Ending:
    """Return the ending of a step that an error of ours kept from running."""
    return Ending(reason="refused", message=error.message, hint=error.hint)


def ending_of(node: Node, ended: Ended) -> Ending:
    """Return what to say of a job that ended without having said how."""
    message, hint = _words(node, ended)
    return Ending(reason=_REASONS.get(ended.reason, ended.reason), message=message, hint=ended.note or hint)


def _words(node: Node, ended: Ended) -> tuple[str, str]:
    match ended.reason:
        case "timeout":
            limit = show_seconds(node.words.timeout_s)
            return f"did not end within its timeout of {limit}", f'raise timeout="{limit}" on the step'
        case "memory":
            limit = show_bytes(node.words.memory_bytes)
            return (
                f"used more than the memory={limit} that it may",
                "raise memory= on the step, or let it use less",
            )
        case "signalled":
            return f"was killed by {_signal_name(ended.code)}", "`legato logs` shows its last words"
        case "cancelled":
            return "was cancelled", ""
        case "lost":
            return "was lost: the process that started it died", "run again; `legato doctor` looks for causes"
        case _:
            return (
                f"exited with code {ended.code} before it returned",
                "a step returns its artifacts; it does not exit",
            )


def _signal_name(code: int) -> str:
    try:
        found = signal.Signals(abs(code))
    except ValueError:
        return f"signal {abs(code)}"
    crash = ", a crash in native code" if found == signal.SIGSEGV else ""
    return f"signal {found.value} ({found.name}{crash})"
