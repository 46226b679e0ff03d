"""Files behind `http://` and `https://`.

Rule: every connection, after a redirect too, goes to an address that was looked at; an announced length is kept.
"""

import base64
import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from legato.data.addresses import file_name
from legato.data.fetched import Fetched, refused
from legato.data.guarding import addresses_of
from legato.domain.errors import ConfigurationError, OutsideError

TIMEOUT_S: Final = 60.0
TRIES: Final = 4
BLOCK: Final = 1 << 20
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT_S: Final = 20.0
_RIGHTS: Final = frozenset({401, 403})


class Web:
    """One file.

    Args:
        address: Filled; may hold a user and password.
        private: Hosts of this machine and its network may be asked.
    """

    def __init__(self, address: str, *, private: bool) -> None:
        self._full = address
        parts = urlsplit(address)
        user, _, host = parts.netloc.rpartition("@")
        self._address = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
        self._headers = {"User-Agent": "legato", "Accept-Encoding": "identity"}
        if user:
            plain = ":".join(unquote(part) for part in user.split(":", 1))
            self._headers["Authorization"] = "Basic " + base64.b64encode(plain.encode()).decode()
        self._opener = urllib.request.build_opener(
            _Http(private=private), _Https(private=private), _Redirects(host)
        )

    def version(self) -> str:
        """Return what the server says of its file without sending it."""
        try:
            with self._ask("HEAD") as answer:
                return _version(answer.headers)
        except urllib.error.HTTPError as error:
            if error.code in {405, 501}:  # a server that does not answer HEAD
                _close(error)
                with self._tried("GET") as answer:
                    return _version(answer.headers)
            raise self._refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._refusal(error) from None

    def fetch(self, folder: Path, told: Callable[[int], None]) -> Fetched:
        """Read the file, from its start again where the connection breaks."""
        name = file_name(self._address) or "file"
        target = folder / "fetched"
        for left in range(TRIES - 1, -1, -1):
            try:
                with self._ask("GET") as answer, target.open("wb") as sink:
                    _copy(answer, sink, told)
                    return Fetched(path=target, format="file/1", version=_version(answer.headers), file=name)
            except (OSError, http.client.HTTPException) as error:
                if not left or not _passes(error):
                    raise self._refusal(error) from None
                _close(error)
                time.sleep(_wait_s(error, TRIES - left))
        raise AssertionError  # the last try returns or raises

    def _tried(self, method: str) -> Any:  # noqa: ANN401 - http.client.HTTPResponse or what a handler made
        try:
            return self._ask(method)
        except (OSError, http.client.HTTPException) as error:
            raise self._refusal(error) from None

    def _ask(self, method: str) -> Any:  # noqa: ANN401 - as above
        request = urllib.request.Request(self._address, headers=self._headers, method=method)  # noqa: S310 - http(s) alone: there is no other handler
        return self._opener.open(request, timeout=TIMEOUT_S)

    def _refusal(self, error: Exception) -> OutsideError | ConfigurationError:
        _close(error)
        reason = getattr(error, "reason", error)
        for inner in (error, reason):
            if isinstance(inner, ConfigurationError | OutsideError):
                return inner
        if isinstance(error, urllib.error.HTTPError):
            hint = "look at the address"
            if error.code in _RIGHTS:
                hint = "give user and password by variables: https://${NAME}:${PASSWORD}@host/…"
            return refused(self._full, f"the server answered {error.code} {error.reason}", hint)
        return refused(
            self._full, reason or type(error).__name__, "look at the address and the network, then try again"
        )


def _close(error: Exception) -> None:
    if isinstance(error, urllib.error.HTTPError):  # it is an answer too, with a connection behind it
        error.close()


def _copy(answer: Any, sink: Any, told: Callable[[int], None]) -> None:  # noqa: ANN401 - files
    announced = answer.headers.get("Content-Length")
    done = 0
    while block := answer.read(BLOCK):
        sink.write(block)
        told(len(block))
        done += len(block)
    if announced is not None and announced.isdigit() and int(announced) != done:
        raise http.client.IncompleteRead(b"", int(announced) - done)


def _version(headers: Any) -> str:  # noqa: ANN401 - email.message.Message
    tag = headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return f"etag {tag}"
    date = headers.get("Last-Modified", "")
    size = headers.get("Content-Length", "")
    return f"modified {date}, {size} bytes" if date and size else ""


def _passes(error: Exception) -> bool:
    """Say whether the same question may be answered a moment later."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code in _AGAIN
    reason = getattr(error, "reason", error)
    if isinstance(reason, ConfigurationError | OutsideError):
        return False
    return isinstance(reason, TimeoutError | ConnectionError | http.client.HTTPException)


def _wait_s(error: Exception, tries: int) -> float:
    asked = error.headers.get("Retry-After", "") if isinstance(error, urllib.error.HTTPError) else ""
    return min(float(asked) if asked.isdigit() else 0.2 * 2**tries, _LONGEST_WAIT_S)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https alone; a password stays with the host that it was given for."""

    max_redirections = 8

    def __init__(self, host: str) -> None:
        self._host = host

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,  # noqa: ANN401 - as above
        code: int,
        msg: str,
        headers: Any,  # noqa: ANN401 - as above
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request."""
        target = urlsplit(newurl)
        if target.scheme not in {"http", "https"}:
            raise OutsideError(
                f"{self._host} sends us on to {target.scheme}://…",
                hint="look at the address: this is no web page",
            )
        if req.type == "https" and target.scheme == "http":
            raise OutsideError(
                f"{self._host} sends us on to http://, where anyone could change the bytes",
                hint="name the https:// address of the file itself",
            )
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and target.netloc != self._host:
            following.remove_header("Authorization")
        return following


class _Http(urllib.request.HTTPHandler):
    """http:// by checked connections."""

    def __init__(self, *, private: bool) -> None:
        super().__init__()
        self._private = private

    def http_open(self, req: urllib.request.Request) -> Any:  # noqa: ANN401 - as above
        """Open."""
        return self.do_open(_connecting(http.client.HTTPConnection, private=self._private), req)


class _Https(urllib.request.HTTPSHandler):
    """https:// by checked connections."""

    def __init__(self, *, private: bool) -> None:
        super().__init__()
        self._private = private

    def https_open(self, req: urllib.request.Request) -> Any:  # noqa: ANN401 - as above
        """Open."""
        return self.do_open(_connecting(http.client.HTTPSConnection, private=self._private), req)


def _connecting(kind: Any, *, private: bool) -> Any:  # noqa: ANN401 - a connection class, and what makes one
    def create(address: tuple[str, int], timeout: float, source: Any = None) -> socket.socket:  # noqa: ANN401 - as http.client calls it
        host, port = address
        trouble: OSError | None = None
        for numeric in addresses_of(host, port, private=private):
            try:
                return socket.create_connection((numeric, port), timeout, source)
            except OSError as error:
                trouble = error
        raise trouble or OSError("no address")

    def make(host: str, **more: Any) -> Any:  # noqa: ANN401 - as above
        connection = kind(host, **more)
        connection._create_connection = create  # noqa: SLF001 - the one place where the address is known
        return connection

    return make
