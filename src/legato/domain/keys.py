"""Keys: what decides whether a step runs again, and how a change of key is explained.

Rule (law 1): a key is the digest of a recipe's keyed ingredients; the rest of the recipe only explains.
Format: docs/formats/key.md.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from legato.domain.digests import canonical, digest_of

KEY_FORMAT: Final = 1

KEYED: Final = frozenset(
    {"closure", "parameter", "input", "class", "env", "package", "platform", "format", "uses", "kind"}
)
"""Kinds of ingredient that are hashed. `code` and `value` explain what changed inside a `closure`."""


class Ingredient(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One thing that a result depends on.

    Attributes:
        kind: `closure` (digest of all reached code and values), `code` and `value` (its parts, for people),
            `parameter`, `input`, `class`, `env`, `package`, `platform`, `format`, `uses`, `kind`, `read`.
        name: What a person calls it (`features.py:clean`, `trees`, `train_set`, `numpy`).
        digest: Of its content; for short plain things the content itself.
        shown: What a person would like to see (`200`, `2.4.6`); may be empty; never a secret.
    """

    kind: str
    name: str
    digest: str
    shown: str = ""


_TELLING: Final = ("parameter", "code", "value", "uses", "class", "input", "env", "package", "platform")
"""What people want to hear first when several things changed."""

Recipe = tuple[Ingredient, ...]


class Read(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A file that a step was seen to open: path relative to the repository, digest of its bytes.

    `digest` is empty when the file was looked for and not there.
    """

    path: str
    digest: str


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why a step runs: what kind of thing changed, which one, from what to what."""

    kind: str
    name: str
    change: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        """Return the cause as `legato why` prints it."""
        if self.before and self.after:
            return f"{self.kind} {self.name} {self.change}: {self.before} -> {self.after}"
        one = f" ({self.before or self.after})" if self.before or self.after else ""
        return f"{self.kind} {self.name} {self.change}{one}"


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cause with where it is written, and what caused it in its turn.

    Attributes:
        step: The step that it is about.
        place: `file:line`, where that is known.
        changed: Lines of a diff, where both texts are known.
        note: More that a person would like to know: rows of data, where a parameter came from.
        because: Why the input of which the cause speaks changed; empty at a root.
    """

    step: str
    cause: Cause
    place: str = ""
    changed: tuple[str, ...] = ()
    note: str = ""
    because: tuple["Reason", ...] = ()


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who made a result, when, and how it came here.

    Attributes:
        run: Number of the run; where `source` is set, its number in that shared ledger.
        finished_at: Seconds since the epoch.
        maker: `laptop`, `untrusted`, `ci`.
        actor: Who started that run; empty where that is not known here.
        source: The zone of the remote that it was found in; empty for what was made here.
    """

    run: int
    finished_at: float
    maker: str
    actor: str = ""
    source: str = ""


def base_key(recipe: Iterable[Ingredient]) -> str:
    """Return the key of a recipe before its discovered reads are known.

    >>> a, b = Ingredient("parameter", "depth", "4"), Ingredient("code", "m.py:f", "sha256:0")
    >>> base_key([a]) == base_key([b, a]), base_key([a]) == base_key([])
    (True, False)
    """
    keyed = sorted((i.kind, i.name, i.digest) for i in recipe if i.kind in KEYED)
    return "k1:" + digest_of(canonical([KEY_FORMAT, keyed]))[7:]


def full_key(base: str, reads: Sequence[Read]) -> str:
    """Return the key with the files that the step read; without reads it is the base key."""
    if not reads:
        return base
    return "k1:" + digest_of(canonical([base, sorted(reads)]))[7:]


def causes(before: Recipe, after: Recipe) -> tuple[Cause, ...]:
    """Return what differs between two recipes, most telling first.

    >>> four, eight = Ingredient("parameter", "depth", "4", "4"), Ingredient("parameter", "depth", "8", "8")
    >>> str(causes((four,), (eight,))[0])
    'parameter depth changed: 4 -> 8'
    """
    old = {(i.kind, i.name): i for i in before}
    new = {(i.kind, i.name): i for i in after}
    found = [
        Cause(kind=kind, name=name, change="changed", before=old[kind, name].shown, after=item.shown)
        for (kind, name), item in new.items()
        if (kind, name) in old and old[kind, name].digest != item.digest
    ]
    found += [
        Cause(kind=k, name=n, change="is new", after=i.shown)
        for (k, n), i in new.items()
        if (k, n) not in old
    ]
    found += [
        Cause(kind=k, name=n, change="is gone", before=i.shown)
        for (k, n), i in old.items()
        if (k, n) not in new
    ]
    telling = [cause for cause in found if cause.kind in _TELLING]
    return tuple(sorted(telling, key=lambda cause: _TELLING.index(cause.kind)) or found)
