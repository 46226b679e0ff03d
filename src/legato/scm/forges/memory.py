"""A forge in memory: keeps the promises of the port, and is the world behind the simulator.

Rule: it knows what it was told; a repository, commit or pull request that nobody added is not there.
"""

import threading
from collections.abc import Sequence

from legato.domain.errors import MissingError
from legato.domain.forge import CommitStatus, ForgeKind, Permission, Person, PullRequest
from legato.scm.forges.comments import Comment, marked, upsert
from legato.scm.forges.names import known_commit, known_repository
from legato.scm.forges.port import Traits

_LONGEST_COMMENT = 30_000


class Known:
    """One repository of the world: what it holds, to be filled by whoever makes it."""

    def __init__(self, name: str, default: str = "main") -> None:
        self.name = name
        self.default = default
        self.protected: set[str] = set()
        self.rights: dict[str, Permission] = {}
        self.commits: set[str] = set()
        self.requests: dict[int, PullRequest] = {}
        self.statuses: dict[tuple[str, str], CommitStatus] = {}
        self.comments: dict[int, list[Comment]] = {}

    def commit(self, text: str) -> str:
        """Return the whole id of a commit that is here.

        Raises:
            MissingError: It is not.
        """
        found = next((one for one in sorted(self.commits) if one.startswith(text)), "")
        if not found:
            raise MissingError(f"{self.name} has no commit {text}", hint="was it pushed?")
        return found

    def thread(self, number: int) -> list[Comment]:
        """Return the comments of a pull request, to be changed in place.

        Raises:
            MissingError: There is no such pull request.
        """
        if number not in self.requests:
            raise MissingError(f"{self.name} has no pull request {number}", hint="look at its number")
        return self.comments.setdefault(number, [])


class World:
    """All repositories of one forge. `lock` is held by whoever reads or changes them."""

    def __init__(self) -> None:
        self.repositories: dict[str, Known] = {}
        self.lock = threading.RLock()
        self._last = 100

    def add(self, name: str, default: str = "main") -> Known:
        """Add a repository and return it."""
        return self.repositories.setdefault(name, Known(name, default))

    def find(self, name: str) -> Known:
        """Return a repository.

        Raises:
            MissingError: It is not there.
        """
        if name not in self.repositories:
            raise MissingError(f"there is no repository {name}", hint="look at its name")
        return self.repositories[name]

    def number(self) -> int:
        """Return a number that nothing here has yet."""
        with self.lock:
            self._last += 1
            return self._last


class MemoryForge:
    """The port on a world in this process.

    Args:
        world: What there is.
        account: Who we are.
    """

    def __init__(self, world: World, account: str = "legato") -> None:
        self.world = world
        self._account = account

    @property
    def traits(self) -> Traits:
        """How this forge differs from others."""
        return Traits(
            kind=ForgeKind.GIT, running=True, cancelled=True, fetches_requests=True, abbreviates=False
        )

    def set_status(self, repository: str, commit: str, status: CommitStatus) -> None:
        """Show how a commit fares."""
        with self.world.lock:
            known = self._known(repository)
            known.statuses[known.commit(known_commit(commit)), status.context] = status

    def upsert_comment(self, repository: str, number: int, name: str, text: str) -> str:
        """Write one comment on a pull request, or replace the one that this account wrote under `name`."""
        with self.world.lock:
            thread = self._known(repository).thread(number)
            body = marked(name, text, _LONGEST_COMMENT)

            def create() -> str:
                thread.append(Comment(id=str(self.world.number()), author=self._account, text=body))
                return thread[-1].id

            def update(found: Comment) -> None:
                thread[thread.index(found)] = Comment(id=found.id, author=found.author, text=body)

            return upsert(name, self._account, lambda: tuple(thread), create, update)

    def permission(self, repository: str, person: Person) -> Permission:
        """Return what someone may do."""
        with self.world.lock:
            return self._known(repository).rights.get(person.id, Permission.NONE)

    def open_pull_requests(self, repository: str) -> Sequence[PullRequest]:
        """Return the open pull requests, newest first."""
        with self.world.lock:
            requests = self._known(repository).requests
            return tuple(requests[number] for number in sorted(requests, reverse=True))

    def default_branch(self, repository: str) -> str:
        """Return the name of the default branch."""
        with self.world.lock:
            return self._known(repository).default

    def protected_branches(self, repository: str) -> Sequence[str]:
        """Return the names of protected branches, sorted."""
        with self.world.lock:
            return tuple(sorted(self._known(repository).protected))

    def full_commit(self, repository: str, commit: str) -> str:
        """Return the whole id of a commit."""
        with self.world.lock:
            return self._known(repository).commit(known_commit(commit, abbreviated=True))

    def _known(self, repository: str) -> Known:
        known_repository(repository)
        return self.world.find(repository)
