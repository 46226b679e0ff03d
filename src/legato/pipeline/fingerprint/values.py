"""Takes live objects apart into a text of their own and the objects that they hold.

Rule: an object counts by what it is made of, as pickling would see it; one that cannot say so is unstable,
never passed over.
"""

import builtins
import copyreg
import hashlib
import types
import warnings
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from legato.pipeline.fingerprint.owners import Owner, Owners
from legato.pipeline.fingerprint.plain import HARMLESS, LARGEST, kind_name

_PICKLE_PROTOCOL: Final = 4
_TYPING: Final = ("TypeVar", "ParamSpec", "TypeVarTuple", "NewType", "TypeAliasType")
_DESCRIPTORS: Final = (
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
    types.GetSetDescriptorType, types.MemberDescriptorType,
)  # fmt: skip
_NOT_STATE: Final = frozenset({"__doc__", "__module__"})
_PLACES: Final = frozenset({"place", "where", "line", "file"})


class UnstableError(Exception):
    """The object cannot be told apart from others by what it is made of."""


class Parts(NamedTuple):
    """What an object is made of.

    Attributes:
        text: What is its own.
        held: What it holds, by label.
        unordered: The order of what it holds means nothing.
    """

    text: bytes
    held: list[tuple[str, object]]
    unordered: bool = False


def take_apart(value: object, owners: Owners) -> Parts:
    """Return the parts of an object that is no plain data, class, function or module.

    Raises:
        UnstableError: It has no stable form.
    """
    for way in (_harmless, _container, _callable, _typed, _array, _frame):
        parts = way(value)
        if parts is not None:
            return parts
    if owners.is_legato(value):
        return _own(value)
    return _wrapped(value) or _reduced(value, owners)


def _harmless(value: object) -> Parts | None:
    name = kind_name(type(value))
    return Parts(b"harmless " + name.encode(), []) if name in HARMLESS else None


def _numbered(values: Iterable[object]) -> list[tuple[str, object]]:
    return [(str(position), one) for position, one in enumerate(values)]


def _pairs(value: Mapping[Any, Any]) -> list[tuple[str, object]]:
    return _numbered(part for item in value.items() for part in item)


def _container(value: object) -> Parts | None:
    kind = type(value)
    name = kind.__name__.encode()
    if isinstance(value, list | tuple | dict | set | frozenset) and len(value) > LARGEST:
        raise UnstableError(f"it has {len(value):,} elements")
    if isinstance(value, list | tuple) and kind in (list, tuple):
        return Parts(name, _numbered(value))
    if isinstance(value, dict | types.MappingProxyType) and kind in (dict, types.MappingProxyType):
        return Parts(b"dict", _pairs(value))
    if isinstance(value, set | frozenset) and kind in (set, frozenset):
        return Parts(name, _numbered(value), unordered=True)
    if isinstance(value, slice):
        return Parts(name, _numbered((value.start, value.stop, value.step)))
    return None


def _callable(value: object) -> Parts | None:
    match value:
        case types.MethodType():
            return Parts(b"method", [("self", value.__self__), ("function", value.__func__)])
        case staticmethod() | classmethod():
            return Parts(type(value).__name__.encode(), [("function", value.__func__)])
        case property():
            return Parts(b"property", [("get", value.fget), ("set", value.fset), ("delete", value.fdel)])
        case types.BuiltinMethodType():
            return Parts(b"builtin " + value.__name__.encode(), [("self", value.__self__)])
        case types.MethodWrapperType():
            return Parts(b"builtin " + value.__name__.encode(), [("self", value.__self__)])
        case types.CodeType():
            return code_parts(value)
        case _:
            pass
    if isinstance(value, _DESCRIPTORS):
        return Parts(b"descriptor " + value.__name__.encode(), [("class", value.__objclass__)])
    return None


def code_parts(code: types.CodeType) -> Parts:
    """Return what a code object does, for code without source; good for one version of Python."""
    plain = (
        code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_flags,
        code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount,
    )  # fmt: skip
    return Parts(b"code " + repr(plain).encode("utf-8", "surrogatepass"), _numbered(code.co_consts))


def _typed(value: object) -> Parts | None:
    if isinstance(value, Enum):
        return Parts(b"member " + value.name.encode(), [("class", type(value))])
    kind = type(value)
    if kind.__module__ in ("typing", "typing_extensions") and kind.__name__ in _TYPING:
        names = ("__bound__", "__constraints__", "__supertype__", "__value__")
        text = f"{kind.__name__} {getattr(value, '__name__', '')}".encode()
        return Parts(text, [(name, getattr(value, name)) for name in names if hasattr(value, name)])
    return None


def _array(value: object) -> Parts | None:
    """Take numpy's and torch's arrays by their bytes."""
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    array: Any = value
    if package == "torch" and hasattr(value, "detach"):
        try:
            array = array.detach().cpu().contiguous().numpy()
        except (TypeError, RuntimeError) as error:
            raise UnstableError(str(error)) from error
        return Parts(kind_name(kind).encode(), [("class", kind), ("array", array)])
    if package != "numpy" or not hasattr(value, "tobytes") or hasattr(value, "mask"):
        return None
    dtype = array.dtype
    about = f"{kind.__name__} {dtype.descr if dtype.fields else dtype.str} {array.shape} ".encode()
    if dtype.hasobject:
        return Parts(about, [("class", kind), ("elements", array.ravel().tolist())])
    return Parts(about + hashlib.sha256(array.tobytes()).digest(), [("class", kind)])


def _frame(value: object) -> Parts | None:
    """Take tables by their columns, without waking any library's threads: the process may still fork."""
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    table: Any = value
    match package, kind.__name__:
        case "polars", "DataFrame":
            columns = [(f"column {name}", table[name].to_list()) for name in table.columns]
            return Parts(f"frame {table.schema} {table.height}".encode(), [("class", kind), *columns])
        case "polars", "Series":
            text = f"series {table.name} {table.dtype}".encode()
            return Parts(text, [("class", kind), ("values", table.to_list())])
        case "pandas", "DataFrame":
            columns = [(f"column {place}", table.iloc[:, place]) for place in range(table.shape[1])]
            return Parts(
                b"frame", [("class", kind), ("names", table.columns), ("index", table.index), *columns]
            )
        case "pandas", "Series":
            dtype = repr(table.dtype).encode()
            held = [
                ("class", kind),
                ("name", table.name),
                ("index", table.index),
                ("values", table.to_numpy()),
            ]
            return Parts(b"series " + dtype, [*held, *_categories(table.dtype)])
        case "pandas", name if name.endswith("Index"):
            dtype = f"{name} {table.dtype!r}".encode()
            held = [("class", kind), ("names", list(table.names)), ("values", table.to_numpy())]
            return Parts(dtype, [*held, *_categories(table.dtype)])
        case "pyarrow", "Table":
            return Parts(f"table {table.schema}".encode(), [("class", kind), ("rows", table.to_pylist())])
        case _:
            return None


def _categories(dtype: Any) -> list[tuple[str, object]]:  # noqa: ANN401 - any dtype of pandas
    return [("categories", dtype.categories)] if hasattr(dtype, "categories") else []


def _own(value: object) -> Parts:
    """Take Legato's own objects by their public content; where they were written does not count."""
    names = [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]
    names += getattr(type(value), "__struct_fields__", ())
    public = sorted({name for name in names if not name.startswith("_")} - _PLACES)
    held = [(name, getattr(value, name, None)) for name in public]
    return Parts(b"legato " + kind_name(type(value)).encode(), held)


def _wrapped(value: object) -> Parts | None:
    """Take what a package's decorator made by what it wraps; its arguments are in the decorator's text."""
    function = getattr(value, "__wrapped__", None) if callable(value) else None
    if isinstance(function, types.FunctionType | types.MethodType):
        return Parts(b"wrapper", [("class", type(value)), ("wrapped", function)])
    return None


def _reduced(value: object, owners: Owners) -> Parts:
    kind = type(value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            registered = copyreg.dispatch_table.get(kind)
            reduced: Any = registered(value) if registered else value.__reduce_ex__(_PICKLE_PROTOCOL)
    except Exception as error:
        if owners.of_type(kind) is Owner.USER and not _beyond_python(kind, owners):
            return Parts(b"object", [("class", kind), *_state(_fields(value))])
        raise UnstableError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    if isinstance(reduced, str):
        return _global(value, reduced, owners)
    make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    held: list[tuple[str, object]] = [("class", kind), ("make", make), ("arguments", arguments)]
    held += _state(state)
    held += [("items", list(items))] if items is not None else []
    held += [("pairs", list(pairs))] if pairs is not None else []
    return Parts(b"object", held)


def _global(value: object, name: str, owners: Owners) -> Parts:
    """Take an object that pickles as a name: stable only where the module is a fixed package's."""
    kind = type(value)
    module = getattr(value, "__module__", None) or kind.__module__
    if module == "builtins" or hasattr(builtins, name):
        return Parts(b"builtin " + name.encode(), [])
    if owners.of_module(module) in (Owner.USER, Owner.NOBODY):
        raise UnstableError(f"it says only its name, {module}.{name}")
    return Parts(f"global {module}.{name}".encode(), [("class", kind)])


def _beyond_python(kind: type, owners: Owners) -> bool:
    """Say whether a class has bases that may keep state where Python code cannot see it."""
    return any(owners.of_type(base) is Owner.PACKAGE for base in kind.__mro__)


def _fields(value: object) -> dict[str, object]:
    fields: dict[str, object] = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                fields[name] = getattr(value, name)
    return fields


def _state(state: object) -> list[tuple[str, object]]:
    """Return the fields of an object by name; the order in which they were set does not count."""
    if isinstance(state, tuple) and state and all(one is None or isinstance(one, dict) for one in state):
        state = {name: value for one in state for name, value in (one or {}).items()}  # __dict__ and slots
    if isinstance(state, dict) and all(isinstance(name, str) for name in state):
        return [(f"state {name}", state[name]) for name in sorted(state) if name not in _NOT_STATE]
    return [] if state is None else [("state", state)]
