"""A forge to try things on: answers the programming interface of each forge over HTTP, as it documents it.

Rule: it listens on the loopback only, and keeps everything in one `World`.
"""

from legato.scm.forges.simulator.serving import Simulator

__all__ = ["Simulator"]
