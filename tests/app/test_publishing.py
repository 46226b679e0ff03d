"""What one ledger tells another: every run once, under the number that it has there."""

import itertools
from pathlib import Path

import pytest

from legato.app.publishing import BATCH, WORKSHOP, publish, shared_number
from legato.domain.artifacts import Artifact, Result
from legato.domain.digests import digest_of
from legato.domain.errors import OutsideError
from legato.domain.events import RunFinished, RunStarted, StepFailed, StepFinished, StepReused
from legato.engine import read
from legato.engine.workshop import WORKSHOP as ENGINE
from legato.ledger.sqlite import SqliteLedger

SALTS = itertools.count()


def ledger(path: Path) -> SqliteLedger:
    return SqliteLedger(
        path,
        (ENGINE, WORKSHOP),
        clock=lambda: 1.0,
        salt=lambda: str(next(SALTS)).encode(),
        alive=lambda _: True,
    )


@pytest.fixture
def shared(tmp_path):
    found = ledger(tmp_path / "shared.db")
    yield found
    found.close()


@pytest.fixture
def ann(tmp_path):
    found = ledger(tmp_path / "ann.db")
    yield found
    found.close()


@pytest.fixture
def bob(tmp_path):
    found = ledger(tmp_path / "bob.db")
    yield found
    found.close()


def artifact(text: str) -> Artifact:
    return Artifact(digest=digest_of(text.encode()), size_bytes=len(text), format="text/1")


def finished(run: int, step: str) -> StepFinished:
    result = Result(key=f"k1:{step}", base=f"k1:{step}", step=step, run=run, outputs={"": artifact(step)})
    return StepFinished(kind="step", result=result)


def run_of(ledger_: SqliteLedger, number: int, *steps: str, maker: str = "laptop", actor: str = "") -> None:
    ledger_.append([RunStarted(number=number, targets=(), pipeline="pipeline.py", maker=maker, actor=actor)])
    for step in steps:
        ledger_.append([finished(number, step)])
    ledger_.append([RunFinished(number=number, state="succeeded", computed=len(steps))])


def tell(local: SqliteLedger, shared_: SqliteLedger, maker: str = "laptop") -> int:
    return publish(local, shared_, maker=maker, push=lambda _: None).facts


def test_two_machines_number_their_runs_alike_and_the_shared_ledger_keeps_them_apart(ann, bob, shared):
    run_of(ann, 1, "train", actor="ann")
    run_of(bob, 1, "score", actor="bob")

    tell(ann, shared)
    tell(bob, shared)

    assert [(run.number, run.actor) for run in read.runs(shared)] == [(2, "bob"), (1, "ann")]
    assert [row.step for row in read.executions(shared, 2)] == ["score"]
    assert shared_number(shared, bob, 1) == 2
    assert shared_number(shared, bob, 7) == 0


def test_a_result_that_was_told_leads_to_its_run_there(ann, bob, shared):
    run_of(ann, 1, "train")
    tell(ann, shared)
    run_of(bob, 1, "score")
    tell(bob, shared)

    assert read.result(shared, "k1:score").run == 2


def test_what_was_told_is_not_told_again(ann, shared):
    run_of(ann, 1, "train")

    assert tell(ann, shared) == 3
    assert tell(ann, shared) == 0
    assert shared.head().seq == 4


def test_a_run_told_half_way_is_told_to_its_end_under_the_same_number(ann, bob, shared):
    ann.append([RunStarted(number=1, targets=(), pipeline="pipeline.py"), finished(1, "one")])
    tell(ann, shared)
    run_of(bob, 1, "other")
    tell(bob, shared)
    failure = StepFailed(run=1, step="three", kind="step", reason="raised")
    ann.append([StepReused(run=1, step="two", kind="step", key="k1:one"), failure])
    ann.append([RunFinished(number=1, state="failed")])
    tell(ann, shared)

    assert [(row.step, row.state) for row in read.executions(shared, 1)] == [
        ("one", "computed"), ("two", "reused"), ("three", "failed"),
    ]  # fmt: skip
    assert read.run(shared, 1).state == "failed"


def test_bytes_go_before_the_facts_and_a_push_that_fails_tells_nothing(ann, shared):
    run_of(ann, 1, "train")
    pushed = []

    def refuse(artifacts):
        pushed.extend(artifacts)
        raise OutsideError("the remote is full")

    with pytest.raises(OutsideError):
        publish(ann, shared, maker="laptop", push=refuse)

    assert pushed == [artifact("train")]
    assert shared.head().seq == 0


def test_only_the_runs_of_one_maker_are_told(ann, shared, tmp_path):
    run_of(ann, 1, "mine")
    run_of(ann, 2, "theirs", maker="untrusted")
    run_of(ann, 3, "mine too")
    untrusted = ledger(tmp_path / "untrusted.db")

    tell(ann, shared)
    tell(ann, untrusted, "untrusted")

    assert [run.number for run in read.runs(shared)] == [2, 1]
    assert read.result(shared, "k1:theirs") is None
    assert [row.step for row in read.executions(untrusted, 1)] == ["theirs"]
    untrusted.close()


def test_more_than_one_batch_is_told_whole(ann, shared):
    ann.append([RunStarted(number=1, targets=(), pipeline="pipeline.py")])
    ann.append([StepReused(run=1, step=f"s{n}", kind="step", key="k1:x") for n in range(BATCH + 10)])
    ann.append([RunFinished(number=1, state="succeeded")])

    tell(ann, shared)

    assert len(read.executions(shared, 1)) == BATCH + 10


def test_an_empty_ledger_has_nothing_to_tell(ann, shared):
    assert tell(ann, shared) == 0
    assert shared.head().seq == 0
