"""What is written for each service, compared with files that a person has read."""

import re

import pytest
import yaml
from ci_pipelines import CASES, STORES, exported, golden, graph_of

from legato.domain.errors import ConfigurationError
from legato.export import SERVICES, Repository, export

EVERY = [(case, service) for case in CASES for service in SERVICES]
YAML = [(case, service) for case, service in EVERY if service != "jenkins"]
INJECTABLE = re.compile(
    r"head_ref|head\.ref|github\.event\.(?!schedule)|CHANGE_BRANCH|CHANGE_TITLE|CI_COMMIT_MESSAGE|CI_MERGE_REQUEST_TITLE|"
    r"pipeline\.git|Build\.SourceBranchName|Build\.SourceVersionMessage"
)


def strings(tree):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from strings(key)
            yield from strings(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from strings(value)
    elif isinstance(tree, str):
        yield tree


def shell_lines(tree):
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in {"run", "command", "bash"} and isinstance(value, str):
                yield value
            elif key == "script":
                yield from value
            else:
                yield from shell_lines(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from shell_lines(value)


@pytest.mark.parametrize(("case", "service"), EVERY)
def test_a_file_is_the_golden_one(case, service, tmp_path):
    found = exported(case, service, tmp_path)

    assert found.text == golden(case, service).read_text(encoding="utf-8"), (
        "python tests/export/ci_pipelines.py"
    )


@pytest.mark.parametrize(("case", "service"), YAML)
def test_nothing_that_a_stranger_chooses_is_in_a_file(case, service, tmp_path):
    text = exported(case, service, tmp_path).text

    assert not INJECTABLE.search(text)
    assert not any("${{" in line or "<<" in line for line in shell_lines(yaml.safe_load(text)))


@pytest.mark.parametrize("case", CASES)
def test_actions_and_images_are_pinned_by_digest(case, tmp_path):
    github = yaml.safe_load(exported(case, "github", tmp_path).text)
    gitlab = yaml.safe_load(exported(case, "gitlab", tmp_path).text)

    uses = [step["uses"] for job in github["jobs"].values() for step in job["steps"] if "uses" in step]
    assert uses
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", one) for one in uses)
    assert re.search(r"@sha256:[0-9a-f]{64}$", gitlab["default"]["image"])


@pytest.mark.parametrize("case", CASES)
def test_github_jobs_have_the_least_rights(case, tmp_path):
    tree = yaml.safe_load(exported(case, "github", tmp_path).text)

    rights = [job["permissions"] for job in tree["jobs"].values()]
    wanted = {"contents": "read"} | ({"id-token": "write"} if CASES[case][1].remote else {})
    assert tree["permissions"] == {}
    assert all(one == wanted for one in rights)


def test_pull_requests_get_no_secrets(tmp_path):
    tree = yaml.safe_load(exported("stores", "github", tmp_path).text)

    told = {name: list(strings(job)) for name, job in tree["jobs"].items()}
    assert not any("secrets." in text for text in told["pull-request"])
    assert any("secrets.TOKEN" in text for text in told["deliver"])
    assert any("LEGATO_AWS_ROLE_PULL_REQUESTS" in text for text in told["pull-request"])


def test_stages_need_what_their_steps_need(tmp_path):
    tree = yaml.safe_load(exported("stages", "github", tmp_path).text)

    needs = {name: job.get("needs", []) for name, job in tree["jobs"].items() if name.startswith("push-")}
    assert needs == {
        "push-clean": [],
        "push-training": ["push-clean", "push-holdout"],  # a check of both guards it
        "push-best": ["push-training"],
        "push-holdout": [],
        "push-evaluation": ["push-best"],
        "push-endpoint": ["push-evaluation"],
    }


def test_only_what_acts_is_in_an_environment(tmp_path):
    tree = yaml.safe_load(exported("stages", "github", tmp_path).text)

    inside = {name: job["environment"] for name, job in tree["jobs"].items() if "environment" in job}
    assert inside == {"deliver-endpoint": "staging", "push-endpoint": "production"}


def test_a_matrix_is_the_services_own(tmp_path):
    elements = ["training[depth=4,kind=a%2Fb]", "training[depth=4,kind=c]", "training[depth=8,kind=a%2Fb]"]
    github = yaml.safe_load(exported("stages", "github", tmp_path).text)
    gitlab = yaml.safe_load(exported("stages", "gitlab", tmp_path).text)

    assert github["jobs"]["push-training"]["strategy"]["matrix"]["element"][:3] == elements
    assert gitlab["push-training"]["parallel"]["matrix"][0]["LEGATO_ELEMENT"][:3] == elements


def test_people_are_asked_once_before_production(tmp_path):
    gitlab = yaml.safe_load(exported("stages", "gitlab", tmp_path).text)
    circleci = yaml.safe_load(exported("stages", "circleci", tmp_path).text)

    manual = [
        name for name, job in gitlab.items() if isinstance(job, dict) and "manual" in str(job.get("rules"))
    ]
    jobs = [name for job in circleci["workflows"]["push"]["jobs"] for name in job]
    assert manual == ["push-endpoint"]
    assert [name for name in jobs if name.startswith("approve")] == ["approve-push-endpoint"]


def test_what_a_service_cannot_be_told_is_said(tmp_path):
    told = {service: " ".join(exported("flights", service, tmp_path).notes) for service in SERVICES}

    assert all("drift" in notes and "new-data" in notes for notes in told.values())
    assert "in summer weekly starts an hour later" in told["github"]
    assert "cannot be said in UTC" in told["azure"]
    assert "Pipeline schedules" in told["gitlab"]
    assert "does not tell which of its times" in told["jenkins"]
    assert "builds branches, not pull requests" in told["circleci"]


def test_stages_without_a_remote_are_refused(tmp_path):
    graph = graph_of(STORES, tmp_path)

    with pytest.raises(ConfigurationError, match="share results by a remote") as caught:
        export("github", graph, Repository(install=(), command=""), "stages")
    assert "[store] remote" in caught.value.hint


def test_a_pipeline_without_triggers_is_refused(tmp_path):
    graph = graph_of("import legato as lg\n@lg.step\ndef one() -> int: ...\n", tmp_path)

    with pytest.raises(ConfigurationError, match="has no triggers") as caught:
        export("github", graph, Repository(install=(), command=""))
    assert "triggers = [" in caught.value.hint


def test_editing_a_step_changes_no_file(tmp_path):
    before = exported("stages", "github", tmp_path).text
    edited = STORES.replace(
        "def best(training: lg.Gathered[str]) -> str: ...",
        'def best(training: lg.Gathered[str]) -> str:\n    return "x"',
    )
    after = export(
        "github",
        graph_of(edited, tmp_path),
        Repository(
            **{n: getattr(CASES["stages"][1], n) for n in Repository.__struct_fields__}
            | {"command": "legato ci export github --layout stages"}
        ),
        "stages",
    ).text

    assert edited != STORES
    assert after == before
