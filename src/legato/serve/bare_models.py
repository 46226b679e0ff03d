"""Gives models that libraries leave without `predict(rows)` that one method: boosters and PyTorch modules.

Rule: what is answered is what the library's own call answers to the same rows; no library is imported unless
a model of its own is already in play.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from legato.domain.errors import ConfigurationError
from legato.domain.units import with_article
from legato.serve.runners import Array, first_line
from legato.serve.tables import column_names, library_of, values_of

_SIZES: Final = ("in_features", "num_features")


class XGBoostTrees:
    """A `xgboost.Booster`; its answers are those of `booster.predict`."""

    def __init__(self, booster: Any) -> None:  # noqa: ANN401 - xgboost has no types
        """Take the booster's names, where it has some, and its width."""
        self.feature_names_in_ = tuple(booster.feature_names or ())
        self.n_features_in_ = int(booster.num_features())
        self._booster = booster
        self._linear = _is_linear(booster)

    def predict(self, rows: Any) -> Array:  # noqa: ANN401 - rows of any library
        """Return one answer a row, or one for each class."""
        if self._linear:  # it does not predict in place
            matrix = importlib.import_module("xgboost").DMatrix(
                rows, feature_names=list(self.feature_names_in_) or None
            )
            return np.asarray(self._booster.predict(matrix))
        return np.asarray(self._booster.inplace_predict(rows))


def _is_linear(booster: Any) -> bool:  # noqa: ANN401 - xgboost has no types
    return '"booster":"gblinear"' in booster.save_config().replace(" ", "")


class LightGBMTrees:
    """A `lightgbm.Booster`; its answers are those of `booster.predict`."""

    def __init__(self, booster: Any) -> None:  # noqa: ANN401 - lightgbm has no types
        """Take the booster's names and its width."""
        self.feature_names_in_ = tuple(booster.feature_name())
        self.n_features_in_ = int(booster.num_feature())
        self._booster = booster

    def predict(self, rows: Any) -> Array:  # noqa: ANN401 - rows of any library
        """Return one answer a row, or one for each class; raises ValueError for rows it does not take."""
        try:
            return np.asarray(self._booster.predict(rows))
        except Exception as error:  # the library's own error is no ValueError
            raise ValueError(first_line(error)) from error


class TorchModule:
    """A `torch.nn.Module` that takes one float32 tensor, whose first dimension is the rows, and returns one."""

    takes_arrays = True

    def __init__(self, module: Any) -> None:  # noqa: ANN401 - torch is optional
        """Put the module into the mode for answering; its first sized layer tells the width."""
        self._torch = importlib.import_module("torch")
        self._module = module.eval()
        self.feature_names_in_ = tuple(getattr(module, "feature_names_in_", ()))
        self.n_features_in_ = _width(module)

    def predict(self, rows: Any) -> Array:  # noqa: ANN401 - rows of any library
        """Return the module's answers; raises ValueError for rows it does not take."""
        with self._torch.inference_mode():
            try:
                found = self._module(self._torch.from_numpy(_singles(rows)))
            except (RuntimeError, IndexError) as error:
                raise ValueError(first_line(error)) from error
        if not isinstance(found, self._torch.Tensor):
            raise ConfigurationError(
                f"{type(self._module).__qualname__} answers with {with_article(type(found).__name__)}, not a tensor",
                hint="let forward return one tensor, or give the module a method predict(self, rows)",
            )
        return np.asarray(found.detach().cpu().numpy())


def _width(module: Any) -> int:  # noqa: ANN401 - torch is optional
    """Return how many numbers a row has; 0 where the module's first layer does not say it."""
    for layer in module.modules():
        if next(layer.parameters(recurse=False), None) is not None:
            sizes = (getattr(layer, name, 0) for name in _SIZES)
            return next((size for size in sizes if isinstance(size, int) and size > 0), 0)
    return 0


def _singles(rows: Any) -> Array:  # noqa: ANN401 - rows of any library
    """Return rows as a float32 matrix; a missing value is NaN."""
    if library_of(rows) == "numpy":
        return np.array(rows, dtype=np.float32)
    columns = [np.array(values_of(rows, name), dtype=np.float32) for name in column_names(rows)]
    return np.stack(columns, axis=1)


_FACES: Final[Mapping[str, Callable[[Any], Any]]] = {"xgboost": XGBoostTrees, "lightgbm": LightGBMTrees}


def is_booster(model: object) -> bool:
    """Say whether a model is a library's own booster, without a scikit-learn wrapper around it."""
    return type(model).__name__ == "Booster" and _root(type(model)) in _FACES


def is_module(model: object) -> bool:
    """Say whether a model is a PyTorch module."""
    return any(kind.__module__.startswith("torch.nn.") for kind in type(model).__mro__)


def answering(model: Any) -> Any:  # noqa: ANN401 - any model
    """Return something with `predict(rows)` for a booster or PyTorch module; any other model as it is."""
    if is_booster(model):
        return _FACES[_root(type(model))](model)
    if is_module(model) and not callable(getattr(model, "predict", None)):
        return TorchModule(model)
    return model


def _root(kind: type) -> str:
    return kind.__module__.partition(".")[0]
