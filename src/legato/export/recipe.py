"""The shell lines of a job, alike on every service: make the environment, run the trigger.

Rule: nothing that a stranger can choose (a branch, a title, an author) is part of a line.
"""

import shlex
from collections.abc import Sequence
from typing import Final

from legato.domain.graph import Struct
from legato.export.jobs import Job, Outline, Repository
from legato.export.pins import UV, UV_HASHES

PLACE: Final = ".legato-ci"
"""Where a job keeps its own environment and reports, hidden from git."""

JUNIT: Final = f"{PLACE}/junit.xml"
ELEMENT: Final = "LEGATO_ELEMENT"
"""The variable that says which element of a fanned-out step a job is for."""

REPORT: Final[tuple[str, ...]] = ()
"""Lines that show a report on the service's page once a command writes one."""

STATE: Final = ".legato"
CLOUD_SECRETS: Final = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "gs": ("GOOGLE_SERVICE_ACCOUNT_KEY",),
    "az": ("AZURE_STORAGE_ACCOUNT_KEY",),
}
"""Lasting credentials, for services that have no tokens of their own, or clouds that Legato has no tokens for."""


class Federation(Struct, frozen=True, kw_only=True):
    """How a cloud takes a service's own token instead of a secret.

    Attributes:
        audience: For whom the token is made out.
        file: The variable that names the file that holds it.
        asked: The variable without which no token is asked for.
        variables: By variable of the cloud: the variable of the service that holds it for trusted runs. For pull
            requests its name ends in `_PULL_REQUESTS`.
        shared: Variables that are the same for all runs.
    """

    audience: str
    file: str
    asked: str
    variables: tuple[tuple[str, str], ...]
    shared: tuple[str, ...]


FEDERATIONS: Final = {
    "s3": Federation(
        audience="sts.amazonaws.com",
        file="AWS_WEB_IDENTITY_TOKEN_FILE",
        asked="AWS_ROLE_ARN",
        variables=(("AWS_ROLE_ARN", "LEGATO_AWS_ROLE"),),
        shared=("AWS_REGION",),
    ),
    "az": Federation(
        audience="api://AzureADTokenExchange",
        file="AZURE_FEDERATED_TOKEN_FILE",
        asked="AZURE_CLIENT_ID",
        variables=(("AZURE_CLIENT_ID", "LEGATO_AZURE_CLIENT"),),
        shared=("AZURE_TENANT_ID", "AZURE_STORAGE_ACCOUNT_NAME"),
    ),
}


def install_lines(repository: Repository) -> list[str]:
    """Return the lines that make the job's environment."""
    hashes = " ".join(f"--hash=sha256:{digest}" for digest in UV_HASHES)
    return [
        *_entered(repository),
        f"mkdir -p {PLACE}",
        f"echo '*' > {PLACE}/.gitignore",
        f"python3 -m venv {PLACE}/uv",
        f"echo 'uv=={UV} {hashes}' > {PLACE}/uv.txt",
        f"{PLACE}/uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r {PLACE}/uv.txt",
        f'export PATH="$PWD/{PLACE}/uv/bin:$PATH" UV_CACHE_DIR="$PWD/{PLACE}/cache"',
        *repository.install,
    ]


def run_lines(outline: Outline, job: Job, *, token: str = "") -> list[str]:
    """Return the lines that run a job.

    Args:
        outline: The job's.
        job: Which one.
        token: The command that prints a token for the cloud; empty where the service has none.
    """
    federation = FEDERATIONS.get(outline.repository.remote)
    lines = _entered(outline.repository)
    if token and federation is not None:
        lines += [
            f'if [ -n "${{{federation.asked}:-}}" ]; then',
            "  umask 077",
            f"  {token} > {PLACE}/token",
            f'  export {federation.file}="$PWD/{PLACE}/token"',
            "fi",
        ]
    member = f"{outline.repository.member}:" if outline.repository.member else ""
    named = [f"{member}{target}" for target in job.targets] or ([member] if member else [])
    targets = [f'{member}"${ELEMENT}"'] if job.elements else [shlex.quote(target) for target in named]
    words = [f"{PLACE}/venv/bin/legato", "run", "--for", job.trigger.name, "--junit", JUNIT, *targets]
    return [*lines, " ".join(words), *REPORT]


def _entered(repository: Repository) -> list[str]:
    return ["set -eu", *([f"cd {shlex.quote(repository.folder)}"] if repository.folder else ())]


def path_in(repository: Repository, path: str) -> str:
    """Return a path of the project as one of the repository."""
    return f"{repository.folder}/{path}" if repository.folder else path


def is_trusted(job: Job) -> bool:
    """Say whether a job runs only what people with write access have pushed."""
    return job.trigger.kind != "pull_request"


def secrets_of(outline: Outline, job: Job, *, tokens: bool) -> tuple[str, ...]:
    """Return the secrets that a job gets: its steps', the ledger's password, and the cloud's where no token serves."""
    if not is_trusted(job):
        return ()
    remote = outline.repository.remote
    cloud = () if tokens and remote in FEDERATIONS else CLOUD_SECRETS.get(remote, ())
    ledger = ("PGPASSWORD",) if outline.repository.ledger else ()
    return tuple(dict.fromkeys((*job.secrets, *cloud, *ledger)))


def header(outline: Outline, notes: Sequence[str]) -> list[str]:
    """Return the comment that an exported file begins with."""
    told = [f"- {note}" for note in notes]
    return [
        "Written by Legato from the triggers of the pipeline; do not edit, write it again:",
        f"    {outline.repository.command}",
        "`legato ci check` says when that is needed; editing a step never makes it so.",
        *(["", "What this service is not told by this file:", *told] if told else ()),
    ]


def secret_notes(outline: Outline, *, where: str, tokens: bool) -> list[str]:
    """Return what people have to set up: secrets, and what pull requests do without."""
    notes = []
    named = sorted({name for job in outline.jobs for name in secrets_of(outline, job, tokens=tokens)})
    if named:
        notes.append(f"secrets it takes from {where}: {', '.join(named)}")
    without = sorted({name for job in outline.jobs if not is_trusted(job) for name in job.secrets})
    if without:
        notes.append(f"pull requests get no secrets; steps that need {', '.join(without)} fail there")
    federation = FEDERATIONS.get(outline.repository.remote)
    if tokens and federation is not None:
        names = [name for _, name in federation.variables]
        names += [f"{name}_PULL_REQUESTS" for name in names]
        notes.append(
            f"the remote is opened by a token of this service; set the variables {', '.join(names)}, "
            f"{', '.join(federation.shared)}"
        )
    return notes


def watched_notes(outline: Outline, how: str = "") -> list[str]:
    """Return what is said of triggers that no CI service has an event for."""
    notes = []
    for trigger in dict.fromkeys(job.trigger.name for job in outline.jobs):
        found = next(job.trigger for job in outline.jobs if job.trigger.name == trigger)
        if found.kind in {"drift", "new_data"}:
            what = "drift of an endpoint" if found.kind == "drift" else "new data"
            by_hand = how.format(name=trigger) if how else f"run it by hand: legato run --for {trigger}"
            notes.append(
                f"no event of this service tells of {what}, so {trigger} does not start by itself; {by_hand}"
            )
    return notes


def approval_notes(outline: Outline, where: str) -> list[str]:
    """Return what people have to set up for environments that need approval."""
    environments = sorted({job.environment for job in outline.jobs if job.environment})
    return [
        f"{outline.repository.approvals[name]} of the approvers of {name} have to agree: say who they are in {where}"
        for name in environments
        if outline.repository.approvals.get(name)
    ]
