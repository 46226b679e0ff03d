"""The door of the forges: their port, and how one is opened.

Rule: only the port and plain types stand here; `legato.scm.forges.catalogue` opens a back end by name.
"""

from legato.scm.forges.asking import Clocks, Patience
from legato.scm.forges.port import Forge, Traits

__all__ = ["Clocks", "Forge", "Patience", "Traits"]
