"""What the tests of the formats room share: a shelf, one save and load, and first-party classes.

Rule: this module counts as the user's own code.
"""

from dataclasses import dataclass, field
from enum import Enum, Flag, IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from legato.domain.artifacts import Artifact
from legato.formats import Saved
from legato.formats.shelf import Shelf


class Level(IntEnum):
    LOW = 1


class Color(Enum):
    RED = "r"
    BLUE = "b"


class Right(Flag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Point:
    x: int
    tags: tuple[str, ...] = ()
    doubled: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "doubled", self.x * 2)


class Pair(NamedTuple):
    left: int
    right: Any


class Times(TransformerMixin, BaseEstimator):
    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def fit(self, rows: Any, labels: Any = None) -> "Times":  # noqa: ARG002 - scikit-learn's interface
        self.n_features_in_ = np.shape(rows)[1]
        return self

    def transform(self, rows: Any) -> Any:
        return np.asarray(rows) * self.factor


def halved(rows: Any) -> Any:
    return np.asarray(rows) / 2


class Thing:
    def __init__(self, size: int) -> None:
        self.size = size


class ThingFormat:
    def save(self, value: Thing, folder: Path) -> None:
        (folder / "size.txt").write_text(str(value.size))

    def load(self, folder: Path) -> Thing:
        return Thing(int((folder / "size.txt").read_text()))


class NothingFormat:
    def save(self, value: Thing, folder: Path) -> None:
        pass

    def load(self, folder: Path) -> Thing:
        message = f"nothing here: {folder.name}"
        raise RuntimeError(message)


def new_shelf() -> Shelf:
    return Shelf(lambda module: module == "formats_bench")


def artifact_of(saved: Saved, **changes: Any) -> Artifact:
    known = {
        "digest": "sha256:" + "0" * 64,
        "size_bytes": 1,
        "format": saved.format,
        "type": saved.type,
        "tree": saved.tree,
        "classes": saved.classes,
        "unsafe": saved.unsafe,
        "about": saved.about,
    }
    return Artifact(**{**known, **changes})


def there_and_back(value: object, folder: Path, form: object = None) -> Any:
    shelf = new_shelf()
    saved = shelf.save(value, folder)
    return shelf.load(saved.path, artifact_of(saved), form=form)
