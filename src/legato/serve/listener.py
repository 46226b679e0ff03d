"""The socket an endpoint listens on: taken for itself alone, closed without losing who is already in line.

Rule: a connection that was made is answered; one that was not is refused.
"""

import contextlib
import ctypes
import errno
import socket
import struct
import sys
from typing import Final

from legato.domain.errors import ConfigurationError, OutsideError
from legato.serve.hosts import shown_host

BACKLOG: Final = 1024
_SO_ATTACH_FILTER: Final = 26
_UNACCEPTED: Final = slice(24, 28)
"""Where `struct tcp_info` of a listening socket counts the connections nobody has accepted yet."""

_DROP_NEW: Final = (
    (0x30, 0, 0, 13),  # load the byte of TCP flags
    (0x45, 0, 1, 0x02),  # SYN set? else accept
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # accept
)
"""A packet filter (classic BPF: code, jump if true, jump if false, operand): no new connection begins."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    The port is not shared (no SO_REUSEPORT): a second endpoint on it is an error, not half of the requests.

    Raises:
        OutsideError: The port is taken or may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen(BACKLOG)
    except OSError as error:
        taken.close()
        where = f"{shown_host(host)}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise OutsideError(
                f"port {port} is taken: another process listens on {where}",
                hint="give another --port, or 0 for a free one",
            ) from error
        raise OutsideError(
            f"cannot listen on {where}: {error.strerror}", hint="give another --port"
        ) from error
    except OverflowError:
        taken.close()
        raise ConfigurationError(f"{port} is no port", hint="ports go from 0 to 65535") from None
    taken.settimeout(0)
    return taken


def refuse_new(listening: socket.socket) -> None:
    """Let no new connection begin, while those already made wait in line to be accepted.

    Closing the socket at once would reset them. Callers that come now find it closed a moment later. Where
    the system cannot do this (not Linux), nothing happens.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_NEW)
    memory = ctypes.create_string_buffer(program)
    with contextlib.suppress(OSError):  # a sandbox without packet filters
        listening.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(_DROP_NEW), ctypes.addressof(memory))
        )


def waiting(listening: socket.socket) -> int:
    """Return how many connections wait to be accepted; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    facts = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int(struct.unpack("I", facts[_UNACCEPTED])[0]) if len(facts) >= _UNACCEPTED.stop else 0
