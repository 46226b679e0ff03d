"""The registry as a workshop of the ledger: its tables, its queries, and how events become rows."""

from pathlib import Path
from typing import Final

from legato.ledger import Workshop, named_queries
from legato.registry.projection import project

_HERE: Final = Path(__file__).parent

WORKSHOP: Final = Workshop(
    name="registry",
    migrations=tuple(
        file.read_text(encoding="utf-8") for file in sorted((_HERE / "migrations").glob("*.sql"))
    ),
    queries=named_queries((_HERE / "queries.sql").read_text(encoding="utf-8")),
    project=project,
)
"""The registry's tables, read from events: candidates, versions, aliases and their moves."""
