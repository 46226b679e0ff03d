"""The roof that people type at: reads words, calls actions, prints data, exits with the error's code.

Rule: data to stdout, everything else to stderr; an error is one line, and a hint that says what to type next.
"""

import os
import sys
from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    import click

    from legato.cli.words import legato
    from legato.domain.errors import INTERRUPTED_EXIT_CODE, LegatoError

    try:
        code = legato.main(args=list(arguments), prog_name="legato", standalone_mode=False)
        sys.stdout.flush()  # so that a reader who went away is noticed here, not while Python shuts down
    except LegatoError as error:
        from legato.cli.errors import show

        show(error)
        return error.exit_code
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.Abort:
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED_EXIT_CODE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED_EXIT_CODE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    return code if isinstance(code, int) else 0
