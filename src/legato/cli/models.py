"""`legato models list | show | promote`.

Rule: a promotion says who, why and despite which gates; all of it stays in the record.
"""

import sys
from pathlib import Path

import click

from legato.app import actions
from legato.app import models as app_models
from legato.app.told import told
from legato.cli.colours import mark
from legato.cli.errors import clean
from legato.domain.verdicts import Outcome

OUTCOME_MARKS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.INCONCLUSIVE: "?"}


@click.group()
def models() -> None:
    """List, show and promote models."""


_ENVIRONMENT = click.option(
    "--environment",
    default="local",
    show_default=True,
    help="Whose registry: this machine's, or the shared one.",
)


@models.command("list")
@_ENVIRONMENT
@click.option("--json", "as_json", is_flag=True, help="One JSON object a model.")
def list_(*, environment: str, as_json: bool) -> int:
    """List models with their versions and aliases."""
    found = app_models.listing(Path.cwd(), environment)
    if not found and not as_json:
        sys.stderr.write("no models yet; a run of a pipeline with lg.model registers the first\n")
    for model in found:
        if as_json:
            sys.stdout.buffer.write(actions.encode_json(model) + b"\n")
        else:
            sys.stdout.write(clean(app_models.line(model)) + "\n")
    return 0


@models.command()
@click.argument("reference", metavar="MODEL[@ALIAS|:VERSION]")
@_ENVIRONMENT
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(reference: str, *, environment: str, as_json: bool) -> int:
    """Show one model version: where it comes from, and what every gate found."""
    found = app_models.card(Path.cwd(), reference, environment)
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(found) + b"\n")
        return 0
    for name, value in app_models.facts(found):
        sys.stdout.write(f"{name:<12} {clean(value)}\n")
    sys.stdout.write("\ngates\n")
    for verdict in found.verdicts:
        sys.stdout.write(f"  {mark(OUTCOME_MARKS[verdict.outcome], sys.stdout)} {clean(told(verdict))}\n")
    sys.stdout.write("\nmetrics\n")
    for name, metric in found.metrics.items():
        sys.stdout.write(f"  {clean(name):<18} {'-' if metric is None else f'{metric:.6g}'}\n")
    return 0


@models.command()
@click.argument("reference", metavar="MODEL:VERSION")
@click.option("--alias", default="champion", show_default=True, help="The alias to move.")
@click.option("--environment", default="local", show_default=True, help="In which environment.")
@click.option("--despite", multiple=True, metavar="GATE", help="A gate that did not pass; name each.")
@click.option("--why", default="", help="Why; needed with --despite.")
def promote(reference: str, alias: str, environment: str, despite: tuple[str, ...], why: str) -> int:
    """Point an alias at a version (`wine:3`), or make a version of a candidate (`wine:c4`) and point at it."""
    moved, notes = app_models.promote(
        Path.cwd(), reference, alias=alias, environment=environment, despite=despite, why=why
    )
    sys.stdout.write(clean(moved) + "\n")
    for note in notes:
        sys.stderr.write(f"note: {clean(note)}\n")
    return 0
