import pytest

from legato.domain.messages import Override

ROWS = "@lg.step\ndef rows() -> list: ...\n"


@pytest.mark.parametrize(
    ("text", "message", "where", "hint"),
    [
        pytest.param(
            ROWS + "@lg.step\ndef n(row: list) -> int: ...\n",
            "`n` takes `row`, which nothing makes",
            "pipeline.py:5",
            "did you mean `rows`?",
            id="unknown input",
        ),
        pytest.param(
            "@lg.step\ndef a(c) -> int: ...\n@lg.step\n"
            "def b(a) -> int: ...\n@lg.step\ndef c(b) -> int: ...\n",
            "a (pipeline.py:3) -> b (pipeline.py:5) -> c (pipeline.py:7) -> a (pipeline.py:3)",
            "pipeline.py:3",
            "without",
            id="cycle",
        ),
        pytest.param(
            ROWS + "rows = 3\n",
            "two things are called `rows`: the step at pipeline.py:3 is replaced at pipeline.py:5",
            "pipeline.py:5",
            "rename",
            id="variable replaces a step",
        ),
        pytest.param(
            'data = lg.dataset("a.csv")\n@lg.step\ndef data() -> int: ...\n',
            "the dataset at pipeline.py:3 is replaced at pipeline.py:4",
            "pipeline.py:4",
            "rename",
            id="step replaces a dataset",
        ),
        pytest.param(
            ROWS + "rows = rows.using()\n",
            "two things are called `rows`",
            "pipeline.py:5",
            "rename",
            id="derived step replaces its own",
        ),
        pytest.param(
            ROWS + "other = rows\n",
            "has two names: `rows` at pipeline.py:3 and `other` at pipeline.py:5",
            "pipeline.py:5",
            "rows.using(...)",
            id="two names",
        ),
        pytest.param(
            "class A(NamedTuple):\n    part: int\n@lg.step\n"
            "def one() -> A: ...\n@lg.step\ndef two() -> A: ...\n",
            "two things are called `part`: the one of step one at "
            "pipeline.py:5 and the one of step two at pipeline.py:7",
            "pipeline.py:7",
            "rename",
            id="two steps with outputs of one name",
        ),
        pytest.param(
            "class A(NamedTuple):\n    two: int\n@lg.step\n"
            "def one() -> A: ...\n@lg.step\ndef two() -> int: ...\n",
            "two things are called `two`",
            "pipeline.py",
            "rename",
            id="output named like a step",
        ),
        pytest.param(
            ROWS + "@lg.step\ndef n(rows: int) -> int: ...\n",
            "`n` takes `rows` as int, but `rows` at pipeline.py:3 makes `rows` as list",
            "pipeline.py:5",
            "annotations",
            id="types",
        ),
        pytest.param(
            ROWS + "@lg.step\ndef n(rows, /, *, k=1): ...\n",
            "`rows` is positional-only",
            "pipeline.py:5",
            "name each input",
            id="positional-only",
        ),
        pytest.param(
            ROWS + "@lg.step\ndef n(*rows): ...\n",
            "it takes `*rows`",
            "pipeline.py:5",
            "name each input",
            id="star",
        ),
        pytest.param(
            ROWS + "@lg.step\ndef n(rows, **more): ...\n",
            "it takes `**more`",
            "pipeline.py:5",
            "name each input",
            id="double star",
        ),
        pytest.param(
            ROWS + "@lg.check\ndef full(rows: list) -> bool: ...\n",
            "the check `full` returns bool",
            "pipeline.py:5",
            "assert",
            id="check that returns",
        ),
        pytest.param(
            ROWS + "@lg.check\ndef full(rows: list) -> None: ...\n@lg.step\ndef n(full) -> int: ...\n",
            "`n` takes `full`, which is a check and makes no artifact",
            "pipeline.py:7",
            "a step makes",
            id="check as input",
        ),
        pytest.param(
            "class A(NamedTuple):\n    x: int\n    y: int\n@lg.step\n"
            "def pair() -> A: ...\n@lg.step\ndef n(pair) -> int: ...\n",
            "which makes several artifacts: x, y",
            "pipeline.py:8",
            'pair.output("x")',
            id="several outputs by the step's name",
        ),
        pytest.param(
            "day = lg.parameter(str)\n@lg.step\ndef n(day) -> int: ...\n",
            "`day`, which is a parameter and no artifact",
            "pipeline.py:4",
            "`*, day`",
            id="parameter as input",
        ),
        pytest.param(
            ROWS + "n = rows.using(colour=1)\n",
            "no such input or parameter",
            "pipeline.py:5",
            "there are no inputs and parameters here",
            id="using an unknown name",
        ),
        pytest.param(
            ROWS + "@lg.step\ndef n(rows, *, k: int = 1): ...\nm = n.using(k=rows)\n",
            "given a step for `k`, which is a parameter",
            "pipeline.py:7",
            "plain value",
            id="artifact for a parameter",
        ),
        pytest.param(
            ROWS + "@lg.step\ndef n(rows, *, k: int = 1): ...\nm = n.using(rows=[1, 2])\n",
            "takes '[1, 2]', which is no artifact",
            "pipeline.py:7",
            "pass a step",
            id="value for an artifact",
        ),
        pytest.param(
            ROWS + "@lg.step\ndef n(rows, *, k: int = 1): ...\nm = n.using(k='many')\n",
            "m.k: 'many' is not a whole number",
            "pipeline.py:7",
            "300",
            id="using of the wrong type",
        ),
        pytest.param(
            "@lg.step\ndef n(*, k: int = 'many'): ...\n",
            "n.k: 'many' is not a whole number",
            "pipeline.py:3",
            "300",
            id="default of the wrong type",
        ),
        pytest.param(
            "@lg.step\ndef n(*, k=print): ...\n",
            "n.k:",
            "pipeline.py:3",
            "an input",
            id="default of no such type",
        ),
        pytest.param(
            ROWS + "m = lg.model('m', rows.using(), rows)\n",
            "has no name here",
            "pipeline.py:5",
            "give it a name",
            id="nameless derived step",
        ),
        pytest.param(
            ROWS + "w = rows.output('weights')\n@lg.step\ndef n(w): ...\n",
            "`rows` has no output 'weights'",
            "pipeline.py:5",
            "pass rows itself",
            id="unknown output",
        ),
        pytest.param(
            'data = lg.dataset("../secret.csv")\n',
            "lies outside the repository",
            "pipeline.py:3",
            "below the repository",
            id="dataset outside",
        ),
        pytest.param(
            'data = lg.dataset("/etc/passwd")\n',
            "lies outside the repository",
            "pipeline.py:3",
            "below",
            id="absolute dataset",
        ),
        pytest.param(
            'c = lg.command("c", "make {out.class}")\n',
            "a keyword",
            "pipeline.py:3",
            "class_",
            id="keyword",
        ),
        pytest.param(
            "@lg.step(memory='lots')\ndef n() -> int: ...\n",
            "step `n`: 'lots' has no unit",
            "pipeline.py:3",
            "GiB",
            id="words",
        ),
        pytest.param(
            ROWS + "lg.model('m', rows, rows)\n",
            "the model 'm' has no name",
            "pipeline.py:5",
            "model_ = lg.model",
            id="nameless model",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_its_line(studio, text, message, where, hint):
    error = studio.refused(text)

    assert message in error.message
    assert error.where.startswith(where)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("n.tres=3", "the step `n` has no parameter `tres`", "did you mean `trees`?"),
        ("m.trees=3", "there is no step `m` to give `trees` to", ""),
        ("tres=3", "no step has a parameter `tres`", "did you mean `trees`?"),
        ("n.trees=many", "n.trees: 'many' is not a whole number", "300"),
    ],
)
def test_a_parameter_from_outside_that_fits_nothing_is_refused(studio, override, text, message, hint):
    error = studio.refused("@lg.step\ndef n(*, trees: int = 3) -> int: ...\n", override(text))

    assert message in error.message
    assert hint in error.hint


def test_a_parameter_of_the_configuration_that_fits_nothing_is_only_noted(studio, override):
    collected = studio.collect(
        "@lg.step\ndef n(*, trees: int = 3) -> int: ...\n", override("tres=3", "config")
    )

    assert "tres" in collected.notes[0]
    assert "did you mean `trees`?" in collected.notes[0]


def test_all_problems_are_told_together(studio):
    error = studio.refused(
        "@lg.step\ndef a(x) -> int: ...\n@lg.step\ndef b(y) -> int: ...\n", Override(step="", name="z")
    )

    assert "`x`" in error.message
    assert "pipeline.py:5: `b` takes `y`, which nothing makes" in error.hint
    assert "no step has a parameter `z`" in error.hint


def test_an_import_that_is_replaced_is_refused_with_both_lines(studio):
    studio.write("other_steps.py", "import legato as lg\n\n@lg.step\ndef rows() -> list: ...\n")

    error = studio.refused("from other_steps import rows\n@lg.step\ndef rows() -> list: ...\n")

    assert "the step at other_steps.py:3, imported at line 3, is replaced at pipeline.py:4" in error.message


def test_a_step_of_a_module_that_is_not_imported_by_name_says_how(studio):
    studio.write("far_steps.py", "import legato as lg\n\n@lg.step\ndef far() -> list: ...\n")

    error = studio.refused("import far_steps\n@lg.step\ndef n(x): ...\nm = n.using(x=far_steps.far)\n")

    assert "from far_steps import far" in error.hint


def test_a_template_that_lacks_an_input_is_named_where_its_output_is_wanted(studio):
    error = studio.refused(
        "@lg.step\ndef halves(table): ...\n@lg.step\ndef rows() -> list: ...\n"
        "row_halves = halves.using(table=rows)\n@lg.step\ndef n(halves): ...\n"
    )

    assert "`halves`, which would make `halves`, has no input `table`" in error.message


def test_a_name_bound_in_two_branches_is_fine(studio):
    graph = studio.collect(
        "import sys\nif sys.platform:\n    @lg.step\n    def a() -> int: ...\n"
        "else:\n    @lg.step\n    def a() -> int: ...\n"
    ).graph

    assert [node.name for node in graph.nodes] == ["a"]
