"""Puts the champion's rows beside the candidate's.

Rule: two models are compared on the same rows with the same labels, or not at all.
"""

import numpy as np

from legato.checks.columns import Array, Columns, UnjudgeableError
from legato.domain.verdicts import Outcome


def paired(candidate: Columns, champion: Columns) -> Columns:
    """Return the champion's rows in the candidate's order; rows of the champion alone are left out.

    Raises:
        UnjudgeableError: Ids are missing or doubled, a row of the candidate has none, or labels differ
            (inconclusive).
    """
    ours, theirs = _ids("the candidate", candidate), _ids("the champion", champion)
    if (ours.dtype.kind in "biuf") != (theirs.dtype.kind in "biuf"):
        raise _unpaired(f"ids are {ours.dtype} for the candidate and {theirs.dtype} for the champion")
    order = np.argsort(theirs, kind="stable")
    places = np.minimum(np.searchsorted(theirs[order], ours), len(theirs) - 1)
    found = order[places]
    absent = ours != theirs[found]
    if absent.any():
        first = ours[np.flatnonzero(absent)[0]]
        raise _unpaired(
            f"{np.count_nonzero(absent)} of {len(ours)} ids, {first!s} for one, have no row of the champion's"
        )
    beside = champion.take(found)
    _refuse_other_labels(candidate, beside)
    return beside


def identical(candidate: Columns, champion: Columns) -> bool:
    """Say whether two models, row beside row, said the same in everything that was recorded of both.

    Scores may differ by what the order of additions leaves over. Such models count as one: their difference
    is 0.
    """
    ours, theirs = _said(candidate), _said(champion)
    if not ours or ours.keys() != theirs.keys():
        return False
    return all(_same(ours[name], theirs[name]) for name in ours)


def _said(columns: Columns) -> dict[str, Array]:
    said = {"predictions": columns.predictions, "scores": columns.scores}
    said |= {f"rows {name}": column for name, column in columns.rows.items()}
    return {name: column for name, column in said.items() if column is not None}


def _same(ours: Array, theirs: Array) -> bool:
    if ours.shape != theirs.shape:
        return False
    if ours.dtype.kind == "f" and theirs.dtype.kind == "f":
        return bool(np.allclose(ours, theirs, rtol=1e-9, atol=1e-12))
    return bool(np.all(ours == theirs))


def _ids(whose: str, columns: Columns) -> Array:
    ids = columns.ids
    if ids is None or not len(ids):
        raise _unpaired(f"the evaluation of {whose} has no ids to pair rows by")
    if ids.dtype.kind == "O":
        raise _unpaired(f"ids of {whose} are neither numbers nor texts")
    ranked = np.sort(ids)
    doubled = ranked[1:] == ranked[:-1]
    if doubled.any():
        raise _unpaired(f"ids of {whose} are not unique: {ranked[1:][doubled][0]!s} comes twice")
    return ids


def _refuse_other_labels(candidate: Columns, champion: Columns) -> None:
    if candidate.labels is None or champion.labels is None:
        return
    if candidate.labels.dtype.kind == "f" and champion.labels.dtype.kind == "f":
        same = np.isclose(candidate.labels, champion.labels, rtol=0, atol=0, equal_nan=True)
    else:
        same = candidate.labels == champion.labels
    differing = int(np.count_nonzero(~np.asarray(same)))
    if differing:
        raise _unpaired(f"labels of {differing} of {candidate.size} rows differ from the champion's")


def _unpaired(note: str) -> UnjudgeableError:
    return UnjudgeableError(note, Outcome.INCONCLUSIVE)
