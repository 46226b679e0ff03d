"""XGBoost and LightGBM models in their libraries' own stable forms (UBJSON, text).

Rule: the trees are the library's documented file; a scikit-learn wrapper's settings lie beside them as skops.
"""

import copy
import importlib
import json
from pathlib import Path
from typing import Any, Final

from legato.domain.artifacts import Artifact
from legato.domain.digests import digest_of
from legato.domain.errors import ConfigurationError
from legato.formats import Saved, Trust
from legato.formats.annotations import type_name

_TREES: Final = {"xgboost": "model.ubj", "lightgbm": "model.txt"}
_WRAPPER: Final = "wrapper.skops"
_STATE: Final = "state.json"
_SEAL: Final = "trees.sha256"
"""Digest of the trees' file: the libraries' own readers crash on some damaged bytes, so they never see any."""


def accepts(value: object) -> bool:
    """Take the libraries' own boosters and fitted scikit-learn wrappers; others go to the skops format."""
    library = type(value).__module__.split(".")[0]
    return library in _TREES and _booster_of(value) is not None


def save(value: object, target: Path, trust: Trust) -> Saved:
    """Write a folder: the trees, and for a wrapper what surrounds them."""
    library = type(value).__module__.split(".")[0]
    target.mkdir()
    booster = _booster_of(value)
    classes: tuple[str, ...] = ()
    _SAVERS[library](booster, target)
    (target / _SEAL).write_text(digest_of((target / _TREES[library]).read_bytes()))
    if booster is not value:
        from legato.formats.estimators import write_estimator

        shell = copy.copy(value)
        shell.__dict__["_Booster"] = None
        classes = write_estimator(shell, target / _WRAPPER, trust)
    return Saved(path=target, format=f"{library}/1", type=type_name(type(value)), tree=True, classes=classes)


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read the booster, and put it back into its wrapper."""
    library = artifact.format.partition("/")[0]
    if digest_of((path / _TREES[library]).read_bytes()) != (path / _SEAL).read_text(errors="replace"):
        raise ValueError(f"{_TREES[library]} is not what was written")
    booster = _LOADERS[library](path)
    if not (path / _WRAPPER).exists():
        return booster
    from legato.formats.estimators import read_estimator

    wrapper: Any = read_estimator(path / _WRAPPER, trust)
    wrapper.__dict__["_Booster"] = booster
    return wrapper


def _booster_of(value: Any) -> Any:  # noqa: ANN401 - neither library has types
    """Return a booster itself or that of a fitted wrapper; None where there is none."""
    return value if type(value).__name__ == "Booster" else getattr(value, "__dict__", {}).get("_Booster")


def _save_xgboost(booster: Any, folder: Path) -> None:  # noqa: ANN401 - xgboost has no types
    (folder / _TREES["xgboost"]).write_bytes(booster.save_raw("ubj"))


def _load_xgboost(folder: Path) -> Any:  # noqa: ANN401 - xgboost has no types
    return importlib.import_module("xgboost").Booster(model_file=str(folder / _TREES["xgboost"]))


def _save_lightgbm(booster: Any, folder: Path) -> None:  # noqa: ANN401 - lightgbm has no types
    (folder / _TREES["lightgbm"]).write_text(booster.model_to_string(num_iteration=-1))
    scores = {data: dict(values) for data, values in booster.best_score.items()}
    state = {"best_iteration": booster.best_iteration, "best_score": scores}
    try:
        (folder / _STATE).write_text(json.dumps(state, sort_keys=True))
    except TypeError as error:
        raise ConfigurationError(f"the booster's best_score is not plain: {error}") from error


def _load_lightgbm(folder: Path) -> Any:  # noqa: ANN401 - lightgbm has no types
    state = json.loads((folder / _STATE).read_text())
    booster = importlib.import_module("lightgbm").Booster(model_file=str(folder / _TREES["lightgbm"]))
    booster.best_iteration, booster.best_score = state["best_iteration"], state["best_score"]
    return booster


_SAVERS: Final = {"xgboost": _save_xgboost, "lightgbm": _save_lightgbm}
_LOADERS: Final = {"xgboost": _load_xgboost, "lightgbm": _load_lightgbm}
