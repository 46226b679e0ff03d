"""Finds what a name says, so that a process can be told what to run by text.

Rule: a name is `module:attribute`, and its module is imported only where the name is followed.
"""

import importlib
from typing import Any


def resolve(name: str) -> Any:  # noqa: ANN401 - whatever the caller named
    """Return what `module:attribute` names; raises ImportError or AttributeError.

    >>> resolve("math:floor")(2.5)
    2
    """
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)
