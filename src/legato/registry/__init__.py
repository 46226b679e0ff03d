"""Workshop: candidates, versions and aliases of models, and who moved what despite which finding.

Rule: a version never changes; an alias moves only by compare-and-set, and every move stays in the record.
"""

from legato.registry.workshop import WORKSHOP

__all__ = ["WORKSHOP"]
