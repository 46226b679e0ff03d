"""Names on their way into the path of a request: checked once more, so that none of them changes what is asked.

Rule: what is not a plain name is refused, never quoted into something else.
"""

from urllib.parse import quote

from legato.domain.errors import ConfigurationError
from legato.domain.forge import ForgeKind, is_commit
from legato.scm.webhooks.reading import repository_of
from legato.scm.webhooks.refusals import MalformedError


def known_repository(name: str) -> str:
    """Return `owner/name`, quoted for a path.

    Raises:
        ConfigurationError: It is no name of a repository.
    """
    try:
        checked = repository_of(ForgeKind.GIT, name).name
    except MalformedError as error:
        raise ConfigurationError(error.message, hint=error.hint) from None
    return quote(checked, safe="/~")


def known_commit(text: str, *, abbreviated: bool = False) -> str:
    """Return the id of a commit.

    Raises:
        ConfigurationError: It is none.
    """
    if not is_commit(text, abbreviated=abbreviated):
        raise ConfigurationError(
            f"{text[:100]!r} is no id of a commit", hint="give all 40 hexadecimal digits"
        )
    return text


def cut(text: str, longest: int) -> str:
    r"""Return a text as one line of at most `longest` characters.

    >>> cut("all gates\n pass", 11)
    'all gates …'
    """
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
