"""How git is started for repositories that nobody here has vouched for.

Rule: no configuration of this machine or of a template counts; one transport is allowed; nothing asks at a terminal;
secrets are in the environment of the one command that needs them, and are taken out of whatever it says.
"""

import base64
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from legato.domain.errors import ConfigurationError, LegatoError, MissingError, OutsideError
from legato.domain.graph import Struct
from legato.scm.addresses import Address

SAFE: Final = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.symlinks", "true"),
    ("core.protectNTFS", "true"),
    ("core.protectHFS", "true"),
    ("core.askPass", ""),
    ("core.sshCommand", "ssh -oBatchMode=yes"),
    ("credential.helper", ""),
    ("protocol.allow", "never"),
    ("protocol.version", "2"),
    ("transfer.fsckObjects", "true"),
    ("fetch.fsckObjects", "true"),
    ("fetch.fsck.zeroPaddedFilemode", "ignore"),  # old histories hold these, and no harm comes of them
    ("fetch.fsck.badTimezone", "ignore"),
    ("fetch.fsck.missingSpaceBeforeDate", "ignore"),
    ("fetch.unpackLimit", "1"),
    ("submodule.recurse", "false"),
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "100"),
    ("http.lowSpeedTime", "60"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("advice.detachedHead", "false"),
    ("safe.directory", "*"),
    ("filter.lfs.smudge", ""),
    ("filter.lfs.process", ""),
    ("filter.lfs.required", "false"),
)
"""What holds for every command; given in its environment, so that the files of a repository cannot say otherwise."""

_DENIED: Final = ("authentication failed", "could not read username", "permission denied", "403", "401")
_ABSENT: Final = (
    "not found",
    "does not exist",
    "does not appear to be a git repository",
    "couldn't find remote ref",
)
NETWORK: Final = frozenset(
    {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "GIT_SSL_CAINFO", "SSL_CERT_FILE"}
)
"""Variables by which a machine says how its network is reached; no other may be given to git."""

_SAID: Final = 300
_ENDING_S: Final = 5.0


class Credentials(Struct, frozen=True, kw_only=True):
    """What opens a repository; at most one kind of it.

    Attributes:
        token: For `https`: sent as the password of `user`.
        user: Forges that take any name take this one.
        key_file: For `ssh`: a private key; no other key, agent or configuration is used with it.
        known_hosts: For `ssh`: the file of host keys that are believed; without it those of the user are.
    """

    token: str = ""
    user: str = "oauth2"
    key_file: str = ""
    known_hosts: str = ""

    def __repr__(self) -> str:
        """Return what may be shown of them."""
        return f"Credentials(user={self.user!r}, token={'***' if self.token else ''!r})"


NO_CREDENTIALS: Final = Credentials()


class Git:
    """Git for one address.

    Args:
        address: The only one that it may speak to.
        path: Where programs are looked for, as in `PATH`.
        timeout_s: For each command; then it is ended with all it started.
        network: Variables that say how the network is reached; of `NETWORK`.

    Raises:
        ConfigurationError: A variable is none of them.
    """

    def __init__(
        self, address: Address, *, path: str, timeout_s: float, network: Mapping[str, str] | None = None
    ) -> None:
        unknown = sorted((network or {}).keys() - NETWORK)
        if unknown:
            raise ConfigurationError(
                f"git is not given the variable {unknown[0]}", hint=f"one of {', '.join(sorted(NETWORK))}"
            )
        self.address = address
        self.path = path
        self.timeout_s = timeout_s
        self.network = dict(network or {})
        self.held: tuple[int, ...] = ()
        """Open files that commands keep open: a lock lasts as long as whatever works below it."""

    def run(self, *words: str, at: Path | None = None, more: Sequence[tuple[str, str]] = ()) -> str:
        """Return what a command prints that speaks to nobody.

        Raises:
            OutsideError: It failed.
        """
        code, out, said = self._start(words, at, self._environment(more), hidden=())
        if code:
            raise OutsideError(f"git {words[0]} failed: {said}", hint="look at the disk and its rights")
        return out

    def answer(self, *words: str, at: Path) -> str:
        """Return what a command prints, nothing where it fails."""
        code, out, _ = self._start(words, at, self._environment(()), hidden=())
        return "" if code else out

    def says_yes(self, *words: str, at: Path) -> bool:
        """Say whether a command ends well."""
        return not self._start(words, at, self._environment(()), hidden=())[0]

    def remote(
        self, verb: str, *options: str, at: Path, refs: Iterable[str], credentials: Credentials, must: bool
    ) -> bool:
        """Run a command that speaks to the address; say whether it went well.

        Args:
            verb: `fetch` or `ls-remote`.
            options: Of it.
            at: The repository.
            refs: What is asked for; never taken for options.
            credentials: For this command only.
            must: Raise where it fails.

        Raises:
            ConfigurationError: The credentials do not hold.
            MissingError: There is no such repository or ref.
            OutsideError: It failed otherwise, or took too long.
        """
        words = [verb, "--upload-pack=git-upload-pack", *options, "--", self.address.text, *refs]
        code, _, said = self._start(words, at, self._environment((), credentials), _hidden(credentials))
        if code and must:
            raise self._refusal(said)
        return not code

    def bring_large_files(self, at: Path, credentials: Credentials) -> None:
        """Replace the pointers of Git LFS in a checkout by what the address itself keeps for them.

        Raises:
            MissingError: Git LFS is not installed.
            OutsideError: A file could not be had.
        """
        if self.address.transport not in {"https", "http"}:
            raise ConfigurationError(
                f"large files are not kept at {self.address.text}",
                hint="give the https address, or do without them",
            )
        root = self.address.text if self.address.text.endswith(".git") else f"{self.address.text}.git"
        more = (
            ("lfs.url", f"{root}/info/lfs"),
            ("lfs.locksverify", "false"),
            (
                "filter.lfs.clean",
                "git-lfs clean -- %f",
            ),  # it writes no file where it does not find itself installed
            ("filter.lfs.smudge", "git-lfs smudge -- %f"),
            ("filter.lfs.process", "git-lfs filter-process"),
        )
        if not self.says_yes("lfs", "version", at=at):
            raise MissingError("Git LFS is not installed", hint="install git-lfs, or do without large files")
        environment = self._environment(more, credentials)
        code, _, said = self._start(["lfs", "pull"], at, environment, _hidden(credentials))
        if code:
            raise self._refusal(said)

    def listed(self, at: Path, credentials: Credentials) -> str:
        """Return what `ls-remote` prints of branches and tags; raises as `remote`."""
        words = ["ls-remote", "--upload-pack=git-upload-pack", "--heads", "--tags", "--", self.address.text]
        code, out, said = self._start(words, at, self._environment((), credentials), _hidden(credentials))
        if code:
            raise self._refusal(said)
        return out

    def _environment(
        self, more: Sequence[tuple[str, str]], credentials: Credentials = NO_CREDENTIALS
    ) -> Mapping[str, str]:
        settings = [*SAFE, (f"protocol.{self.address.transport}.allow", "always"), *more]
        if credentials.token and self.address.transport in {"https", "http"}:
            pair = base64.b64encode(f"{credentials.user}:{credentials.token}".encode()).decode()
            origin = f"{self.address.transport}://{self.address.host}/"
            settings.append((f"http.{origin}.extraHeader", f"Authorization: Basic {pair}"))
        if self.address.transport == "ssh":
            settings.append(("core.sshCommand", _ssh(credentials)))
        numbered = {f"GIT_CONFIG_KEY_{at}": name for at, (name, _) in enumerate(settings)}
        numbered |= {f"GIT_CONFIG_VALUE_{at}": value for at, (_, value) in enumerate(settings)}
        return {
            "PATH": self.path,
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "SSH_ASKPASS": "true",
            "GIT_ALLOW_PROTOCOL": self.address.transport,
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_CONFIG_COUNT": str(len(settings)),
            **numbered,
            **self.network,
        }

    def _start(
        self, words: Sequence[str], at: Path | None, environment: Mapping[str, str], hidden: Sequence[str]
    ) -> tuple[int, str, str]:
        command = ["git", *(("-C", str(at)) if at else ()), *words]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                start_new_session=True,
                pass_fds=self.held,
            )
        except OSError as error:
            raise MissingError(f"git cannot be started: {error.strerror}", hint="install git") from None
        with process:
            try:
                out, said = process.communicate(timeout=self.timeout_s)
            except subprocess.TimeoutExpired:
                _end(process)
                raise OutsideError(
                    f"git {words[0]} of {self.address.text} took more than {self.timeout_s:g} s",
                    hint="raise the time limit, or look at the network",
                ) from None
            except BaseException:
                _end(process)
                raise
        return process.returncode, out.decode(errors="surrogateescape"), _shown(said, hidden)

    def _refusal(self, said: str) -> LegatoError:
        text = f"{self.address.text} cannot be fetched: {said}"
        low = said.lower()
        if any(word in low for word in _DENIED):
            return ConfigurationError(text, hint="give credentials that may read this repository")
        if any(word in low for word in _ABSENT):
            return MissingError(text, hint="look at the address, and whether the credentials may see it")
        if "redirect" in low:
            return OutsideError(text, hint="write the address that it leads to; many end with .git")
        return OutsideError(text, hint="look at the network and the server, then try again")


def _ssh(credentials: Credentials) -> str:
    """Return how ssh is started; git splits it as a shell does, so every path is quoted."""
    import shlex

    words = ["ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oPermitLocalCommand=no"]
    if credentials.key_file:
        words += [
            "-F",
            "/dev/null",
            "-oIdentitiesOnly=yes",
            "-oIdentityAgent=none",
            "-i",
            credentials.key_file,
        ]
    if credentials.known_hosts:
        words.append(f"-oUserKnownHostsFile={credentials.known_hosts}")
    return shlex.join(words)


def _hidden(credentials: Credentials) -> tuple[str, ...]:
    if not credentials.token:
        return ()
    pair = base64.b64encode(f"{credentials.user}:{credentials.token}".encode()).decode()
    return (credentials.token, pair)


def _shown(said: bytes, hidden: Sequence[str]) -> str:
    """Return the last lines that git said, on one line, without secrets and without what a terminal would obey."""
    text = said.decode(errors="replace")
    for word in hidden:
        text = text.replace(word, "***")
    text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())[-_SAID:] or "it says nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command with everything that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.communicate(timeout=_ENDING_S)
        except subprocess.TimeoutExpired:
            continue
        break
