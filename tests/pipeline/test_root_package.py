import subprocess
import sys
import types

import pytest

import legato as lg
from legato.domain.errors import ConfigurationError

HEAVY = (
    "numpy",
    "pandas",
    "polars",
    "asyncio",
    "rich",
    "click",
    "msgspec",
    "http",
    "dataclasses",
    "inspect",
    "sqlite3",
)


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_legato_loads_next_to_nothing():
    more = modules_after("import legato") - modules_after("pass")

    assert more == {"legato"}


def test_writing_steps_and_models_stays_light():
    code = (
        "import legato as lg\nrows = lg.dataset('a')\nday = lg.parameter(int, default=3)\n"
        "@lg.step(cpus=2)\ndef a(rows, *, day): ...\nb = a.using(day=4)\nc = b.output('x')\n"
        "d = lg.command('d', 'make {rows}')\n@lg.check\ndef e(rows): ...\n"
    )
    more = modules_after(code) - modules_after("pass")

    assert len(more) < 80
    assert not {name.partition(".")[0] for name in more} & set(HEAVY)


def test_every_word_is_there():
    for name in set(lg._HOMES):
        assert getattr(lg, name) is not None
    assert set(lg._HOMES) <= set(dir(lg))


def test_the_types_that_checkers_see_are_the_words_there_are():
    import ast
    from pathlib import Path

    tree = ast.parse(Path(str(lg.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: statement.module
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }

    assert seen == lg._HOMES


def test_a_misspelt_word_is_told_the_nearest():
    with pytest.raises(ConfigurationError, match="no word 'datset'") as caught:
        lg.datset  # noqa: B018 - the access is what is tested
    assert caught.value.hint == "did you mean `lg.dataset`?"


def test_a_word_of_a_later_version_says_what_serves_until_then():
    with pytest.raises(ConfigurationError, match="bundle is not supported by this version") as caught:
        lg.bundle  # noqa: B018 - the access is what is tested
    assert "one artifact" in caught.value.hint


def test_asking_whether_a_word_is_there_is_answered():
    assert not hasattr(lg, "canary")
    assert not hasattr(lg, "__wrapped__")
    assert isinstance(lg, types.ModuleType)
