"""The engine as a workshop of the ledger: its tables, its queries, and how events become rows."""

from pathlib import Path
from typing import Final

from legato.engine.projection import project
from legato.ledger import Workshop, named_queries

_HERE: Final = Path(__file__).parent

WORKSHOP: Final = Workshop(
    name="engine",
    migrations=tuple(
        file.read_text(encoding="utf-8") for file in sorted((_HERE / "migrations").glob("*.sql"))
    ),
    queries=named_queries((_HERE / "queries.sql").read_text(encoding="utf-8")),
    project=project,
)
