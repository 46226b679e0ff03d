"""`legato serve` and `legato predict`.

Rule: answers go to stdout as they come, one row a line; notices go to stderr.
"""

import json
import sys
from pathlib import Path

import click

from legato.app import answering
from legato.cli.errors import clean


@click.command()
@click.argument("model", metavar="MODEL[@ALIAS|:VERSION]")
@click.option(
    "--port", default=8080, show_default=True, help="Where to listen on this machine; 0 takes a free port."
)
@click.option("--stop", is_flag=True, help="Stop the endpoint of this name that a run started.")
def serve(model: str, port: int, *, stop: bool) -> int:
    """Answer predictions with MODEL's champion, or with another alias or version.

    \b
    legato serve wine              the champion
    legato serve wine:3            version 3
    legato serve --stop wine       stop the endpoint that `legato run` keeps in the background

    Speaks the Open Inference Protocol (REST): GET /v2/models/wine, POST /v2/models/wine/infer.
    """  # noqa: D301 - click's own mark
    if not stop:
        return answering.serve(Path.cwd(), model, port=port)
    stopped = answering.stop(Path.cwd(), model)
    sys.stdout.write(f"stopped {clean(model)}\n" if stopped else f"nothing answers as {clean(model)}\n")
    return 0


@click.command()
@click.argument("name", metavar="NAME|ADDRESS")
@click.argument("rows", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
def predict(name: str, rows: Path, *, as_json: bool) -> int:
    """Ask the endpoint or model NAME about each row of ROWS (CSV, Parquet, JSON, JSON lines)."""
    header = False
    for row in answering.predict(Path.cwd(), name, rows, notice=_notice):
        if as_json:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            continue
        if not header:
            sys.stdout.write("\t".join(map(clean, row)) + "\n")
            header = True
        sys.stdout.write("\t".join(clean(_cell(value)) for value in row.values()) + "\n")
    return 0


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return " ".join(_cell(item) for item in value)
    return str(value)


def _notice(text: str) -> None:
    sys.stderr.write(f"note: {clean(text)}\n")
