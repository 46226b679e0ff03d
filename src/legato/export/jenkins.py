"""Prints jobs as a declarative Jenkinsfile of a multibranch pipeline.

Rule: shell lines stand between single quotes, where Groovy fills in nothing.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from legato.domain.graph import Trigger
from legato.domain.triggers import parse_cron, show_cron
from legato.export.jobs import Job, Outline
from legato.export.recipe import (
    ELEMENT,
    JUNIT,
    header,
    install_lines,
    path_in,
    run_lines,
    secret_notes,
    secrets_of,
    watched_notes,
)

PATH: Final = "Jenkinsfile"


def jenkins(outline: Outline) -> tuple[str, list[str]]:
    """Return the file's text, and notes on what it cannot say."""
    notes = [*outline.notes, *_notes(outline), *watched_notes(outline)]
    notes += secret_notes(outline, where="Credentials, as secret texts of that id", tokens=False)
    jobs = [job for job in outline.jobs if job.trigger.kind not in {"drift", "new_data"}]
    lines = [f"// {line}".rstrip() for line in header(outline, notes)]
    lines += ["", "pipeline {", "    agent any"]
    lines += _indented(_options(outline), 1)
    lines += ["    stages {"]
    for job in jobs:
        lines += _indented(_stage(outline, job), 2)
    lines += ["    }", "}"]
    return "\n".join(lines) + "\n", notes


def _schedules(outline: Outline) -> list[Trigger]:
    found = {job.trigger.name: job.trigger for job in outline.jobs if job.trigger.kind == "schedule"}
    return list(found.values())


def _notes(outline: Outline) -> list[str]:
    notes = [
        "agents need git and a Python 3.11 or newer with venv; results are kept in the workspace of each branch"
    ]
    if len(_schedules(outline)) > 1:
        names = ", ".join(trigger.name for trigger in _schedules(outline))
        notes.append(f"this service does not tell which of its times has come: at each one it runs {names}")
    if any(job.needs for job in outline.jobs):
        notes.append("stages run one after the other")
    environments = sorted({job.environment for job in outline.jobs if job.environment})
    notes += [
        f"one approval is asked for in {name}; {outline.repository.approvals[name]} are needed: ask the others first"
        for name in environments
        if outline.repository.approvals.get(name, 0) > 1
    ]
    return notes


def _options(outline: Outline) -> Iterator[str]:
    yield "options {"
    yield "    disableConcurrentBuilds()"
    yield "}"
    schedules = _schedules(outline)
    if schedules:
        lines = [line for one in schedules for line in (f"TZ={one.tz}", show_cron(parse_cron(one.cron)))]
        branch = _quoted(outline.repository.branch)
        yield "triggers {"
        times = f"[{', '.join(map(_quoted, lines))}].join('\\n')"
        yield f"    cron(env.BRANCH_NAME == {branch} ? {times} : '')"
        yield "}"


def _stage(outline: Outline, job: Job) -> Iterator[str]:
    yield f"stage({_quoted(job.name)}) {{"
    yield from _indented(_when(outline, job.trigger), 1)
    if job.first and job.environment and outline.repository.approvals.get(job.environment):
        yield "    input {"
        yield f"        message {_quoted(f'Run {job.trigger.name} in {job.environment}?')}"
        yield "    }"
    secrets = secrets_of(outline, job, tokens=False)
    if secrets:
        yield "    environment {"
        yield from (f"        {name} = credentials({_quoted(name)})" for name in secrets)
        yield "    }"
    if job.elements:
        yield from _indented(_matrix(outline, job), 1)
    else:
        yield from _indented(_steps(outline, job), 1)
    yield "}"


def _matrix(outline: Outline, job: Job) -> Iterator[str]:
    yield "matrix {"
    yield "    axes {"
    yield "        axis {"
    yield f"            name {_quoted(ELEMENT)}"
    yield f"            values {', '.join(map(_quoted, job.elements))}"
    yield "        }"
    yield "    }"
    yield "    stages {"
    yield f"        stage({_quoted('element')}) {{"
    yield from _indented(_steps(outline, job), 3)
    yield "        }"
    yield "    }"
    yield "}"


def _steps(outline: Outline, job: Job) -> Iterator[str]:
    yield "steps {"
    yield from _shell(install_lines(outline.repository))
    yield from _shell(run_lines(outline, job))
    yield "}"
    yield "post {"
    yield "    always {"
    yield f"        junit allowEmptyResults: true, testResults: {_quoted(path_in(outline.repository, JUNIT))}"
    yield "    }"
    yield "}"


def _shell(lines: Iterable[str]) -> Iterator[str]:
    yield "    sh '''"
    yield from ("        " + line.replace("\\", "\\\\").replace("'''", "\\'\\'\\'") for line in lines)
    yield "    '''"


def _when(outline: Outline, trigger: Trigger) -> Iterator[str]:
    yield "when {"
    match trigger.kind:
        case "pull_request":
            yield "    changeRequest()"
        case "tag":
            yield from _any_of(_named("tag", one) for one in trigger.patterns)
        case "push":
            yield "    not { changeRequest() }"
            yield "    not { triggeredBy 'TimerTrigger' }"
            yield "    not { buildingTag() }"
            yield from _any_of(_named("branch", one) for one in trigger.patterns)
        case _:
            yield f"    branch {_quoted(outline.repository.branch)}"
            yield "    triggeredBy 'TimerTrigger'"
    yield "}"


def _any_of(conditions: Iterable[str]) -> Iterator[str]:
    yield "    anyOf {"
    yield from (f"        {one}" for one in conditions)
    yield "    }"


def _named(what: str, pattern: str) -> str:
    if not pattern.endswith("*"):
        return f"{what} {_quoted(pattern)}"
    return f"{what} pattern: {_quoted(re.escape(pattern[:-1]) + '.*')}, comparator: 'REGEXP'"


def _quoted(text: str) -> str:
    return f"'{_escaped(text)}'"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _indented(lines: Iterable[str], depth: int) -> Iterator[str]:
    return (f"{'    ' * depth}{line}" if line else "" for line in lines)
