"""What a dataset is to a run: local files as they are now, sources elsewhere as the lock says.

Rule: the lock and every file that was looked at are noted, so that the fast path never answers for what it has not
seen; a source elsewhere is asked only by `refresh`, before anything runs.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from legato.app.remotes import data_buckets
from legato.data.addresses import Address
from legato.data.checking_out import restore
from legato.data.desk import Desk
from legato.data.globs import fixed_folder, is_glob, matcher
from legato.data.lock import FILE as LOCK_FILE
from legato.data.lock import Entry, Lock
from legato.data.moves import absent
from legato.data.scanning import scan
from legato.data.snapshots import Meter, Snapshot, look, silent, take
from legato.data.standing import held
from legato.domain.artifacts import Artifact
from legato.domain.digests import Digest
from legato.domain.errors import ConflictError, MissingError, OutsideError
from legato.domain.graph import Graph, Node
from legato.domain.keys import Ingredient
from legato.engine.files import Files
from legato.engine.kinds import Acted, Call, Inputs
from legato.formats import FILE, FOLDER
from legato.store import Store

FORMAT: Final = "1"
"""Raised when what a dataset gives to a step changes though its bytes do not."""
_TYPES: Final = {"arrow/1": "pyarrow.Table"}


class DatasetKind:
    """Datasets of one pipeline.

    Args:
        root: The project.
        state: Its state folder.
        pipeline: The pipeline file, relative to the root: names of sources elsewhere are told apart by it.
        store: Where bytes go.
        files: Notes what the run rests on.
        seen: Gets the digest of each dataset by node, for lineage.
        variables: The environment, for addresses that need it.
        fetch: Brings bytes that only others hold, or raises MissingError; None where nothing is shared.

    Attributes:
        own: This run's own lock: entries that come before those of `legato.lock`.
        places: Put a locked file that is not in the work tree there, even where nothing has to be computed from it.
    """

    def __init__(  # noqa: PLR0913 - the rooms of a run, one keyword each
        self,
        *,
        root: Path,
        state: Path,
        pipeline: str,
        store: Store,
        files: Files,
        seen: dict[str, str],
        variables: Mapping[str, str],
        fetch: Callable[[Digest], None] | None = None,
    ) -> None:
        self.own: dict[str, Entry] = {}
        self.places = False
        self._desk = Desk(
            root=root,
            state=state,
            here=root,
            store=store,
            now_ns=time.time_ns(),
            variables=variables,
            connect=data_buckets(variables),
        )
        self._prefix = prefix_of(pipeline)
        self._files = files
        self._fetch = fetch
        self._seen = seen
        self._lock: Lock | None = None

    def call(self, node: Node, inputs: Inputs) -> Call:
        """Return the dataset as it is for this run, keyed by its content.

        Raises:
            MissingError: It is not there, or not in the lock, or its bytes are not in the store.
            ConflictError: The lock is in conflict about it, or holds it from another source.
            OutsideError: It cannot be read.
        """
        if "address" in node.detail:
            return self._elsewhere(address_of(node, self._prefix), node, inputs)
        return self._local(node, str(node.detail["path"]), inputs)

    def close(self) -> None:
        """Keep what was found out for the next command."""
        self._desk.close()

    def lock(self) -> Lock:
        """Return the lock, read once; the run rests on it from now on."""
        if self._lock is None:
            self._files.touch(LOCK_FILE)
            self._lock = self._desk.lock()
        return self._lock

    def refresh(self, graph: Graph, names: Iterable[str] = (), meter: Meter = silent) -> list[Entry]:
        """Look at the sources of a graph's datasets first; what changed becomes this run's own lock.

        Args:
            graph: What runs.
            names: Nodes; none means every dataset of the graph.
            meter: Gets progress in bytes.

        Returns: The entries that this run uses and `legato.lock` does not have.

        Raises:
            MissingError: The graph has no such dataset.
            OutsideError: A source cannot be read.
        """
        from legato.data.updating import updated  # what reads networks and databases is imported only here

        datasets = {node.name: node for node in graph.nodes if node.kind == "dataset"}
        for name in names:
            if name not in datasets:
                raise MissingError(
                    f"this run has no dataset {name!r}",
                    hint=f"its datasets: {', '.join(sorted(datasets)) or 'none'}",
                )
        chosen = [datasets[name] for name in dict.fromkeys(names)] or list(datasets.values())
        for node in chosen:
            if "address" in node.detail:
                address = address_of(node, self._prefix)
                before = self.lock().entries.get(address.name)
                self.own[address.name] = updated(self._desk, address, before, meter=meter)
        return [entry for name, entry in self.own.items() if entry != self.lock().entries.get(name)]

    # -- local -----------------------------------------------------------------------------------------------

    def _local(self, node: Node, path: str, inputs: Inputs) -> Call:
        entry = self.lock().get(path)
        found = self._look(path)
        if found is None:
            return self._locked(node, path, entry, inputs)
        self._refuse_partial(path)
        digest = self._seen[node.name] = found.digest
        return Call(
            recipe=_recipe(path, digest, _file_name(path, node.name)),
            inputs=inputs,
            act=lambda _action: self._take(node, path, found, entry),
        )

    def _look(self, path: str) -> Snapshot | None:
        self._files.touch(path)
        seen = scan(self._desk.root, path)
        if seen is None:
            return None
        for folder in seen.folders:
            self._files.touch(f"{folder}/")
        for file in seen.files:
            self._files.touch(file.source)
        return look(self._desk.root, path, self._desk.known, seen)

    def _refuse_partial(self, path: str) -> None:
        """Refuse a pattern some of whose locked files are not in the work tree: it would mean less than it says."""
        if not is_glob(path) or path in self.lock().entries:
            return
        match = matcher(path).fullmatch
        for name, entry in self.lock().entries.items():
            if not entry.tree and not entry.source and match(name) and not (self._desk.root / name).exists():
                raise MissingError(
                    f"{name!r}, which {path!r} matches, is locked and not in the work tree",
                    hint=f"legato data checkout {name}",
                )

    def _locked(self, node: Node, path: str, entry: Entry | None, inputs: Inputs) -> Call:
        if entry is None:
            self._refuse_partial(path)
            place = self._desk.root / path
            raise MissingError(
                f"dataset {node.name!r} is not there: {path}", hint=_nearest(place), where=str(node.place)
            )
        self._have(entry)
        if self.places:
            restore(self._desk, entry)
            self._look(path)
        self._seen[node.name] = entry.digest
        return Call(
            recipe=_recipe(path, entry.digest, _file_name(path, node.name)),
            inputs=inputs,
            act=lambda _action: self._place(node, path, entry),
        )

    def _have(self, entry: Entry) -> None:
        """See that a locked dataset's bytes are here; raises MissingError where nobody has them."""
        if held(self._desk.store, entry):
            return
        if self._fetch is None:
            raise absent(entry)
        try:
            self._fetch(entry.digest)
        except MissingError as error:
            raise absent(entry) from error

    def _place(self, node: Node, path: str, entry: Entry) -> Acted:
        note: tuple[str, ...] = ()
        if self._look(path) is None:
            restore(self._desk, entry)
            self._look(path)
            note = (f"placed {path} from the store",)
        found = Snapshot(entry.digest, entry.size_bytes, entry.files, entry.tree)
        return Acted(outputs={"": _local_artifact(path, node.name, found)}, notes=note)

    def _take(self, node: Node, path: str, found: Snapshot, entry: Entry | None) -> Acted:
        taken = take(self._desk.root, path, self._desk.store, self._desk.known)
        if taken.digest != found.digest:
            raise OutsideError(
                f"{path} changed while it was read", hint="run again when nothing writes to it"
            )
        differs = entry is not None and entry.digest != taken.digest
        note = (f"{path} is not as {LOCK_FILE} has it: legato data add {path}",) if differs else ()
        return Acted(outputs={"": _local_artifact(path, node.name, taken)}, notes=note)

    # -- elsewhere -------------------------------------------------------------------------------------------

    def _elsewhere(self, address: Address, node: Node, inputs: Inputs) -> Call:
        entry = self.own.get(address.name) or self.lock().get(address.name)
        if entry is None:
            raise MissingError(
                f"dataset {node.name!r} ({address.shown}) has not been read yet",
                hint=f"legato data update {address.name}",
                where=str(node.place),
            )
        if (entry.source, entry.query) != (address.shown, address.asks):
            what = "another source" if entry.source != address.shown else "another query"
            raise ConflictError(
                f"{LOCK_FILE} holds dataset {node.name!r} from {what} than the pipeline names",
                hint=f"legato data update {address.name}",
                where=str(node.place),
            )
        self._have(entry)
        self._seen[node.name] = entry.digest
        artifact = Artifact(
            digest=entry.digest,
            size_bytes=entry.size_bytes,
            format=entry.format,
            type=_TYPES.get(entry.format, "pathlib.Path"),
            tree=entry.tree,
            about=_about(entry),
        )
        recipe = (
            *_recipe(address.name, entry.digest, entry.file),
            Ingredient("format", "", entry.format),
        )
        return Call(recipe=recipe, inputs=inputs, act=lambda _action: Acted(outputs={"": artifact}))


def address_of(node: Node, prefix: str) -> Address:
    """Return what a dataset's node says of a source elsewhere."""
    told = node.detail
    return Address(
        name=prefix + node.name,
        address=str(told["address"]),
        query=str(told.get("query", "")),
        version=str(told.get("version", "")),
    )


def prefix_of(pipeline: str) -> str:
    """Return what names of a pipeline's datasets begin with in the lock, which the whole repository shares.

    >>> prefix_of("pipeline.py"), prefix_of("churn/pipeline.py"), prefix_of("churn.py")
    ('', 'churn:', 'churn:')
    """
    path = PurePosixPath(pipeline)
    member = path.parent if path.name == "pipeline.py" else path.with_suffix("")
    return "" if str(member) == "." else f"{member}:"


def _recipe(name: str, digest: str, file: str) -> tuple[Ingredient, ...]:
    return (
        Ingredient("kind", "", f"dataset/{FORMAT}"),
        Ingredient("input", name, digest, digest[7:19]),
        Ingredient("parameter", "name", file, file),
    )


def _about(entry: Entry) -> dict[str, object]:
    told: dict[str, object] = {
        "name": entry.file or entry.name,
        "dataset": entry.name,
        "source": entry.source,
    }
    return told | ({"version": entry.version} if entry.version else {})


def _file_name(path: str, node: str) -> str:
    """Return the name under which a step gets a file or folder; a pattern has its folder's."""
    return (PurePosixPath(fixed_folder(path)).name or node) if is_glob(path) else PurePosixPath(path).name


def _local_artifact(path: str, node: str, found: Snapshot) -> Artifact:
    return Artifact(
        digest=found.digest,
        size_bytes=found.size_bytes,
        format=FOLDER if found.tree else FILE,
        type="pathlib.Path",
        tree=found.tree,
        about={"name": _file_name(path, node), "dataset": path},
    )


def _nearest(place: Path) -> str:
    import difflib

    folder = place.parent
    if place.is_symlink():
        return f"{place} is a link that leads nowhere: {place.readlink()}"
    if is_glob(str(place)):
        return "no file matches; look for a typing error in the pattern"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    near = difflib.get_close_matches(place.name, [file.name for file in folder.iterdir()], n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"put the file at {place}, or change lg.dataset(...)"
