"""Names types and annotations the way people write them, without importing any library.

Rule: a text names the same type in every process, whatever is loaded there.
"""

import sys
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

PICKLED: Final = "legato.pickled"
"""What `Pickled[T]` carries in its `Annotated`."""

_PACKAGES: Final = {
    "lg": "legato",
    "pl": "polars",
    "pd": "pandas",
    "pa": "pyarrow",
    "np": "numpy",
    "ds": "pyarrow.dataset",
}
_PLAIN: Final = {
    "Path": "pathlib.Path",
    "Dataset": "pyarrow.dataset.Dataset",
    "LazyFrame": "polars.LazyFrame",
}
_HOMES: Final = {
    "pyarrow._dataset": "pyarrow.dataset",
    "pyarrow.lib": "pyarrow",
    "pathlib._local": "pathlib",
}


def type_name(kind: type) -> str:
    """Return a type as people write it, by the shortest module that hands it out.

    >>> from pathlib import Path
    >>> type_name(int), type_name(Path), type_name(type(None))
    ('int', 'pathlib.Path', 'None')
    """
    module, name = kind.__module__, kind.__qualname__
    if module == "builtins":
        return "None" if kind is type(None) else name
    module = _HOMES.get(module, module)
    parts = module.split(".")
    for length in range(1, len(parts)):
        prefix = ".".join(parts[:length])
        if getattr(sys.modules.get(prefix), name, None) is kind:
            return f"{prefix}.{name}"
    return f"{module}.{name}"


def form_of(annotation: object) -> str:
    """Return the type that an annotation asks for, or an empty text where it asks for nothing in particular.

    `Annotated` and `| None` are looked through; a text is read with the usual short names (`pl`, `pd`).

    >>> from pathlib import Path
    >>> form_of(Path), form_of("pl.LazyFrame"), form_of("DataFrame | None"), form_of(None)
    ('pathlib.Path', 'polars.LazyFrame', 'DataFrame', '')
    """
    if isinstance(annotation, str):
        return _form_of_text(annotation)
    if get_origin(annotation) is Annotated:
        return form_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        sides = [side for side in get_args(annotation) if side is not type(None)]
        return form_of(sides[0]) if len(sides) == 1 else ""
    origin = get_origin(annotation)
    kind = origin if isinstance(origin, type) else annotation
    if not isinstance(kind, type) or kind in (object, type(None)) or annotation is Any:
        return ""
    return type_name(kind)


def _form_of_text(text: str) -> str:
    sides = [side.strip() for side in text.split("|")]
    sides = [side for side in sides if side != "None"]
    if len(sides) != 1:
        return ""
    name = sides[0].split("[")[0].strip()
    head, _, tail = name.rpartition(".")
    if not head:
        return _PLAIN.get(name, name)
    return f"{_PACKAGES.get(head, head)}.{tail}"


def asks_for_pickle(annotation: object) -> bool:
    """Say whether an annotation is `Pickled[T]`, also as a text.

    >>> asks_for_pickle(Annotated[int, PICKLED]), asks_for_pickle("lg.Pickled[Thing]"), asks_for_pickle(int)
    (True, True, False)
    """
    if isinstance(annotation, str):
        return annotation.split("[")[0].rpartition(".")[2] == "Pickled"
    return get_origin(annotation) is Annotated and PICKLED in get_args(annotation)[1:]
