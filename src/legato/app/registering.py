"""Registers what a run trained: the candidate with its lineage and verdicts, and the version where its gates passed.

Rule (law 3): a candidate whose gates did not all pass is recorded with its evidence, and the run fails, unless a person
made a version of it all the same.
"""

import contextlib
from collections.abc import Mapping

import msgspec

from legato.app.books import LOCAL, Books
from legato.app.kinds import Sources
from legato.app.told import told
from legato.domain.artifacts import Artifact
from legato.domain.errors import LegatoError, MissingError, RunFailedError
from legato.domain.events import CandidateRegistered, Lineage
from legato.domain.graph import Graph, Node
from legato.domain.keys import Ingredient
from legato.domain.verdicts import Judgement, Outcome, Verdict
from legato.engine.kinds import Acted, Action, Inputs
from legato.engine.schedule import ancestors
from legato.registry import deeds, read
from legato.registry.moves import CHAMPION, Judged
from legato.registry.projection import evidence_of
from legato.registry.read import Candidate
from legato.scm import Commit
from legato.store import Store

_JUDGEMENT = msgspec.json.Decoder(Judgement)


class Registrar:
    """What a run asks of the registry.

    Args:
        books: Where the environment's registry is.
        store: Holds the judgements.
        graph: The whole pipeline, for a candidate's lineage.
        sources: The fingerprints, for the packages of its lineage.

    Attributes:
        looked_elsewhere: A candidate was compared with what only a remote knows: an up-to-date answer needs a look.
    """

    def __init__(self, books: Books, store: Store, graph: Graph, sources: Sources, *, platform: str) -> None:
        self._books = books
        self._store = store
        self._graph = graph
        self._sources = sources
        self._environment = books.environment
        self._platform = platform
        self._judged_against: dict[str, int] = {}
        self.looked_elsewhere = False
        self.commit = Commit()
        self.actor = ""
        self.data: dict[str, str] = {}

    def champion(self, model: str, candidate: Artifact) -> Artifact | str:
        """Return what a candidate is compared with here: the champion, else why there is none (empty: the first).

        A model is not compared with itself: a candidate that is the champion is compared with the one before, as it
        was when it became champion, so that a run in which nothing changed finds nothing to do. A local candidate
        without a local champion is compared with that of an environment that is shared.
        """
        try:
            version = read.version(self._books.reader, f"{model}@{CHAMPION}", self._environment)
        except MissingError:
            self._judged_against[model] = 0
            return self._champion_elsewhere(model, candidate)
        self._judged_against[model] = version.number
        if version.artifact.digest != candidate.digest:
            return version.artifact
        moves = read.history(self._books.reader, model, CHAMPION, self._environment)
        before = next(move.before for move in reversed(moves) if move.after == version.number)
        return read.version(self._books.reader, f"{model}:{before}").artifact if before else ""

    def _champion_elsewhere(self, model: str, candidate: Artifact) -> Artifact | str:
        for environment, reader in self._books.others():
            with contextlib.suppress(MissingError):
                found = read.version(reader, f"{model}@{CHAMPION}", environment).artifact
                self.looked_elsewhere = True
                if found.digest != candidate.digest:
                    return found
        return self._books.unknown

    def rests_on(self, node: Node, inputs: Inputs) -> tuple[Ingredient, ...]:
        """Return what a registration depends on besides its inputs: which move of the champion it answers to.

        For the candidate that is the champion this is the move before the one that made it so: then a run in which
        nothing changed finds its registration. A candidate that was champion and is not any more finds none, so that
        code which was taken back is registered again.
        """
        model = str(node.detail["model"])
        here = Ingredient("kind", "environment", self._environment)
        try:
            moves = read.history(self._books.reader, model, CHAMPION, self._environment)
        except MissingError:
            moves = ()
        if moves:
            present = read.version(self._books.reader, f"{model}:{moves[-1].after}").candidate
            if self._is(present, model, inputs):
                moves = moves[:-1]
        shown = f"v{moves[-1].after}" if moves else "none"
        return here, Ingredient("input", CHAMPION, f"{len(moves)} moves, {shown}", shown)

    def _is(self, known: Candidate, model: str, inputs: Inputs) -> bool:
        """Say whether a known candidate is the one that the inputs make."""
        digests = {name: artifact.digest for name, artifact in inputs.items()}
        held = {"model": known.artifact, "servable": known.servable, "evaluation": known.evaluation}
        if any(artifact is None or artifact.digest != digests[name] for name, artifact in held.items()):
            return False
        try:
            made = self._candidate(model, inputs, Lineage(run=0))
        except LegatoError:  # only others hold the judgement: this machine did not judge it otherwise
            return True
        return evidence_of(known) == evidence_of(made)

    def register(self, node: Node, inputs: Inputs, action: Action) -> Acted:
        """Record the candidate; raises RunFailedError where its gates did not all pass and it is no version yet."""
        model = str(node.detail["model"])
        judgement = self._judgement(inputs)
        candidate = self._candidate(model, inputs, self._lineage(node, action))
        judged = Judged(
            actor=self.actor, against=self._judged_against.get(model), crowned=self._is_crowned(model)
        )
        found = deeds.register(self._books.writer, candidate, judged)
        if judgement.outcome is not Outcome.PASS and not found.version:
            stopping = [verdict for verdict in judgement.verdicts if verdict.outcome is not Outcome.PASS]
            raise RunFailedError(
                "\n".join([_refusal(f"{model}:c{found.candidate}", judgement), *map(_marked, stopping)]),
                hint=f"`legato models show {model}:c{found.candidate}` shows the evidence of every gate",
            )
        return Acted(notes=(*map(_marked, judgement.verdicts), found.note))

    def _is_crowned(self, model: str) -> bool:
        """Say whether a version becomes champion at once, since no endpoint here has to take it first."""
        endpoints = (node.detail for node in self._graph.nodes if node.kind == "deploy")
        return self._environment == LOCAL or not any(
            told["model"] == model and self._environment in told["environments"] for told in endpoints
        )

    def _judgement(self, inputs: Inputs) -> Judgement:
        return _JUDGEMENT.decode(self._store.path(inputs["judgement"].digest).read_bytes())

    def _candidate(self, model: str, inputs: Inputs, lineage: Lineage) -> CandidateRegistered:
        judgement = self._judgement(inputs)
        return CandidateRegistered(
            model=model,
            number=0,
            artifact=inputs["model"],
            lineage=lineage,
            verdicts=judgement.verdicts,
            metrics=judgement.metrics,
            servable=inputs["servable"],
            environment=self._environment,
            evaluation=inputs["evaluation"],
        )

    def _lineage(self, node: Node, action: Action) -> Lineage:
        names = ancestors(self._graph, [node.name])
        nodes = [other for other in self._graph.nodes if other.name in names]
        return Lineage(
            run=self._books.run_number(action.run()),
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
