"""How much a caller of an endpoint may ask for.

Rule: every wait and every size has a bound, told here and nowhere else.
"""

from legato.domain.graph import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """How much a caller may ask for.

    Attributes:
        body_bytes: The largest body.
        header_timeout_s: Until a request's headers must have come; also how long an idle connection stays.
        body_timeout_s: Until its body must have come.
        drain_timeout_s: Until a stopping endpoint gives up on requests it is answering.
        connections: Open at once.
    """

    body_bytes: int = 16 * 2**20
    header_timeout_s: float = 20.0
    body_timeout_s: float = 20.0
    drain_timeout_s: float = 30.0
    connections: int = 2048
