"""Lines for a shell: which programs they run, and how a value stands in them without being read as code."""

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from legato.domain.errors import ConfigurationError
from legato.pipeline.others.shells import holes_of, programs_of, with_variables

FILES = {"train.py", "src/train.py", "src/pkg/run.py"}


@pytest.mark.parametrize(
    ("line", "folder", "found"),
    [
        ("python train.py x", "", [("python", "train.py")]),
        ("LR=1 python3 -u train.py | tee log", "", [("python", "train.py")]),
        ("mkdir -p out && (cd src; python train.py)", "", [("python", "src/train.py")]),
        ("uv run python train.py", "src", [("python", "src/train.py")]),
        ("python -m pkg.run", "src", [("python", "src/pkg/run.py")]),
        ("python -m pkg.run", "", [("python", "-m", "pkg.run")]),
        ("python $SCRIPT", "", []),
        ("python gone.py", "", []),
        ("echo 'python train.py'", "", []),
        ("cd .. && python train.py", "", []),
        ("echo 'open", "", []),
        ("Rscript a.R; python -c 'print(1)'", "", []),
    ],
)
def test_the_python_programs_of_a_line_are_found(line, folder, found):
    assert list(programs_of(line, folder, FILES.__contains__)) == found


HOSTILE = [
    "$(touch owned)",
    "`touch owned`",
    "; touch owned #",
    "' ; touch owned '",
    '" ; touch owned "',
    "a b",
    "",
    "*",
]
LINE = """printf '%s|' {x} "{x}" 'a{x}b' "a {x} b" pre{x}post {{x}} "$(printf %s {x} > sub; cat sub)" `true {x}`"""


@given(st.sampled_from(HOSTILE) | st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=12))
@example("$(touch owned)")
@settings(max_examples=25, deadline=None)
def test_a_value_is_never_read_by_the_shell(tmp_path_factory, value):
    folder = tmp_path_factory.getbasetemp()

    found = subprocess.run(
        ["bash", "-c", with_variables(LINE, {"x": "1"}), "entry", value],
        cwd=folder,
        capture_output=True,
        check=True,
    )

    assert found.stdout.decode().startswith(f"{value}|{value}|a{value}b|a {value} b|pre{value}post|{{x}}|")
    assert not (folder / "owned").exists()


@pytest.mark.parametrize(
    "line",
    [
        "sh -c 'echo {x}'",
        "bash -c {x}",
        'bash -lc "true" && bash -c "echo {x}"',
        "eval echo {x}",
        'python -c "print({x})"',
        "/bin/sh -ec 'echo {x}'",
    ],
)
def test_a_hole_that_would_be_read_as_code_is_refused(line):
    with pytest.raises(ConfigurationError) as caught:
        with_variables(line, {"x": "1"})

    assert "{x}" in caught.value.message


def test_holes_are_names_in_single_braces():
    assert holes_of("a {x} '{y}' {{z}} ${HOME} {0} {x}") == ("x", "y")
    assert with_variables("sh -c 'echo \"$1\"' sh {x}", {"x": "1"}) == 'sh -c \'echo "$1"\' sh "${1}"'
