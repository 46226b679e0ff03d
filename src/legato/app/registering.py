"""Registers what a run trained: the candidate with its lineage and verdicts, and the version where its gates passed.

Rule (law 3): a candidate whose gates did not all pass is recorded with its evidence, and the run fails, unless a person
made a version of it all the same.
"""

from collections.abc import Mapping

import msgspec

from legato.app.kinds import Sources
from legato.app.told import told
from legato.domain.artifacts import Artifact
from legato.domain.errors import MissingError, RunFailedError
from legato.domain.events import CandidateRegistered, Lineage
from legato.domain.graph import Graph, Node
from legato.domain.verdicts import Judgement, Outcome, Verdict
from legato.engine.kinds import Acted, Action, Inputs
from legato.engine.schedule import ancestors
from legato.ledger import Ledger
from legato.registry import deeds, read
from legato.scm import Commit
from legato.store import Store

_JUDGEMENT = msgspec.json.Decoder(Judgement)


class Registrar:
    """What a run asks of the registry.

    Args:
        ledger: Holds the registry's tables.
        store: Holds the judgements.
        graph: The whole pipeline, for a candidate's lineage.
        sources: The fingerprints, for the packages of its lineage.
        environment: Where the run may have effects.
    """

    def __init__(
        self, ledger: Ledger, store: Store, graph: Graph, sources: Sources, *, environment: str, platform: str
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._graph = graph
        self._sources = sources
        self._environment = environment
        self._platform = platform
        self._judged_against: dict[str, int] = {}
        self.commit = Commit()
        self.actor = ""
        self.data: dict[str, str] = {}

    def champion(self, model: str, candidate: Artifact) -> Artifact | None:
        """Return what a candidate is compared with here: the champion, or None where there is none yet.

        A model is not compared with itself: a candidate that is the champion is compared with the one before, as it
        was when it became champion, so that a run in which nothing changed finds nothing to do.
        """
        try:
            version = read.version(self._ledger, f"{model}@champion", self._environment)
        except MissingError:
            self._judged_against[model] = 0
            return None
        self._judged_against[model] = version.number
        if version.artifact.digest != candidate.digest:
            return version.artifact
        moves = read.history(self._ledger, model, "champion", self._environment)
        before = next(move.before for move in reversed(moves) if move.after == version.number)
        return read.version(self._ledger, f"{model}:{before}").artifact if before else None

    def register(self, node: Node, inputs: Inputs, action: Action) -> Acted:
        """Record the candidate; raises RunFailedError where its gates did not all pass and it is no version yet."""
        judgement = _JUDGEMENT.decode(self._store.path(inputs["judgement"].digest).read_bytes())
        model = str(node.detail["model"])
        candidate = CandidateRegistered(
            model=model,
            number=0,
            artifact=inputs["model"],
            lineage=self._lineage(node, action),
            verdicts=judgement.verdicts,
            metrics=judgement.metrics,
            servable=inputs["servable"],
            environment=self._environment,
            evaluation=inputs["evaluation"],
        )
        found = deeds.register(
            self._ledger, candidate, actor=self.actor, judged_against=self._judged_against.get(model)
        )
        if judgement.outcome is not Outcome.PASS and not found.version:
            stopping = [verdict for verdict in judgement.verdicts if verdict.outcome is not Outcome.PASS]
            raise RunFailedError(
                "\n".join([_refusal(f"{model}:c{found.candidate}", judgement), *map(_marked, stopping)]),
                hint=f"`legato models show {model}:c{found.candidate}` shows the evidence of every gate",
            )
        return Acted(notes=(*map(_marked, judgement.verdicts), found.note))

    def _lineage(self, node: Node, action: Action) -> Lineage:
        names = ancestors(self._graph, [node.name])
        nodes = [other for other in self._graph.nodes if other.name in names]
        return Lineage(
            run=action.run(),
            commit=self.commit.id,
            dirty=self.commit.dirty,
            data={other.name: self.data[other.name] for other in nodes if other.name in self.data},
            parameters={
                f"{other.name}.{setting.name}": setting.shown
                for other in nodes
                if other.kind in {"step", "command"}
                for setting in other.settings
            },
            packages=self._packages(nodes),
            platform=self._platform,
            key=action.key,
        )

    def _packages(self, nodes: list[Node]) -> Mapping[str, str]:
        found = (self._sources.fingerprints.get(node.name) for node in nodes)
        return {
            item.name: item.shown or item.digest
            for fingerprint in found
            if fingerprint is not None
            for item in fingerprint.ingredients
            if item.kind == "package"
        }


def _refusal(name: str, judgement: Judgement) -> str:
    """Return the first line of a refusal; the verdicts follow, a line each."""
    passed = sum(verdict.outcome is Outcome.PASS for verdict in judgement.verdicts)
    return f"{name} is no version: {passed} of {len(judgement.verdicts)} verdicts passed"


def _marked(verdict: Verdict) -> str:
    return f"{_MARKS[verdict.outcome]} {told(verdict)}"


_MARKS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.INCONCLUSIVE: "?"}
