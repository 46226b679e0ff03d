"""How a table's rows lie in a Parquet file, whichever room writes it.

Rule: equal rows must be equal bytes everywhere, so a change here is a new number of every format of tables.
"""

from typing import Final

ROWS_IN_GROUP: Final = 2**17
"""Rows of a row group: fixed, so that bytes do not depend on how a table was put together in memory."""

COMPRESSION: Final = "zstd"
COMPRESSION_LEVEL: Final = 1
"""On real tables a quarter smaller than Snappy for a tenth more CPU; level 3 gains nothing."""

PARQUET_VERSION: Final = "2.6"
