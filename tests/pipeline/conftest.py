import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from legato.domain.errors import ConfigurationError
from legato.domain.messages import Override
from legato.pipeline.collect import Collected, collect

_COUNT = itertools.count()
HEAD = "from typing import NamedTuple\nimport legato as lg\n"


class Studio:
    """Writes pipelines into a folder of their own, imports and collects them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.imported: list[str] = []

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, text: str, *, head: str = HEAD, file: str = "pipeline.py") -> ModuleType:
        path = self.write(file, head + text)
        name = f"pipeline_under_test_{next(_COUNT)}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        self.imported.append(name)
        spec.loader.exec_module(module)
        return module

    def collect(
        self, text: str, *overrides: Override, head: str = HEAD, file: str = "pipeline.py"
    ) -> Collected:
        return collect(self.load(text, head=head, file=file), root=self.folder, overrides=overrides)

    def refused(self, text: str, *overrides: Override, head: str = HEAD) -> ConfigurationError:
        with pytest.raises(ConfigurationError) as caught:
            self.collect(text, *overrides, head=head)
        return caught.value


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    before = set(sys.modules)
    sys.path.insert(0, str(tmp_path))
    yield Studio(tmp_path)
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def override() -> Callable[..., Override]:
    """Read `classifier.trees=300` like the command line does."""

    def make(text: str, origin: str = "option", *, wire: bool = False) -> Override:
        left, _, value = text.partition("=")
        step, _, name = left.rpartition(".")
        return Override(step=step, name=name, origin=origin, **{"wire" if wire else "text": value})

    return make
