"""The docs say what the code says: what is generated is fresh, links lead somewhere, decisions are whole."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "bench/*.md", "changes/*.md")
    for page in ROOT.glob(pattern)
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADINGS = ("**Status:**", "**Context.**", "**Options", "**Outcome.**", "**Price.**")


def make_floors_table():
    script = ROOT / "docs" / "make_floors_table.py"
    specification = importlib.util.spec_from_file_location("make_floors_table", script)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def prose(page: Path) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)


def test_the_table_of_floors_is_what_make_docs_writes() -> None:
    script = make_floors_table()
    page = script.PAGE.read_text("utf-8")

    made = script.table((ROOT / "pyproject.toml").read_text("utf-8"), ROOT / "src" / "legato")

    assert script.with_table(page, made) == page, "type: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(prose(page)) if "://" not in link]

    broken = [target for target in targets if target and not (page.parent / target).exists()]

    assert broken == []


def test_decisions_are_numbered_without_gaps_and_have_every_part() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    missing = [
        f"{record.name}: {heading}"
        for record in records
        for heading in HEADINGS
        if heading not in record.read_text("utf-8")
    ]

    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    assert missing == []


def test_locked_requirements_name_no_place_they_came_from_and_hash_everything() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    lines = [line for lock in locks for line in lock.read_text("utf-8").splitlines()]

    pinned = [line for line in lines if "==" in line and not line.startswith(" ")]
    places = [line for line in lines if "://" in line or line.startswith(("-", "/")) or " @ " in line]

    assert len(locks) == 3
    assert places == []
    assert pinned
    assert all(line.endswith("\\") for line in pinned)
