"""Requests: what fits is read, what does not is refused by name, and nothing else ever happens."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from legato.serve.refusals import RefusedError
from legato.serve.requests import RequestReader
from legato.serve.signature import Answer, Column, Signature

SIGNATURE = Signature(
    inputs=(
        Column(name="age", datatype="FP64"),
        Column(name="visits", datatype="INT64", nullable=True),
        Column(name="plan", datatype="BYTES"),
        Column(name="active", datatype="BOOL"),
    ),
    outputs=(Answer(name="predictions", datatype="INT64"),),
)
MATRIX = Signature(
    inputs=(Column(name="rows", datatype="FP64", width=3),),
    outputs=(Answer(name="predictions", datatype="FP64"),),
    named=False,
)
READ = RequestReader(SIGNATURE)
READ_MATRIX = RequestReader(MATRIX)


def tensor(name, datatype, data, shape=None):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data), 1], "data": data}


def good(**changed):
    tensors = {
        "age": tensor("age", "FP64", [31.5, 40]),
        "visits": tensor("visits", "INT64", [3, None]),
        "plan": tensor("plan", "BYTES", ["basic", "gold"]),
        "active": tensor("active", "BOOL", [True, False]),
    }
    tensors.update(changed)
    return [value for value in tensors.values() if value is not None]


def body(inputs, **more):
    return json.dumps({"inputs": inputs, **more}).encode()


def refusal(data, read=READ):
    with pytest.raises(RefusedError) as caught:
        read(data)
    assert caught.value.status == 400
    return caught.value.message


def test_a_request_that_fits_is_read_column_by_column_in_the_signatures_order():
    question = READ(body(list(reversed(good())), id="q1", outputs=[{"name": "predictions"}]))

    assert question.values == [[31.5, 40.0], [3, None], ["basic", "gold"], [True, False]]
    assert (question.rows, question.id, question.outputs) == (2, "q1", ["predictions"])


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize("data", [[31.5, 40.0], [[31.5], [40.0]]])
def test_a_column_may_be_flat_or_nested_with_one_or_two_dimensions(shape, data):
    question = READ(body(good(age=tensor("age", "FP64", data, shape))))

    assert question.values[0] == [31.5, 40.0]


def test_a_matrix_may_be_flat_or_nested():
    flat = READ_MATRIX(body([tensor("rows", "FP64", [1, 2, 3, 4, 5, 6], [2, 3])]))
    nested = READ_MATRIX(body([tensor("rows", "FP64", [[1, 2, 3], [4, 5, 6]], [2, 3])]))

    assert flat == nested
    assert flat.values == [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]


def test_a_wider_or_narrower_number_type_is_taken_value_by_value():
    question = READ(
        body(good(age=tensor("age", "INT32", [31, 40]), visits=tensor("visits", "UINT8", [1, 2])))
    )

    assert question.values[:2] == [[31.0, 40.0], [1, 2]]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (good(age=tensor("age", "BYTES", [31.5, 40])), "'age' takes datatype FP64, got 'BYTES'"),
        (
            good(age=tensor("age", "FP64", ["31.5", "40"])),
            "'age' takes FP64 values: Expected float, got str - at data[0]",
        ),
        (good(age=tensor("age", "FP64", [True, 1.0])), "'age' takes FP64 values: Expected float, got bool"),
        (good(age=tensor("age", "FP64", [None, 1.0])), "no missing value was seen in training"),
        (good(visits=tensor("visits", "INT64", [1.5, 2])), "'visits' takes INT64 values: Expected int"),
        (good(visits=tensor("visits", "INT64", [2**63, 2])), "9223372036854775808, which has no room"),
        (
            good(plan=tensor("plan", "BYTES", ["basic", 7])),
            "'plan' takes BYTES values: Expected str, got int",
        ),
        (good(active=tensor("active", "BOOL", [1, 0])), "'active' takes BOOL values: Expected bool, got int"),
        (
            good(age=tensor("age", "FP64", [1.0, 2.0], [2, 2])),
            "'age' takes shape [n, 1] or [n] with n of at least 1, got [2, 2]",
        ),
        (good(age=tensor("age", "FP64", [1.0, 2.0], [-1, 1])), "got [-1, 1]"),
        (good(age=tensor("age", "FP64", [], [0, 1])), "n of at least 1"),
        (good(age=tensor("age", "FP64", [1.0], [2, 1])), "which is 2 values; its data holds 1"),
        (
            good(age=tensor("age", "FP64", [[1.0, 2.0]], [2, 1])),
            "row 0 of input 'age' has 2 values, expected 1",
        ),
        (good(age=tensor("age", "FP64", [1.0, 2.0, 3.0])), "rows"),
        (good(age=tensor("agee", "FP64", [1.0, 2.0])), "there is no input 'agee'; did you mean 'age'?"),
        (good(age=None), "missing 'age'"),
        ([*good(), *good()], "'age' came twice"),
        (good(age={"name": "age", "datatype": "FP64", "shape": [2, 1]}), "has no 'data'"),
        ([], "missing"),
    ],
)
def test_what_does_not_fit_is_refused_by_name_with_what_was_expected_and_what_came(inputs, words):
    assert words in refusal(body(inputs))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the body is empty"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"inputs": [{"name": "age"}]}', "missing required field"),
        (b'{"rows": []}', "missing required field `inputs`"),
        (b'{"inputs": ' + b"[" * 100_000, "not follow"),
        (b'{"x": ' + b"[" * 100_000, "nested too deeply"),
        (
            b'{"inputs":[{"name":"age","shape":[1],"datatype":"FP64","data":'
            + b"[" * 100_000
            + b"]" * 100_000
            + b"}]}",
            "nested",
        ),
        (b'{"inputs":[{"name":"age","shape":[1],"datatype":"FP64","data":[NaN]}]}', "no word NaN"),
        (b'{"inputs":[{"name":"age","shape":[1],"datatype":"FP64","data":[1e999]}]}', "out of range"),
    ],
)
def test_a_body_that_is_no_request_is_refused(data, words):
    assert words in refusal(data)


def test_an_unknown_output_is_refused_by_name():
    assert "no output 'scores'; the model answers 'predictions'" in refusal(
        body(good(), outputs=[{"name": "scores"}])
    )


def test_a_category_that_was_never_seen_is_refused_with_the_nearest():
    read = RequestReader(
        Signature(
            inputs=(Column(name="plan", datatype="BYTES", kind="category", categories=("basic", "gold")),),
            outputs=SIGNATURE.outputs,
        )
    )

    assert "no category 'golf'; did you mean 'gold'?" in refusal(
        body([tensor("plan", "BYTES", ["golf"])]), read
    )


def test_a_date_is_iso_8601_or_refused():
    read = RequestReader(
        Signature(inputs=(Column(name="day", datatype="BYTES", kind="date"),), outputs=SIGNATURE.outputs)
    )

    assert "takes a date as ISO 8601 text, got '3rd of May'" in refusal(
        body([tensor("day", "BYTES", ["3rd of May"])]), read
    )
    assert read(body([tensor("day", "BYTES", ["2026-05-03"])])).values == [["2026-05-03"]]


def test_a_duplicate_key_means_its_last_value_as_json_readers_have_it():
    twice = body(good()).replace(b'{"inputs"', b'{"id": "first", "id": "last", "inputs"')

    assert READ(twice).id == "last"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "shape", "datatype", "data", "x"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["age", "visits", "plan", "active", "rows", ""]),
    datatype=st.sampled_from(["FP64", "INT64", "BYTES", "BOOL", "FP16", "x"]),
    shape=JSON,
    data=JSON,
)
def test_any_tensor_is_read_or_refused_and_nothing_else(name, datatype, shape, data):
    request = msgspec.json.encode(
        {"inputs": [{"name": name, "datatype": datatype, "shape": shape, "data": data}]}
    )
    answers = []
    for read in (READ, READ_MATRIX):
        try:
            answers.append(read(request).rows)
        except RefusedError as refused:
            answers.append(refused.status)

    assert all(answer == 400 or answer >= 1 for answer in answers)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(RefusedError):
        READ(data)
