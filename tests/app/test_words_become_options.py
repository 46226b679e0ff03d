"""What is typed becomes typed values; what cannot be understood is refused with the value in it."""

import pytest

from legato.app.opening import read_dotenv
from legato.app.options import overrides_of, read_options, read_override, read_params, split_targets
from legato.domain.errors import ConfigurationError, MissingError


@pytest.mark.parametrize("text", ["depth", "=3", "train.=3", ""])
def test_a_parameter_without_name_or_value_is_refused(text):
    with pytest.raises(ConfigurationError) as caught:
        read_override(text)

    assert repr(text) in caught.value.message
    assert "-p STEP.NAME=VALUE" in caught.value.hint


def test_a_value_may_hold_anything():
    found = read_override("train.query=a=b c")

    assert (found.step, found.name, found.text) == ("train", "query", "a=b c")


def test_a_bare_name_is_for_every_step():
    assert read_override("as_of=2026-01-01").step == ""


def test_targets_of_two_pipelines_are_refused():
    with pytest.raises(ConfigurationError):
        split_targets(("churn:a", "fraud:b"))


def test_a_member_alone_is_its_whole_pipeline():
    assert split_targets(("churn:",)) == ("churn", ())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", '{"train": {"depth": 3}, "as_of": "2026-01-01"}'),
        ("p.toml", "as_of = 2026-01-01\n[train]\ndepth = 3\n"),
    ],
)
def test_a_file_of_parameters_says_the_same_as_json_and_as_toml(tmp_path, name, text):
    (tmp_path / name).write_text(text)

    found = {(one.step, one.name): one.wire for one in read_params(tmp_path / name)}

    assert found == {("train", "depth"): "3", ("", "as_of"): '"2026-01-01"'}


def test_a_dotted_name_in_a_file_is_a_steps():
    (found,) = overrides_of({"train.depth": 3}, origin="config")

    assert (found.step, found.name, found.origin) == ("train", "depth", "config")


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_a_file_that_holds_no_parameters_is_refused(tmp_path, text):
    (tmp_path / "p.json").write_text(text)

    with pytest.raises(ConfigurationError, match=r"p\.json"):
        read_params(tmp_path / "p.json")


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"missing\.json"):
        read_params(tmp_path / "missing.json")
    (tmp_path / "p.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"p\.json"):
        read_params(tmp_path / "p.json")


def test_the_command_line_wins_over_the_file(tmp_path):
    (tmp_path / "p.json").write_text('{"train.depth": 3}')
    words = {"params_file": tmp_path / "p.json", "parameters": ("train.depth=4",)}

    found = read_options(tmp_path, words)

    assert [one.text or one.wire for one in found.overrides] == ["3", "4"]


def test_a_file_of_secrets_is_read_as_shells_read_it(tmp_path):
    (tmp_path / ".env").write_text(
        "# a comment\nexport TOKEN='abc=def'\n\nEMPTY=\nQUOTED=\"two words\"\nnot a line\nPLAIN = x \n"
    )

    assert read_dotenv(tmp_path / ".env") == {
        "TOKEN": "abc=def",
        "EMPTY": "",
        "QUOTED": "two words",
        "PLAIN": "x",
    }
    assert read_dotenv(tmp_path / "missing") == {}
