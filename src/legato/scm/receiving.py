"""Installs the `post-receive` hook of a bare repository, which sends our own webhook.

Rule: a hook of someone else's is never touched; the secret lies in a file that only its owner reads.
"""

import os
from importlib.resources import files
from pathlib import Path
from typing import Final

from legato.domain.errors import ConfigurationError, ConflictError, MissingError, OutsideError
from legato.domain.forge import ForgeKind
from legato.domain.graph import Struct
from legato.domain.signing import read_secret
from legato.scm.addresses import read_address
from legato.scm.asking import ask
from legato.scm.webhooks.reading import repository_of
from legato.scm.webhooks.refusals import MalformedError

NAME: Final = "post-receive"
SECRET: Final = "legato-webhook-secret"  # noqa: S105 - a file's name
_MARK: Final = b"# legato post-receive "


class Target(Struct, frozen=True, kw_only=True):
    """What the hook tells to whom.

    Attributes:
        url: Of the server's webhook.
        name: `owner/name`, as which the server knows the repository.
        clone: Where the server fetches it from; empty: the server knows.
        secret: Begins with `whsec_`.
    """

    url: str
    name: str
    clone: str = ""
    secret: str

    def __repr__(self) -> str:
        """Return the target without its secret."""
        return f"Target(url={self.url!r}, name={self.name!r}, clone={self.clone!r})"


def install_post_receive(repository: Path, target: Target) -> Path:
    """Install the hook, or bring it up to date; return its path.

    Raises:
        MissingError: There is no bare repository.
        ConfigurationError: The target cannot be used.
        ConflictError: Another `post-receive` hook is there.
        OutsideError: It cannot be written.
    """
    if (ask(repository, "rev-parse", "--is-bare-repository") or b"").strip() != b"true":
        raise MissingError(f"{repository} is no bare repository", hint="name the folder that people push to")
    if (
        not target.url.startswith(("https://", "http://"))
        or not target.url.isprintable()
        or " " in target.url
    ):
        raise ConfigurationError(f"{target.url[:200]!r} is no address of a server", hint="write https://…")
    if read_secret(target.secret) is None:
        raise ConfigurationError(
            "the secret cannot be used", hint="it begins with whsec_ and goes on in base64"
        )
    try:
        repository_of(ForgeKind.GIT, target.name, target.clone)
    except MalformedError as error:
        raise ConfigurationError(error.message, hint=error.hint) from None
    hook = repository / "hooks" / NAME
    if os.path.lexists(hook) and _MARK not in hook.read_bytes()[:200]:
        raise ConflictError(
            f"{hook} is there already", hint="rename it, and call both from a small script of your own"
        )
    try:
        _write(repository / SECRET, target.secret.encode() + b"\n", 0o600)
        _set(repository, target)
        hook.parent.mkdir(exist_ok=True)
        _write(hook, files("legato.scm").joinpath(NAME).read_bytes(), 0o755)
    except OSError as error:
        raise OutsideError(
            f"cannot install {hook}: {(error.strerror or str(error)).lower()}", hint="look at its rights"
        ) from None
    return hook


def _set(repository: Path, target: Target) -> None:
    clone = read_address(target.clone).text if target.clone else ""
    settings = {
        "url": target.url,
        "name": target.name,
        "clone": clone,
        "secretfile": str((repository / SECRET).resolve()),
    }
    for name, value in settings.items():
        if ask(repository, "config", "--local", "--replace-all", f"legato.{name}", value) is None:
            raise OutsideError(f"git takes no settings in {repository}", hint="look at its rights")


def _write(path: Path, data: bytes, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        fresh.chmod(mode)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
