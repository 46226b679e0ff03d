"""Who is told of what: the rules of `[notify]` in `legato.toml`.

Rule: addresses are secrets: a rule names where one is found (`env:SLACK_URL`), and no message of ours holds one.
"""

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.graph import Struct
from legato.notify.port import Notice, Topic

_ENVIRONMENT: Final = "env:"
_KNOWN: Final = frozenset({"to", "on", "pipelines", "environments", "branches", "secret"})
_EXAMPLE: Final = '{ to = "env:SLACK_URL", on = ["failed", "recovered"] }'


class Rule(Struct, frozen=True, kw_only=True):
    """One rule.

    Attributes:
        to: `env:NAME`, or an address that holds no secret.
        on: What is told; at least one.
        pipelines: Patterns; empty: all.
        environments: Patterns; empty: all.
        branches: Patterns; empty: all.
        secret: `env:NAME` of the secret that our own webhooks are signed with.
    """

    to: str
    on: tuple[Topic, ...]
    pipelines: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    secret: str = ""

    def wants(self, notice: Notice) -> bool:
        """Say whether this rule tells of a notice."""
        asked = (
            (self.pipelines, notice.pipeline),
            (self.environments, notice.environment),
            (self.branches, notice.branch),
        )
        return notice.topic in self.on and all(
            not patterns or any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)
            for patterns, value in asked
        )


def read_rules(written: object) -> tuple[Rule, ...]:
    """Return the rules of a list of tables, as TOML gives them.

    Raises:
        ConfigurationError: One of them cannot be followed; the message names which, and the value.
    """
    if not isinstance(written, list):
        raise _refused("notify.rules", written, f"write a list: [{_EXAMPLE}]")
    return tuple(_rule(one, f"notify.rules[{at}]") for at, one in enumerate(written))


def _rule(written: object, name: str) -> Rule:
    if not isinstance(written, dict):
        raise _refused(name, written, f"write {_EXAMPLE}")
    unknown = sorted(set(written) - _KNOWN)
    if unknown:
        raise ConfigurationError(
            f"{name}.{unknown[0]} is not known to this version",
            hint=f"known here: {', '.join(sorted(_KNOWN))}",
        )
    to, secret = written.get("to", ""), written.get("secret", "")
    if not isinstance(to, str) or not to:
        raise ConfigurationError(f"{name} does not say to whom", hint=f"write {_EXAMPLE}")
    if not isinstance(secret, str) or (secret and not secret.startswith(_ENVIRONMENT)):
        raise ConfigurationError(
            f"{name}.secret stands in the file itself",
            hint='name the variable that holds it: secret = "env:HOOK_SECRET"',
        )
    topics = tuple(_topic(word, name) for word in _words(written, "on", name))
    if not topics:
        raise ConfigurationError(f"{name} does not say of what", hint=f"write {_EXAMPLE}")
    patterns = {key: _words(written, key, name) for key in ("pipelines", "environments", "branches")}
    return Rule(to=to, on=topics, secret=secret, **patterns)


def _words(written: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    value = written.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) and word for word in value):
        raise _refused(f"{name}.{key}", value, "write a list of texts")
    return tuple(value)


def _topic(word: str, name: str) -> Topic:
    try:
        return Topic(word)
    except ValueError:
        raise _refused(f"{name}.on", word, f"one of {', '.join(Topic)}") from None


def _refused(name: str, value: object, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{name} is {value!r}", hint=hint)


def found_in(text: str, environment: Mapping[str, str]) -> str:
    """Return what an address or secret stands for.

    Raises:
        MissingError: The variable that it names is not set.
    """
    if not text.startswith(_ENVIRONMENT):
        return text
    name = text.removeprefix(_ENVIRONMENT)
    if not environment.get(name):
        raise MissingError(
            f"the variable {name} is not set", hint=f"set {name}, or take its rule out of [notify]"
        )
    return environment[name]


def chosen(rules: Iterable[Rule], notice: Notice) -> Sequence[Rule]:
    """Return the rules that tell of a notice, each address once."""
    found: dict[str, Rule] = {}
    for rule in rules:
        if rule.wants(notice):
            found.setdefault(rule.to, rule)
    return tuple(found.values())
