"""Decides which code a skops file may name, before any of it is imported or called.

Rule: what no row allows is refused, by its name; the same table judges on saving and on loading. skops
trusts names alone, whatever is done with them; here each kind of node has its own list, since some call what
they name: a dictionary's key types and `ConstructorFromReduceNode` call it with text from the file. Left out
on purpose: functions that touch files (`numpy.save`, `sklearn.datasets`), `operator.methodcaller`, bound
methods, and scipy's distributions, which execute a text from their state.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from legato.domain.errors import ConfigurationError
from legato.formats import Trust
from legato.formats.skops_canonical import Node, nodes

_LIBRARIES: Final = ("sklearn", "imblearn", "category_encoders", "xgboost", "lightgbm", "scipy.interpolate")
_CLOSED: Final = (
    "sklearn.datasets",
    "sklearn.externals",
    "sklearn.utils._testing",
    "sklearn.utils._mocking",
    "imblearn.datasets",
    "imblearn.utils._show_versions",
    "category_encoders.datasets",
)
_FUNCTIONS: Final = ("sklearn", "imblearn", "scipy.special", "scipy._lib.array_api_compat")
_NUMPY_FILES: Final = frozenset(
    [
        "save",
        "savez",
        "savez_compressed",
        "savetxt",
        "load",
        "loadtxt",
        "genfromtxt",
        "fromfile",
        "fromregex",
        "memmap",
    ]
)
_NUMBERS_AND_TEXTS: Final = frozenset({"str", "int", "float"})
_TYPES: Final = _NUMBERS_AND_TEXTS | {
    "bool",
    "bytes",
    "complex",
    "list",
    "tuple",
    "dict",
    "set",
    "frozenset",
    "object",
}
_CALLED: Final = frozenset(
    {
        "builtins.frozenset", "builtins.range", "builtins.complex", "datetime.date", "datetime.datetime",
        "datetime.time", "datetime.timedelta", "datetime.timezone", "decimal.Decimal", "zoneinfo.ZoneInfo",
    }
)  # fmt: skip


def audit(schema: Node, trust: Trust) -> tuple[str, ...]:
    """Return the first-party references of a schema, sorted.

    On loading (`trust.classes` is what the artifact declares) every reference must be among those.

    Raises:
        ConfigurationError: It names something that no rule allows.
    """
    found: set[str] = set()
    for node in nodes(schema):
        module, name, loader = str(node["__module__"]), str(node["__class__"]), str(node["__loader__"])
        rule = _RULES.get(loader)
        if rule is None:
            raise _refusal(module, name, f"a {loader}")
        if trust.first_party(module) and loader in _FIRST_PARTY_LOADERS:
            found.add(f"{module}:{name}")
        elif not rule(module, name, node):
            raise _refusal(module, name, f"a {loader}")
    return tuple(sorted(found))


def refuse_undeclared(references: tuple[str, ...], trust: Trust) -> None:
    """Raise ConfigurationError when a file names first-party code that its artifact does not declare."""
    for reference in references:
        if reference not in trust.classes:
            raise ConfigurationError(
                f"the model names {reference!r}, which its artifact does not declare",
                hint="its bytes were altered; run the step again with --again",
            )


def refuse_unfindable(references: tuple[str, ...]) -> None:
    """Raise ConfigurationError for first-party code that no other process could import."""
    for reference in references:
        module, _, name = reference.partition(":")
        if not hasattr(importlib.import_module(module), name):
            raise ConfigurationError(
                f"the model holds {reference!r}, which cannot be imported by that name",
                hint="replace a lambda or nested class by one at the top level of its module",
            )


def _refusal(module: str, name: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"the model holds {module}.{name} ({what}), which Legato does not read back without asking",
        hint="leave it out (a search: return search.best_estimator_), write `@lg.format` for the model's "
        "class, or annotate the result `lg.Pickled[...]`",
    )


def _within(module: str, roots: tuple[str, ...]) -> bool:
    return any(module == root or module.startswith(root + ".") for root in roots)


def _is_library_class(module: str, name: str, node: Node) -> bool:  # noqa: ARG001 - a row of the table
    if not _within(module, _LIBRARIES) or _within(module, _CLOSED):
        return False
    return isinstance(getattr(importlib.import_module(module), name, None), type)


def _is_function(module: str, name: str, node: Node) -> bool:  # noqa: ARG001 - a row of the table
    if module == "numpy":
        return name not in _NUMPY_FILES and _is_numpy_function(name)
    if not _within(module, _FUNCTIONS) or _within(module, _CLOSED):
        return False
    return callable(getattr(importlib.import_module(module), name, None))


def _is_numpy_function(name: str) -> bool:
    import numpy as np

    found = getattr(np, name, None)
    return isinstance(found, (np.ufunc, type(np.mean)))


def _is_numpy_scalar(module: str, name: str) -> bool:
    import numpy as np

    found = getattr(np, name, None)
    return module == "numpy" and isinstance(found, type) and issubclass(found, np.generic)


def _is_array(module: str, name: str, node: Node) -> bool:  # noqa: ARG001 - a row of the table
    return (module, name) == ("numpy", "ndarray") or _is_numpy_scalar(module, name)


def _is_type(module: str, name: str, node: Node) -> bool:
    if module == "builtins":
        return name in _TYPES
    known = f"{module}.{name}" == "collections.OrderedDict" or _is_numpy_scalar(module, name)
    return known or _is_library_class(module, name, node)


def _is_dictionary(module: str, name: str, node: Node) -> bool:
    kinds = node["key_types"]["content"]
    if len(kinds) != len(node["content"]):
        raise ConfigurationError(
            "the model holds a dictionary with keys that are one text, such as 1 and '1'",
            hint="use keys of one type",
        )
    for kind in kinds:
        plain = kind["__module__"] == "builtins" and kind["__class__"] in _NUMBERS_AND_TEXTS
        if not plain and not _is_numpy_scalar(kind["__module__"], kind["__class__"]):
            raise ConfigurationError(
                f"the model holds a dictionary with a key of type {kind['__class__']}, which is lost",
                hint="use texts or integers as keys",
            )
    known = f"{module}.{name}" in {"builtins.dict", "collections.OrderedDict"}
    return known or _is_library_class(module, name, node)


def _is_default_dictionary(module: str, name: str, node: Node) -> bool:
    kinds = {kind["__class__"] for kind in node["content"]["main"]["key_types"]["content"]}
    return (module, name) == ("collections", "defaultdict") and kinds <= {"str"}


def _is(*allowed: str) -> Callable[[str, str, Node], bool]:
    return lambda module, name, node: f"{module}.{name}" in allowed  # noqa: ARG005 - a row


def _lives_in(*modules: str) -> Callable[[str, str, Node], bool]:
    return lambda module, name, node: _within(module, modules)  # noqa: ARG005 - a row


_FIRST_PARTY_LOADERS: Final = frozenset(
    {"ObjectNode", "FunctionNode", "TypeNode", "TupleNode", "ConstructorFromReduceNode", "ListNode"}
)
_RULES: Final[Mapping[str, Callable[[str, str, Any], bool]]] = {
    "ObjectNode": _is_library_class,
    "FunctionNode": _is_function,
    "TypeNode": _is_type,
    "DictNode": _is_dictionary,
    "DefaultDictNode": _is_default_dictionary,
    "ListNode": _is("builtins.list"),
    "SetNode": _is("builtins.set"),
    "TupleNode": lambda module, name, node: (
        (module, name) == ("builtins", "tuple") or _is_library_class(module, name, node)
    ),
    "NdArrayNode": _is_array,
    "MaskedArrayNode": _is("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"),
    "DTypeNode": _is("numpy.dtype"),
    "RandomStateNode": _is("numpy.random.mtrand.RandomState"),
    "RandomGeneratorNode": _is("numpy.random._generator.Generator"),
    "SparseMatrixNode": _lives_in("scipy.sparse"),
    "TreeNode": _is("sklearn.tree._tree.Tree"),
    "LossNode": _lives_in("sklearn._loss._loss", "sklearn.linear_model._sgd_fast"),
    "ConstructorFromReduceNode": _is(*_CALLED),
    "OperatorFuncNode": _is("operator.itemgetter", "operator.attrgetter"),
    "PartialNode": _is("functools.partial"),
    "JsonNode": lambda module, name, node: True,  # noqa: ARG005 - text alone
    "SliceNode": _is("builtins.slice"),
    "BytesNode": _is("builtins.bytes"),
    "BytearrayNode": _is("builtins.bytearray"),
}
