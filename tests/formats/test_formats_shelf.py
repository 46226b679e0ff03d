"""The shelf finds formats by type and by name, and says what to do where there is none."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import polars as pl
import pytest
from formats_bench import (
    NothingFormat,
    Thing,
    ThingFormat,
    artifact_of,
    new_shelf,
)

from legato.domain.errors import ConfigurationError, OutsideError, UserCodeError
from legato.formats import FILE, Pickled, form_of, type_name


def test_neither_the_port_nor_a_text_loads_any_library(tmp_path):
    script = f"""
import sys
from pathlib import Path
from legato.formats.shelf import Shelf
shelf, folder = Shelf(lambda module: False), Path({str(tmp_path)!r})
shelf.save("x", folder)
shelf.save([1], folder, name="list")
heavy = ("numpy", "polars", "pandas", "pyarrow", "sklearn", "skops", "torch", "http")
print([name for name in heavy if name in sys.modules])
"""

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("annotation", "form"),
    [
        (None, ""),
        (Any, ""),
        (object, ""),
        (Path, "pathlib.Path"),
        ("Path", "pathlib.Path"),
        (pl.DataFrame, "polars.DataFrame"),
        ("pl.DataFrame", "polars.DataFrame"),
        ("LazyFrame", "polars.LazyFrame"),
        (pl.LazyFrame | None, "polars.LazyFrame"),
        (Optional[pl.Series], "polars.Series"),  # noqa: UP045 - as authors write it
        (Annotated[bytes, "note"], "bytes"),
        (dict[str, int], "dict"),
        (int | str, ""),
        ("int | str", ""),
    ],
    ids=str,
)
def test_an_annotation_is_read_as_the_form_it_asks_for(annotation, form):
    assert form_of(annotation) == form


def test_types_are_named_by_the_module_that_hands_them_out():
    import numpy as np
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier

    names = [type_name(kind) for kind in (pd.DataFrame, np.ndarray, RandomForestClassifier, Thing, int)]

    assert names == [
        "pandas.DataFrame",
        "numpy.ndarray",
        "sklearn.ensemble.RandomForestClassifier",
        "formats_bench.Thing",
        "int",
    ]


def test_a_value_without_a_format_is_refused_with_how_to_write_one(tmp_path):
    with pytest.raises(ConfigurationError, match="no format fits a value of type formats_bench") as caught:
        new_shelf().save(Thing(1), tmp_path)

    assert "@lg.format(Thing)" in caught.value.hint


@pytest.mark.parametrize("name", ["polars/2", "polars/99"])
def test_a_newer_number_is_refused_with_how_to_upgrade(name, tmp_path):
    saved = new_shelf().save(pl.DataFrame({"a": [1]}), tmp_path)

    with pytest.raises(ConfigurationError, match="newer than this Legato, which reads polars/1") as caught:
        new_shelf().load(saved.path, artifact_of(saved, format=name))

    assert caught.value.hint == "pip install --upgrade legato"


@pytest.mark.parametrize(
    ("name", "message"), [("sorcery/1", "'sorcery' is not known"), ("text", "has no number")]
)
def test_an_unknown_format_is_refused_with_the_known_ones(name, message, tmp_path):
    saved = new_shelf().save("x", tmp_path)

    with pytest.raises(ConfigurationError, match=message):
        new_shelf().load(saved.path, artifact_of(saved, format=name))


def test_a_pickle_is_made_only_on_request_and_read_only_when_allowed(tmp_path):
    saved = new_shelf().save(Thing(7), tmp_path, hint=Pickled[Thing])

    with pytest.raises(ConfigurationError, match="is a pickle: reading it can run any code"):
        new_shelf().load(saved.path, artifact_of(saved))
    back = new_shelf().load(saved.path, artifact_of(saved), allow_unsafe=True)

    assert (saved.unsafe, saved.format, saved.classes) == (True, "pickle/1", ("formats_bench:Thing",))
    assert back.size == 7


def test_a_pickle_that_hides_its_mark_is_still_refused(tmp_path):
    saved = new_shelf().save(Thing(7), tmp_path, hint=Pickled[Thing])

    with pytest.raises(ConfigurationError, match="is a pickle"):
        new_shelf().load(saved.path, artifact_of(saved, unsafe=False))


def test_a_users_format_is_declared_and_found_again_without_registration(tmp_path):
    shelf = new_shelf()
    shelf.register(Thing, ThingFormat)

    saved = shelf.save(Thing(5), tmp_path)
    back = new_shelf().load(saved.path, artifact_of(saved))

    assert saved.format == "own:formats_bench:ThingFormat"
    assert saved.classes == ("formats_bench:Thing", "formats_bench:ThingFormat")
    assert back.size == 5


def test_a_users_format_that_writes_nothing_is_refused(tmp_path):
    shelf = new_shelf()
    shelf.register(Thing, NothingFormat)

    with pytest.raises(UserCodeError, match=r"NothingFormat\.save wrote no file"):
        shelf.save(Thing(5), tmp_path)


def test_what_a_users_format_raises_is_shown_with_its_own_traceback(tmp_path):
    shelf = new_shelf()
    shelf.register(Thing, NothingFormat)
    saved = new_shelf().save("x", tmp_path)
    artifact = artifact_of(
        saved, format="own:formats_bench:NothingFormat", classes=("formats_bench:NothingFormat",)
    )

    with pytest.raises(UserCodeError, match="raised RuntimeError: nothing here") as caught:
        shelf.load(saved.path, artifact)

    assert "nothing here" in caught.value.details
    assert "own.py" not in caught.value.details


def test_a_users_format_without_its_methods_is_refused():
    with pytest.raises(ConfigurationError, match="has no save and no load"):
        new_shelf().register(Thing, Thing)


def test_a_full_or_closed_disk_is_an_outside_error(tmp_path):
    blocked = tmp_path / "value.txt"
    blocked.mkdir()

    with pytest.raises(OutsideError, match="could not be written"):
        new_shelf().save("x", tmp_path)


def test_a_path_form_is_given_without_reading(tmp_path):
    saved = new_shelf().save(pl.DataFrame({"a": [1]}), tmp_path)
    saved.path.write_bytes(b"damaged")

    assert new_shelf().load(saved.path, artifact_of(saved), form=Path) == saved.path


def test_text_that_utf_8_cannot_hold_is_plain(tmp_path):
    assert new_shelf().save("\ud800", tmp_path / "a").format == "plain/1"
    assert new_shelf().save("x", tmp_path / "b").format == "text/1"
    assert FILE == "file/1"
