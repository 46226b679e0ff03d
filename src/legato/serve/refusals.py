"""What a caller is told when a request is not answered: a status and one sentence.

Rule: every refusal says what was expected and what came; nothing of the inside leaks into it.
"""

import msgspec


class RefusedError(Exception):
    """A request that is not answered; becomes an HTTP answer with a JSON error.

    Args:
        status: The HTTP status, 4xx or 503.
        message: What was expected and what came.
        close: The connection is closed after the answer.
        allow: For 405: the methods that are allowed.
    """

    def __init__(self, status: int, message: str, *, close: bool = False, allow: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.close = close
        self.allow = allow


def error_body(message: str) -> bytes:
    """Return the JSON body of an error, as the Open Inference Protocol has it."""
    return msgspec.json.encode({"error": message})
