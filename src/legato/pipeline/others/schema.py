"""Which keys a `dvc.yaml` may have, where, and what each holds.

Rule: a key that is not in these tables is refused with its line; each table says what does not change a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from legato.pipeline.nearest import did_you_mean
from legato.pipeline.others.located import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from legato.pipeline.others.located import Document, Path

Kinds = tuple[type, ...]

_TEXT: Final[Kinds] = (str,)
_TRUTH: Final[Kinds] = (bool,)
_LIST: Final[Kinds] = (list,)
_ANY: Final[Kinds] = (object,)

TOP: Final[Mapping[str, Kinds]] = {
    "stages": (dict,),
    "vars": _LIST,
    "params": _LIST,  # for the eyes of `dvc params`; the stages say what counts
    "metrics": _LIST,  # for the eyes of `dvc metrics`
    "plots": (list, dict),  # for the eyes of `dvc plots`
    "artifacts": (dict,),  # names for DVC's model registry
    "datasets": _LIST,  # refused where a stage depends on one: `ds://`
}
STAGE: Final[Mapping[str, Kinds]] = {
    "cmd": (str, list),
    "wdir": _TEXT,
    "deps": _LIST,
    "params": _LIST,
    "vars": _LIST,
    "outs": _LIST,
    "metrics": _LIST,
    "plots": _LIST,
    "frozen": _TRUTH,
    "always_changed": _TRUTH,
    "meta": _ANY,
    "desc": _TEXT,
    "matrix": (dict, str),
}
FOREACH: Final[Mapping[str, Kinds]] = {"foreach": (dict, list, str), "do": (dict,)}
OUT: Final[Mapping[str, Kinds]] = {
    "cache": _TRUTH,  # every output is kept by digest here, so False changes nothing
    "persist": _TRUTH,
    "checkpoint": _TRUTH,
    "remote": _TEXT,
    "push": _TRUTH,
    "desc": _TEXT,
    "type": _TEXT,
    "labels": _LIST,
    "meta": _ANY,
}
PLOT: Final[Mapping[str, Kinds]] = {
    **OUT,
    "template": _TEXT,
    "x": _ANY,
    "y": _ANY,
    "x_label": _TEXT,
    "y_label": _TEXT,
    "title": _TEXT,
    "header": _TRUTH,
}

INSTEAD: Final[Mapping[str, str]] = {
    "live": "name what dvclive writes under outs:, metrics: or plots:",
    "checkpoint": "write the whole model under outs: without checkpoint:",
    "locked": "write frozen: true",
    "outs_persist": "write it under outs:, with persist: true",
    "outs_no_cache": "write it under outs:, with cache: false",
    "metrics_no_cache": "write it under metrics:, with cache: false",
    "outs_persist_no_cache": "write it under outs:, with persist: true and cache: false",
}
_SHOWN: Final = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false"}


def check_keys(document: Document, path: Path, value: Any, known: Mapping[str, Kinds]) -> Mapping[str, Any]:  # noqa: ANN401 - any plain data
    """Return a mapping of which every key is known and holds what it should.

    Raises:
        ConfigurationError: It is no mapping, a key is unknown, or holds something else.
    """
    if not isinstance(value, dict):
        raise document.refuse(
            path, f"{shown(path) or 'the file'} is {_a(value)}, not a mapping", "write `key: value`"
        )
    for key, inner in value.items():
        here = (*path, key)
        if key not in known:
            hint = INSTEAD.get(str(key)) or did_you_mean(str(key), known, "keys")
            raise document.refuse(here, f"the key {shown(here)} is not supported", hint)
        if inner is not None and not isinstance(inner, known[key]):
            wanted = " or ".join(_SHOWN[kind] for kind in known[key])
            raise document.refuse(here, f"{shown(here)} is {_a(inner)}, not {wanted}", f"write {wanted}")
    return {key: inner for key, inner in value.items() if inner is not None}


def _a(value: object) -> str:
    if value is None:
        return "empty"
    return _SHOWN.get(type(value), repr(value)[:60])
