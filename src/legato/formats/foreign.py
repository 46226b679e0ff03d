"""Reads files that Legato did not write, in the form a step's annotation asks for.

Rule: the file's own name says what is in it; a form that such files cannot give is refused with both names.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from legato.domain.errors import ConfigurationError
from legato.domain.units import with_article

_KINDS: Final = {
    ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".ipc": "arrow",
    ".feather": "arrow", ".json": "json", ".jsonl": "lines", ".ndjson": "lines", ".npy": "npy",
}  # fmt: skip
_PACKED: Final = {".gz": "gzip", ".zst": "zstd"}


def read_foreign(path: Path, name: str, form: str) -> object:
    """Read the file or folder at `path`, whose own name is `name`, as `form` (see `form_of`).

    A folder is read when all its files are of one kind: as one table, in the order of their paths.

    Raises:
        ConfigurationError: `form` is a table or array and files of this kind do not hold one.
    """
    if form in _TEXTS and path.is_file():
        return _TEXTS[form](path)
    reader = _READERS.get(form)
    if reader is None:
        return path
    kind, packing = kind_of(path, name)
    if kind not in reader:
        raise ConfigurationError(
            f"{name!r} cannot be read as {with_article(form)}{_reason(path)}",
            hint=f"{with_article(form)} is read from {', '.join(sorted(reader))} files; annotate the parameter "
            "`Path` and read it yourself",
        )
    return reader[kind](_files(path), packing)


def _reason(path: Path) -> str:
    """Say what keeps a folder from being one table; nothing for a file, whose name is said already."""
    if path.is_file():
        return ""
    suffixes = sorted({"".join(file.suffixes) or "no suffix" for file in _files(path)})
    if not suffixes:
        return ": it holds no files"
    return f": its files are of several kinds ({', '.join(suffixes[:5])})" if len(suffixes) > 1 else ""


def kind_of(path: Path, name: str) -> tuple[str, str]:
    """Return what a file holds (`csv`, `parquet`, …; empty when unknown), and how it is packed (`gzip`)."""
    if path.is_dir():
        kinds = {kind_of(file, file.name) for file in _files(path)}
        return kinds.pop() if len(kinds) == 1 else ("", "")
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    packing = _PACKED.get(suffixes[-1], "") if suffixes else ""
    rest = suffixes[:-1] if packing else suffixes
    return (_KINDS.get(rest[-1], "") if rest else ""), packing


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".", "_")))


Reader = Callable[[list[Path], str], Any]


def _polars_lazy(scan: str, **options: object) -> Reader:
    def read(files: list[Path], packing: str) -> Any:  # noqa: ANN401 - polars is not imported to name its type
        import polars as pl

        if packing and scan == "scan_parquet":
            raise ConfigurationError(
                "a packed Parquet file cannot be read", hint="unpack it: Parquet packs itself"
            )
        return getattr(pl, scan)(files, **options)

    return read


def _collected(lazy: Reader) -> Reader:
    return lambda files, packing: lazy(files, packing).collect()


def _json_table(files: list[Path], packing: str) -> Any:  # noqa: ANN401 - polars is not imported to name its type
    import polars as pl

    _refuse_packed(packing)
    return pl.concat([pl.read_json(file) for file in files], how="diagonal_relaxed")


def _refuse_packed(packing: str) -> None:
    if packing:
        raise ConfigurationError(f"a {packing} file of this kind cannot be read as a table", hint="unpack it")


_LAZY: Final[Mapping[str, Reader]] = {
    "csv": _polars_lazy("scan_csv", glob=False, try_parse_dates=True),
    "tsv": _polars_lazy("scan_csv", glob=False, try_parse_dates=True, separator="\t"),
    "parquet": _polars_lazy("scan_parquet", glob=False),
    "arrow": _polars_lazy("scan_ipc", glob=False),
    "lines": _polars_lazy("scan_ndjson"),
    "json": lambda files, packing: _json_table(files, packing).lazy(),
}
_EAGER: Final = {kind: _collected(reader) for kind, reader in _LAZY.items()}


def _pandas(function: str, **options: object) -> Reader:
    def read(files: list[Path], packing: str) -> Any:  # noqa: ANN401 - pandas has no types
        import pandas as pd  # type: ignore[import-untyped]

        packed = {"compression": packing or None} if function in ("read_csv", "read_json") else {}
        tables = [getattr(pd, function)(file, **options, **packed) for file in files]
        return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)

    return read


_PANDAS: Final[Mapping[str, Reader]] = {
    "csv": _pandas("read_csv"),
    "tsv": _pandas("read_csv", sep="\t"),
    "parquet": _pandas("read_parquet"),
    "arrow": _pandas("read_feather"),
    "lines": _pandas("read_json", lines=True),
    "json": _pandas("read_json"),
}


def _dataset(files: list[Path], packing: str, kind: str) -> Any:  # noqa: ANN401 - pyarrow is not imported to name its type
    import pyarrow.dataset as ds  # type: ignore[import-untyped]

    _refuse_packed(packing)
    return ds.dataset([str(file) for file in files], format=kind)


_DATASETS: Final[Mapping[str, Reader]] = {
    "csv": lambda files, packing: _dataset(files, packing, "csv"),
    "parquet": lambda files, packing: _dataset(files, packing, "parquet"),
    "arrow": lambda files, packing: _dataset(files, packing, "ipc"),
}


def _table(dataset: Reader) -> Reader:
    return lambda files, packing: dataset(files, packing).to_table()


_TABLES: Final = {kind: _table(reader) for kind, reader in _DATASETS.items()}


def _array(files: list[Path], packing: str) -> object:
    from legato.formats.arrays import read_array

    _refuse_packed(packing)
    if len(files) != 1:
        raise ConfigurationError(
            f"{len(files)} arrays cannot be read as one", hint="annotate the parameter `Path`"
        )
    return read_array(files[0])


_READERS: Final[Mapping[str, Mapping[str, Reader]]] = {
    "polars.DataFrame": _EAGER,
    "polars.LazyFrame": _LAZY,
    "pandas.DataFrame": _PANDAS,
    "pyarrow.Table": _TABLES,
    "pyarrow.dataset.Dataset": _DATASETS,
    "numpy.ndarray": {"npy": _array},
}


def _read_json(path: Path) -> object:
    import json

    return json.loads(path.read_text())


_TEXTS: Final[Mapping[str, Callable[[Path], object]]] = {
    "str": lambda path: path.read_text(),
    "bytes": lambda path: path.read_bytes(),
    "dict": _read_json,
    "list": _read_json,
}
