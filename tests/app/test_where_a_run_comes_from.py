"""What the CI services say of themselves, and how far it is believed."""

import pytest

from legato.app.origin import Origin, origin

GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_SHA": "a" * 40,
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REF_NAME": "main",
    "GITHUB_HEAD_REF": "",
    "GITHUB_ACTOR": "ada",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "ada/wine",
    "GITHUB_RUN_ID": "12",
    "GITHUB_REF_PROTECTED": "true",
}


def test_a_laptop_is_a_laptop():
    assert origin({"HOME": "/home/ada"}) == Origin(maker="laptop")


def test_a_protected_branch_on_github_is_trusted():
    found = origin(GITHUB)

    assert found == Origin(
        service="github",
        maker="ci",
        commit="a" * 40,
        branch="main",
        actor="ada",
        address="https://github.com/ada/wine/actions/runs/12",
    )


def test_a_branch_that_is_not_protected_is_not_trusted_whatever_its_name():
    assert origin({**GITHUB, "GITHUB_REF_PROTECTED": "false"}).maker == "untrusted"


def test_a_pull_request_is_never_trusted():
    request = {
        **GITHUB,
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_HEAD_REF": "main",
        "GITHUB_REF_NAME": "7/merge",
    }

    found = origin(request, ["*"])

    assert (found.maker, found.pull_request, found.branch) == ("untrusted", "7", "main")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"GITLAB_CI": "true", "CI_COMMIT_REF_NAME": "dev", "CI_COMMIT_REF_PROTECTED": "false"}, "untrusted"),
        ({"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "3", "CI_COMMIT_REF_PROTECTED": "true"}, "untrusted"),
        ({"JENKINS_URL": "https://ci", "BRANCH_NAME": "main", "GIT_COMMIT": "b"}, "ci"),
        ({"JENKINS_URL": "https://ci", "BRANCH_NAME": "PR-3", "CHANGE_ID": "3"}, "untrusted"),
        ({"JENKINS_URL": "https://ci", "GIT_BRANCH": "origin/main"}, "ci"),
        ({"CIRCLECI": "true", "CIRCLE_BRANCH": "main"}, "ci"),
        (
            {
                "CIRCLECI": "true",
                "CIRCLE_BRANCH": "x",
                "CIRCLE_PULL_REQUEST": "https://github.com/a/b/pull/9",
            },
            "untrusted",
        ),
        ({"TF_BUILD": "True", "BUILD_SOURCEBRANCH": "refs/heads/main"}, "ci"),
        (
            {
                "TF_BUILD": "True",
                "BUILD_SOURCEBRANCH": "refs/pull/4/merge",
                "SYSTEM_PULLREQUEST_PULLREQUESTID": "4",
            },
            "untrusted",
        ),
        ({"CI": "true"}, "untrusted"),
    ],
)
def test_each_service_is_believed_as_far_as_it_proves(variables, expected):
    assert origin(variables).maker == expected


def test_configured_branches_decide_where_they_are_configured():
    build = {"CIRCLECI": "true", "CIRCLE_BRANCH": "release/2"}

    assert origin(build, ["release/*"]).maker == "ci"
    assert origin({**build, "CIRCLE_BRANCH": "main"}, ["release/*"]).maker == "untrusted"


@pytest.mark.parametrize(
    "variables",
    [
        # pull_request_target runs with the base branch's ref, which is protected, on code of a stranger
        {**GITHUB, "GITHUB_EVENT_NAME": "pull_request_target", "GITHUB_HEAD_REF": "patch-1"},
        {**GITHUB, "GITHUB_REF": "refs/tags/main", "GITHUB_REF_TYPE": "tag", "GITHUB_REF_PROTECTED": "false"},
        {"GITLAB_CI": "true", "CI_COMMIT_REF_NAME": "main", "CI_COMMIT_TAG": "main"},
        {"GITLAB_CI": "true", "CI_COMMIT_REF_NAME": "main", "CI_EXTERNAL_PULL_REQUEST_IID": "4"},
        {"JENKINS_URL": "https://ci", "BRANCH_NAME": "main", "TAG_NAME": "main"},
        {"JENKINS_URL": "https://ci", "GIT_BRANCH": "origin/main", "ghprbPullId": "4"},
        {"CIRCLECI": "true", "CIRCLE_BRANCH": "main", "CIRCLE_PR_USERNAME": "eve"},
        {"TF_BUILD": "True", "BUILD_SOURCEBRANCH": "refs/pull/4/merge"},
        {"CI": "woodpecker"},
    ],
)
def test_nobody_becomes_trusted_by_a_name_or_by_a_pull_request(variables):
    assert origin(variables).maker == "untrusted"
    assert origin(variables, ["main"]).maker == "untrusted"
