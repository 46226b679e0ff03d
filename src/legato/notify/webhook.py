"""Our own webhooks: a CloudEvents 1.0 body, signed after Standard Webhooks, sent to a checked address.

Rule: the connection goes to the IP address that was checked; what comes back is read to its status and no further.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from legato.domain.errors import ConfigurationError, LegatoError
from legato.domain.signing import read_secret, sign
from legato.notify.guard import Checked, Limits, Resolve, check, resolve
from legato.notify.port import MOST_DATA_BYTES, End, Notice, Receipt

TYPES: Final = "dev.legato"
_TIMEOUT_S: Final = 10.0
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class Webhook:
    """One address that gets signed events.

    Args:
        url: Where to; may itself be a secret, so it is never shown.
        secrets: Begin with `whsec_`; all of them sign, for the time in which one replaces another.
        limits: Where it may lead.
        lookup: Finds the IP addresses of a name.

    Raises:
        ConfigurationError: A secret cannot be used.
    """

    def __init__(
        self,
        url: str,
        secrets: Sequence[str],
        *,
        limits: Limits | None = None,
        lookup: Resolve = resolve,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        keys = [read_secret(secret) for secret in secrets]
        if not keys or None in keys:
            raise ConfigurationError(
                "a webhook has no secret that can be used", hint="it begins with whsec_ and goes on in base64"
            )
        self._url = url
        self._keys = [key for key in keys if key is not None]
        self._limits = limits or Limits()
        self._lookup = lookup
        self._timeout_s = timeout_s

    @property
    def name(self) -> str:
        """The address for people."""
        host = self._url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        return f"webhook at {host[:100]}"

    def send(self, notice: Notice, at: float) -> Receipt:
        """Send once."""
        body = event_of(notice)
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": "legato",
            **sign(notice.id, int(at), body, self._keys),
        }
        try:
            place = check(self._url, self._limits, self._lookup)
        except LegatoError as error:
            return Receipt(
                end=End.HOPELESS if isinstance(error, ConfigurationError) else End.AGAIN, why=error.message
            )
        try:
            return self._post(place, body, headers)
        except (OSError, http.client.HTTPException) as error:
            return Receipt(end=End.AGAIN, why=f"{place.host}: {_reason(error)}")

    def _post(self, place: Checked, body: bytes, headers: dict[str, str]) -> Receipt:
        connection = _Pinned(place, self._timeout_s)
        try:
            connection.request("POST", place.target, body=body, headers=headers)
            response = connection.getresponse()
            return _judged(place.host, response.status, response.getheader("retry-after", ""))
        finally:
            connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to one of the IP addresses that were checked, under the name that was asked for."""

    def __init__(self, place: Checked, timeout_s: float) -> None:
        super().__init__(place.host, place.port, timeout=timeout_s)
        self._place = place

    def connect(self) -> None:
        """Connect to the first address that answers."""
        last: OSError = OSError("no address")
        for ip in self._place.ips:
            try:
                plain = socket.create_connection((ip, self._place.port), timeout=self.timeout)
            except OSError as error:
                last = error
                continue
            if self._place.scheme == "https":
                context = ssl.create_default_context()
                self.sock = context.wrap_socket(plain, server_hostname=self._place.host)
            else:
                self.sock = plain
            return
        raise last


def event_of(notice: Notice) -> bytes:
    """Return a notice as a CloudEvent, in JSON.

    >>> from legato.notify.port import Topic
    >>> json.loads(event_of(Notice(id="e1", topic=Topic.FAILED, at=0.0, source="/wine", title="x")))["type"]
    'dev.legato.failed'
    """
    data = {
        "title": notice.title,
        "text": notice.text,
        "link": notice.link,
        "pipeline": notice.pipeline,
        "environment": notice.environment,
        "branch": notice.branch,
        **notice.data,
    }
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": notice.id,
        "source": notice.source,
        "type": f"{TYPES}.{notice.topic.replace(' ', '-')}",
        "time": datetime.fromtimestamp(notice.at, UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
    if notice.subject:
        event["subject"] = notice.subject
    body = json.dumps(event, allow_nan=False).encode()
    if len(body) > MOST_DATA_BYTES:
        event["data"] = {"title": notice.title[:1000], "link": notice.link[:1000], "cut": True}
        body = json.dumps(event).encode()
    return body


def _judged(host: str, status: int, retry_after: str) -> Receipt:
    if http.client.OK <= status < http.client.MULTIPLE_CHOICES:
        return Receipt(end=End.SENT)
    if status in _AGAIN:
        wait_s = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
        return Receipt(end=End.AGAIN, why=f"{host} answers {status}", wait_s=wait_s)
    moved = (
        " and would send us elsewhere"
        if http.client.MULTIPLE_CHOICES <= status < http.client.BAD_REQUEST
        else ""
    )
    return Receipt(end=End.HOPELESS, why=f"{host} answers {status}{moved}")


def _reason(error: Exception) -> str:
    return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())[:200]
