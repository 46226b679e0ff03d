"""Turns a skops file into the same model's canonical bytes.

Rule: memory addresses, random names, dates, orders of sets and padding leave no trace; what is shared inside
the model stays shared. Source: the layout of skops protocol 2.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from legato.formats.archives import Bytes, Copied, Member, write_archive
from legato.formats.arrays import write_array

SCHEMA: Final = "schema.json"

Node = dict[str, Any]

_VALUES: Final = frozenset(
    {"JsonNode", "TypeNode", "FunctionNode", "SliceNode", "TupleNode", "BytesNode", "OperatorFuncNode"}
)
"""Nodes of immutable things: whether two places hold one object or two equal ones is an accident."""

_VOLATILE: Final = frozenset({"_stop_words_id"})
"""Attributes that scikit-learn fills with a memory address; another number only makes it check again."""


def write_canonical(source: Path, target: Path) -> Node:
    """Rewrite the skops file `source` at `target`; return its schema, as written."""
    with zipfile.ZipFile(source) as archive:
        schema = json.loads(archive.read(SCHEMA))
        members = _Members(archive)
        _sort_sets(schema, members)
        _number(schema, members)
        text = json.dumps(schema, separators=(",", ":"), ensure_ascii=True)
        write_archive(target, [(SCHEMA, Bytes(text.encode())), *members.named()])
    return schema  # type: ignore[no-any-return]


def nodes(tree: object) -> Iterator[Node]:
    """Yield every node of a schema, outermost first, in the order of the file."""
    stack = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if "__loader__" in item:
                yield item
            stack.extend(reversed(item.values()))
        elif isinstance(item, list):
            stack.extend(reversed(item))


class _Members:
    """The arrays of an archive, each known by the digest of its canonical bytes."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._digests: dict[str, str] = {}
        self._members: dict[str, Member] = {}
        self._names: dict[str, str] = {}

    def digest(self, file: str) -> str:
        """Return what stands for the member `file`: its digest and suffix."""
        if file not in self._digests:
            member = _canonical_member(self._archive, file)
            sink = _Hashed()
            member.write_to(sink)  # type: ignore[arg-type]
            digest = f"{sink.hash.hexdigest()}{Path(file).suffix}"
            self._digests[file] = digest
            self._members.setdefault(digest, member)
        return self._digests[file]

    def name(self, digest: str) -> str:
        """Return the member's name: a number, by first use."""
        return self._names.setdefault(digest, f"{len(self._names)}{Path(digest).suffix}")

    def named(self) -> list[tuple[str, Member]]:
        """Return every member with its name."""
        return [(name, self._members[digest]) for digest, name in self._names.items()]


class _Hashed:
    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return len(data)


def _canonical_member(archive: zipfile.ZipFile, file: str) -> Member:
    clean = _CLEANERS.get(Path(file).suffix)
    return (clean(archive, file) if clean else None) or Copied(archive, file)


def _clean_array(archive: zipfile.ZipFile, file: str) -> Member | None:
    with archive.open(file) as stream:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        dtype = read(stream)[2]
    if dtype.names is None:
        return None
    with archive.open(file) as stream:
        array = np.load(io.BytesIO(stream.read()), allow_pickle=False)
    sink = io.BytesIO()
    write_array(array, sink)
    return Bytes(sink.getvalue())


def _clean_archive(archive: zipfile.ZipFile, file: str) -> Member:
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive.read(file))) as inner:
        write_archive(sink, [(name, Copied(inner, name)) for name in inner.namelist()])
    return Bytes(sink.getvalue())


_CLEANERS: Final[dict[str, Callable[[zipfile.ZipFile, str], Member | None]]] = {
    ".npy": _clean_array,
    ".npz": _clean_archive,
}


def _sort_sets(tree: Node, members: _Members) -> None:
    """Name members by digest, and order what has no order of its own, innermost first."""
    for node in reversed(list(nodes(tree))):
        _forget_addresses(node)
        if "file" in node:
            node["file"] = members.digest(node["file"])
        unordered = _unordered(node)
        if unordered is not None:
            unordered.sort(key=_without_ids)


def _forget_addresses(node: Node) -> None:
    if node["__loader__"] == "DictNode":
        for name in _VOLATILE.intersection(node["content"]):
            node["content"][name]["content"] = "0"


def _unordered(node: Node) -> list[Node] | None:
    if node["__loader__"] == "SetNode":
        return node["content"]  # type: ignore[no-any-return]
    if node["__loader__"] == "ConstructorFromReduceNode" and node["__class__"] == "frozenset":
        return node["content"]["content"][0]["content"]  # type: ignore[no-any-return]
    return None


def _without_ids(node: Node) -> str:
    return json.dumps({**node, "__id__": 0}, sort_keys=True)


def _number(tree: Node, members: _Members) -> None:
    uses: dict[int, int] = {}
    for node in nodes(tree):
        if "file" in node:
            node["file"] = members.name(node["file"])
        uses[node.get("__id__", 0)] = uses.get(node.get("__id__", 0), 0) + 1
    numbers: dict[int, int] = {}
    for node in nodes(tree):
        old = node.pop("__id__", None)
        if old is not None and uses[old] > 1 and not _is_value(node):
            node["__id__"] = numbers.setdefault(old, len(numbers) + 1)


def _is_value(node: Node) -> bool:
    scalar = node["__loader__"] == "NdArrayNode" and node["__class__"] != "ndarray"
    return scalar or node["__loader__"] in _VALUES
