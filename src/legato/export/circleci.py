"""Prints jobs as a configuration of CircleCI.

Rule: a value that a stranger can choose stands in no line that a shell reads.
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
    header,
    install_lines,
    is_trusted,
    path_in,
    run_lines,
    secret_notes,
    watched_notes,
)
from legato.export.schedules import in_utc

PATH: Final = ".circleci/config.yml"


def circleci(outline: Outline) -> tuple[str, list[str]]:
    """Return the file's text, and notes on what it cannot say."""
    notes = [*outline.notes, *_notes(outline), *watched_notes(outline)]
    notes += secret_notes(outline, where="Project Settings, Environment Variables", tokens=True)
    kinds = {"drift", "new_data"}
    jobs = [job for job in outline.jobs if job.trigger.kind not in kinds]
    workflows = {
        job.trigger.name: _workflow(outline, job.trigger, [one for one in jobs if one.trigger == job.trigger])
        for job in jobs
        if job.trigger.kind != "schedule" or in_utc(outline, job.trigger, steps=False)[0]
    }
    used = [job for job in jobs if job.trigger.name in workflows]
    tree: dict[str, Value] = {
        "version": 2.1,
        "jobs": {job.name: _job(outline, job) for job in used},
        "workflows": workflows,
    }
    return to_yaml(tree, header(outline, notes)), notes


def _notes(outline: Outline) -> list[str]:
    triggers = {job.trigger.name: job.trigger for job in outline.jobs}.values()
    notes = [in_utc(outline, one, steps=False)[1] for one in triggers if one.kind == "schedule"]
    if any(trigger.kind == "pull_request" for trigger in triggers):
        notes.append(
            "this service builds branches, not pull requests: what pull requests run is run for every other branch; "
            "turn on Only build pull requests, and leave Build forked pull requests without secrets"
        )
    environments = sorted({job.environment for job in outline.jobs if job.environment})
    for name in environments:
        if outline.repository.approvals.get(name):
            notes.append(
                f"one approval on the workflow's page starts what acts in {name}; say who may give it by "
                f"restricting the context legato-{name}"
            )
        else:
            notes.append(f"what only {name} may know belongs into the context legato-{name}")
    notes.append("turn on Auto-cancel redundant workflows under Project Settings, Advanced")
    return [note for note in notes if note]


def _job(outline: Outline, job: Job) -> dict[str, Value]:
    repository = outline.repository
    federation = FEDERATIONS.get(repository.remote)
    exports: list[str] = []
    token = ""
    if federation is not None:
        token = f'circleci run oidc get --claims \'{{"aud": "{federation.audience}"}}\''
        suffix = "" if is_trusted(job) else "_PULL_REQUESTS"
        exports = [f'export {name}="${{{of}{suffix}:-}}"' for name, of in federation.variables]
    found: dict[str, Value] = {"docker": [{"image": IMAGE}]}
    if job.elements:
        found["parameters"] = {"element": {"type": "string"}}
        found["environment"] = {ELEMENT: "<< parameters.element >>"}
    trust = "trusted" if is_trusted(job) else "pull-request"
    checksums = "-".join(f'{{{{ checksum "{path_in(repository, lock)}" }}}}' for lock in repository.locks)
    keys = {f"legato-{trust}-{checksums or '0'}": f"{PLACE}/cache"}
    if not repository.remote:
        keys[f"legato-state-{trust}-{job.trigger.name}-{{{{ .Revision }}}}"] = STATE
    restore: list[Value] = [{"restore_cache": {"keys": [key, key.rpartition("-")[0] + "-"]}} for key in keys]
    save: list[Value] = [
        {"save_cache": {"key": key, "paths": [path_in(repository, path)]}} for key, path in keys.items()
    ]
    run = run_lines(outline, job, token=token)
    lead = 2 if repository.folder else 1
    junit = path_in(repository, JUNIT)
    found["steps"] = [
        "checkout",
        *restore,
        {"run": {"name": "Install", "command": "\n".join(install_lines(repository))}},
        {
            "run": {
                "name": f"Run {job.trigger.name}",
                "command": "\n".join([*run[:lead], *exports, *run[lead:]]),
                "no_output_timeout": "2h",
            }
        },
        *save,
        {"store_test_results": {"path": junit}},
        {"store_artifacts": {"path": junit, "destination": "junit.xml"}},
    ]
    return found


def _workflow(outline: Outline, trigger: Trigger, jobs: list[Job]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    filters = _filters(outline, trigger)
    if trigger.kind == "schedule":
        cron = in_utc(outline, trigger, steps=False)[0]
        only: Value = {"branches": {"only": [outline.repository.branch]}}
        found["triggers"] = [{"schedule": {"cron": cron, "filters": only}}]
        filters = {}
    listed: list[Value] = []
    for job in jobs:
        needs = list(job.needs)
        approve = bool(job.first and job.environment and outline.repository.approvals.get(job.environment))
        if approve:
            hold: dict[str, Value] = {"type": "approval", **({"requires": list(needs)} if needs else {})}
            name = f"approve-{job.name}"
            listed.append({name: hold | ({"filters": filters} if filters else {})})
            needs = [name]
        entry: dict[str, Value] = {}
        if needs:
            entry["requires"] = needs
        if job.environment:
            entry["context"] = [f"legato-{job.environment}"]
        if filters:
            entry["filters"] = filters
        if job.elements:
            entry["matrix"] = {"parameters": {"element": list(job.elements)}}
        listed.append({job.name: entry} if entry else job.name)
    return found | {"jobs": listed}


def _filters(outline: Outline, trigger: Trigger) -> dict[str, Value]:
    match trigger.kind:
        case "push":
            return {"branches": {"only": [_pattern(one) for one in trigger.patterns]}}
        case "tag":
            return {
                "branches": {"ignore": ["/.*/"]},
                "tags": {"only": [_pattern(one) for one in trigger.patterns]},
            }
        case "pull_request":
            pushed = [
                _pattern(one)
                for other in {job.trigger.name: job.trigger for job in outline.jobs}.values()
                if other.kind == "push"
                for one in other.patterns
                if one != "*"
            ]
            return {"branches": {"ignore": pushed or [outline.repository.branch]}}
        case _:
            return {}


def _pattern(pattern: str) -> str:
    """Return a name, or a pattern as a regular expression between slashes."""
    if pattern.endswith("*"):
        return f"/{re.escape(pattern[:-1])}.*/"
    return pattern
