"""Who runs here: a person's machine or a CI service, which one, for which commit, and how far its results are trusted.

Rule: what a service says of itself is believed only to lower trust, or for a ref that it says is protected; everything
else is untrusted.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Final

from legato.domain.graph import Struct

TRUSTED_BRANCHES: Final = ("main", "master")
"""Branches whose builds are trusted where nothing is configured, and the service does not say what is protected."""


OTHER: Final = "other"
"""A service that we do not know: it proves nothing, and may be anyone's machine."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a run comes from.

    Attributes:
        service: `github`, `gitlab`, `jenkins`, `circleci`, `azure`; `OTHER`; empty on a person's machine.
        maker: How far results made here are trusted (`laptop`, `untrusted`, `ci`).
        pull_request: Its number; empty where the run is not for one.
        address: Of the service's own page of this run.
    """

    service: str = ""
    maker: str = "laptop"
    commit: str = ""
    branch: str = ""
    pull_request: str = ""
    actor: str = ""
    address: str = ""

    @property
    def is_known_service(self) -> bool:
        """Whether one of the five services runs this, whose machines keep nothing."""
        return self.service not in {"", OTHER}


class _Service(Struct, frozen=True, kw_only=True):
    """Which variables a service sets, each by its documented name; `protected` where it tells."""

    mark: str
    commit: str
    branch: tuple[str, ...]
    pull_request: tuple[str, ...]
    actor: str
    address: tuple[str, ...]
    protected: str = ""
    tag: tuple[str, ...] = ()
    request_marks: tuple[str, ...] = ()
    """Set only where the build is for a pull request, whether or not they say its number."""


_SERVICES: Final[Mapping[str, _Service]] = {
    "github": _Service(
        mark="GITHUB_ACTIONS",
        commit="GITHUB_SHA",
        branch=("GITHUB_HEAD_REF", "GITHUB_REF_NAME"),
        pull_request=("GITHUB_REF",),
        actor="GITHUB_ACTOR",
        address=("GITHUB_SERVER_URL", "/", "GITHUB_REPOSITORY", "/actions/runs/", "GITHUB_RUN_ID"),
        protected="GITHUB_REF_PROTECTED",
        request_marks=(
            "GITHUB_HEAD_REF",
        ),  # also of pull_request_target, whose GITHUB_REF is the protected branch
    ),
    "gitlab": _Service(
        mark="GITLAB_CI",
        commit="CI_COMMIT_SHA",
        branch=("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"),
        pull_request=("CI_MERGE_REQUEST_IID", "CI_EXTERNAL_PULL_REQUEST_IID"),
        actor="GITLAB_USER_LOGIN",
        address=("CI_JOB_URL",),
        protected="CI_COMMIT_REF_PROTECTED",
        tag=("CI_COMMIT_TAG",),
    ),
    "jenkins": _Service(
        mark="JENKINS_URL",
        commit="GIT_COMMIT",
        branch=("CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"),
        pull_request=("CHANGE_ID", "ghprbPullId", "gitlabMergeRequestIid"),
        actor="BUILD_USER_ID",
        address=("BUILD_URL",),
        tag=("TAG_NAME",),
        request_marks=("CHANGE_BRANCH",),
    ),
    "circleci": _Service(
        mark="CIRCLECI",
        commit="CIRCLE_SHA1",
        branch=("CIRCLE_BRANCH",),
        pull_request=("CIRCLE_PULL_REQUEST", "CIRCLE_PR_NUMBER"),
        actor="CIRCLE_USERNAME",
        address=("CIRCLE_BUILD_URL",),
        tag=("CIRCLE_TAG",),
        request_marks=("CIRCLE_PR_USERNAME", "CIRCLE_PR_REPONAME"),
    ),
    "azure": _Service(
        mark="TF_BUILD",
        commit="BUILD_SOURCEVERSION",
        branch=("SYSTEM_PULLREQUEST_SOURCEBRANCH", "BUILD_SOURCEBRANCH"),
        pull_request=("SYSTEM_PULLREQUEST_PULLREQUESTID", "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER"),
        actor="BUILD_REQUESTEDFOR",
        address=(
            "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI",
            "SYSTEM_TEAMPROJECT",
            "/_build/results?buildId=",
            "BUILD_BUILDID",
        ),
    ),
}


def origin(variables: Mapping[str, str], trusted: Sequence[str] = ()) -> Origin:
    """Return where a run with this environment comes from.

    Args:
        variables: The environment.
        trusted: Patterns of branches whose builds are trusted, as configured; none: those that the service says are
            protected, else `TRUSTED_BRANCHES`.

    >>> origin({"GITLAB_CI": "true", "CI_COMMIT_REF_NAME": "main", "CI_COMMIT_REF_PROTECTED": "true"}).maker
    'ci'
    >>> origin({"CIRCLECI": "true", "CIRCLE_BRANCH": "main", "CIRCLE_PR_NUMBER": "7"}).maker
    'untrusted'
    """
    for name, service in _SERVICES.items():
        if variables.get(service.mark):
            return _of(name, service, variables, trusted)
    if variables.get("CI", "").lower() not in {
        "",
        "0",
        "false",
        "no",
    }:  # a service that we do not know proves nothing
        return Origin(service=OTHER, maker="untrusted")
    return Origin()


def _of(name: str, service: _Service, variables: Mapping[str, str], trusted: Sequence[str]) -> Origin:
    branch = _first(variables, service.branch).removeprefix("refs/heads/").removeprefix("origin/")
    tag = _first(variables, service.tag)
    if tag or variables.get("GITHUB_REF_TYPE") == "tag":  # which anyone who may push can name like a branch
        branch = f"refs/tags/{tag or branch}"
    request = _number(_first(variables, service.pull_request))
    if request or branch.startswith("refs/pull/") or _first(variables, service.request_marks):
        maker = "untrusted"
    elif trusted:
        maker = "ci" if any(fnmatch.fnmatchcase(branch, pattern) for pattern in trusted) else "untrusted"
    elif service.protected and service.protected in variables:
        maker = "ci" if variables[service.protected].lower() == "true" else "untrusted"
    else:
        maker = "ci" if branch in TRUSTED_BRANCHES else "untrusted"
    known = all(variables.get(part) for part in service.address if part.isupper())
    return Origin(
        service=name,
        maker=maker,
        commit=variables.get(service.commit, ""),
        branch=branch,
        pull_request=request,
        actor=variables.get(service.actor, ""),
        address="".join(variables.get(part, part) for part in service.address) if known else "",
    )


def _first(variables: Mapping[str, str], names: Sequence[str]) -> str:
    return next((variables[name] for name in names if variables.get(name)), "")


def _number(text: str) -> str:
    """Return the number in what a service says of a pull request: itself, `refs/pull/7/merge`, or its address."""
    if text.isdecimal():
        return text
    parts = [part for part in text.split("/") if part.isdecimal()]
    return parts[-1] if parts and "pull" in text else ""
