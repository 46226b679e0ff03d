"""Fingerprints are the same in every process, and do not depend on which step is asked for first."""
# ruff: noqa: E501 - small programs read best with one statement a line

import subprocess
import sys
from pathlib import Path

import pytest
from fingerprint_repository import Repository, key, keyed

FILES = {
    "pipeline.py": (
        "import enum, functools, re, datetime, decimal, uuid, pathlib\n"
        "import lib\n"
        "import numpy as np\n"
        "NAMES = {'a', 'b', 'c', ('d', 1), frozenset({'x', 'y', 'z'})}\n"
        "FUNCTIONS = {lib.one, lib.two, lib.three}\n"
        "OBJECTS = [object(), lib.Thing('a'), lib.Thing('b'), functools.partial(lib.one, k={'p', 'q'})]\n"
        "OTHERS = (re.compile('a'), datetime.date(2026, 1, 2), decimal.Decimal('1.0'), uuid.UUID(int=3), pathlib.Path('x'))\n"
        "class Kind(enum.StrEnum):\n    A = 'a'\n    B = 'b'\n"
        "MEMBERS = {Kind.A, Kind.B}\n"
        "ARRAY = np.arange(3)\n"
        "def first(a):\n    return lib.even(a), NAMES, FUNCTIONS, OBJECTS, OTHERS, MEMBERS, ARRAY\n"
        "def second(a):\n    return lib.odd(a), FUNCTIONS\n"
    ),
    "lib.py": (
        "def one(x, k=1):\n    return x\n"
        "def two(x):\n    return one(x)\n"
        "def three(x):\n    return [one, two, three]\n"
        "def even(n):\n    return n == 0 or odd(n - 1)\n"
        "def odd(n):\n    return n != 0 and even(n - 1)\n"
        "class Thing:\n    def __init__(self, name):\n        self.name = name\n        self.seen = {name, 'x', 'y'}\n"
    ),
}
SCRIPT = """
import sys
from pathlib import Path
from legato.pipeline.fingerprint import Fingerprints, Sources
root = Path(sys.argv[1])
sys.path.insert(0, str(root))
sources = Sources(root, None)
sources.install()
module = sources.load("pipeline", root / "pipeline.py")
for one in Fingerprints(sources).of(module.first).ingredients:
    print(one.kind, one.name, one.digest)
"""


def test_fingerprints_are_equal_under_any_hash_seed(tmp_path: Path) -> None:
    repository = Repository(tmp_path, FILES)
    seen = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(repository.root)],
            env={"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
            check=True, capture_output=True, text=True,
        ).stdout
        for seed in ("0", "1", "42")
    }  # fmt: skip

    assert len(seen) == 1
    assert "closure code sha256:" in next(iter(seen))


def test_the_order_in_which_steps_are_asked_for_does_not_count(tmp_path: Path) -> None:
    repository = Repository(tmp_path, FILES)
    module = repository.load()
    try:
        forth, back = repository.fingerprints(), repository.fingerprints()
        one = [keyed(forth.of(module.first)), keyed(forth.of(module.second))]
        two = [keyed(back.of(module.second)), keyed(back.of(module.first))]
    finally:
        repository.forget()

    assert one == two[::-1]
    assert one[0] != one[1]


def test_two_steps_with_the_same_body_have_the_same_key(tmp_path: Path) -> None:
    repository = Repository(
        tmp_path, {"pipeline.py": "def step(a, *, k=1):\n    return a\ndef other(a, *, k=2):\n    return a\n"}
    )

    assert key(repository.fingerprint("step")) == key(repository.fingerprint("other"))


def test_a_thousand_functions_in_one_chain_need_no_deep_recursion(tmp_path: Path) -> None:
    lines = "".join(f"def f{n}(x):\n    return f{n + 1}(x)\n" for n in range(1500))
    repository = Repository(
        tmp_path, {"pipeline.py": lines + "def f1500(x):\n    return f0(x)\ndef step(a):\n    return f0(a)\n"}
    )
    before = repository.fingerprint()
    repository.edit("pipeline.py", "def f1500(x):\n    return f0(x)", "def f1500(x):\n    return f1(x)")

    assert key(before) != key(repository.fingerprint())


def test_a_long_sum_in_one_expression_is_read(tmp_path: Path) -> None:
    total = " + ".join(["a"] * 2000)
    repository = Repository(tmp_path, {"pipeline.py": f"def step(a):\n    return {total}\n"})
    before = repository.fingerprint()
    repository.edit("pipeline.py", "return a +", "return 2 +")

    assert key(before) != key(repository.fingerprint())


def test_an_object_without_stable_form_is_named_in_a_warning(tmp_path: Path) -> None:
    text = "class Holder:\n    pass\nH = Holder()\nH.stream = open(__file__)\ndef step(a):\n    return H\n"
    repository = Repository(tmp_path, {"pipeline.py": text, "other.py": "X = 1\n"})
    module = repository.load()
    try:
        found = repository.fingerprints().of(module.step)
    finally:
        module.H.stream.close()
        repository.forget()

    (warning,) = found.warnings
    assert "pipeline.H" in warning
    assert "uses=" in warning


def test_a_secret_by_name_is_not_shown(tmp_path: Path) -> None:
    repository = Repository(
        tmp_path, {"pipeline.py": "API_TOKEN = 'hunter2'\ndef step(a):\n    return API_TOKEN\n"}
    )

    assert "hunter2" not in repr(repository.fingerprint())


def test_variables_and_files_read_at_import_count_with_an_object_without_stable_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "import os, pathlib\nHERE = pathlib.Path(__file__).parent\n"
        "LINES = (x for x in [os.environ['REGION'], (HERE / 'words.txt').read_text()])\n"
        "def step(a):\n    return LINES\n"
    )
    repository = Repository(tmp_path, {"pipeline.py": text, "words.txt": "x"})
    monkeypatch.setenv("REGION", "eu")
    keys = [key(repository.fingerprint())]
    monkeypatch.setenv("REGION", "us")
    keys.append(key(repository.fingerprint()))
    repository.write({"words.txt": "y"})
    keys.append(key(repository.fingerprint()))

    assert len(set(keys)) == 3


def test_objects_of_many_kinds_have_a_stable_form(tmp_path: Path) -> None:
    text = (
        "import collections, copy, datetime, enum, functools, itertools, operator, random, threading, typing, weakref, zoneinfo\n"
        "import numpy as np, pandas as pd, polars as pl, msgspec\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "class Row(msgspec.Struct):\n    a: int = 1\n"
        "class Flag(enum.Flag):\n    A = 1\n    B = 2\n"
        "class Held:\n    def __init__(self):\n        self.lock, self.seen = threading.Lock(), weakref.WeakSet()\n"
        "ALL = [LogisticRegression(C=2), Row(), Flag.A | Flag.B, Held(), np.log1p, np.float64(3), np.dtype('f8'),\n"
        "    np.random.default_rng(3), random.Random(1), np.array(['a', None], dtype=object),\n"
        "    pd.DataFrame({'a': ['x', None], 'b': pd.Categorical(['u', 'v'])}), pd.Timestamp('2020-01-01'), pd.NA,\n"
        "    pl.Series('a', [1.0]), pl.Int64, zoneinfo.ZoneInfo('Europe/Berlin'), collections.Counter('abc'),\n"
        "    collections.defaultdict(list), functools.partial(np.clip, a_min=0), operator.itemgetter('a'), int | None,\n"
        "    typing.Optional[int], list[Row], typing.TypeVar('T'), ''.join, np.multiply.reduce]\n"
        "def step(a):\n    return ALL\n"
    )
    repository = Repository(tmp_path, {"pipeline.py": text})
    first, second = repository.fingerprint(), repository.fingerprint()

    assert first.warnings == ()
    assert key(first) == key(second)


def test_arrays_of_the_same_bytes_and_another_shape_differ(tmp_path: Path) -> None:
    repository = Repository(
        tmp_path,
        {"pipeline.py": "import numpy as np\nA = np.array([[1, 2, 3, 4]])\ndef step(a):\n    return A\n"},
    )
    before = repository.fingerprint()
    repository.edit("pipeline.py", "[[1, 2, 3, 4]]", "[[1, 2], [3, 4]]")

    assert key(before) != key(repository.fingerprint())
