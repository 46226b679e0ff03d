"""What a stage of another tool's pipeline is, once it has been read.

Rule: every path is relative to the repository; every template is filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Out:
    """A path that a stage writes; `kind` is `outs`, `metrics` or `plots`."""

    path: str
    kind: str
    line: int
    persist: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage.

    Attributes:
        commands: Lines for a shell, run one after the other until one fails.
        wdir: The folder they run in; empty for the repository's root.
        deps: Paths that they read.
        params: For each parameter file the dotted keys that count; none: all of them.
        words: What `meta: {legato: {...}}` says, as on `@lg.step(...)`.
        file: The file that says it, and the `line`.
    """

    name: str
    commands: tuple[str, ...]
    file: str
    line: int
    wdir: str = ""
    deps: tuple[str, ...] = ()
    outs: tuple[Out, ...] = ()
    params: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    always_changed: bool = False
    frozen: bool = False
    words: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What only this process holds of a node that another tool's file describes.

    Attributes:
        followed: Python programs that its lines run, as argument lists with paths relative to the repository.
        code: Files and folders that it depends on and that are code or settings, not data.
        left_out: Paths that stages write: they are no part of a checkout.
        params: For each parameter file that it reads, the values that a person gave, by dotted key.
        metrics: Paths of its outputs that hold metrics.
        notes: What its reader should know though it stops nothing.
        entry: It is an entry point: whatever it writes is its output.
    """

    followed: tuple[tuple[str, ...], ...] = ()
    code: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    entry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What other tools' files brought into a pipeline.

    Attributes:
        programs: By node.
        seen: Files that were read or looked for, absolute.
        taken: Positions of the overrides that gave values to parameter files.
    """

    programs: Mapping[str, Program] = field(default_factory=dict)
    seen: tuple[str, ...] = ()
    taken: frozenset[int] = frozenset()
