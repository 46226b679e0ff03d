"""Writes docs/performance.md from the results that are there.

Rule: a section stands in the page when its benchmark has written its results.
"""

import json
from pathlib import Path
from typing import Final

from data_table import data_page
from table import page

ROOT: Final = Path(__file__).resolve().parent.parent


def write() -> None:
    """Write the page anew."""
    results = ROOT / "bench" / "results"
    parts = [page(json.loads((results / "engine.json").read_text("utf-8")))]
    if (results / "data.json").is_file():
        parts.append(data_page(json.loads((results / "data.json").read_text("utf-8"))))
    (ROOT / "docs" / "performance.md").write_text("\n".join(part.rstrip() + "\n" for part in parts), "utf-8")


if __name__ == "__main__":
    write()
