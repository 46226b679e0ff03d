"""The commands by name; each lives in a file of its own that is imported only when it is typed.

Rule: `legato --help` imports no command.
"""

import importlib
from typing import Final

import click

from legato.domain.version import __version__

COMMANDS: Final = {
    "init": ("project", "Start a project here, or adopt this repository"),
    "run": ("running", "Run the pipeline, or what a target needs"),
    "plan": ("planning", "Say what a run would do, and why"),
    "why": ("planning", "Name what a step's key is made of, and what changed"),
    "status": ("history", "Where this project stands"),
    "runs": ("history", "List past runs"),
    "cancel": ("control", "End a run that is under way"),
    "show": ("history", "Show a run, a step or an artifact"),
    "diff": ("history", "Say what differs between two runs"),
    "logs": ("history", "Print what a step wrote"),
    "get": ("history", "Copy an artifact out of the store"),
    "gc": ("keeping", "Take away what nothing needs any more"),
    "backup": ("keeping", "Write ledger and store into a file"),
    "restore": ("keeping", "Bring back what `legato backup` wrote"),
    "ledger": ("keeping", "Move or verify the ledger"),
    "watch": ("watching", "Run again whenever a file is saved"),
    "debug": ("running", "Run one step in the foreground with its stored inputs"),
    "data": ("data", "Keep data under version control: add, update, status, diff, checkout"),
    "tune": ("tuning", "Search parameters: lg.tune"),
    "models": ("models", "List, show and promote models"),
    "serve": ("serving", "Answer predictions with a model"),
    "predict": ("serving", "Ask an endpoint about rows of a file"),
    "ci": ("ci", "Write the file of GitHub, GitLab, Jenkins, CircleCI or Azure; check it"),
    "doctor": ("project", "Look for what could go wrong here"),
    "completion": ("project", "Print the completion script of a shell"),
}


class Words(click.Group):
    """A group that knows its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Import one command."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"legato.cli.{COMMANDS[name][0]}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown one gets the nearest name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f"Did you mean `legato {near[0]}`?" if near else "`legato --help` lists them."
            raise click.UsageError(f"No such command {args[0]!r}. {meant}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Words, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="legato %(version)s")
def legato() -> None:
    """CI/CD for machine learning: one file, pipeline.py, from a git push to a monitored endpoint.

    \b
    legato init            start a project, or adopt this repository
    legato run             run what changed, reuse the rest
    legato why STEP        say why it ran, or why it did not
    legato predict NAME rows.csv
    """  # noqa: D301 - click's own mark
