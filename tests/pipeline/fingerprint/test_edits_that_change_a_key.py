"""The catalogue of edits after which a step must run again, each with what is named as its cause."""
# ruff: noqa: E501 - a table of small programs reads best with one program a line

from pathlib import Path
from typing import NamedTuple

import pytest
from fingerprint_repository import Repository, changes, key


class Edit(NamedTuple):
    """Files by name, one replacement in one of them, and the part of the code that must be named."""

    files: dict[str, str]
    file: str
    old: str
    new: str
    cause: str


def _step(body: str, head: str = "") -> str:
    return f"{head}\n\ndef step(data, *, depth=3):\n    return {body}\n"


EDITS = {
    "a helper two modules away": Edit(
        {
            "pipeline.py": _step("a.first(data)", "import a"),
            "a.py": "from b import second\ndef first(x):\n    return second(x)\n",
            "b.py": "def second(x):\n    return x + 1\n",
        },
        "b.py", "x + 1", "x + 2", "code b.py:second changed",
    ),
    "two helpers swap their bodies": Edit(
        {"pipeline.py": "def f(x):\n    return 1\ndef g(x):\n    return 2\n" + _step("f(data) - g(data)")},
        "pipeline.py", "f(x):\n    return 1\ndef g(x):\n    return 2", "f(x):\n    return 2\ndef g(x):\n    return 1",
        "code pipeline.py:f changed",
    ),
    "a method of a class whose instance is a global": Edit(
        {
            "pipeline.py": _step("ENCODER.fit(data)", "from models import ENCODER"),
            "models.py": "class Encoder:\n    def fit(self, x):\n        return x * 2\nENCODER = Encoder()\n",
        },
        "models.py", "x * 2", "x * 3", "code models.py:Encoder.fit changed",
    ),
    "a field of an instance that is a global": Edit(
        {
            "pipeline.py": _step("ENCODER.rate", "from models import ENCODER"),
            "models.py": "class Encoder:\n    def __init__(self, rate):\n        self.rate = rate\nENCODER = Encoder(2)\n",
        },
        "models.py", "Encoder(2)", "Encoder(3)", "value models.ENCODER changed",
    ),
    "a class attribute": Edit(
        {"pipeline.py": "class Config:\n    depth = 4\n" + _step("Config.depth")},
        "pipeline.py", "depth = 4", "depth = 5", "value pipeline.Config.depth changed",
    ),
    "an inherited method": Edit(
        {
            "pipeline.py": _step("Child().go()", "from models import Child"),
            "models.py": "class Base:\n    def go(self):\n        return 1\nclass Child(Base):\n    pass\n",
        },
        "models.py", "return 1", "return 2", "code models.py:Base.go changed",
    ),
    "the order of base classes": Edit(
        {
            "pipeline.py": "class A:\n    pass\nclass B:\n    pass\nclass C(A, B):\n    pass\n" + _step("C()"),
        },
        "pipeline.py", "C(A, B)", "C(B, A)", "code pipeline.py:C changed",
    ),
    "a constant": Edit(
        {"pipeline.py": _step("data > config.LIMIT", "import config"), "config.py": "LIMIT = 3\n"},
        "config.py", "3", "4", "value config.LIMIT changed: 3 -> 4",
    ),
    "a constant imported by name": Edit(
        {"pipeline.py": _step("data > LIMIT", "from config import LIMIT"), "config.py": "LIMIT = 3\n"},
        "config.py", "3", "3.0", "value config.LIMIT changed: 3 -> 3.0",
    ),
    "True for 1": Edit({"pipeline.py": "FLAG = 1\n" + _step("FLAG")}, "pipeline.py", "FLAG = 1", "FLAG = True", "value pipeline.FLAG"),
    "minus zero for zero": Edit({"pipeline.py": "Z = 0.0\n" + _step("Z")}, "pipeline.py", "Z = 0.0", "Z = -0.0", "value pipeline.Z"),
    "the order of a dict": Edit(
        {"pipeline.py": "D = {'a': 1, 'b': 2}\n" + _step("list(D)")},
        "pipeline.py", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", "value pipeline.D changed",
    ),
    "a default of a helper": Edit(
        {"pipeline.py": "def f(x, k=1):\n    return x + k\n" + _step("f(data)")},
        "pipeline.py", "k=1", "k=2", "value pipeline.py:f(k=) changed: 1 -> 2",
    ),
    "a keyword-only default of a helper": Edit(
        {"pipeline.py": "def f(x, *, k=1):\n    return x + k\n" + _step("f(data)")},
        "pipeline.py", "k=1", "k=2", "value pipeline.py:f(k=) changed: 1 -> 2",
    ),
    "an object as default": Edit(
        {"pipeline.py": "class O:\n    def go(self):\n        return 1\ndef f(x, o=O()):\n    return o.go()\n" + _step("f(data)")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:O.go changed",
    ),
    "a decorator's body": Edit(
        {
            "pipeline.py": "from deco import twice\n@twice\ndef f(x):\n    return x\n" + _step("f(data)"),
            "deco.py": "import functools\ndef twice(fn):\n    @functools.wraps(fn)\n    def inner(*a):\n        return fn(*a) * 2\n    return inner\n",
        },
        "deco.py", "* 2", "* 3", "code deco.py:twice.<locals>.inner changed",
    ),
    "what a wrapping decorator wraps": Edit(
        {
            "pipeline.py": "from deco import twice\n@twice\ndef f(x):\n    return x + 1\n" + _step("f(data)"),
            "deco.py": "import functools\ndef twice(fn):\n    @functools.wraps(fn)\n    def inner(*a):\n        return fn(*a) * 2\n    return inner\n",
        },
        "pipeline.py", "x + 1", "x + 2", "code pipeline.py:f changed",
    ),
    "an argument of a decorator": Edit(
        {"pipeline.py": "import functools\n@functools.lru_cache(maxsize=2)\ndef f(x):\n    return x\n" + _step("f(data)")},
        "pipeline.py", "maxsize=2", "maxsize=3", "code pipeline.py:f changed",
    ),
    "what a cached function does": Edit(
        {"pipeline.py": "import functools\n@functools.cache\ndef f(x):\n    return x\n" + _step("f(data)")},
        "pipeline.py", "return x\n", "return -x\n", "code pipeline.py:f changed",
    ),
    "a decorator of the step itself": Edit(
        {
            "pipeline.py": "import functools\ndef deco(fn):\n    @functools.wraps(fn)\n    def inner(*a):\n        return fn(*a)\n    return inner\n@deco\ndef step(x):\n    return x + 1\n",
        },
        "pipeline.py", "x + 1", "x + 2", "code pipeline.py:step changed",
    ),
    "a registry that another module fills": Edit(
        {
            "pipeline.py": "import plugins\nfrom registry import HANDLERS\n" + _step("[h(data) for h in HANDLERS]"),
            "registry.py": "HANDLERS = []\ndef register(fn):\n    HANDLERS.append(fn)\n    return fn\n",
            "plugins.py": "from registry import register\n@register\ndef plug(x):\n    return x\n",
        },
        "plugins.py", "return x\n", "return -x\n", "code plugins.py:plug changed",
    ),
    "closures made in a loop": Edit(
        {"pipeline.py": "def make(k):\n    def add(x):\n        return x + k\n    return add\nADDERS = [make(k) for k in (1, 2)]\n" + _step("[f(data) for f in ADDERS]")},
        "pipeline.py", "(1, 2)", "(1, 3)", "value pipeline.py:make.<locals>.add(k) #2 changed: 2 -> 3",
    ),
    "the condition of a conditional function": Edit(
        {"pipeline.py": "FAST = True\nif FAST:\n    def f(x):\n        return 1\nelse:\n    def f(x):\n        return 2\n" + _step("f(data)")},
        "pipeline.py", "FAST = True", "FAST = False", "code pipeline.py:f changed",
    ),
    "the condition of a conditional class": Edit(
        {"pipeline.py": "FAST = True\nif FAST:\n    class F:\n        def go(self): return 1\nelse:\n    class F:\n        def go(self): return 2\n" + _step("F().go()")},
        "pipeline.py", "FAST = True", "FAST = False", "code pipeline.py:F.go changed",
    ),
    "a star re-export": Edit(
        {
            "pipeline.py": "from facade import *\n" + _step("f(data)"),
            "facade.py": "from one import *\n",
            "one.py": "def f(x):\n    return 1\n",
            "two.py": "def f(x):\n    return 2\n",
        },
        "facade.py", "from one", "from two", "code two.py:f is new",
    ),
    "cfg.update() at module level elsewhere": Edit(
        {
            "pipeline.py": "import cfg\nimport override\n" + _step("cfg.SETTINGS['a']"),
            "cfg.py": "SETTINGS = {'a': 1}\n",
            "override.py": "import cfg\ncfg.SETTINGS.update(a=2)\n",
        },
        "override.py", "a=2", "a=3", "value cfg.SETTINGS changed",
    ),
    "a nested function": Edit(
        {"pipeline.py": "def step(data):\n    def inner(x):\n        return x + 1\n    return inner(data)\n"},
        "pipeline.py", "x + 1", "x + 2", "code pipeline.py:step changed",
    ),
    "what a nested function calls": Edit(
        {"pipeline.py": "def f(x):\n    return 1\ndef step(data):\n    def inner(x):\n        return f(x)\n    return inner(data)\n"},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:f changed",
    ),
    "a lambda": Edit(
        {"pipeline.py": "f = lambda x: x + 1\n" + _step("f(data)")}, "pipeline.py", "x + 1", "x + 2", "code pipeline.py:<lambda> changed",
    ),
    "one of two lambdas on a line": Edit(
        {"pipeline.py": "f, g = lambda x: x + 1, lambda x: x + 5\n" + _step("g(data)")},
        "pipeline.py", "x + 5", "x + 6", "code pipeline.py:<lambda> changed",
    ),
    "a property": Edit(
        {"pipeline.py": "class C:\n    @property\n    def p(self):\n        return 1\n" + _step("C().p")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:C.p changed",
    ),
    "a static method": Edit(
        {"pipeline.py": "class C:\n    @staticmethod\n    def s():\n        return 1\n" + _step("C.s()")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:C.s changed",
    ),
    "a cached property": Edit(
        {"pipeline.py": "import functools\nclass C:\n    @functools.cached_property\n    def p(self):\n        return 1\n" + _step("C().p")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:C.p changed",
    ),
    "a dataclass field's default": Edit(
        {"pipeline.py": "from dataclasses import dataclass\n@dataclass\nclass P:\n    a: int = 1\n" + _step("P().a")},
        "pipeline.py", "a: int = 1", "a: int = 2", "value pipeline.P.a changed: 1 -> 2",
    ),
    "a dataclass field's default factory": Edit(
        {"pipeline.py": "from dataclasses import dataclass, field\ndef make():\n    return [1]\n@dataclass\nclass P:\n    a: list = field(default_factory=make)\n" + _step("P().a")},
        "pipeline.py", "[1]", "[2]", "code pipeline.py:make changed",
    ),
    "a dataclass's own option": Edit(
        {"pipeline.py": "from dataclasses import dataclass\n@dataclass(order=True)\nclass P:\n    a: int = 1\n" + _step("P() < P()")},
        "pipeline.py", "order=True", "order=False", "code pipeline.py:P changed",
    ),
    "an Enum member": Edit(
        {"pipeline.py": "from enum import Enum\nclass Color(Enum):\n    RED = 1\n    BLUE = 2\n" + _step("Color.BLUE.value")},
        "pipeline.py", "BLUE = 2", "BLUE = 3", "value pipeline.Color.member BLUE changed: 2 -> 3",
    ),
    "a method of an Enum": Edit(
        {"pipeline.py": "from enum import Enum\nclass Color(Enum):\n    RED = 1\n    def go(self):\n        return 1\nBEST = Color.RED\n" + _step("BEST.go()")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:Color.go changed",
    ),
    "a field of a NamedTuple": Edit(
        {"pipeline.py": "from typing import NamedTuple\nclass P(NamedTuple):\n    a: int\n    b: int = 2\n" + _step("P(1)")},
        "pipeline.py", "b: int = 2", "b: int = 3", "value pipeline.P._field_defaults changed",
    ),
    "what an import alias means": Edit(
        {"pipeline.py": "from lib import one as f\n" + _step("f(data)"), "lib.py": "def one(x):\n    return 1\ndef two(x):\n    return 2\n"},
        "pipeline.py", "one as f", "two as f", "code lib.py:two is new",
    ),
    "a function-level import of a loaded module": Edit(
        {"pipeline.py": "import lib\ndef step(data):\n    from lib import f\n    return f(data)\n", "lib.py": "def f(x):\n    return 1\n"},
        "lib.py", "return 1", "return 2", "code lib.py:f changed",
    ),
    "a function-level import as": Edit(
        {"pipeline.py": "import lib\ndef step(data):\n    import lib as other\n    return other.f(data)\n", "lib.py": "def f(x):\n    return 1\n"},
        "lib.py", "return 1", "return 2", "code lib.py:f changed",
    ),
    "a function-level import of a module not loaded": Edit(
        {"pipeline.py": "def step(data):\n    import lib\n    return lib.f(data)\n", "lib.py": "def f(x):\n    return 1\n"},
        "lib.py", "return 1", "return 2", "code lib.py changed",
    ),
    "what a module not loaded imports": Edit(
        {
            "pipeline.py": "def step(data):\n    from pkg.lib import f\n    return f(data)\n",
            "pkg/__init__.py": "",
            "pkg/lib.py": "from . import deep\nfrom .deep import g\ndef f(x):\n    return g(x)\n",
            "pkg/deep.py": "def g(x):\n    return 1\n",
        },
        "pkg/deep.py", "return 1", "return 2", "code pkg/deep.py changed",
    ),
    "a partial": Edit(
        {"pipeline.py": "from functools import partial\ndef g(x, k):\n    return x\nf = partial(g, k=1)\n" + _step("f(data)")},
        "pipeline.py", "k=1)", "k=2)", "value pipeline.f changed",
    ),
    "what a partial calls": Edit(
        {"pipeline.py": "from functools import partial\ndef g(x, k):\n    return x\nf = partial(g, k=1)\n" + _step("f(data)")},
        "pipeline.py", "return x\n", "return -x\n", "code pipeline.py:g changed",
    ),
    "a bound method": Edit(
        {"pipeline.py": "class C:\n    def go(self, x):\n        return 1\nf = C().go\n" + _step("f(data)")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:C.go changed",
    ),
    "getattr on a module": Edit(
        {"pipeline.py": "import lib\ndef step(data, *, name='f'):\n    return getattr(lib, name)(data)\n", "lib.py": "def f(x):\n    return 1\n"},
        "lib.py", "return 1", "return 2", "code lib.py changed",
    ),
    "a global reached by globals()": Edit(
        {"pipeline.py": "def f(x):\n    return 1\ndef step(data):\n    return globals()['f'](data)\n"},
        "pipeline.py", "return 1", "return 2", "code pipeline.py changed",
    ),
    "a monkeypatched method": Edit(
        {
            "pipeline.py": "import models\nimport patch\n" + _step("models.M().go()"),
            "models.py": "class M:\n    def go(self):\n        return 0\n",
            "patch.py": "import models\ndef better(self):\n    return 1\nmodels.M.go = better\n",
        },
        "patch.py", "return 1", "return 2", "code patch.py:better changed",
    ),
    "a monkeypatched function of a package": Edit(
        {"pipeline.py": "import click\ndef mine(*a):\n    return 1\nclick.echo_mine = mine\n" + _step("click.echo_mine(data)")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:mine changed",
    ),
    "a metaclass": Edit(
        {"pipeline.py": "class Meta(type):\n    def __call__(cls):\n        return 1\nclass C(metaclass=Meta):\n    pass\n" + _step("C()")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:Meta.__call__ changed",
    ),
    "a descriptor": Edit(
        {"pipeline.py": "class D:\n    def __get__(self, a, b):\n        return 1\nclass C:\n    d = D()\n" + _step("C().d")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:D.__get__ changed",
    ),
    "a function in a dict": Edit(
        {"pipeline.py": "def f(x):\n    return 1\nF = {'f': f}\n" + _step("F['f'](data)")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:f changed",
    ),
    "a function in a set": Edit(
        {"pipeline.py": "def f(x):\n    return 1\ndef g(x):\n    return 3\nF = {f, g}\n" + _step("[h(data) for h in F]")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:f changed",
    ),
    "a generic function's implementation": Edit(
        {"pipeline.py": "from functools import singledispatch\n@singledispatch\ndef f(x):\n    return 0\n@f.register\ndef _(x: int):\n    return 1\n" + _step("f(data)")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:_ changed",
    ),
    "a context manager": Edit(
        {"pipeline.py": "from contextlib import contextmanager\n@contextmanager\ndef f():\n    yield 1\ndef step(data):\n    with f() as x:\n        return x\n"},
        "pipeline.py", "yield 1", "yield 2", "code pipeline.py:f changed",
    ),
    "the constant part of an f-string": Edit(
        {"pipeline.py": _step("f'a {data:.2f}'")}, "pipeline.py", "f'a ", "f'b ", "code pipeline.py:step changed",
    ),
    "the format of an f-string": Edit(
        {"pipeline.py": _step("f'a {data:.2f}'")}, "pipeline.py", ".2f", ".3f", "code pipeline.py:step changed",
    ),
    "a function that assigns a global": Edit(
        {"pipeline.py": "state = None\ndef fill():\n    global state\n    state = 1\n" + _step("state")},
        "pipeline.py", "state = 1", "state = 2", "code pipeline.py:fill changed",
    ),
    "a global that another module's function assigns": Edit(
        {
            "pipeline.py": "import cfg\nimport other\n" + _step("cfg.LIMIT"),
            "cfg.py": "LIMIT = 1\n",
            "other.py": "import cfg\ndef hook():\n    cfg.LIMIT = 2\n",
        },
        "other.py", "= 2", "= 3", "code other.py changed",
    ),
    "star arguments": Edit(
        {"pipeline.py": "def f(*a, **k):\n    return a\n" + _step("f(*data)")}, "pipeline.py", "f(*data)", "f(data)", "code pipeline.py:step changed",
    ),
    "a kind of parameter": Edit(
        {"pipeline.py": "def f(a, b):\n    return a\n" + _step("f(1, 2)")}, "pipeline.py", "f(a, b)", "f(b, a)", "code pipeline.py:f changed",
    ),
    "a walrus in a comprehension": Edit(
        {"pipeline.py": "def f(x):\n    return 1\n" + _step("[y for x in data if (y := f(x))]")},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:f changed",
    ),
    "a global read by a class body": Edit(
        {"pipeline.py": "K = 1\nclass C:\n    K = K + 0\n" + _step("C.K")}, "pipeline.py", "K = 1\n", "K = 2\n", "value pipeline.C.K changed",
    ),
    "a name in match": Edit(
        {"pipeline.py": "class P:\n    __match_args__ = ('a',)\n    a = 1\ndef step(data):\n    match data:\n        case P(a): return a\n"},
        "pipeline.py", "a = 1", "a = 2", "value pipeline.P.a changed",
    ),
    "an annotation": Edit(
        {"pipeline.py": "def step(data: int) -> int:\n    return data\n"}, "pipeline.py", "-> int", "-> float", "code pipeline.py:step changed",
    ),
    "an object without stable form: its whole repository": Edit(
        {"pipeline.py": "import lib\nG = (x for x in [lib.K])\n" + _step("next(G)"), "lib.py": "K = 1\n"},
        "lib.py", "K = 1", "K = 2", "code lib.py changed",
    ),
    "an array": Edit(
        {"pipeline.py": "import numpy as np\nA = np.array([1.0, 2.0])\n" + _step("A.sum()")},
        "pipeline.py", "2.0", "3.0", "value pipeline.A changed",
    ),
    "a frame": Edit(
        {"pipeline.py": "import polars as pl\nA = pl.DataFrame({'a': [1, 2]})\n" + _step("A.sum()")},
        "pipeline.py", "[1, 2]", "[1, 3]", "value pipeline.A changed",
    ),
    "a pattern's flags": Edit(
        {"pipeline.py": "import re\nP = re.compile('a')\n" + _step("P.match(data)")},
        "pipeline.py", "'a')", "'a', re.I)", "value pipeline.P changed",
    ),
    "a named tuple instance": Edit(
        {"pipeline.py": "from typing import NamedTuple\nclass T(NamedTuple):\n    a: int\nX = T(1)\n" + _step("X.a")},
        "pipeline.py", "T(1)", "T(2)", "value pipeline.X changed",
    ),
    "a slotted object": Edit(
        {"pipeline.py": "class T:\n    __slots__ = ('a',)\n    def __init__(self, a):\n        self.a = a\nX = T(1)\n" + _step("X.a")},
        "pipeline.py", "T(1)", "T(2)", "value pipeline.X changed",
    ),
    "an object that holds itself": Edit(
        {"pipeline.py": "class T:\n    pass\nX = T()\nX.me = X\nX.a = 1\n" + _step("X.me.a")},
        "pipeline.py", "X.a = 1", "X.a = 2", "value pipeline.X changed",
    ),
    "one of two functions that call each other": Edit(
        {"pipeline.py": "def f(n):\n    return n and g(n - 1)\ndef g(n):\n    return n and f(n - 1)\n" + _step("f(data)")},
        "pipeline.py", "f(n - 1)", "f(n - 2)", "code pipeline.py:g changed",
    ),
    "a step that is called": Edit(
        {"pipeline.py": "import legato as lg\ndef f(data, *, k=1):\n    return k\n" + _step("f(data)")},
        "pipeline.py", "k=1", "k=2", "value pipeline.py:f(k=) changed",
    ),
    "a parameter's default of a first-party type: its code": Edit(
        {"pipeline.py": "class M:\n    def go(self):\n        return 1\ndef step(data, *, m=M()):\n    return m.go()\n"},
        "pipeline.py", "return 1", "return 2", "code pipeline.py:M.go changed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_that_can_change_the_result_changes_the_key_and_is_named(name: str, tmp_path: Path) -> None:
    edit = EDITS[name]
    repository = Repository(tmp_path / "repo", edit.files)
    before = repository.fingerprint()
    repository.edit(edit.file, edit.old, edit.new)
    after = repository.fingerprint()

    assert key(before) != key(after)
    assert any(str(cause).startswith(edit.cause) for cause in changes(before, after)), changes(before, after)
