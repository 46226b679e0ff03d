"""Office: metrics, gates and their statistics. Pure: no I/O, no clock, no randomness but a gate's own seed.

Rule: importing it loads numpy, so only jobs do, and inside the function that needs it.
"""

from legato.checks.judging import judge

__all__ = ["judge"]
