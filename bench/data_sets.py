"""Makes the data that stores are measured with: five sets, the same on every machine, and second versions of three.

Rule: equal seeds give equal bytes; what changes between two versions is what its docstring says and nothing else.
"""

# ruff: noqa: S311 - seeded, so that every run has the same bytes; no secrets

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20


def random_file(folder: Path, share: float) -> None:
    """One file of random bytes, 1 GiB."""
    generator = random.Random(1)
    with (folder / "random.bin").open("wb") as target:
        for _ in range(max(1, int(1024 * share))):
            target.write(generator.randbytes(MIB))


def many_files(folder: Path, share: float) -> None:
    """Ten thousand files of 20 KiB of random bytes."""
    generator = random.Random(2)
    for number in range(int(10_000 * share)):
        below = folder / f"{number // 100:03}"
        below.mkdir(exist_ok=True)
        (below / f"{number:05}.bin").write_bytes(generator.randbytes(20 * 1024))


def table(folder: Path, share: float, *, second: bool = False) -> None:
    """Parquet as pyarrow writes it by itself, nine columns of doubles, 430 MB.

    Second version: 1 % of the rows, together, changed, and 1 % appended.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = int(5_720_000 * share)
    generator = np.random.default_rng(3)
    columns = {f"column{number}": generator.normal(size=rows) for number in range(9)}
    if second:
        more = np.random.default_rng(4)
        at = rows // 3
        for name, values in columns.items():
            values[at : at + rows // 100] += 1.0
            columns[name] = np.concatenate([values, more.normal(size=rows // 100)])
    pq.write_table(pa.table(columns), folder / "table.parquet")


def lines(folder: Path, share: float, *, second: bool = False) -> None:
    """CSV, 460 MB; second version: one row inserted near the top."""
    generator = random.Random(5)
    with (folder / "lines.csv").open("w", encoding="ascii") as target:
        target.write("id,station,temperature,humidity,pressure,note\n")
        for number in range(int(7_300_000 * share)):
            if second and number == 100:  # noqa: PLR2004 - near the top
                target.write("100.5,inserted,0.0,0.0,0.0,late\n")
            draw = generator.getrandbits(64)
            target.write(
                f"{number},station{draw & 255},{(draw >> 8 & 4095) / 100},{(draw >> 20 & 4095) / 41},"
                f"{900 + (draw >> 32 & 65535) / 655},{'ok' if draw >> 60 else 'check'}\n"
            )


def weights(folder: Path, share: float, *, second: bool = False) -> None:
    """Weights of a network as float32, 420 MB; second version: one layer of ten changed."""
    import numpy as np

    generator = np.random.default_rng(6)
    count = int(10_500_000 * share)
    with (folder / "weights.bin").open("wb") as target:
        for layer in range(10):
            values = generator.normal(size=count).astype(np.float32)
            target.write(values.tobytes() if layer != 4 or not second else (values * 1.01).tobytes())  # noqa: PLR2004 - one of ten


SETS: Final[dict[str, Callable[..., None]]] = {
    "A": random_file,
    "B": many_files,
    "C": table,
    "D": lines,
    "E": weights,
}
"""What makes each set; those that take `second` have a second version."""

TWICE: Final = ("C", "D", "E")


def main() -> None:
    """Make one set in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("set", choices=SETS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the full size")
    parser.add_argument("--second", action="store_true", help="the second version")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    more = {"second": True} if options.second else {}
    SETS[options.set](options.folder, options.share, **more)


if __name__ == "__main__":
    main()
