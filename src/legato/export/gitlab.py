"""Prints jobs as a pipeline of GitLab CI.

Rule: a variable that a stranger can choose stands in no line that a shell reads.
"""

import re
from typing import Final

from legato.domain.graph import Trigger
from legato.export.jobs import Job, Outline
from legato.export.pins import IMAGE
from legato.export.printing import Value, to_yaml
from legato.export.recipe import (
    ELEMENT,
    FEDERATIONS,
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
    watched_notes,
)

PATH: Final = ".gitlab-ci.yml"
CHOICE: Final = "LEGATO_TRIGGER"
_TELL: Final = "printf '%s' \"$LEGATO_ID_TOKEN\""
_MOST_LOCKS: Final = 2
"""Files that a cache's key may be made of."""


def gitlab(outline: Outline) -> tuple[str, list[str]]:
    """Return the file's text, and notes on what it cannot say."""
    notes = [*outline.notes, *_schedule_notes(outline)]
    notes += watched_notes(outline, f"run a pipeline by hand with the variable {CHOICE}={{name}}")
    notes += approval_notes(outline, "Settings, CI/CD, Protected environments")
    notes += secret_notes(outline, where="Settings, CI/CD, Variables (masked and protected)", tokens=True)
    tree: dict[str, Value] = {
        "stages": ["legato"],
        "default": {"image": IMAGE},
        **{job.name: _job(outline, job) for job in outline.jobs},
    }
    return to_yaml(tree, header(outline, notes)), notes


def _schedules(outline: Outline) -> list[Trigger]:
    found = {job.trigger.name: job.trigger for job in outline.jobs if job.trigger.kind == "schedule"}
    return list(found.values())


def _schedule_notes(outline: Outline) -> list[str]:
    schedules = _schedules(outline)
    return [
        f"times are no part of this file: under Build, Pipeline schedules, make one for {trigger.name}: "
        f"{trigger.cron}, {trigger.tz}, of {outline.repository.branch}"
        + (f", with the variable {CHOICE}={trigger.name}" if len(schedules) > 1 else "")
        for trigger in schedules
    ]


def _job(outline: Outline, job: Job) -> dict[str, Value]:
    repository = outline.repository
    federation = FEDERATIONS.get(repository.remote)
    found: dict[str, Value] = {"stage": "legato", "rules": [_rule(outline, job)]}
    found["needs"] = list(job.needs)
    if not is_trusted(job):
        found["interruptible"] = True
    if job.environment:
        found |= {"environment": {"name": job.environment}, "resource_group": f"legato-{job.environment}"}
    if job.elements:
        found["parallel"] = {"matrix": [{ELEMENT: list(job.elements)}]}
    token = ""
    exports: list[str] = []
    if federation is not None:
        found["id_tokens"] = {"LEGATO_ID_TOKEN": {"aud": federation.audience}}
        token = _TELL
        suffix = "" if is_trusted(job) else "_PULL_REQUESTS"
        exports = [f'export {name}="${{{of}{suffix}:-}}"' for name, of in federation.variables]
    lines = [
        *install_lines(repository),
        *exports,
        *_rest(repository.folder, run_lines(outline, job, token=token)),
    ]
    found["script"] = ["\n".join(lines)]
    junit = path_in(repository, JUNIT)
    found["cache"] = _cache(outline, job)
    found["artifacts"] = {
        "when": "always",
        "expire_in": "2 weeks",
        "paths": [junit],
        "reports": {"junit": junit},
    }
    return found


def _rest(folder: str, lines: list[str]) -> list[str]:
    """Return lines without those that the ones before them have run in the same shell."""
    return lines[2 if folder else 1 :]


def _rule(outline: Outline, job: Job) -> dict[str, Value]:
    rule: dict[str, Value] = {"if": _condition(outline, job.trigger)}
    if job.first and job.environment and outline.repository.approvals.get(job.environment):
        rule |= {"when": "manual", "allow_failure": False}
    return rule


def _condition(outline: Outline, trigger: Trigger) -> str:
    match trigger.kind:
        case "pull_request":
            return '$CI_PIPELINE_SOURCE == "merge_request_event"'
        case "push" | "tag":
            name = "$CI_COMMIT_BRANCH" if trigger.kind == "push" else "$CI_COMMIT_TAG"
            matched = " || ".join(_is(name, one) for one in trigger.patterns)
            return f'$CI_PIPELINE_SOURCE == "push" && ({matched})'
        case "schedule" if len(_schedules(outline)) == 1:
            return '$CI_PIPELINE_SOURCE == "schedule"'
        case "schedule":
            return f'$CI_PIPELINE_SOURCE == "schedule" && ${CHOICE} == "{trigger.name}"'
        case _:
            return f'$CI_PIPELINE_SOURCE =~ /^(web|api|trigger)$/ && ${CHOICE} == "{trigger.name}"'


def _is(name: str, pattern: str) -> str:
    if pattern == "*":
        return name
    if pattern.endswith("*"):
        return f"{name} =~ /^{re.escape(pattern[:-1]).replace('/', chr(92) + '/')}/"
    return f'{name} == "{pattern}"'


def _cache(outline: Outline, job: Job) -> list[Value]:
    """Return what is kept from job to job; what merge requests keep, others do not read."""
    repository = outline.repository
    trust = "trusted" if is_trusted(job) else "merge-request"
    key: Value = f"legato-{trust}"
    if repository.locks:
        files = [path_in(repository, lock) for lock in repository.locks[:_MOST_LOCKS]]
        key = {"files": files, "prefix": f"legato-{trust}"}
    found: list[Value] = [{"key": key, "paths": [path_in(repository, f"{PLACE}/cache")]}]
    if not repository.remote:
        found.append(
            {"key": f"legato-state-{trust}-{job.trigger.name}", "paths": [path_in(repository, STATE)]}
        )
    return found
