"""The catalogue of edits after which nothing may run again."""
# ruff: noqa: E501 - a table of small programs reads best with one program a line

from pathlib import Path
from typing import NamedTuple

import pytest
from fingerprint_repository import Repository, key

HELPED = "import lib\n\n\ndef step(data, *, depth=3):\n    return lib.f(data)\n"


class Edit(NamedTuple):
    """Files before, and the files that replace some of them."""

    before: dict[str, str]
    after: dict[str, str]
    step: str = "step"


EDITS = {
    "a comment": Edit({"pipeline.py": "def step(a):\n    return a\n"}, {"pipeline.py": "# x\ndef step(a):  # y\n    # z\n    return a\n"}),
    "a docstring": Edit({"pipeline.py": "def step(a):\n    return a\n"}, {"pipeline.py": 'def step(a):\n    """Doc."""\n    return a\n'}),
    "docstrings of helpers": Edit(
        {"pipeline.py": HELPED, "lib.py": "def f(x):\n    return x\n"},
        {"lib.py": '"""Module."""\n\n\ndef f(x):\n    """Doc."""\n    return x\n'},
    ),
    "a docstring of a class": Edit(
        {"pipeline.py": "class C:\n    k = 1\ndef step(a):\n    return C.k\n"},
        {"pipeline.py": 'class C:\n    """Doc."""\n    k = 1\ndef step(a):\n    return C.k\n'},
    ),
    "layout": Edit(
        {"pipeline.py": "def step(a):\n    return f'{a}' + str([1, 2])\n"},
        {"pipeline.py": 'def step(\n    a,\n):\n\n    return (\n        f"{a}" + str([\n1, 2,]))\n'},
    ),
    "an unrelated function": Edit(
        {"pipeline.py": "def step(a):\n    return a\ndef other():\n    return 1\n"},
        {"pipeline.py": "def step(a):\n    return a\ndef other():\n    return 2\n"},
    ),
    "an unrelated function of a module that is used": Edit(
        {"pipeline.py": HELPED, "lib.py": "def f(x):\n    return x\ndef g():\n    return 1\n"},
        {"lib.py": "def g():\n    return 2\nNEW = 3\ndef f(x):\n    return x\n"},
    ),
    "the order of methods": Edit(
        {"pipeline.py": "class C:\n    def a(self): return 1\n    def b(self): return 2\ndef step(a):\n    return C()\n"},
        {"pipeline.py": "class C:\n    def b(self): return 2\n    def a(self): return 1\ndef step(a):\n    return C()\n"},
    ),
    "the name of the step": Edit(
        {"pipeline.py": "def step(a):\n    return a\n"}, {"pipeline.py": "def better(a):\n    return a\n"}, "better",
    ),
    "the name of a step that calls itself": Edit(
        {"pipeline.py": "def step(a):\n    return a and step(a - 1)\n"},
        {"pipeline.py": "def better(a):\n    return a and better(a - 1)\n"}, "better",
    ),
    "the name of a step under a decorator": Edit(
        {"pipeline.py": "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a):\n        return f(*a)\n    return w\n@d\ndef step(a):\n    return a\n"},
        {"pipeline.py": "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a):\n        return f(*a)\n    return w\n@d\ndef better(a):\n    return a\n"}, "better",
    ),
    "the module of the step": Edit(
        {"pipeline.py": "import lib\nK = 3\ndef step(a):\n    return lib.f(a) + K\n", "lib.py": "def f(x):\n    return x\n"},
        {"pipeline.py": "from steps.first import step\n", "steps/__init__.py": "", "steps/first.py": "import lib\nK = 3\ndef step(a):\n    return lib.f(a) + K\n"},
    ),
    "the module of a helper": Edit(
        {"pipeline.py": "from lib import f\ndef step(a):\n    return f(a)\n", "lib.py": "def f(x):\n    return g(x)\ndef g(x):\n    return x\n"},
        {"pipeline.py": "from new import f\ndef step(a):\n    return f(a)\n", "new.py": "def g(x):\n    return x\ndef f(x):\n    return g(x)\n"},
    ),
    "the default of a hyperparameter": Edit(
        {"pipeline.py": "K = 3\ndef step(a, *, depth=K):\n    return depth\n"}, {"pipeline.py": "def step(a, *, depth=5):\n    return depth\n"},
    ),
    "a step that bears a parameter's name": Edit(
        {"pipeline.py": "def data():\n    return 1\ndef step(data):\n    return [x for x in data]\n"},
        {"pipeline.py": "def data():\n    return 2\ndef step(data):\n    return [x for x in data]\n"},
    ),
    "a global that bears a local's name": Edit(
        {"pipeline.py": "x = y = z = e = 1\ndef step(a):\n    for x in a: pass\n    with a as y: pass\n    try: pass\n    except ValueError as e: return e\n    return x, y, [z for z in a]\n"},
        {"pipeline.py": "x = y = z = e = 2\ndef step(a):\n    for x in a: pass\n    with a as y: pass\n    try: pass\n    except ValueError as e: return e\n    return x, y, [z for z in a]\n"},
    ),
    "a logger's module": Edit(
        {"pipeline.py": "import logging\nlog = logging.getLogger('a')\ndef step(a):\n    log.info('x')\n    return a\n"},
        {"pipeline.py": "import logging\nlog = logging.getLogger('b')\ndef step(a):\n    log.info('x')\n    return a\n"},
    ),
    "where a set's elements stand": Edit(
        {"pipeline.py": "S = {'a', 'b', 'c'}\ndef step(a):\n    return S\n"}, {"pipeline.py": "S = {'c', 'a', 'b'}\ndef step(a):\n    return S\n"},
    ),
    "an expression of the same value": Edit(
        {"pipeline.py": "S = 4\ndef step(a):\n    return S\n"}, {"pipeline.py": "S = 2 + 2\ndef step(a):\n    return S\n"},
    ),
    "a new module that nobody imports": Edit({"pipeline.py": "def step(a):\n    return a\n"}, {"lib.py": "X = 1\n"}),
    "an attribute that a function sets on itself, elsewhere": Edit(
        {"pipeline.py": "def step(self):\n    self.limit = 1\nlimit = 1\n"}, {"pipeline.py": "def step(self):\n    self.limit = 1\nlimit = 2\n"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_that_cannot_change_the_result_keeps_the_key(name: str, tmp_path: Path) -> None:
    edit = EDITS[name]
    repository = Repository(tmp_path / "repo", edit.before)
    before = repository.fingerprint()
    repository.write(edit.after)
    after = repository.fingerprint(edit.step)

    assert key(before) == key(after)


def test_words_on_the_step_decorator_keep_the_key(tmp_path: Path) -> None:
    bare = "import legato as lg\n@lg.step\ndef step(a, *, k=1):\n    return a\n"
    wordy = "import legato as lg\nfrom cores import N\n@lg.step(cpus=N, timeout='5m')\ndef step(a, *, k=1):\n    return a\n"
    repository = Repository(tmp_path, {"pipeline.py": bare, "cores.py": "N = 2\n"})
    before = repository.fingerprint()
    repository.write({"pipeline.py": wordy})

    assert key(before) == key(repository.fingerprint())


def test_words_on_a_step_that_another_step_calls_keep_the_key(tmp_path: Path) -> None:
    text = "import legato as lg\n@lg.step(cpus=1)\ndef helper(a):\n    return a\n@lg.step\ndef step(a):\n    return helper(a)\n"
    repository = Repository(tmp_path, {"pipeline.py": text})
    before = repository.fingerprint()
    repository.edit("pipeline.py", "cpus=1", "cpus=2")

    assert key(before) == key(repository.fingerprint())


def test_a_clone_at_another_path_has_the_same_key(tmp_path: Path) -> None:
    files = {
        "pipeline.py": "from pathlib import Path\nimport lib\nHERE = Path(__file__).parent / 'q.sql'\n"
        "TEXT = str(HERE)\ndef step(a):\n    return HERE, TEXT, lib.f(a), __file__\n",
        "lib.py": "def f(x):\n    return __file__\n",
    }
    one = Repository(tmp_path / "one", files)
    two = Repository(tmp_path / "deep" / "er" / "two", files)

    assert key(one.fingerprint()) == key(two.fingerprint())
