"""`legato serve` and `legato predict`.

Rule: answers go to stdout as they come, one row a line; notices go to stderr.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from legato.app import actions, answering
from legato.app.predicting import Answers, rows_of
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
@click.argument("name", metavar="NAME|MODEL:VERSION|MODEL@ALIAS|ADDRESS")
@click.argument("rows", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
def predict(name: str, rows: Path, *, as_json: bool) -> int:
    """Ask a model about each row of ROWS (CSV, Parquet, JSON, JSON lines).

    \b
    legato predict wine rows.csv            the endpoint or model that answers as wine
    legato predict wine:3 rows.csv          version 3, whether an endpoint answers with it or not
    legato predict wine@champion rows.csv   what the alias points at
    legato predict http://127.0.0.1:8080/v2/models/wine rows.csv
    """  # noqa: D301 - click's own mark
    asked = False
    for answers in answering.predict(Path.cwd(), name, rows, notice=_notice):
        lines = _objects(answers) if as_json else _table(answers, header=not asked)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        asked = True
    if not asked:
        _notice(f"{rows} holds no rows")
    return 0


def _objects(answers: Answers) -> Iterator[str]:
    return (actions.encode_json(row).decode() for row in rows_of(answers))


def _table(answers: Answers, *, header: bool) -> Iterator[str]:
    """Yield the lines of a table; columns stand for outputs, or for each label of one that has some."""
    columns = {name: values for output in answers for name, values in output.cells().items()}
    if header:
        yield "\t".join(map(clean, columns))
    yield from map("\t".join, zip(*(map(_cell, values) for values in columns.values()), strict=True))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    return clean(str(value))


def _notice(text: str) -> None:
    sys.stderr.write(f"note: {clean(text)}\n")
