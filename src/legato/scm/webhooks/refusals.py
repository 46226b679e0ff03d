"""Why a message of a forge is refused, each with the status that an HTTP server answers.

Rule: what is refused tells the sender nothing that it did not send itself.
"""

from typing import ClassVar

from legato.domain.errors import LegatoError


class DeliveryError(LegatoError):
    """The root of all refusals of a message; `status` is HTTP's."""

    status: ClassVar[int] = 400
    exit_code: ClassVar[int] = 2


class UnsignedError(DeliveryError):
    """It carries no signature, or one that does not hold."""

    status = 401


class MalformedError(DeliveryError):
    """It is signed, and yet not what the forge documents."""

    status = 400


class TooLargeError(DeliveryError):
    """It is larger than any message that is looked at."""

    status = 413


class NotJsonError(DeliveryError):
    """Its content type is another than JSON."""

    status = 415
