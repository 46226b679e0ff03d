"""scikit-learn estimators, and what is built like them, as canonical skops files.

Rule: only what `skops_audit` allows is written or read; nothing else in the file is imported.
"""

import json
import zipfile
from pathlib import Path

import skops.io  # type: ignore[import-untyped]

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.domain.units import with_article
from legato.formats import Saved, Trust
from legato.formats.annotations import type_name
from legato.formats.skops_audit import audit, refuse_undeclared, refuse_unfindable
from legato.formats.skops_canonical import SCHEMA, write_canonical

_OLDEST_PROTOCOL = 2
"""The first that this format wrote; older ones are read by skops with laxer rules."""


def accepts(value: object) -> bool:
    """Take instances; a class alone is code, not a result."""
    return not isinstance(value, type)


def save(value: object, target: Path, trust: Trust) -> Saved:
    """Write one `.skops` file."""
    path = target.with_name(target.name + ".skops")
    classes = write_estimator(value, path, trust)
    features = getattr(value, "n_features_in_", None)
    return Saved(
        path=path,
        format="skops/1",
        type=type_name(type(value)),
        classes=classes,
        about={} if features is None else {"features": int(features)},
    )


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read the estimator back."""
    return read_estimator(path, trust)


def write_estimator(value: object, path: Path, trust: Trust) -> tuple[str, ...]:
    """Write `value` at `path`; return the first-party references in it.

    Raises:
        ConfigurationError: skops cannot hold it, or it holds something that would not be read back.
    """
    draft = path.with_name(path.name + ".draft")
    try:
        skops.io.dump(value, draft)
        schema = write_canonical(draft, path)
    except (TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(
            f"{with_article(type_name(type(value)))} cannot be saved as skops: {error}",
            hint="leave the part out, write `@lg.format` for the model's class, or annotate the result "
            "`lg.Pickled[...]`",
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    classes = audit(schema, trust)
    refuse_unfindable(classes)
    return classes


def read_estimator(path: Path, trust: Trust) -> object:
    """Read what `write_estimator` wrote; raises ConfigurationError when it names what is not allowed."""
    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read(SCHEMA))
    if schema["protocol"] < _OLDEST_PROTOCOL:
        raise ConfigurationError(
            f"the model was written in skops protocol {schema['protocol']}, which Legato never wrote",
            hint="its bytes were altered; run the step again with --again",
        )
    refuse_undeclared(audit(schema, trust), trust)
    # Everything left is allowed by the audit; skops wants the names that it would not trust by itself.
    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
