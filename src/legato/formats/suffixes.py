"""How the file of an artifact is called when a person takes it out of the store.

Rule: the suffix is the one that other programs know the format's bytes by; a format without one has none.
"""

from typing import Final

_SUFFIXES: Final = {
    "arrow": ".parquet", "arrow-column": ".parquet", "bytes": ".bin", "chart": ".vl.json", "evaluation": ".zip",
    "figure": ".png", "numpy": ".npy", "numpy-scalar": ".npy", "pandas": ".parquet", "pandas-column": ".parquet",
    "pickle": ".pkl", "plain": ".json", "polars": ".parquet", "polars-column": ".parquet", "skops": ".skops",
    "sparse": ".npz", "text": ".txt", "torch-tensor": ".safetensors",
}  # fmt: skip


def suffix_of(format_: str) -> str:
    """Return the suffix of a file in a format.

    >>> suffix_of("polars/1"), suffix_of("own:shop:Thing")
    ('.parquet', '')
    """
    return _SUFFIXES.get(format_.partition("/")[0], "")
