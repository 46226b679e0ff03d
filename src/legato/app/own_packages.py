"""How a step with packages of its own is told from others, and which variables are for installing them.

Rule: cheap to import, since every run asks.
"""

from typing import Final

PACKAGES: Final = "packages"
"""In a node's detail: what its `packages=` says."""
_PREFIXES: Final = ("UV_", "PIP_")
_NAMES: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC"})


def is_for_setup(name: str) -> bool:
    """Say whether a variable is handed to `uv` (indexes, proxies) and kept from the step."""
    return name.startswith(_PREFIXES) or name.upper() in _NAMES
