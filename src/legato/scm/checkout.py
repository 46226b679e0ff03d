"""The exact commit of a repository as a folder, fetched once by way of a mirror that all jobs of a machine share.

Rule: git gets argument lists, one transport, no configuration but ours, no hooks, no filters; credentials reach it by
its environment and stand in no argument, no file and no message.

A mirror is a bare repository below the cache, named by the digest of its address; fetching into it is serialised by a
lock file that the system releases when its holder dies. A fetch that was killed leaves objects that nothing refers to,
and the next one goes on. Making the folder reads the mirror only.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from legato.domain.digests import digest_of
from legato.domain.errors import ConfigurationError, ConflictError, MissingError
from legato.domain.forge import is_commit, is_ref
from legato.domain.graph import Struct
from legato.scm.addresses import Address, read_address
from legato.scm.commands import NO_CREDENTIALS, Credentials, Git

if TYPE_CHECKING:
    from collections.abc import Callable

_PRIVATE: Final = 0o700
_MIRROR_NAME: Final = 32
_DEEPEST: Final = 5
_IN_USE: Final = ".using"


class Source(Struct, frozen=True, kw_only=True):
    """Where a commit is fetched from.

    Attributes:
        address: As in `legato.scm.addresses`.
        ref: A whole ref that leads to the commit (`refs/pull/7/head`); asked for where the server gives no commit
            by its id alone. Empty: all branches and tags are looked through.
        local: The address may be a folder of this machine.
        credentials: For this address only.
    """

    address: str
    ref: str = ""
    local: bool = False
    credentials: Credentials = NO_CREDENTIALS


class Wishes(Struct, frozen=True, kw_only=True):
    """What a checkout brings besides the files of the commit.

    Attributes:
        submodules: Hosts that submodules are taken from, at all levels; none: no submodules. Credentials are sent
            for those on the host of the repository itself only.
        large_files: What Git LFS keeps for the commit, from the address of the repository itself; `.lfsconfig` does not
            count.
        timeout_s: For each command of git.
        path: Where git is looked for, as in `PATH`.
        network: Variables that say how the network is reached; see `legato.scm.commands.NETWORK`.
    """

    submodules: tuple[str, ...] = ()
    large_files: bool = False
    timeout_s: float = 600.0
    path: str = os.defpath
    network: Mapping[str, str] = {}


DEFAULT_WISHES: Final = Wishes()


class CheckedOut(Struct, frozen=True, kw_only=True):
    """A folder with exactly the files of a commit. `fetched` is false where the mirror had it already."""

    folder: str
    commit: str
    tree: str
    fetched: bool


def checkout(
    source: Source, commit: str, folder: Path, cache: Path, wishes: Wishes = DEFAULT_WISHES
) -> CheckedOut:
    """Make a folder with exactly the files of a commit, and a `.git` of its own without history.

    Args:
        source: Where it is fetched from.
        commit: All 40 (or 64) digits.
        folder: Is made; must not be there, or be empty.
        cache: Where mirrors are kept; shared by jobs that may see the same repositories.
        wishes: What else it brings, and how long it may take.

    Raises:
        ConfigurationError: Address, ref or commit cannot be used, or the credentials do not hold.
        MissingError: The repository has no such commit, or is not there.
        ConflictError: The folder is not empty.
        OutsideError: Git could not fetch it in time.
    """
    return _checkout(source, commit, folder, _Place(cache=cache, wishes=wishes))


class _Place(Struct, frozen=True, kw_only=True):
    """What a repository and its submodules share; `level` is how deep below the one that was asked for."""

    cache: Path
    wishes: Wishes
    level: int = 0


def _checkout(source: Source, commit: str, folder: Path, place: _Place) -> CheckedOut:
    address = read_address(source.address, local=source.local)
    if not is_commit(commit):
        raise ConfigurationError(
            f"{commit[:100]!r} is no id of a commit", hint="give all 40 hexadecimal digits"
        )
    if source.ref and not (source.ref.startswith("refs/") and is_ref(source.ref)):
        raise ConfigurationError(f"{source.ref[:200]!r} is no whole ref", hint="write refs/heads/NAME")
    if folder.exists() and any(folder.iterdir()):
        raise ConflictError(f"{folder} is not empty", hint="give each job a folder of its own")
    wishes = place.wishes
    git = Git(address, path=wishes.path, timeout_s=wishes.timeout_s, network=wishes.network)
    mirror = place.cache / f"{digest_of(address.text.encode()).rpartition(':')[2][:_MIRROR_NAME]}.git"
    made = folder.exists()
    try:
        mirror.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        with _locked(mirror.with_suffix(_IN_USE), shared=True):
            fetched = _fill(git, mirror, Wanted(commit=commit, ref=source.ref), source.credentials)
            tree = _place(git, mirror, commit, folder)
        if wishes.large_files:
            git.bring_large_files(folder, source.credentials)
        if wishes.submodules:
            _add_submodules(git, folder, source.credentials, place)
    except BaseException:
        _empty(folder, keep=made)
        raise
    return CheckedOut(folder=str(folder), commit=commit, tree=tree, fetched=fetched)


class Wanted(Struct, frozen=True, kw_only=True):
    """A commit, and the ref that may lead to it."""

    commit: str
    ref: str = ""


def _fill(git: Git, mirror: Path, wanted: Wanted, credentials: Credentials) -> bool:
    """Bring the commit into the mirror; say whether anything had to be fetched."""
    if _holds(git, mirror, wanted.commit):
        return False
    with _locked(mirror.with_suffix(".lock")) as lock:
        git.held = (lock,)  # whoever kills this process does not kill git: the lock stays until it is done
        try:
            return _fill_alone(git, mirror, wanted, credentials)
        finally:
            git.held = ()


def _fill_alone(git: Git, mirror: Path, wanted: Wanted, credentials: Credentials) -> bool:
    """Bring the commit into the mirror, the only one who writes to it."""
    _tidy(mirror)
    if _holds(git, mirror, wanted.commit):  # another job brought it while this one waited
        return False
    if not (mirror / "HEAD").exists():
        _make_mirror(git, mirror)
    _fetch(git, mirror, wanted, credentials)
    if not _holds(git, mirror, wanted.commit):
        raise MissingError(
            f"{git.address.text} has no commit {wanted.commit}", hint="was it pushed, and is it on a branch?"
        )
    # what a job has asked for stays, whatever becomes of branches
    git.run("update-ref", f"refs/kept/{wanted.commit}", wanted.commit, at=mirror)
    return True


def _tidy(mirror: Path) -> None:
    """Remove what a fetch that was killed has left; only the holder of the lock writes here, so it is nobody's."""
    for left in (*mirror.glob("*.lock"), *mirror.glob("refs/**/*.lock"), *mirror.glob("objects/pack/tmp_*")):
        left.unlink(missing_ok=True)


def _make_mirror(git: Git, mirror: Path) -> None:
    fresh = mirror.with_name(f"{mirror.name}.making-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    git.run("init", "--quiet", "--bare", "--template=", str(fresh))
    shutil.rmtree(mirror, ignore_errors=True)
    fresh.rename(mirror)


def _holds(git: Git, mirror: Path, commit: str) -> bool:
    """Say whether the mirror has the commit and was told to keep it: then all that it needs is there as well."""
    if not (mirror / "HEAD").exists():
        return False
    found = git.answer("rev-parse", "--verify", "--quiet", f"refs/kept/{commit}^{{commit}}", at=mirror)
    if found.strip() == commit:
        return True
    return _whole(git, mirror, commit)


def _whole(git: Git, mirror: Path, commit: str) -> bool:
    """Say whether every object that the commit's files need is there, after a fetch that just ended."""
    return git.says_yes("rev-list", "--objects", "--no-walk", "--quiet", commit, at=mirror)


def _fetch(git: Git, mirror: Path, wanted: Wanted, credentials: Credentials) -> None:
    """Fetch by id; else by the ref, one commit deep; else all of it, since an older commit may be meant."""
    tries: list[tuple[str, ...]] = [("--depth=1", f"{wanted.commit}:refs/asked/{wanted.commit}")]
    if wanted.ref:
        tries.append(("--depth=1", f"+{wanted.ref}:refs/asked/ref"))
        tries.append((f"+{wanted.ref}:refs/asked/ref",))
    tries.append(("+refs/heads/*:refs/mirror/heads/*", "+refs/tags/*:refs/mirror/tags/*"))
    for number, words in enumerate(tries, start=1):
        last = number == len(tries)
        deepen = ("--unshallow",) if last and (mirror / "shallow").exists() else ()
        options = ("--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--quiet", *deepen)
        depth = [word for word in words if word.startswith("--")]
        refs = [word for word in words if not word.startswith("--")]
        done = git.remote("fetch", *options, *depth, at=mirror, refs=refs, credentials=credentials, must=last)
        if done and _whole(git, mirror, wanted.commit):
            return


def _place(git: Git, mirror: Path, commit: str, folder: Path) -> str:
    """Write the files; the folder borrows the mirror's objects only while that happens."""
    folder.mkdir(parents=True, exist_ok=True)
    git.run("init", "--quiet", "--template=", str(folder))
    objects = (folder / ".git" / "objects").resolve()
    # a pack of this one commit: nothing of the job depends on the mirror, which may be cleared at any time
    local = Git(Address(text=str(mirror.resolve()), transport="file"), path=git.path, timeout_s=git.timeout_s)
    words = (
        "--depth=1",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--quiet",
        "--update-shallow",
    )
    local.remote(
        "fetch",
        *words,
        at=folder,
        refs=[f"{commit}:refs/legato/commit"],
        credentials=NO_CREDENTIALS,
        must=True,
    )
    git.run("checkout", "--quiet", "--detach", "--force", "--no-recurse-submodules", commit, at=folder)
    head = git.run("rev-parse", "HEAD", "HEAD^{tree}", at=folder).split()
    if head[0] != commit or not objects.is_dir():
        raise MissingError(f"the folder {folder} stands on {head[0]} and not on {commit}", hint="try again")
    return head[1]


def _add_submodules(git: Git, folder: Path, credentials: Credentials, place: _Place) -> None:
    """Check out what the commit itself points to; `.gitmodules` only says where that is fetched from."""
    if place.level >= _DEEPEST:
        raise ConfigurationError(f"submodules lie more than {_DEEPEST} deep", hint="do without some of them")
    listed = git.run("ls-tree", "-r", "-z", "--full-tree", "HEAD", at=folder)
    links = [line.partition("\t") for line in listed.split("\0") if line.startswith("160000 ")]
    addresses = _submodule_addresses(git, folder) if links else {}
    for words, _, path in links:
        text = addresses.get(path)
        if text is None:
            raise MissingError(f"the submodule {path!r} has no address", hint="see .gitmodules of the commit")
        address = read_address(_resolved(git.address.text, text))
        if _bare(address.host) not in place.wishes.submodules:
            raise ConfigurationError(
                f"the submodule {path!r} lies on {address.host}, which is not among those allowed",
                hint="allow the host, or do without submodules",
            )
        target = folder / path
        if target.is_symlink() or not target.resolve().is_relative_to(folder.resolve()):
            raise ConfigurationError(
                f"the submodule {path!r} leads out of its repository", hint="correct it there"
            )
        own = credentials if address.host == git.address.host else NO_CREDENTIALS
        below = msgspec.structs.replace(place, level=place.level + 1)
        _checkout(Source(address=address.text, credentials=own), words.split()[2], target, below)


def _submodule_addresses(git: Git, folder: Path) -> Mapping[str, str]:
    """Return the addresses that `.gitmodules` of the commit gives, by path."""
    found = git.answer(
        "config",
        "--blob",
        "HEAD:.gitmodules",
        "-z",
        "--get-regexp",
        r"^submodule\..*\.(path|url)$",
        at=folder,
    )
    told: dict[str, dict[str, str]] = {}
    for entry in found.split("\0"):
        name, _, value = entry.partition("\n")
        section, _, key = name.rpartition(".")
        told.setdefault(section, {})[key] = value
    return {one["path"]: one["url"] for one in told.values() if one.keys() >= {"path", "url"}}


def _resolved(base: str, address: str) -> str:
    """Return an address that may be relative to the one of the repository it stands in."""
    if not address.startswith(("./", "../")):
        return address
    root = base.rstrip("/")
    while address.startswith(("./", "../")):
        if address.startswith("../"):
            root = root.rpartition("/")[0]
        address = address.partition("/")[2]
    return f"{root}/{address}"


def _bare(host: str) -> str:
    return host.rpartition("@")[2]


def _empty(folder: Path, *, keep: bool) -> None:
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, *, shared: bool = False) -> Iterator[int]:
    """Hold a lock that ends with its holders; yield the open file."""
    import fcntl

    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield file.fileno()


def clear_mirrors(cache: Path, wanted: "Callable[[Mapping[str, float]], list[str]]") -> list[str]:
    """Remove mirrors that nobody needs, each when no checkout reads it any more; return their names.

    Args:
        cache: Where they are kept.
        wanted: Gets each name with the time of its last fetch (seconds since 1970), returns those to remove.
    """
    found = {one.name: one.stat().st_mtime for one in cache.glob("*.git") if one.is_dir()}
    removed = []
    for name in wanted(found):
        if name in found:
            with _locked((cache / name).with_suffix(_IN_USE)):
                shutil.rmtree(cache / name, ignore_errors=True)
            removed.append(name)
    return removed
