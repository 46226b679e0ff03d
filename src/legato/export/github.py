"""Prints jobs as a workflow of GitHub Actions.

Rule: `${{ }}` stands in `with`, `env`, `if` and the like, never in a line that a shell reads.
"""

from collections.abc import Iterable
from typing import Final

from legato.domain.graph import Trigger
from legato.export.jobs import Job, Outline
from legato.export.pins import CACHE, CHECKOUT, GITHUB_RUNNER, UPLOAD
from legato.export.printing import Noted, Value, to_yaml
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
    secrets_of,
    watched_notes,
)
from legato.export.schedules import in_utc

PATH: Final = ".github/workflows/legato.yml"
_BY_HAND: Final = frozenset({"schedule", "drift", "new_data"})
_ASK: Final = (
    'curl --silent --show-error --fail --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" '
    '"$ACTIONS_ID_TOKEN_REQUEST_URL&audience={audience}" '
    '| python3 -c \'import json, sys; print(json.load(sys.stdin)["value"], end="")\''
)


def github(outline: Outline) -> tuple[str, list[str]]:
    """Return the file's text, and notes on what it cannot say."""
    notes = [*outline.notes, *_schedule_notes(outline)]
    if _releases(outline):
        notes.append(
            "tags or branches here are releases, so nothing is kept in this service's cache, which others could fill"
        )
    notes += watched_notes(
        outline, "start it from the page Actions, or by `gh workflow run legato.yml -f trigger={name}`"
    )
    notes += approval_notes(outline, "Settings, Environments")
    notes += secret_notes(outline, where="Settings, Secrets and variables, Actions", tokens=True)
    tree: dict[str, Value] = {
        "name": "legato",
        "on": _events(outline),
        "permissions": {},
        "concurrency": {
            "group": "legato-${{ github.event_name }}-${{ github.ref }}",
            "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
        },
        "jobs": {job.name: _job(outline, job) for job in outline.jobs},
    }
    return to_yaml(tree, header(outline, notes)), notes


def _triggers(outline: Outline) -> list[Trigger]:
    return list({job.trigger.name: job.trigger for job in outline.jobs}.values())


def _schedule_notes(outline: Outline) -> list[str]:
    found = [in_utc(outline, trigger)[1] for trigger in _triggers(outline) if trigger.kind == "schedule"]
    return [note for note in found if note]


def _events(outline: Outline) -> dict[str, Value]:
    triggers = _triggers(outline)
    events: dict[str, Value] = {}
    if any(trigger.kind == "pull_request" for trigger in triggers):
        events["pull_request"] = {}
    push: dict[str, Value] = {}
    for word, kind in (("branches", "push"), ("tags", "tag")):
        patterns = [_glob(one) for trigger in triggers if trigger.kind == kind for one in trigger.patterns]
        if patterns:
            push[word] = list(dict.fromkeys(patterns))
    if push:
        events["push"] = push
    crons = [in_utc(outline, trigger)[0] for trigger in triggers if trigger.kind == "schedule"]
    if any(crons):
        events["schedule"] = [{"cron": cron} for cron in dict.fromkeys(crons) if cron]
    by_hand = [trigger.name for trigger in triggers if trigger.kind in _BY_HAND]
    if by_hand:
        events["workflow_dispatch"] = {
            "inputs": {
                "trigger": {
                    "description": "What to run",
                    "required": True,
                    "type": "choice",
                    "options": by_hand,
                }
            }
        }
    return events


def _glob(pattern: str) -> str:
    """Return a pattern whose star also stands for `/`, as ours does."""
    return pattern[:-1] + "**" if pattern.endswith("*") else pattern


def _condition(outline: Outline, trigger: Trigger) -> str:
    match trigger.kind:
        case "pull_request":
            return "github.event_name == 'pull_request'"
        case "push" | "tag":
            place = "refs/heads/" if trigger.kind == "push" else "refs/tags/"
            return f"github.event_name == 'push' && {_any(_is(place, one) for one in trigger.patterns)}"
        case _:
            by_hand = f"github.event_name == 'workflow_dispatch' && inputs.trigger == '{trigger.name}'"
            cron = in_utc(outline, trigger)[0] if trigger.kind == "schedule" else ""
            if not cron:
                return by_hand
            return f"(github.event_name == 'schedule' && github.event.schedule == '{cron}') || ({by_hand})"


def _is(place: str, pattern: str) -> str:
    if pattern.endswith("*"):
        return f"startsWith(github.ref, '{place}{pattern[:-1]}')"
    return f"github.ref == '{place}{pattern}'"


def _any(conditions: Iterable[str]) -> str:
    found = list(conditions)
    return found[0] if len(found) == 1 else f"({' || '.join(found)})"


def _job(outline: Outline, job: Job) -> dict[str, Value]:
    permissions: dict[str, Value] = {"contents": "read"}
    if outline.repository.remote in FEDERATIONS:
        permissions["id-token"] = Noted("write", "asks for a token that opens the remote")
    found: dict[str, Value] = {"name": job.name, "if": _condition(outline, job.trigger)}
    if job.needs:
        found["needs"] = list(job.needs)
    found |= {"runs-on": GITHUB_RUNNER, "permissions": permissions}
    if job.environment:
        found["environment"] = job.environment
    if job.elements:
        found["strategy"] = {"fail-fast": False, "matrix": {"element": list(job.elements)}}
    return found | {"steps": _steps(outline, job)}


def _steps(outline: Outline, job: Job) -> list[Value]:
    repository = outline.repository
    steps: list[Value] = [{"uses": Noted(*CHECKOUT), "with": {"persist-credentials": False}}]
    if not _releases(outline):
        steps.append({"name": "Cache", "uses": Noted(*CACHE), "with": _cache(outline, job)})
    steps.append({"name": "Install", "run": "\n".join(install_lines(repository))})
    federation = FEDERATIONS.get(repository.remote)
    token = _ASK.format(audience=federation.audience) if federation else ""
    run: dict[str, Value] = {"name": f"Run {job.trigger.name}"}
    variables = _variables(outline, job)
    if variables:
        run["env"] = variables
    run["run"] = "\n".join(run_lines(outline, job, token=token))
    name = f"legato-{job.name}" + ("-${{ strategy.job-index }}" if job.elements else "")
    keep: dict[str, Value] = {
        "name": "Keep reports",
        "if": "always()",
        "uses": Noted(*UPLOAD),
        "with": {
            "name": name,
            "path": path_in(repository, JUNIT),
            "include-hidden-files": True,
            "if-no-files-found": "ignore",
            "retention-days": 14,
        },
    }
    return [*steps, run, keep]


def _releases(outline: Outline) -> bool:
    """Say whether tags or release branches start runs: those rest on no cache that others could have filled."""
    return any(
        job.trigger.kind == "tag" or any(pattern.startswith("release") for pattern in job.trigger.patterns)
        for job in outline.jobs
    )


def _cache(outline: Outline, job: Job) -> dict[str, Value]:
    """Return what is kept from job to job; what pull requests keep, others do not read."""
    repository = outline.repository
    trust = "trusted" if is_trusted(job) else "pull-request"
    locks = ", ".join(f"'{path_in(repository, lock)}'" for lock in repository.locks)
    environment = f"${{{{ hashFiles({locks}) }}}}" if locks else "0"
    prefix = f"legato-{trust}-${{{{ runner.os }}}}-{environment}-"
    paths = [path_in(repository, f"{PLACE}/cache")]
    key = prefix + "0"
    if not repository.remote:
        paths.append(path_in(repository, STATE))
        key = prefix + f"{job.trigger.name}-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}"
    return {"path": "\n".join(paths) if len(paths) > 1 else paths[0], "key": key, "restore-keys": prefix}


def _variables(outline: Outline, job: Job) -> dict[str, Value]:
    found: dict[str, Value] = {name: f"${{{{ vars.{name} }}}}" for name in job.variables}
    found |= {name: f"${{{{ secrets.{name} }}}}" for name in secrets_of(outline, job, tokens=True)}
    if job.elements:
        found[ELEMENT] = "${{ matrix.element }}"
    federation = FEDERATIONS.get(outline.repository.remote)
    if federation is not None:
        suffix = "" if is_trusted(job) else "_PULL_REQUESTS"
        found |= {name: f"${{{{ vars.{of}{suffix} }}}}" for name, of in federation.variables}
        found |= {name: f"${{{{ vars.{name} }}}}" for name in federation.shared}
    return found
