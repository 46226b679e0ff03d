"""Classes and functions named by text, `module:Qual.name`, and who may be named.

Rule: nothing is imported before its module is known to be allowed.
"""

import importlib

from legato.domain.errors import ConfigurationError, MissingError
from legato.formats import Trust
from legato.formats.annotations import type_name


def refer(thing: type) -> str:
    """Return a class as `module:Qual.name`; raises ConfigurationError when no one else could import it."""
    reference = f"{thing.__module__}:{thing.__qualname__}"
    if "<" in reference:
        raise ConfigurationError(
            f"{type_name(thing)} is defined inside a function, so no other process can find it",
            hint="move it to the top level of its module",
        )
    return reference


def refer_first_party(thing: type, trust: Trust) -> str:
    """Return a first-party class as text; raises ConfigurationError for anyone else's."""
    if not trust.first_party(thing.__module__):
        raise ConfigurationError(
            f"{type_name(thing)} is neither plain data nor a class of this repository",
            hint=f"return plain data, or write `@lg.format({thing.__name__})` for it",
        )
    return refer(thing)


def resolve(reference: str, trust: Trust) -> object:
    """Return what a first-party reference names.

    Raises:
        ConfigurationError: The artifact does not declare it, or it is not first-party.
        MissingError: It is gone.
    """
    module, _, name = reference.partition(":")
    if reference not in trust.classes or not trust.first_party(module):
        raise ConfigurationError(
            f"the artifact names {reference!r}, which is not among the first-party classes it declares",
            hint="its bytes were altered, or the class left the repository; run the step again with --again",
        )
    try:
        found: object = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise MissingError(
            f"the artifact needs {reference}, which is gone: {error}",
            hint="bring it back, or run the step again with --again",
        ) from error
    return found
