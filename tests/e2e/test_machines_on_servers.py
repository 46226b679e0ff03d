"""Machines that share a real S3 server, and a real PostgreSQL where the bucket's ledger is outgrown."""

import signal
import time

import pytest
from project_folder import Project

from ledger_servers import Postgres, running_postgres, running_s3

PIPELINE = """
    import time

    @lg.step
    def slow() -> list[int]:
        time.sleep(0.5)
        return [1, 2, 3]

    @lg.step(matrix={"power": [1, 2, 3]})
    def raised(slow: list[int], *, power: int = 1) -> list[int]:
        time.sleep(0.2)
        return [number**power for number in slow]

    @lg.step
    def total(raised: lg.Gathered[list[int]]) -> int:
        return sum(map(sum, raised.values()))
"""


@pytest.fixture(scope="module")
def s3():
    with running_s3() as server:
        server.options("team")
        yield server


@pytest.fixture(scope="module")
def postgres():
    with running_postgres() as server:
        yield server


class Machine(Project):
    def __init__(self, root, configuration, variables):
        super().__init__(root)
        self.variables = variables
        self.write("legato.toml", configuration)
        self.pipeline(PIPELINE)

    def environment(self, extra=None):
        return super().environment(self.variables | (extra or {}))

    def states(self):
        lines = self.legato("run", "--json").lines()
        return {step["state"] for step in lines[-1]["steps"]}


@pytest.fixture(params=["bucket", "postgresql"])
def machines(request, tmp_path, s3):
    """Two machines; where the ledger lies is the test's parameter."""
    name = f"{request.param}-{time.monotonic_ns()}"
    configuration = f'[store]\nremote = "s3://team/{name}?endpoint={s3.endpoint}"\n'
    variables = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        configuration += f'[ledger]\nurl = "{server.address(name.replace("-", "_"))}"\n'
        variables["PGPASSWORD"] = Postgres.password
    return [Machine(tmp_path / who, configuration, variables) for who in ("ann", "bob")]


def test_two_machines_work_on_one_project_and_killing_them_in_turn_loses_nothing(machines):
    ann, bob = machines
    for one, wait_s in ((ann, 1.5), (bob, 1.9), (ann, 2.2)):
        with one.begin("run") as process:
            time.sleep(wait_s)
            process.send_signal(signal.SIGKILL)
            process.communicate()

    ann.states()

    assert bob.states() == {"reused"}
    assert bob.got("total") == str(6 + 14 + 36)
    assert "hold" in bob.legato("ledger", "verify", "--shared").out


def test_two_machines_at_once_lose_nothing(machines):
    ann, bob = machines
    both = [one.begin("run") for one in (ann, bob)]
    for process in both:
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, (out, err)

    assert ann.states() == {"reused"}
    assert bob.states() == {"reused"}
    told = bob.legato("ledger", "verify", "--shared")
    assert "✗" not in told.out
