"""The loader's entry: imports a pipeline, describes it, and stays to start steps from.

Rule (law 5): runs only in a process of its own; the control plane gets plain data.
"""

import contextlib
import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import msgspec

from legato.app.failures import last_place, refusal, user_error
from legato.app.own_packages import PACKAGES
from legato.app.rehearsal import rehearse
from legato.app.work import Workbench
from legato.app.worker import COMMANDS, execute
from legato.domain.errors import ConfigurationError, LegatoError
from legato.domain.graph import Node
from legato.domain.messages import Fingerprint, Loaded, LoadRequest, Watched
from legato.pipeline.collect import Collected, collect
from legato.pipeline.fingerprint import Fingerprints, Sources
from legato.platforms import Execute, Prepared, Say

_ENCODER = msgspec.json.Encoder()
_REQUEST = msgspec.json.Decoder(LoadRequest)
_NAMES = msgspec.json.Decoder(list[str])

clock = time.monotonic


def prepare(request: bytes) -> Prepared:
    """Import the pipeline and describe it; what goes wrong is an answer too."""
    try:
        pipeline = Pipeline(_REQUEST.decode(request))
        reply = pipeline.describe()
        pipeline.settle()
    except LegatoError as error:
        root = _REQUEST.decode(request).root
        return Prepared(reply=_ENCODER.encode(refusal(error, root)), execute=_refuse, answer=_silent)
    return Prepared(
        reply=_ENCODER.encode(reply),
        execute=pipeline.execute,
        answer=pipeline.answer,
        packages=pipeline.packages(),
        rehearse=pipeline.rehearse,
    )


def prepare_job(request: bytes) -> Execute:
    """Import the pipeline only to run one step of it."""
    pipeline = Pipeline(_REQUEST.decode(request))
    pipeline.settle()
    return pipeline.execute


def prepare_packages(request: bytes, packages: Sequence[str]) -> None:
    """Import other people's packages, so that jobs forked from here find them imported."""
    _enter(_REQUEST.decode(request))
    for name in packages:
        with contextlib.suppress(
            Exception
        ):  # a package that only imports within the pipeline is imported there
            importlib.import_module(name)


class Pipeline:
    """A pipeline whose code is imported into this process.

    Raises:
        LegatoError: It cannot be loaded; `UserCodeError` holds the user's own traceback.
    """

    def __init__(self, request: LoadRequest) -> None:
        self._request = request
        self._root = Path(request.root)
        self._before = frozenset(sys.modules)
        self.sources = Sources(self._root, Path(request.state) / "cache" / "code")
        _enter(request)
        self.sources.install()
        module = self._import()
        self.collected: Collected = collect(module, root=self._root, overrides=request.overrides)
        self._fingerprints = Fingerprints(self.sources)
        nodes = self.collected.graph.nodes
        self._apart = {node.name: node.detail[PACKAGES] for node in nodes if PACKAGES in node.detail}
        self._workbench = Workbench(self.collected, self.sources, self._fingerprints, request)

    def _import(self) -> ModuleType:
        path = self._root / self._request.pipeline
        if path.suffix != ".py":
            from legato.pipeline.others.describing import module_of  # only where a pipeline is another tool's

            return module_of(str(path))
        try:
            return self.sources.load(path.stem, path)
        except LegatoError as error:
            error.where = error.where or last_place(error, self._root)
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise user_error(error, self._root, f"importing {self._request.pipeline} failed") from error

    def describe(self) -> Loaded:
        """Return the graph, the fingerprints, and what loading read."""
        graph = self.collected.graph
        found = {name: self._fingerprint(name) for name in self.collected.functions}
        self._workbench.closures = {name: frozenset(one.modules) for name, one in found.items()}
        commands = (node for node in graph.nodes if node.kind == "command")
        found |= {node.name: self._fingerprint_of_command(node) for node in commands}
        return Loaded(
            graph=graph,
            fingerprints=found,
            watched=self._workbench.watched(self._watched()),
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        """Return what a person should know of the pipeline, each once."""
        programs = self.collected.described.programs.items()
        of_programs = (f"{name}: {note}" for name, program in programs for note in program.notes)
        return tuple(dict.fromkeys((*self.collected.notes, *of_programs)))

    def _watched(self) -> Watched:
        watched = self.sources.watched()
        files = {*watched.files, *self.collected.described.seen}
        return msgspec.structs.replace(watched, files=tuple(sorted(files)))

    def _fingerprint_of_command(self, node: Node) -> Fingerprint:
        from legato.app import commands, stages  # few pipelines run programs

        program = self.collected.described.programs.get(node.name)
        if program is None:
            return self._with_packages(node.name, commands.fingerprint(self._fingerprints, self._root, node))
        return stages.fingerprint(self._fingerprints, self._root, node, program)

    def _fingerprint(self, name: str) -> Fingerprint:
        try:
            found = self._fingerprints.of(
                self.collected.functions[name], uses=self.collected.uses.get(name, ())
            )
        except ConfigurationError as error:  # uses= names what is not there
            error.where = error.where or str(self.collected.graph.node(name).place)
            raise
        return self._with_packages(name, found)

    def _with_packages(self, name: str, found: Fingerprint) -> Fingerprint:
        asked = self._apart.get(name)
        return self._workbench.lock(asked).keyed(found) if asked else found

    def settle(self) -> None:
        """Take note of what is imported, as the last before steps are forked from here."""
        if "numpy" in sys.modules:  # it would import its generators in a step, and nobody would seed them
            with contextlib.suppress(ImportError):
                importlib.import_module("numpy.random")
        if any(node.kind == "command" for node in self.collected.graph.nodes):
            importlib.import_module(COMMANDS)
        self._workbench.modules = frozenset(sys.modules)

    def execute(self, payload: bytes, say: Say) -> None:
        """Run one work order in this process."""
        execute(self._workbench, payload, say)

    def rehearse(self) -> None:
        """Do what `execute` does for every order, without an order."""
        rehearse(self._workbench)

    def answer(self, question: bytes) -> bytes:
        """Return the digests of first-party classes by `module:Qual.name`."""
        names = _NAMES.decode(question)
        return _ENCODER.encode({name: self._fingerprints.of_class(name) for name in names})

    def packages(self) -> tuple[str, ...]:
        """Return the modules of other people's packages that were imported, parents first."""
        return tuple(
            name
            for name in sys.modules
            if name not in self._before
            and not self.sources.first_party(name)
            and not name.startswith("legato")
        )


def _enter(request: LoadRequest) -> None:
    """Stand in the repository, and let the pipeline's neighbours be imported."""
    folder = (Path(request.root) / request.pipeline).parent
    os.chdir(request.root)
    for place in (request.root, f"{request.root}/src", str(folder)):
        if place not in sys.path and Path(place).is_dir():
            sys.path.insert(0, place)


def _refuse(payload: bytes, say: Say) -> None:  # noqa: ARG001 - the platform's signature
    raise ConfigurationError("this pipeline did not load")


def _silent(question: bytes) -> bytes:  # noqa: ARG001 - the platform's signature
    return b"{}"
