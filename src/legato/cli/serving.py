"""`legato serve` and `legato predict`.

Rule: answers go to stdout as they come, one row a line; notices go to stderr.
"""

import json
import sys
from collections.abc import Mapping
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
    header = asked = False
    for row in answering.predict(Path.cwd(), name, rows, notice=_notice):
        asked = True
        if as_json:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            continue
        cells = flat(row)
        if not header:
            sys.stdout.write("\t".join(map(clean, cells)) + "\n")
            header = True
        sys.stdout.write("\t".join(clean(_cell(value)) for value in cells.values()) + "\n")
    if not asked:
        _notice(f"{rows} holds no rows")
    return 0


def flat(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row with a column for each value of a mapping in it.

    >>> flat({"predictions": "yes", "probabilities": {"no": 0.1, "yes": 0.9}})
    {'predictions': 'yes', 'probabilities.no': 0.1, 'probabilities.yes': 0.9}
    """
    cells: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            cells |= {f"{name}.{part}": inner for part, inner in value.items()}
        else:
            cells[name] = value
    return cells


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return " ".join(_cell(item) for item in value)
    return str(value)


def _notice(text: str) -> None:
    sys.stderr.write(f"note: {clean(text)}\n")
