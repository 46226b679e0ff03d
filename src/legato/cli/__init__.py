"""The roof that people type at: reads words, calls actions, prints data, exits with the error's code.

Rule: data to stdout, everything else to stderr; an error is one line, and a hint that says what to type next.
"""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click import ClickException

    from legato.domain.errors import LegatoError


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    import click

    from legato.cli.words import legato
    from legato.domain.errors import INTERRUPTED_EXIT_CODE, LegatoError

    if isinstance(sys.stdout, TextIOWrapper):  # a mark that a terminal cannot show is no reason to stop
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = legato.main(args=list(arguments), prog_name="legato", standalone_mode=False)
        sys.stdout.flush()  # so that a reader who went away is noticed here, not while Python shuts down
    except LegatoError as error:
        return _told(error, arguments)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        return _refused(error, arguments)
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED_EXIT_CODE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:  # noqa: BLE001 - the bottom of the command line
        from legato.cli.errors import unexpected

        return _told(unexpected(error), arguments)
    return code if isinstance(code, int) else 0


def _told(error: "LegatoError", arguments: Sequence[str]) -> int:
    from legato.cli.errors import show, show_json

    show(error)
    if _wants_json(arguments):
        show_json(type(error).__name__, error.message, error.exit_code, hint=error.hint, where=error.where)
    return error.exit_code


def _refused(error: "ClickException", arguments: Sequence[str]) -> int:
    from legato.cli.errors import show_json

    error.show()
    if _wants_json(arguments):
        show_json("ConfigurationError", error.format_message(), error.exit_code)
    return error.exit_code


def _wants_json(arguments: Sequence[str]) -> bool:
    """Say whether a script reads stdout, also where the words could not be understood."""
    return "--json" in (arguments[: arguments.index("--")] if "--" in arguments else arguments)
