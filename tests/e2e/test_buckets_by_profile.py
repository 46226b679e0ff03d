"""A bucket whose endpoint stands in its address and whose keys in a profile: store, ledger and data all find it."""

import pytest
from project_folder import Project

from ledger_servers import running_s3

PIPELINE = """
    from pathlib import Path

    wine = lg.dataset("s3://cellar/wine.csv?endpoint={endpoint}&region=eu-west-1")

    @lg.step
    def size(wine: Path) -> int:
        return len(wine.read_bytes())
"""


@pytest.fixture(scope="module")
def s3():
    with running_s3() as server:
        server.options("team")
        server.store("cellar").put("wine.csv", b"a,b\n1,2\n")
        yield server


class Machine(Project):
    """Knows no key but those of a profile in its home."""

    def __init__(self, root, home, endpoint):
        super().__init__(root)
        self.home = home
        self.write("legato.toml", f'[store]\nremote = "s3://team/wine?endpoint={endpoint}&timeout_s=30"\n')
        self.pipeline(PIPELINE.replace("{endpoint}", endpoint))

    def environment(self, extra=None):
        own = {"HOME": str(self.home), "AWS_PROFILE": "team"}
        found = super().environment(own | (extra or {}))
        return {name: value for name, value in found.items() if name in own or not name.startswith("AWS_")}


@pytest.fixture
def machine(tmp_path, s3):
    """Make machines by name; all have one home."""
    files = tmp_path / "home" / ".aws"
    files.mkdir(parents=True)
    (files / "credentials").write_text("[team]\naws_access_key_id = test\naws_secret_access_key = hush\n")
    (files / "config").write_text("[profile team]\nregion = us-east-1\n")
    return lambda name: Machine(tmp_path / name, tmp_path / "home", s3.endpoint)


def test_a_profile_and_an_endpoint_serve_store_ledger_and_data_alike(machine):
    ann, bob = machine("ann"), machine("bob")

    ann.legato("data", "update")
    first = ann.run()
    bob.write("legato.lock", (ann.root / "legato.lock").read_text())
    second = bob.run()

    assert first["size"] == "computed"
    assert second["size"] == "reused"
    assert bob.got("size") == "8"
    assert "hush" not in (ann.root / "legato.lock").read_text()


def test_a_profile_that_is_not_there_is_refused_by_each_with_what_to_look_at(machine):
    ann = machine("ann")
    ann.home.joinpath(".aws", "credentials").write_text("no section\n")

    for words in (("data", "update"), ("ledger", "verify", "--shared")):
        ran = ann.legato(*words, code=None)

        assert ran.code != 0
        assert "credentials cannot be read" in ran.err
        assert "AWS_ACCESS_KEY_ID" in ran.err
