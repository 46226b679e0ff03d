"""Ledgers with models in them, for the tests of the registry."""

import itertools

from legato.domain.artifacts import Artifact
from legato.domain.digests import digest_of
from legato.domain.events import CandidateRegistered, Lineage
from legato.domain.verdicts import Outcome, Verdict
from legato.ledger.sqlite import SqliteLedger
from legato.registry import WORKSHOP

PASS, FAIL, OPEN = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


def open_ledger(path=":memory:"):
    seconds = itertools.count(1_000)
    return SqliteLedger(
        path, [WORKSHOP], clock=lambda: float(next(seconds)), salt=lambda: b"salt" * 4, alive=lambda _: True
    )


def candidate(text, *outcomes, model="wine", environment="local", **lineage):
    """Return a candidate whose bytes are `text`, with one gate (`g1`, `g2`, …) for each outcome."""
    data = text.encode()
    return CandidateRegistered(
        model=model,
        number=0,
        artifact=Artifact(digest=digest_of(data), size_bytes=len(data), format="skops/1"),
        lineage=Lineage(**{"run": 1, **lineage}),
        verdicts=tuple(
            Verdict(gate=f"g{place}", outcome=outcome, metric="f1", estimate=0.8, low=0.7, high=0.9, rows=100)
            for place, outcome in enumerate(outcomes, 1)
        ),
        metrics={"f1": 0.8, "gap": None},
        servable=Artifact(digest=digest_of(data + b" served"), size_bytes=9, format="servable/1", tree=True),
        environment=environment,
    )
