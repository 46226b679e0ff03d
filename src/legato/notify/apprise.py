"""Slack, Teams, e-mail and a hundred more by Apprise, which the extra `notify` installs.

Rule: an address is a secret; Apprise may neither be pointed at files, programs nor addresses of this machine's network.
"""

import importlib
import importlib.util
from typing import Any, Final
from urllib.parse import urlsplit

from legato.domain.errors import ConfigurationError, LegatoError, MissingError
from legato.notify.guard import Limits, Resolve, check, resolve
from legato.notify.port import End, Notice, Receipt, Topic

_LOCAL: Final = frozenset({
    "dbus", "qt", "glib", "kde", "gnome", "macosx", "windows", "syslog", "file", "python", "exec", "blink1",
})  # fmt: skip
"""Kinds that act on this machine instead of telling someone."""
_OWN_HOST: Final = ("url", "host")
_LONGEST_TITLE: Final = 250
_LONGEST_TEXT: Final = 4000
_KINDS: Final = {
    Topic.FAILED: "failure",
    Topic.ROLLED_BACK: "failure",
    Topic.DRIFT: "warning",
    Topic.APPROVAL: "warning",
    Topic.RECOVERED: "success",
    Topic.SUCCEEDED: "success",
    Topic.PROMOTED: "success",
}


class Apprise:
    """One address as Apprise writes them (`slack://…`, `mailto://…`).

    Args:
        address: Of one service.
        limits: Where it may lead, for services that run at an address of one's own.
        lookup: Finds the IP addresses of a name.

    Raises:
        MissingError: Apprise is not installed.
        ConfigurationError: It does not know such an address, or the address acts on this machine.
    """

    def __init__(self, address: str, *, limits: Limits | None = None, lookup: Resolve = resolve) -> None:
        if importlib.util.find_spec("apprise") is None:
            raise MissingError("Apprise is not installed", hint="pip install 'legato[notify]'")
        scheme = address.partition("://")[0].lower()
        if not address.isprintable() or not scheme or scheme in _LOCAL:
            raise ConfigurationError(
                f"notifications to {scheme[:40]!r} are not sent from here",
                hint="see Apprise for its addresses",
            )
        library: Any = importlib.import_module("apprise")
        asset = library.AppriseAsset(async_mode=False, http_redirects=False, storage_mode="memory")
        self._service = library.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
        if self._service is None:
            raise ConfigurationError(
                f"Apprise does not know an address that begins with {scheme[:40]!r}, or parts of it are missing",
                hint="see Apprise for how the address of this service is written",
            )
        self._scheme = scheme
        self._limits, self._lookup = limits or Limits(), lookup

    @property
    def name(self) -> str:
        """The address for people."""
        return f"{self._scheme} by Apprise"

    def send(self, notice: Notice, at: float) -> Receipt:  # noqa: ARG002 - nothing here is signed with the time
        """Send once."""
        why = self._leads_inside()
        if why:
            return Receipt(end=End.HOPELESS, why=why)
        text = notice.text if not notice.link else f"{notice.text}\n{notice.link}".strip()
        try:
            sent = self._service.notify(
                body=(text or notice.title)[:_LONGEST_TEXT],
                title=" ".join(notice.title.split())[:_LONGEST_TITLE],
                notify_type=_KINDS[notice.topic],
                body_format="text",
            )
        except Exception as error:  # noqa: BLE001 - a hundred plugins by other people; their words may hold the address
            return Receipt(end=End.AGAIN, why=f"{self.name} failed: {type(error).__name__}")
        return Receipt(end=End.SENT) if sent else Receipt(end=End.AGAIN, why=f"{self.name} was not taken")

    def _leads_inside(self) -> str:
        """Return why a service at an address of one's own is not asked; empty where it is.

        Apprise looks the name up again when it connects; a server whose users are not trusted should let out only what
        its network lets out.
        """
        host = getattr(self._service, "host", None)
        if not isinstance(host, str) or not host or self._limits.inside:
            return ""
        port = getattr(self._service, "port", None) or 443
        try:
            check(urlsplit(f"https://{host}:{port}/").geturl(), Limits(), self._lookup)
        except LegatoError as error:
            return error.message
        return ""
