"""Locks of packages as they are read: what counts, what does not, what is refused; and stand-ins for what is absent."""

import importlib
import sys

import pytest

from legato.app import absent, environments
from legato.app.environments import listed, read_lock, remove
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.keys import Ingredient
from legato.domain.messages import Fingerprint

SIX = "six==1.16.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
LOCK = (
    f"# made by hand\n{SIX}Some_Thing[extra]==2.0 ; python_version < '4' --hash=sha256:cc # why\n--no-index\n"
)


def lock(tmp_path, text):
    (tmp_path / "r.lock").write_text(text)
    return read_lock(tmp_path, tmp_path / ".legato", "r.lock")


def test_comments_order_and_options_do_not_count(tmp_path):
    first = lock(tmp_path, LOCK)
    turned = lock(tmp_path, "\n".join(LOCK.splitlines()[4:5]) + "\n" + SIX)

    assert [(pin.name, pin.version) for pin in first.pins] == [("six", "1.16.0"), ("some-thing", "2.0")]
    assert first.pins[0].hashes == ("sha256:aa", "sha256:bb")
    assert first.pins[1].marker == "python_version < '4'"
    assert turned.digest == first.digest


@pytest.mark.parametrize("change", [("1.16.0", "1.17.0"), ("sha256:bb", "sha256:dd"), ("six", "seven")])
def test_versions_hashes_and_names_count(tmp_path, change):
    assert lock(tmp_path, LOCK.replace(*change)).digest != lock(tmp_path, LOCK).digest


@pytest.mark.parametrize(
    "line", ["six>=1.0", "six==1.0", "six==1.*  --hash=sha256:aa", "-r other.txt", "-e .", "./local", "six"]
)
def test_what_is_not_locked_is_refused_with_its_line(tmp_path, line):
    with pytest.raises(ConfigurationError, match=r"r\.lock:4: .* is not locked") as refused:
        lock(tmp_path, f"{SIX}{line}\n")

    assert "uv pip compile r.lock --generate-hashes" in refused.value.hint


def test_an_address_with_a_hash_is_locked(tmp_path):
    (pin,) = lock(tmp_path, "thing @ https://example.com/thing-1.0.whl --hash=sha256:aa").pins

    assert (pin.name, pin.version) == ("thing", "https://example.com/thing-1.0.whl")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"packages='r\.lock' is not there"):
        read_lock(tmp_path, tmp_path, "r.lock")


def test_a_key_holds_the_locked_packages_and_not_the_installed_ones(tmp_path):
    before = Fingerprint(
        ingredients=(Ingredient("package", "numpy", "2.4"), Ingredient("closure", "", "sha256:0"))
    )

    after = lock(tmp_path, SIX).keyed(before).ingredients

    assert {(item.kind, item.name) for item in after} == {
        ("closure", ""), ("platform", "native"), ("package", "six"),
    }  # fmt: skip


def test_what_was_made_is_listed_and_removed(tmp_path):
    six = lock(tmp_path, SIX)
    folder = tmp_path / "environments" / six.digest[7:39]
    folder.mkdir(parents=True)
    (folder / "made.json").write_text(
        f'{{"digest": "{six.digest}", "packages": {{"six": "1.16.0"}}, "python": "cpython-3.11"}}'
    )

    (made,) = listed(tmp_path)
    size = environments.size_bytes(tmp_path, made.digest)
    remove(tmp_path, [made.digest])

    assert made.packages == {"six": "1.16.0"}
    assert size > 0
    assert not listed(tmp_path)
    assert not folder.exists()


IMPORTS = """
import no_such_thing as nst
import no_such_thing.inner
from no_such_thing.inner import Frame, decorate

class Own(nst.Base):
    pass

@decorate(times=2)
def helper(): ...

def takes(frame: Frame | None) -> "list[Frame]": ...
LOGGER = nst.get_logger(__name__)[0]
"""


@pytest.fixture
def module(tmp_path, request):
    name = f"imports_what_is_absent_{request.node.name[-5:]}"
    (tmp_path / f"{name}.py").write_text(IMPORTS)
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    yield name
    sys.path.remove(str(tmp_path))
    sys.modules.pop(name, None)


def test_first_party_code_imports_what_is_absent_and_is_told_when_it_calls_it(module, tmp_path):
    with absent.tolerated({"no_such_thing"}, lambda file: file.startswith(str(tmp_path))):
        found = importlib.import_module(module)

    with pytest.raises(MissingError, match=r"no_such_thing\.Base was called"):
        found.nst.Base()
    with pytest.raises(MissingError, match="'no_such_thing' is not among the packages="):
        found.helper()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_thing")
    assert not isinstance(1, found.Frame)
    assert found.Own.__name__ == "Own"


def test_a_package_that_nobody_has_and_other_peoples_imports_fail_as_ever(module, tmp_path):
    ours = absent.tolerated({"something_else"}, lambda file: file.startswith(str(tmp_path)))
    with ours, pytest.raises(ModuleNotFoundError):
        importlib.import_module(module)
    theirs = absent.tolerated({"no_such_thing"}, lambda _file: False)
    with theirs, pytest.raises(ModuleNotFoundError):
        importlib.import_module(module)

    assert module not in sys.modules
