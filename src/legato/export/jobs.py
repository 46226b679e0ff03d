"""What a CI service is to run, in no service's words yet: the jobs of a pipeline's triggers.

Rule: a job names its trigger and what part of it is meant, nothing of the steps' code.
"""

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from legato.domain.elements import element_name, shown_key, split_target
from legato.domain.errors import ConfigurationError
from legato.domain.graph import Coordinate, Graph, Node, Struct, Trigger

LAYOUTS: Final = ("job", "stages")
_JOBS: Final = frozenset({"step", "command", "register", "deploy"})
"""Kinds that are worth a job of their own; the others run with what needs them."""
_ACTING: Final = frozenset({"register", "deploy"})
_MOST_ELEMENTS: Final = 100


class Repository(Struct, frozen=True, kw_only=True):
    """What an exporter has to know beside the graph.

    Attributes:
        folder: Of the project, relative to the repository; empty where they are one.
        install: Shell lines that make `.legato-ci/venv` with Legato in it.
        locks: Files whose change means another environment.
        remote: Scheme of the shared store (`s3`, `gs`, `az`, `folder`); empty where there is none.
        ledger: Scheme of a ledger of its own (`postgresql`); empty where there is none.
        branch: Where schedules run.
        approvals: By environment: how many people have to agree first.
        offsets: By time zone: minutes that its winter is ahead of UTC, and whether it has a summer time.
        command: As it was typed, to be typed again.
        member: The pipeline below the project that is meant; empty for its own.
        notes: What people should know of the repository.
    """

    install: tuple[str, ...]
    command: str
    folder: str = ""
    locks: tuple[str, ...] = ()
    remote: str = ""
    ledger: str = ""
    branch: str = "main"
    approvals: Mapping[str, int] = {}
    offsets: Mapping[str, tuple[int, bool]] = {}
    member: str = ""
    notes: tuple[str, ...] = ()


class Job(Struct, frozen=True, kw_only=True):
    """One job.

    Attributes:
        name: Unlike that of any other; letters, digits and `-`.
        targets: The part of the trigger's run that is meant; empty for all of it.
        elements: Where each element of a fanned-out step is a job: their names.
        needs: Jobs that must have succeeded.
        secrets: Variables that only trusted runs get.
        variables: Other variables that steps see.
        acts: Whether it may have effects in the trigger's environment.
        first: Whether it is the first of its trigger that does, which is when people are asked.
    """

    name: str
    trigger: Trigger
    targets: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    acts: bool = False
    first: bool = False

    @property
    def environment(self) -> str:
        """The environment that the service should know of; empty for none."""
        return self.trigger.environment if self.acts and self.trigger.environment != "local" else ""


class Outline(Struct, frozen=True, kw_only=True):
    """All jobs of a pipeline, in an order in which each follows what it needs; notes are for people."""

    jobs: tuple[Job, ...]
    repository: Repository
    notes: tuple[str, ...] = ()


def outline(graph: Graph, repository: Repository, layout: str = "job") -> Outline:
    """Return the jobs of a graph's triggers.

    Args:
        graph: A whole pipeline with its triggers.
        repository: What is around it.
        layout: `job`: one a trigger; `stages`: one a chain of steps, sharing results by the remote.

    Raises:
        ConfigurationError: There is no trigger, or stages would have nothing to share results by.
    """
    if not graph.triggers:
        raise ConfigurationError(
            "the pipeline has no triggers, so nothing would ever start a run",
            hint='write triggers = [lg.on_push("main", run=…), lg.on_pull_request(run=…)] into it',
        )
    if layout == "stages" and not repository.remote:
        raise ConfigurationError(
            "the jobs of --layout stages share results by a remote, and none is configured",
            hint='write [store] remote = "s3://…" into legato.toml, or leave --layout out',
        )
    notes = list(repository.notes)
    jobs: list[Job] = []
    for trigger in graph.triggers:
        part = _Part(graph, trigger)
        jobs += part.whole() if layout == "job" else part.stages(notes)
    return Outline(jobs=_named(jobs), repository=repository, notes=tuple(notes))


def _named(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """Return jobs whose names every service takes, no two alike."""
    new: dict[str, str] = {}
    for job in jobs:
        name = re.sub(r"[^a-z0-9]+", "-", job.name.lower()).strip("-") or "run"
        name = name if name[0].isalpha() else f"run-{name}"
        free = next(
            one
            for one in itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
            if one not in new.values()
        )
        new[job.name] = free
    return tuple(
        msgspec.structs.replace(job, name=new[job.name], needs=tuple(new[need] for need in job.needs))
        for job in jobs
    )


class _Part:
    """The part of a graph that a trigger runs."""

    def __init__(self, graph: Graph, trigger: Trigger) -> None:
        self._trigger = trigger
        self._nodes = {node.name: node for node in graph.nodes if node.wanted}
        makers = graph.makers()
        self._needs = {name: _needs(node, makers) & self._nodes.keys() for name, node in self._nodes.items()}
        bases = [split_target(target)[0] for target in trigger.targets]
        kept = self._below({makers.get(base, base) for base in bases})
        kept |= {
            node.name
            for node in graph.nodes
            if node.kind == "check" and node.inputs and self._needs.get(node.name, {""}) <= kept
        }
        self._kept = [name for name in self._nodes if name in kept]

    def _below(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        waiting = [name for name in names if name in self._nodes]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self._needs[name]
        return found

    def whole(self) -> list[Job]:
        """Return one job for all."""
        return _with_first([self._job(self._trigger.name, (), self._kept)])

    def stages(self, notes: list[str]) -> list[Job]:
        """Return one job for each chain of steps that nothing branches off from."""
        before = {name: self._before(name) for name in self._kept if self._nodes[name].kind in _JOBS}
        reduced = _reduced(before)
        chains = _chains(reduced, self._nodes)
        found = []
        for head, chain in chains.items():
            elements = self._elements(head, notes)
            needs = {_head(chains, need) for name in chain for need in reduced[name]} - {head}
            job = self._job(f"{self._trigger.name}-{head}", (head,), self._below([head]), chain=chain)
            found.append(
                msgspec.structs.replace(
                    job,
                    targets=() if elements else (head,),
                    elements=elements,
                    needs=tuple(f"{self._trigger.name}-{need}" for need in chains if need in needs),
                )
            )
        return _with_first([*found, *self._left(chains)])

    def _before(self, name: str) -> set[str]:
        """Return the jobs that a node needs, seen through the nodes that are none."""
        found: set[str] = set()
        waiting = list(self._needs[name])
        seen: set[str] = set()
        while waiting:
            need = waiting.pop()
            if need in seen:
                continue
            seen.add(need)
            if self._nodes[need].kind in _JOBS:
                found.add(need)
            else:
                waiting += self._needs[need]
        return found

    def _left(self, chains: Mapping[str, list[str]]) -> list[Job]:
        """Return a job for each thing that would run with none of the chains."""
        covered = [self._below([head]) for head in chains]
        ends = [name for name in self._kept if not any(name in self._needs[other] for other in self._kept)]
        found = []
        for name in ends:
            node = self._nodes[name]
            inside = any(
                name in below or (node.kind == "check" and self._needs[name] <= below) for below in covered
            )
            if not inside:
                needs = {_head(chains, need) for need in self._before(name)}
                job = self._job(f"{self._trigger.name}-{name}", (name,), self._below([name]), chain=(name,))
                ordered = tuple(f"{self._trigger.name}-{need}" for need in chains if need in needs)
                found.append(msgspec.structs.replace(job, needs=ordered))
        return found

    def _elements(self, name: str, notes: list[str]) -> tuple[str, ...]:
        axes = self._nodes[name].axes
        if not axes or any(axis.source for axis in axes):
            return ()
        spots = itertools.product(
            *(
                [Coordinate(axis=axis.name, key=one.key, shown=shown_key(one.key)) for one in axis.values]
                for axis in axes
            )
        )
        found = tuple(element_name(name, spot) for spot in spots)
        if len(found) > _MOST_ELEMENTS:
            notes.append(f"{name} has {len(found)} elements: they run in one job, in parallel on its machine")
            return ()
        return found

    def _job(
        self, name: str, targets: tuple[str, ...], names: Iterable[str], *, chain: Iterable[str] | None = None
    ) -> Job:
        nodes = [self._nodes[one] for one in sorted(names)]
        acting = nodes if chain is None else [self._nodes[one] for one in chain]
        secrets = sorted({secret for node in nodes for secret in node.words.secrets})
        variables = sorted({variable for node in nodes for variable in node.words.env} - set(secrets))
        return Job(
            name=name,
            trigger=self._trigger,
            targets=targets,
            secrets=tuple(secrets),
            variables=tuple(variables),
            acts=chain is None or any(map(_acts, acting)),
        )


def _with_first(jobs: list[Job]) -> list[Job]:
    """Return jobs with a mark on those that act before any other that they need does."""
    behind: set[str] = set()
    found = []
    for job in jobs:
        waits = any(need in behind for need in job.needs)
        found.append(msgspec.structs.replace(job, first=job.acts and not waits))
        if job.acts or waits:
            behind.add(job.name)
    return found


def _reduced(before: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return needs without those that another need has anyway."""
    far: dict[str, set[str]] = {}
    for name, needs in before.items():  # each follows what it needs
        far[name] = set().union(*(far[need] for need in needs), needs)
    return {
        name: {need for need in needs if not any(need in far[other] for other in needs)}
        for name, needs in before.items()
    }


def _needs(node: Node, makers: Mapping[str, str]) -> set[str]:
    taken = {makers[one.artifact] for one in node.inputs if one.artifact in makers}
    condition = {makers[node.when]} if node.when in makers else set()
    return taken | condition | set(node.after)


def _chains(before: Mapping[str, set[str]], nodes: Mapping[str, Node]) -> dict[str, list[str]]:
    """Return, by its last step, each chain: steps of which each is all that the next needs, and needed by no other."""
    takers: dict[str, list[str]] = {name: [] for name in before}
    for name, needs in before.items():
        for need in needs:
            takers[need].append(name)
    chains: dict[str, list[str]] = {}
    for name, needs in before.items():
        (only,) = needs if len(needs) == 1 else ("",)
        together = only in chains and takers[only] == [name] and _alike(nodes[only], nodes[name])
        chains[name] = [*(chains.pop(only) if together else ()), name]
    return chains


def _alike(one: Node, other: Node) -> bool:
    return _place_of(one) == _place_of(other)


def _place_of(node: Node) -> tuple[object, ...]:
    return node.axes, node.words.gpus, node.words.pool, _acts(node)


def _acts(node: Node) -> bool:
    return node.kind in _ACTING or node.words.effect


def _head(chains: Mapping[str, list[str]], name: str) -> str:
    return next(head for head, chain in chains.items() if name in chain)
