"""The rules of CONTRIBUTING.md that a linter cannot see, read from the syntax trees of src.

Rule: a test lists every place at fault, so that one run tells all.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "legato"
PURE = ("domain", "checks", "export")
LONGEST = 500
"""Lines of a file: about 400 is the aim, and long tables are fine."""
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
IMPURE_CALLS = {"open", "input", "print", "breakpoint", "exec", "eval", "__import__"}
CLOCKS = {
    "now",
    "utcnow",
    "today",
    "monotonic",
    "perf_counter",
    "time_ns",
    "uuid1",
    "uuid4",
    "urandom",
    "getenv",
}


def trees(*below: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in [SOURCE / name for name in below] or [SOURCE]:
        for file in sorted(folder.rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_bytes())


def imports_the_root_package(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(name.name == "legato" for name in node.names)
    return isinstance(node, ast.ImportFrom) and node.module == "legato"


def is_impure(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name in IMPURE_CALLS
        case ast.Attribute(attr=name):
            return name in CLOCKS
        case _:
            return False


def public_definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
            overload = any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list)
            if not overload:
                yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{node.name}.")


def test_nothing_in_the_source_imports_the_root_package() -> None:
    at_fault = [
        f"{file}:{node.lineno}"  # type: ignore[attr-defined]
        for file, tree in trees()
        for node in ast.walk(tree)
        if imports_the_root_package(node)
    ]

    assert at_fault == []


def test_pure_rooms_neither_open_files_nor_look_at_a_clock() -> None:
    at_fault = [
        f"{file}:{node.lineno}"  # type: ignore[attr-defined]
        for file, tree in trees(*PURE)
        for node in ast.walk(tree)
        if is_impure(node)
    ]

    assert at_fault == []


def test_a_planted_clock_and_a_planted_open_are_found() -> None:
    tree = ast.parse("import datetime\nopen('x')\ndatetime.datetime.now()\n")

    found = [node.lineno for node in ast.walk(tree) if is_impure(node)]  # type: ignore[attr-defined]

    assert sorted(found) == [2, 3]


def test_every_file_opens_with_a_sentence_about_itself() -> None:
    at_fault = [
        file for file, tree in trees() if "." not in (ast.get_docstring(tree) or "").partition("\n\n")[0]
    ]

    assert at_fault == []


def test_every_file_that_does_something_names_the_rule_it_keeps() -> None:
    at_fault = [
        file
        for file, tree in trees()
        if any(isinstance(node, ast.ClassDef | ast.FunctionDef) for node in tree.body)
        and "Rule" not in (ast.get_docstring(tree) or "")
    ]

    assert at_fault == []


def test_every_public_name_has_a_docstring() -> None:
    at_fault = [
        f"{file}: {name}"
        for file, tree in trees()
        for name, node in public_definitions(tree.body)
        if not ast.get_docstring(node)  # type: ignore[arg-type]
    ]

    assert at_fault == []


def test_no_file_is_an_attic_and_none_grows_without_end() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    at_fault = [file.as_posix() for file in files if FORBIDDEN_NAMES & set(file.stem.split("_"))]
    at_fault += [file.as_posix() for file in files if file.read_bytes().count(b"\n") > LONGEST]

    assert at_fault == []


def test_every_room_is_on_a_floor_of_the_contract() -> None:
    contract = (ROOT / "pyproject.toml").read_text("utf-8")
    rooms = sorted(folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").is_file())

    without_floor = [room for room in rooms if f'"{room}"' not in contract and f"({room})" not in contract]

    assert rooms
    assert without_floor == []
