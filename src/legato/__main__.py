"""The door of the command line: answers at once what needs nothing loaded, and hands on the rest.

Rule (law 8): `--version` and an up-to-date `run` import neither click nor any user code.
"""

import sys


def main() -> int:
    """Run `legato` with the process's arguments and return its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from legato.domain.version import __version__

        sys.stdout.write(f"legato {__version__}\n")
        return 0
    if arguments[:1] == ["run"]:
        from legato.app.fresh import answer

        said = answer(arguments[1:])
        if said is not None:
            sys.stdout.write(said)
            return 0
    from legato.app.early import begin

    begin(*arguments[:1])
    from legato.cli import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
