"""Which module reads and writes what: data, so that nothing is imported to find out.

Rule: a name and number, once released, keep their meaning; a changed layout gets the next number.
"""

from collections.abc import Mapping
from typing import Final

from legato.domain.graph import Struct


class Entry(Struct, frozen=True, kw_only=True):
    """One format module.

    Attributes:
        module: Where it is.
        formats: The newest number it reads, by format name.
        roots: Top-level modules of the types it takes, looked up along a value's classes.
        extra: What to install for it.
    """

    module: str
    formats: Mapping[str, int]
    roots: tuple[str, ...] = ()
    extra: str = ""


CATALOGUE: Final = (
    Entry(
        module="legato.formats.polars_tables",
        formats={"polars": 1, "polars-column": 1},
        roots=("polars",),
        extra='"legato[tables]"',
    ),
    Entry(
        module="legato.formats.pandas_tables",
        formats={"pandas": 1, "pandas-column": 1},
        roots=("pandas",),
        extra="pandas pyarrow",
    ),
    Entry(
        module="legato.formats.arrow_tables",
        formats={"arrow": 1, "arrow-column": 1},
        roots=("pyarrow",),
        extra='"legato[tables]"',
    ),
    Entry(
        module="legato.formats.arrays",
        formats={"numpy": 1, "numpy-scalar": 1},
        roots=("numpy",),
        extra="numpy",
    ),
    Entry(module="legato.formats.sparse", formats={"sparse": 1}, roots=("scipy",), extra="scipy"),
    Entry(
        module="legato.formats.boosters",
        formats={"xgboost": 1, "lightgbm": 1},
        roots=("xgboost", "lightgbm"),
        extra="xgboost lightgbm",
    ),
    Entry(
        module="legato.formats.estimators",
        formats={"skops": 1},
        roots=("sklearn", "imblearn", "category_encoders", "xgboost", "lightgbm"),
        extra='"legato[sklearn]"',
    ),
    Entry(
        module="legato.formats.torch_modules",
        formats={"torch": 1, "torch-tensor": 1},
        roots=("torch",),
        extra="torch safetensors",
    ),
    Entry(
        module="legato.formats.figures",
        formats={"figure": 1, "chart": 1},
        roots=("matplotlib", "altair"),
        extra="matplotlib altair",
    ),
    Entry(
        module="legato.formats.evaluations",
        formats={"evaluation": 1},
        roots=("legato.domain.evaluation",),
        extra="numpy",
    ),
    Entry(module="legato.formats.files", formats={"file": 1, "folder": 1}, roots=("pathlib",)),
    Entry(module="legato.formats.texts", formats={"text": 1, "bytes": 1}, roots=("builtins",)),
    Entry(module="legato.formats.elsewhere", formats={"reference": 1}, roots=("legato",)),
    Entry(module="legato.formats.plain", formats={"plain": 1}, roots=("*",)),
    Entry(module="legato.formats.pickles", formats={"pickle": 1}),
)
