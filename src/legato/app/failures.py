"""Failures as they cross from a process that runs the user's code to one that does not.

Rule: people see their own frames; Legato's and the import system's are left out.
"""

import traceback
from pathlib import Path
from typing import Any

from legato.domain import errors
from legato.domain.errors import LegatoError, UserCodeError
from legato.domain.messages import Refused


def user_error(error: BaseException, root: Path, what: str) -> UserCodeError:
    """Return the user's error with their own frames only."""
    details = own_traceback(error, root)
    place = last_place(error, root)
    return UserCodeError(f"{what}: {type(error).__name__}: {said_by(error)}", details=details, where=place)


def own_traceback(error: BaseException, root: Path) -> str:
    """Return the traceback from the user's first frame on; ours and the import system's are left out."""
    found = traceback.TracebackException.from_exception(error, compact=True)
    own = Path(__file__).parent.parent
    queue: list[Any] = [found]
    for chain in queue:
        frames = [
            frame for frame in chain.stack if not frame.filename.startswith((str(own), "<frozen importlib"))
        ]
        chain.stack = traceback.StackSummary.from_list(frames)
        queue += (
            one for one in (chain.__cause__, chain.__context__, *(chain.exceptions or ())) if one is not None
        )
    return "".join(found.format()).replace(f'File "{root}/', 'File "')


def said_by(error: BaseException) -> str:
    """Return an exception's own words, also where its `__str__` raises."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the user's own method may raise anything
        return "(its __str__ raises)"


def last_place(error: BaseException, root: Path) -> str:
    """Return `file:line` of the user's last frame, relative to the repository; empty when there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        file = Path(error.filename)
        return f"{file.relative_to(root) if file.is_relative_to(root) else file}:{error.lineno}"
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(root) and "site-packages" not in file.parts:
            place = f"{file.relative_to(root)}:{line}"
    return place


def refusal(error: LegatoError, root: str) -> Refused:
    """Return an error as data; places in the repository become relative to it."""
    details = error.details if isinstance(error, UserCodeError) else ""
    return Refused(
        error=_kind(error),
        message=error.message,
        hint=error.hint,
        where=error.where.removeprefix(f"{root}/"),
        details=details,
    )


def _kind(error: LegatoError) -> str:
    """Return the name of the error's class, or of the nearest above it that all processes know."""
    names = (kind.__name__ for kind in type(error).__mro__ if vars(errors).get(kind.__name__) is kind)
    return next(names, LegatoError.__name__)


def raised(refused: Refused) -> LegatoError:
    """Return the error that a refusal was made of."""
    kind = getattr(errors, refused.error, errors.BugError)
    if kind is UserCodeError:
        return UserCodeError(refused.message, details=refused.details, hint=refused.hint, where=refused.where)
    made: LegatoError = kind(refused.message, hint=refused.hint, where=refused.where)
    return made
