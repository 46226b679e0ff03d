"""`legato init`, `legato doctor` and `legato completion`.

Rule: what was changed is said, and what could go wrong is named with its mend.
"""

import sys
from pathlib import Path

import click

from legato.app import actions, doctoring, starting
from legato.cli.errors import clean


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Choice(["dvc"]),
    help="Turn the stages of dvc.yaml into commands of pipeline.py.",
)
@click.option(
    "--hooks", is_flag=True, help="Only make git bring data in step after checkout, merge and rebase."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def init(*, source: str | None, hooks: bool, as_json: bool) -> int:
    """Start a project in this folder, or adopt the repository that is here.

    Writes pipeline.py, from the scripts and data that are found, or a small example that runs. Nothing that is there
    is changed.
    """
    if hooks:
        return _install_hooks(as_json=as_json)
    started = starting.init(Path.cwd(), source or "")
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(started) + b"\n")
        return 0
    for name in started.written:
        sys.stdout.write(f"wrote {name}\n")
    for line in started.advice:
        sys.stdout.write(f"{line}\n")
    return 0


def _install_hooks(*, as_json: bool) -> int:
    from legato.app.dataset_deeds import install_hooks

    said = install_hooks(Path.cwd())
    if as_json:
        sys.stdout.buffer.write(actions.encode_json({"hooks": said}) + b"\n")
    else:
        sys.stdout.write("".join(f"{clean(line)}\n" for line in said))
    return 0


@click.command()
@click.option("--strict", is_flag=True, help="Also read every byte of the store again; slower.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def doctor(*, strict: bool, as_json: bool) -> int:
    """Look for what could go wrong here: Python, packages, git, the store, the ledger, the pipeline.

    The exit code is 1 when something is wrong.
    """
    findings = doctoring.examine(Path.cwd(), strict=strict)
    if as_json:
        sys.stdout.buffer.write(actions.encode_json(findings) + b"\n")
    else:
        for finding in findings:
            mark = {"good": "✓", "note": "!", "wrong": "✗"}[finding.grade]
            sys.stdout.write(f"  {mark} {clean(finding.text)}\n")
            if finding.mend:
                sys.stdout.write(f"      {clean(finding.mend)}\n")
    return int(any(finding.grade == "wrong" for finding in findings))


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script of SHELL.

    \b
    eval "$(legato completion bash)"      in ~/.bashrc
    """  # noqa: D301 - click's own mark
    from click.shell_completion import get_completion_class

    from legato.cli.words import legato

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - one of click's own three
    sys.stdout.write(kind(legato, {}, "legato", "_LEGATO_COMPLETE").source() + "\n")
    return 0
