"""Shows values to people, short, without secrets.

Rule: whether a value is shown is decided by the name that it goes by; nothing shown is ever compared.
"""

import re
import reprlib
from typing import Final

_SECRET: Final = re.compile(r"key|token|secret|passw|credential|auth|private|dsn", re.IGNORECASE)
_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_LONGEST: Final = 80
_SHOWN: Final = (bool, int, float, complex, str, type(None), list, tuple, dict, set, frozenset)


def shown(value: object) -> str:
    """Return a value as Python would print it, cut short; of other objects the type.

    >>> shown(0.5), shown(object())
    ('0.5', '<object>')
    """
    if type(value) not in _SHOWN:
        return f"<{type(value).__qualname__}>"
    text = _SHORT.repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def may_show(name: str) -> bool:
    """Say whether the value of that name is likely no secret.

    >>> may_show("config.THRESHOLD"), may_show("config.API_KEY")
    (True, False)
    """
    return _SECRET.search(name.rpartition(".")[2]) is None
