"""Opens the address of a rule: our own webhooks for `https`, Apprise for everything else.

Rule: an address is read from the environment when it is needed, and shown to nobody.
"""

from collections.abc import Mapping

from legato.domain.errors import ConfigurationError
from legato.notify.guard import Limits
from legato.notify.port import Channel
from legato.notify.rules import Rule, found_in

_PLAIN = ("https://", "http://")


def open_channel(rule: Rule, environment: Mapping[str, str], limits: Limits) -> Channel:
    """Return the channel of a rule; nothing is sent yet.

    Raises:
        MissingError: A variable or Apprise is missing.
        ConfigurationError: The address cannot be used.
    """
    address = found_in(rule.to, environment)
    if address.startswith(_PLAIN):
        from legato.notify.webhook import Webhook

        if not rule.secret:
            raise ConfigurationError(
                f"the webhook {rule.to if rule.to.startswith('env:') else 'of a rule'} has no secret to sign with",
                hint='add to its rule: secret = "env:HOOK_SECRET"; for chat services write their Apprise address',
            )
        return Webhook(address, found_in(rule.secret, environment).split(), limits=limits)
    from legato.notify.apprise import Apprise

    return Apprise(address, limits=limits)
