"""Two machines, one remote, no database: what one has computed the other does not compute again."""

import shutil
import signal
import time
from pathlib import Path

import pytest
from project_folder import Project

PIPELINE = """
    @lg.step
    def first(*, n: int = 3) -> list[int]:
        return list(range(n))

    @lg.step
    def second(first: list[int]) -> int:
        return sum(first)

    @lg.step
    def third(second: int) -> str:
        return f"it is {second}"
"""
TRUSTED = {"GITLAB_CI": "true", "CI_COMMIT_REF_NAME": "main", "CI_COMMIT_REF_PROTECTED": "true"}
UNTRUSTED = {"GITLAB_CI": "true", "CI_COMMIT_REF_NAME": "patch-1", "CI_MERGE_REQUEST_IID": "7"}
LAPTOP: dict[str, str] = {}


class Machine(Project):
    """A clone of the project with a state of its own, and the variables that tell who works on it."""

    def __init__(self, root: Path, remote: str, variables: dict[str, str]) -> None:
        super().__init__(root)
        self.variables = variables
        self.write("legato.toml", f'[store]\nremote = "{remote}"\n')
        self.pipeline(PIPELINE)

    def environment(self, extra=None):
        return super().environment(self.variables | (extra or {}))

    def run(self, *words, **more):
        """Run, and return the state of each step by its name."""
        lines = self.legato("run", "--json", *words, **more).lines()
        return {step["name"]: step["state"] for step in lines[-1]["steps"]}


@pytest.fixture
def remote(tmp_path) -> Path:
    return tmp_path / "remote"


@pytest.fixture
def machine(tmp_path, remote):
    def make(name: str, variables: dict[str, str] = LAPTOP) -> Machine:
        return Machine(tmp_path / name, str(remote), variables)

    return make


ALL = ("first", "second", "third")


def test_a_second_laptop_computes_nothing_and_gets_the_bytes_when_it_asks(machine):
    ann, bob = machine("ann"), machine("bob")
    ann.run()

    assert bob.run() == dict.fromkeys(ALL, "reused")

    assert bob.got("third") == "it is 3"
    assert bob.legato("run").out.startswith("up to date")


def test_only_what_a_step_needs_travels(machine):
    ann, bob = machine("ann"), machine("bob")
    ann.run()
    bob.edit("pipeline.py", "it is", "it was")

    assert bob.run() == {"first": "reused", "second": "reused", "third": "computed"}

    held = [path for path in (bob.state / "store").rglob("*") if path.is_file() and len(path.name) > 40]
    assert len(held) == 2
    assert ann.run() == dict.fromkeys(ALL, "reused")


def test_elements_of_a_list_travel_with_it(machine):
    fanned = """
        @lg.step
        def stores() -> list[str]:
            return ["berlin", "rome"]

        @lg.step(each={"store": "stores"})
        def size(store: str, *, times: int = 1) -> int:
            return len(store) * times

        @lg.step
        def total(size: lg.Gathered[int]) -> int:
            return sum(size.values())
    """
    ann, bob = machine("ann"), machine("bob")
    for one in (ann, bob):
        one.pipeline(fanned)
    ann.run()

    assert set(bob.run().values()) == {"reused"}
    bob.edit("pipeline.py", "times: int = 1", "times: int = 2")
    states = bob.run()

    assert (states["stores"], states["stores.elements"]) == ("reused", "reused")
    assert bob.got("total") == "20"


def test_a_run_says_what_it_sent(machine):
    ran = machine("ann").legato("run")

    assert "left this machine: 3 results to" in ran.out


def test_what_was_done_without_the_remote_is_told_later(machine, remote):
    ann, bob = machine("ann"), machine("bob")
    remote.write_text("a file where the folder should be")

    alone = ann.legato("run")
    assert "not shared yet" in alone.err
    assert "succeeded" in alone.out
    remote.unlink()
    ann.legato("run", "-p", "first.n=4")

    assert bob.run() == dict.fromkeys(ALL, "reused")


@pytest.mark.parametrize(
    ("maker", "reader", "expected"),
    [
        (TRUSTED, LAPTOP, "reused"),
        (TRUSTED, UNTRUSTED, "reused"),
        (TRUSTED, TRUSTED, "reused"),
        (LAPTOP, LAPTOP, "reused"),
        (LAPTOP, UNTRUSTED, "reused"),
        (LAPTOP, TRUSTED, "computed"),
        (UNTRUSTED, LAPTOP, "computed"),
        (UNTRUSTED, TRUSTED, "computed"),
        (UNTRUSTED, UNTRUSTED, "reused"),
    ],
)
def test_a_run_reads_only_results_of_equal_or_higher_trust(machine, maker, reader, expected):
    machine("maker", maker).run()

    assert machine("reader", reader).run() == dict.fromkeys(ALL, expected)


def test_each_maker_writes_into_a_place_of_its_own(machine, remote):
    machine("ci", TRUSTED).run()
    assert [path.name for path in remote.iterdir()] == ["ci"]
    before = snapshot(remote / "ci")

    machine("fork", UNTRUSTED).run("-p", "first.n=5")

    assert snapshot(remote / "ci") == before
    assert (remote / "untrusted").is_dir()


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_altered_bytes_on_the_remote_are_found_and_the_step_runs_again(machine, remote):
    ann, bob = machine("ann"), machine("bob")
    ann.run()
    for pack in (remote / "laptop" / "store" / "packs").rglob("*"):
        if pack.is_file():
            data = bytearray(pack.read_bytes())
            data[len(data) // 2] ^= 1
            pack.chmod(0o644)
            pack.write_bytes(bytes(data))
    bob.edit("pipeline.py", "it is", "it was")

    bob.legato("run", code=None)
    bob.legato("run")

    assert bob.got("third") == "it was 3"


def test_machines_that_are_killed_in_turn_lose_nothing(machine):
    ann, bob = machine("ann"), machine("bob")
    slow = PIPELINE.replace("return sum(first)", "import time; time.sleep(1); return sum(first)")
    for one in (ann, bob):
        one.pipeline(slow)
    for one, wait_s in ((ann, 0.6), (bob, 1.0), (ann, 1.4)):
        with one.begin("run") as process:
            time.sleep(wait_s)
            process.send_signal(signal.SIGKILL)
            process.communicate()

    ann.run()

    assert bob.run() == dict.fromkeys(ALL, "reused")
    assert bob.got("third") == "it is 3"


def test_a_machine_whose_state_is_gone_starts_from_what_is_shared(machine):
    ann = machine("ann")
    ann.run()
    shutil.rmtree(ann.state)

    assert ann.run() == dict.fromkeys(ALL, "reused")


def test_sharing_of_results_can_be_turned_off(machine, remote):
    ann = machine("ann")
    ann.write("legato.toml", f'[store]\nremote = "{remote}"\nshare = "data"\n')

    ran = ann.legato("run")

    assert "left this machine: nothing" in ran.out
    assert not remote.exists()


def test_production_takes_only_what_ci_built_unless_configured(machine, remote):
    ann = machine("ann")
    ann.write("legato.toml", f'[store]\nremote = "{remote}"\n[environments.production]\n')

    refused = ann.legato("run", "--environment", "production", code=2)
    assert "takes only what ci built" in refused.err
    assert "built_by" in refused.err

    ann.write("legato.toml", '[environments.production]\nbuilt_by = "laptop"\n')
    assert "succeeded" in ann.legato("run", "--environment", "production").out
