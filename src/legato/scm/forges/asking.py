"""One account at one address: requests with patience, answers as checked structures.

Rule: a token is sent to its own host only and stands in no message; no answer is followed elsewhere, none is read
beyond its limit, and none is waited for longer than the patience allows.
"""

import http.client
import itertools
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from legato.domain.errors import ConfigurationError, ConflictError, LegatoError, MissingError, OutsideError
from legato.domain.graph import Struct

LONGEST_ANSWER_BYTES: Final = 20 * 2**20
MOST_PAGES: Final = 100
_REDIRECTS: Final = 3
_HTTP_CODES: Final = range(300, 309)
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
_NOT_DONE: Final = frozenset({429, 503})
"""Answers by which a server says that it has not even begun."""

T = TypeVar("T")


class Patience(Struct, frozen=True, kw_only=True):
    """How long one request may take.

    Attributes:
        timeout_s: For connecting, and for each wait for bytes.
        attempts: How often it is sent at most.
        backoff_s: Before the second attempt; twice as long before each later one.
        longest_wait_s: A forge that asks for a longer wait is believed, and not waited for.
    """

    timeout_s: float = 20.0
    attempts: int = 4
    backoff_s: float = 0.5
    longest_wait_s: float = 60.0


class Clocks(Struct, frozen=True, kw_only=True):
    """Time as it is now (seconds since 1970), and the way to let it pass."""

    now: Callable[[], float]
    sleep: Callable[[float], None]


class Answer(Struct, frozen=True, kw_only=True):
    """What came back; headers by their names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UncertainError(OutsideError):
    """A request that must not be sent twice may or may not have been taken."""


class Asker:
    """Sends requests below one address. Safe from many threads.

    Args:
        base: `https://api.github.com`; with a path where the interface lies below one.
        credentials: Headers that say who asks; their values never stand in a message.
        patience: How long a request may take.
        clocks: Time.
        hidden: More texts that never stand in a message.
    """

    def __init__(
        self,
        base: str,
        credentials: Mapping[str, str],
        patience: Patience,
        clocks: Clocks,
        hidden: tuple[str, ...] = (),
    ) -> None:
        parts = urlsplit(base)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query:
            raise ConfigurationError(
                f"{parts.scheme}://{parts.hostname or ''} is no address of a forge",
                hint="write its address without name and password: https://gitlab.example.org",
            )
        self._scheme, self._host, self._port = parts.scheme, parts.hostname, parts.port
        self._root = parts.path.rstrip("/")
        self._credentials = dict(credentials)
        words = (word for value in credentials.values() for word in value.split())
        self._hidden = tuple(word for word in (*hidden, *words) if len(word) > 5)  # noqa: PLR2004 - `Basic` is no secret
        self._patience, self._clocks = patience, clocks
        self._lock = threading.Lock()
        self._not_before = 0.0

    def get(self, path: str, shape: type[T], **query: object) -> T:
        """Return one answer as a structure."""
        return self.structure(self.send("GET", path, query=query).body, shape)

    def pages(self, path: str, shape: type[T], **query: object) -> Iterator[T]:
        """Yield the answers of a list whose next page is named in the header `Link`."""
        answer = self.send("GET", path, query=query)
        for _ in range(MOST_PAGES):
            yield self.structure(answer.body, shape)
            following = _next_page(answer.headers.get("link", ""))
            if not following:
                return
            answer = self.send("GET", self.own_path(following))
        raise OutsideError(f"{self._host} lists more than {MOST_PAGES} pages", hint="tidy up there")

    def structure(self, data: bytes | msgspec.Raw, shape: type[T]) -> T:
        """Return an answer, or a part of one, as a structure.

        Raises:
            OutsideError: It has another shape.
        """
        try:
            return msgspec.json.decode(data, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise OutsideError(
                f"{self._host} answers otherwise than its documentation says: {str(error)[:200]}",
                hint="is this the address of its programming interface, and of this kind of forge?",
            ) from None

    def own_path(self, address: str) -> str:
        """Return the path of an address that the forge named, which must be its own.

        Raises:
            OutsideError: It leads elsewhere.
        """
        parts = urlsplit(address)
        own = (self._scheme, self._host, self._port)
        if parts.netloc and (parts.scheme, parts.hostname, parts.port) != own:
            raise OutsideError(
                f"{self._host} sends us on to {parts.hostname}, where the token is not sent",
                hint="is the address of the forge the one that it calls itself?",
            )
        path = parts.path.removeprefix(self._root) if self._root else parts.path
        return f"{path}?{parts.query}" if parts.query else path

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        once: bool = False,
    ) -> Answer:
        """Send a request until it is answered for good, and return that answer.

        Args:
            method: HTTP's.
            path: Below the base, quoted.
            query: Words after the `?`.
            body: Plain data, sent as JSON.
            once: It must not be taken twice.

        Raises:
            MissingError: Status 404 or 410.
            ConfigurationError: Status 401 or 403.
            ConflictError: Status 409 or 412.
            UncertainError: `once`, and nobody knows whether it was taken.
            OutsideError: Any other status but 2xx, or no answer.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        data = None if body is None else json.dumps(body).encode()
        for attempt in itertools.count(1):
            self._await_turn()
            answer = self._try(method, target, data)
            if isinstance(answer, Answer) and not self._come_again(answer):
                return self._judge(method, target, data, answer)
            taken = not isinstance(answer, Answer) or answer.status not in _NOT_DONE | {403}
            if once and taken:
                raise UncertainError(
                    f"{self._host} may or may not have done it", hint="look there, and try again"
                )
            if attempt >= self._patience.attempts:
                raise self._gave_up(answer)
            self._clocks.sleep(self._wait_s(answer, attempt))
        raise AssertionError  # the last attempt returned or raised

    def _try(
        self, method: str, target: str, data: bytes | None
    ) -> Answer | OSError | http.client.HTTPException:
        headers = {"accept": "application/json", "user-agent": "legato", **self._credentials}
        if data is not None:
            headers["content-type"] = "application/json"
        connection = self._connect()
        try:
            connection.request(method, f"{self._root}{target}", body=data, headers=headers)
            response = connection.getresponse()
            body = response.read(LONGEST_ANSWER_BYTES + 1)
            answered = {name.lower(): value for name, value in response.getheaders()}
        except ssl.SSLCertVerificationError as error:
            raise OutsideError(
                f"the certificate of {self._host} does not hold: {error.verify_message}",
                hint="look at its certificate",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            return error
        finally:
            connection.close()
        if len(body) > LONGEST_ANSWER_BYTES:
            raise OutsideError(
                f"{self._host} answers more than {LONGEST_ANSWER_BYTES} bytes", hint="tidy up there"
            )
        answer = Answer(status=response.status, headers=answered, body=body)
        self._note_limit(answer)
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        timeout_s = self._patience.timeout_s
        if self._scheme == "http":
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=context)

    def _come_again(self, answer: Answer) -> bool:
        if answer.status == http.client.FORBIDDEN:  # how GitHub says 429
            return "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
        return answer.status in _AGAIN

    def _wait_s(self, answer: Answer | Exception, attempt: int) -> float:
        backoff_s = float(self._patience.backoff_s * 2 ** (attempt - 1))
        if not isinstance(answer, Answer):
            return backoff_s
        asked = answer.headers.get("retry-after", "")
        wait_s = float(asked) if asked.isascii() and asked.isdigit() else self._until_reset(answer, backoff_s)
        return self._bearable(max(wait_s, backoff_s))

    def _until_reset(self, answer: Answer, otherwise_s: float) -> float:
        reset = _reset(answer.headers)
        return max(reset - self._clocks.now(), otherwise_s) if reset else otherwise_s

    def _bearable(self, wait_s: float) -> float:
        if wait_s > self._patience.longest_wait_s:
            raise OutsideError(
                f"{self._host} takes no more requests of this account for {wait_s:.0f} s",
                hint="wait, or ask less often",
            )
        return wait_s

    def _note_limit(self, answer: Answer) -> None:
        """Remember that the last request which the forge allows for now was this one."""
        left = answer.headers.get("x-ratelimit-remaining", answer.headers.get("ratelimit-remaining", ""))
        with self._lock:
            self._not_before = _reset(answer.headers) if left == "0" else 0.0

    def _await_turn(self) -> None:
        with self._lock:
            wait_s = self._not_before - self._clocks.now()
        if wait_s > 0:
            self._clocks.sleep(self._bearable(wait_s))

    def _judge(self, method: str, target: str, data: bytes | None, answer: Answer) -> Answer:
        for _ in range(_REDIRECTS):
            if answer.status not in _HTTP_CODES:
                break
            answer = self._follow(method, data, answer)
        if http.client.OK <= answer.status < http.client.MULTIPLE_CHOICES:
            return answer
        raise self._refusal(f"{method} {target.partition('?')[0]}", answer)

    def _follow(self, method: str, data: bytes | None, answer: Answer) -> Answer:
        """Go on where a repository was renamed: on the same host only, and writing only where HTTP says so."""
        keeps = answer.status in {307, 308}
        location = answer.headers.get("location", "")
        if not location or not (method == "GET" or keeps):
            raise OutsideError(
                f"{self._host} has moved what was asked for", hint="name the repository as it is now"
            )
        found = self._try(method, self.own_path(location), data)
        if not isinstance(found, Answer):
            raise self._gave_up(found)
        return found

    def _refusal(self, asked: str, answer: Answer) -> LegatoError:
        said = self._said(answer)
        text = f"{self._host} answers {answer.status} to {self._clean(asked)}{said}"
        match answer.status:
            case 404 | 410:
                return MissingError(text, hint="look at the name, and whether the token may see it")
            case 401 | 403:
                return ConfigurationError(text, hint="give a token that is valid and may do this")
            case 409 | 412:
                return ConflictError(text, hint="try again")
            case _:
                return OutsideError(text, hint="look at what the forge says")

    def _gave_up(self, last: Answer | Exception) -> OutsideError:
        said = (
            f"{last.status}{self._said(last)}"
            if isinstance(last, Answer)
            else self._clean(str(last) or repr(last))
        )
        return OutsideError(
            f"{self._host} could not be asked in {self._patience.attempts} attempts: {said}",
            hint="try again later",
        )

    def _said(self, answer: Answer) -> str:
        """Return what the forge says of its own refusal, led by a colon; nothing where it says nothing."""
        try:
            found = json.loads(answer.body[:10_000])
        except (ValueError, RecursionError):
            return ""
        words = (
            found.get("message") or found.get("error") or found.get("errors")
            if isinstance(found, dict)
            else ""
        )
        text = self._clean(" ".join(str(words or "").split()))[:200]
        return f": {text}" if text else ""

    def _clean(self, text: str) -> str:
        for word in self._hidden:
            text = text.replace(word, "***")
        return "".join(character if character.isprintable() else " " for character in text)


def _reset(headers: Mapping[str, str]) -> float:
    text = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _next_page(link: str) -> str:
    """Return the address of the next page out of a header `Link`.

    >>> _next_page('<https://a/x?page=1>; rel="prev", <https://a/x?page=3>; rel="next"')
    'https://a/x?page=3'
    """
    for part in link.split(","):
        address, _, words = part.partition(";")
        if 'rel="next"' in words.replace(" ", ""):
            return address.strip().removeprefix("<").removesuffix(">")
    return ""


def plain(answer: Answer) -> Any:  # noqa: ANN401 - any JSON
    """Return an answer as plain data; None where it is empty."""
    return json.loads(answer.body) if answer.body else None
