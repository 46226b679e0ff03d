"""Arrays come back equal, writable, and never write into the file."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from formats_bench import artifact_of, new_shelf, there_and_back
from hypothesis import given, settings
from hypothesis.extra import numpy as npst

from legato.domain.errors import ConfigurationError

DTYPES = (
    npst.boolean_dtypes()
    | npst.integer_dtypes()
    | npst.floating_dtypes()
    | npst.complex_number_dtypes()
    | npst.unicode_string_dtypes()
    | npst.byte_string_dtypes()
    | npst.datetime64_dtypes()
    | npst.timedelta64_dtypes()
)


@settings(max_examples=150, deadline=None)
@given(
    npst.arrays(
        dtype=DTYPES | npst.array_dtypes(), shape=npst.array_shapes(min_dims=0, min_side=0, max_side=4)
    )
)
def test_any_array_comes_back_equal(array):
    with tempfile.TemporaryDirectory() as folder:
        back = there_and_back(array, Path(folder))

    assert type(back) is np.ndarray
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert _items(back) == _items(array)


def _items(array):
    """Bytes without the padding between fields, so that NaN equals itself."""
    if array.dtype.names is None:
        return array.tobytes()
    return [_items(array[name]) for name in array.dtype.names]


def test_equal_arrays_of_other_strides_give_equal_bytes(tmp_path):
    array = np.arange(600_000.0).reshape(1000, 600)
    shapes = (array, np.asfortranarray(array), np.repeat(array, 2, axis=1)[:, ::2])

    files = [new_shelf().save(shape, tmp_path / str(i)).path.read_bytes() for i, shape in enumerate(shapes)]

    assert files[0] == files[1] == files[2]


def test_a_large_array_is_mapped_and_a_write_stays_with_the_consumer(tmp_path):
    saved = new_shelf().save(np.zeros(500_000), tmp_path)
    before = saved.path.read_bytes()
    saved.path.chmod(0o444)

    back = new_shelf().load(saved.path, artifact_of(saved))
    back[:] = 1

    assert back.sum() == 500_000
    assert saved.path.read_bytes() == before


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([{}]), "dtype object, which holds Python objects"),
        (np.array([(1, "x")], dtype=[("a", int), ("b", object)]), "holds Python objects"),
        (np.ma.array([1, 2], mask=[0, 1]), "no format fits a value of type numpy.ma.MaskedArray"),
        (np.rec.array([(1, 2)]), "no format fits a value of type numpy.recarray"),
    ],
)
def test_arrays_that_would_come_back_changed_are_refused(value, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message) as caught:
        new_shelf().save(value, tmp_path)

    assert caught.value.hint


@pytest.mark.parametrize(
    "scalar",
    [
        np.float16(1),
        np.int64(-3),
        np.bool_(1),
        np.str_("x"),
        np.datetime64("2026-01-01"),
        np.complex64(1j),
    ],
)
def test_a_scalar_comes_back_as_the_same_scalar(scalar, tmp_path):
    back = there_and_back(scalar, tmp_path)

    assert type(back) is type(scalar)
    assert back == scalar


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "bsr", "dia"])
def test_a_sparse_matrix_keeps_its_layout(layout, tmp_path):
    import scipy.sparse

    matrix = scipy.sparse.random_array((20, 10), density=0.2, format=layout, rng=1)
    back = there_and_back(matrix, tmp_path)

    assert back.format == layout
    np.testing.assert_array_equal(back.toarray(), matrix.toarray())
