"""Prints jobs as a pipeline of Azure Pipelines.

Rule: a variable that a stranger can choose stands in no line that a shell reads.
"""

import re
from typing import Final

from legato.domain.graph import Trigger
from legato.export.jobs import Job, Outline
from legato.export.pins import AZURE_RUNNER
from legato.export.printing import Value, to_yaml
from legato.export.recipe import (
    ELEMENT,
    JUNIT,
    PLACE,
    STATE,
    approval_notes,
    header,
    install_lines,
    is_trusted,
    path_in,
    run_lines,
    secret_notes,
    secrets_of,
    watched_notes,
)
from legato.export.schedules import in_utc

PATH: Final = "azure-pipelines.yml"


def azure(outline: Outline) -> tuple[str, list[str]]:
    """Return the file's text, and notes on what it cannot say."""
    triggers = list({job.trigger.name: job.trigger for job in outline.jobs}.values())
    notes = [*outline.notes, *_notes(outline, triggers), *watched_notes(outline)]
    notes += approval_notes(outline, "Pipelines, Environments, Approvals and checks")
    notes += secret_notes(outline, where="the pipeline's variables", tokens=False)
    tree: dict[str, Value] = {
        "trigger": _pushes(triggers),
        "pr": _requests(triggers),
        **_schedules(outline, triggers),
        "pool": {"vmImage": AZURE_RUNNER},
        "jobs": [_job(outline, job) for job in outline.jobs if job.trigger.kind not in {"drift", "new_data"}],
    }
    return to_yaml(tree, header(outline, notes)), notes


def _notes(outline: Outline, triggers: list[Trigger]) -> list[str]:
    notes = [in_utc(outline, one)[1] for one in triggers if one.kind == "schedule"]
    if any(one.kind == "pull_request" for one in triggers):
        notes.append(
            "where the code lies in Azure Repos, pull requests start by a branch policy (Build validation), not by `pr`"
        )
    environments = sorted({job.environment for job in outline.jobs if job.environment})
    if environments:
        notes.append(
            f"one at a time in {', '.join(environments)}: add the check Exclusive lock to the environment"
        )
    return [note for note in notes if note]


def _pushes(triggers: list[Trigger]) -> Value:
    found: dict[str, Value] = {"batch": "true"}
    for word, kind in (("branches", "push"), ("tags", "tag")):
        patterns = list(
            dict.fromkeys(one for trigger in triggers if trigger.kind == kind for one in trigger.patterns)
        )
        if patterns:
            found[word] = {"include": patterns}
        elif word == "branches":
            found[word] = {"exclude": ["*"]}
    if not any(trigger.kind in {"push", "tag"} for trigger in triggers):
        return "none"
    return found


def _requests(triggers: list[Trigger]) -> Value:
    if not any(trigger.kind == "pull_request" for trigger in triggers):
        return "none"
    return {"autoCancel": "true", "branches": {"include": ["*"]}}


def _schedules(outline: Outline, triggers: list[Trigger]) -> dict[str, Value]:
    found: list[Value] = []
    for trigger in triggers:
        cron = in_utc(outline, trigger)[0] if trigger.kind == "schedule" else ""
        if cron:
            only: Value = {"include": [outline.repository.branch]}
            found.append({"cron": cron, "displayName": trigger.name, "branches": only, "always": "true"})
    return {"schedules": found} if found else {}


def _job(outline: Outline, job: Job) -> dict[str, Value]:
    name = job.name.replace("-", "_")
    head: dict[str, Value] = {"deployment": name} if job.environment else {"job": name}
    head |= {"displayName": job.name, "condition": f"and(succeeded(), {_condition(job.trigger)})"}
    if job.needs:
        head["dependsOn"] = [need.replace("-", "_") for need in job.needs]
    steps = _steps(outline, job)
    matrix: dict[str, Value] = {}
    if job.elements:
        rows = {re.sub(r"\W+", "_", one).strip("_"): {ELEMENT: one} for one in job.elements}
        if len(rows) < len(job.elements):
            rows = {f"element_{number}": {ELEMENT: one} for number, one in enumerate(job.elements)}
        matrix = {"matrix": rows}
    if not job.environment:
        return head | ({"strategy": matrix} if matrix else {}) | {"steps": steps}
    strategy: dict[str, Value] = {"runOnce": {"deploy": {"steps": steps}}}
    return head | {"environment": job.environment, "strategy": strategy}


def _condition(trigger: Trigger) -> str:
    match trigger.kind:
        case "pull_request":
            return "eq(variables['Build.Reason'], 'PullRequest')"
        case "schedule":
            name = f"eq(variables['Build.CronSchedule.DisplayName'], '{trigger.name}')"
            return f"and(eq(variables['Build.Reason'], 'Schedule'), {name})"
        case _:
            place = "refs/heads/" if trigger.kind == "push" else "refs/tags/"
            refs = [_is(place, one) for one in trigger.patterns]
            matched = refs[0] if len(refs) == 1 else f"or({', '.join(refs)})"
            return f"and(in(variables['Build.Reason'], 'IndividualCI', 'BatchedCI'), {matched})"


def _is(place: str, pattern: str) -> str:
    if pattern.endswith("*"):
        return f"startsWith(variables['Build.SourceBranch'], '{place}{pattern[:-1]}')"
    return f"eq(variables['Build.SourceBranch'], '{place}{pattern}')"


def _steps(outline: Outline, job: Job) -> list[Value]:
    repository = outline.repository
    trust = "trusted" if is_trusted(job) else "pull-request"
    locks = [path_in(repository, lock) for lock in repository.locks]
    prefix = ["legato", trust, '"$(Agent.OS)"']
    environment_key = " | ".join([f'"{prefix[0]}-{prefix[1]}"', prefix[2], *(locks or ['"0"'])])
    steps: list[Value] = [
        {"checkout": "self"},
        {
            "task": "Cache@2",
            "displayName": "Cache of packages",
            "inputs": {"key": environment_key, "path": path_in(repository, f"{PLACE}/cache")},
        },
    ]
    if not repository.remote:
        state = f'"legato-state-{trust}-{job.trigger.name}"'
        steps.append(
            {
                "task": "Cache@2",
                "displayName": "Cache of results",
                "inputs": {
                    "key": f'{state} | "$(Build.BuildId)"',
                    "restoreKeys": state,
                    "path": path_in(repository, STATE),
                },
            }
        )
    run: dict[str, Value] = {
        "bash": "\n".join(run_lines(outline, job)),
        "displayName": f"Run {job.trigger.name}",
    }
    secrets = secrets_of(outline, job, tokens=False)
    if secrets:
        run["env"] = {name: f"$({name})" for name in secrets}
    report: dict[str, Value] = {
        "task": "PublishTestResults@2",
        "displayName": "Publish results",
        "condition": "succeededOrFailed()",
        "inputs": {
            "testResultsFormat": "JUnit",
            "testResultsFiles": path_in(repository, JUNIT),
            "testRunTitle": job.name,
        },
    }
    install: Value = {"bash": "\n".join(install_lines(repository)), "displayName": "Install"}
    return [*steps, install, run, report]
