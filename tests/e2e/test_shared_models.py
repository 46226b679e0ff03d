"""Versions, aliases and the champion of a shared environment: one registry for all machines."""

import pytest
from project_folder import Project

PIPELINE = """
    import polars as pl
    from sklearn.linear_model import LogisticRegression

    @lg.step
    def rows() -> pl.DataFrame:
        digits = [number % 10 for number in range(400)]
        return pl.DataFrame({"id": range(400), "x": digits, "y": [digit > 4 for digit in digits]})

    @lg.step
    def classifier(rows: pl.DataFrame, *, strength: float = 1.0) -> LogisticRegression:
        return LogisticRegression(C=strength).fit(rows.select("x").to_numpy(), rows["y"].to_numpy())

    @lg.step
    def evaluation(classifier: LogisticRegression, rows: pl.DataFrame) -> lg.Evaluation:
        predictions = classifier.predict(rows.select("x").to_numpy())
        return lg.Evaluation(ids=rows["id"], labels=rows["y"], predictions=predictions)

    numbers = lg.model("numbers", classifier, evaluation, gates=[
        lg.at_least("accuracy", 0.8), lg.no_worse_than_champion("accuracy", margin=0.05),
    ])
"""
TRUSTED = {"GITLAB_CI": "true", "CI_COMMIT_REF_NAME": "main", "CI_COMMIT_REF_PROTECTED": "true"}


class Machine(Project):
    def __init__(self, root, remote, variables):
        super().__init__(root)
        self.variables = variables
        self.write("legato.toml", f'[store]\nremote = "{remote}"\n[environments.production]\n')
        self.pipeline(PIPELINE)

    def environment(self, extra=None):
        return super().environment(self.variables | (extra or {}))


@pytest.fixture
def machines(tmp_path):
    remote = tmp_path / "remote"
    return [Machine(tmp_path / name, remote, variables) for name, variables in (("ci", TRUSTED), ("ann", {}))]


def test_what_ci_registers_every_machine_sees_and_its_champion_is_the_one_to_beat(machines):
    ci, ann = machines
    ran = ci.legato("run", "--environment", "production")
    assert "numbers:1 is champion, the first" in ran.err

    listed = ann.legato("models", "list", "--environment", "production")
    assert "champion is v1 in production" in listed.out
    shown = ann.legato("models", "show", "numbers@champion", "--environment", "production", "--json").json()
    assert shown["candidate"]["lineage"]["run"] == 1

    again = ci.legato("run", "--environment", "production", "-p", "classifier.strength=2.0")
    assert "numbers:2 is champion, after v1" in again.err
    assert "no worse" in again.err


def test_a_laptop_can_neither_register_nor_promote_in_production(machines):
    ci, ann = machines
    ci.legato("run", "--environment", "production")

    assert "takes only what ci" in ann.legato("run", "--environment", "production", code=2).err
    refused = ann.legato("models", "promote", "numbers:1", "--environment", "production", code=2)

    assert "takes only what ci" in refused.err


def test_a_local_candidate_is_compared_with_the_shared_champion_where_there_is_no_local_one(machines):
    ci, ann = machines
    ci.legato("run", "--environment", "production")

    ran = ann.legato("run", "-p", "classifier.strength=0.5")

    assert "first" not in next(
        line for line in ran.err.splitlines() if "no_worse" in line or "no worse" in line
    )


def test_a_shared_registry_that_cannot_be_reached_stops_the_registration(machines, tmp_path):
    ci, _ = machines
    (tmp_path / "remote").write_text("a file where the folder should be")

    ran = ci.legato("run", "--environment", "production", code=1)

    assert "remote" in ran.err
    assert not (ci.legato("models", "list").out)


def test_an_environment_that_is_not_configured_is_named(machines):
    refused = machines[0].legato("models", "list", "--environment", "moon", code=2)

    assert "'moon'" in refused.err
    assert "production" in refused.err


def test_a_ci_build_that_shares_nothing_cannot_compare_and_says_so(project):
    project.pipeline(PIPELINE)

    ran = project.legato("run", env=TRUSTED, code=1)

    assert "shares no ledger" in ran.err
    assert project.legato("models", "list").out.startswith("numbers  0 versions")
