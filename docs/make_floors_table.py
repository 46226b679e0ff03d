"""Writes the table of floors in docs/architecture.md from the contract that the linter holds.

Rule: the contract in pyproject.toml and the rooms' first sentences are its only sources; it is never edited.
"""

import ast
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "architecture.md"
BEGIN: Final = "<!-- floors: made by docs/make_floors_table.py -->\n"
END: Final = "<!-- end of floors -->"


def floors(pyproject: str) -> list[list[str]]:
    """Return the rooms of each floor, ground first, as the layers contract in `pyproject` names them."""
    contracts = tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[room.strip().strip("()") for room in layer.split("|")] for layer in reversed(layers)]


def purpose(room: str, source: Path) -> str:
    """Return the first sentence of a room's docstring, or an empty text where it is not built yet."""
    for file in (source / room / "__init__.py", source / f"{room}.py"):
        if file.is_file():
            said = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
            return said.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|").strip()
    return ""


def table(pyproject: str, source: Path) -> str:
    """Return the table, roof first; rooms that have a floor but no code yet are left out."""
    lines = ["| floor | room | what it is |", "|---|---|---|"]
    for number, rooms in reversed(list(enumerate(floors(pyproject)))):
        said = [(room, purpose(room, source)) for room in rooms]
        lines += [f"| {number} | `{room}` | {text} |" for room, text in said if text]
    return "\n".join(lines) + "\n"


def with_table(page: str, made: str) -> str:
    """Return the page with what stands between the marks replaced."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + made + END + rest.partition(END)[2]


def main() -> None:
    """Write the page anew."""
    made = table((ROOT / "pyproject.toml").read_text("utf-8"), ROOT / "src" / "legato")
    PAGE.write_text(with_table(PAGE.read_text("utf-8"), made), "utf-8")


if __name__ == "__main__":
    main()
