"""A pipeline opened for work: loaded in a process of its own, its rooms open in this one.

Rule: the loader is forked before any thread, ledger or store handle exists here.
"""

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, cast

import msgspec

from legato.app.books import Books
from legato.app.checkpoints import Checkpoints
from legato.app.config import Project, make_state
from legato.app.failures import raised
from legato.app.fresh import listing
from legato.app.kinds import (
    ActionKind,
    BuiltinKind,
    ChampionKind,
    JobKind,
    RegisteredKind,
    SearchKind,
    Sources,
)
from legato.app.origin import origin
from legato.app.own_packages import PACKAGES, is_for_setup
from legato.app.registering import Registrar
from legato.app.turns import Shared
from legato.app.wiring import current_format, launch_platform, open_ledger, open_store
from legato.domain.artifacts import Artifact
from legato.domain.digests import Digest
from legato.domain.errors import MissingError
from legato.domain.graph import Node
from legato.domain.messages import Loaded, LoaderReply, LoadRequest, Override
from legato.engine.files import Files, Signature
from legato.engine.kinds import Acted, Action, Inputs, Kind
from legato.engine.results import Results, Rules
from legato.engine.settings import HERE, Coming

if TYPE_CHECKING:
    from legato.app.datasets import DatasetKind
    from legato.app.sharing import Sharing
    from legato.platforms.process import ProcessPlatform

PASSED: Final = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SHELL", "TERM", "VIRTUAL_ENV"}
    | {"LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}
)
"""Variables that every step sees; `docs/environment.md` lists them."""
PASSED_PREFIXES: Final = ("LC_", "PYTHON", "OMP_", "OPENBLAS_", "MKL_", "POLARS_", "RAYON_", "NUMEXPR_")
_NEEDED_LATER: Final = (
    "legato.store.directory",
    "legato.ledger.sqlite",
    "legato.app.publishing",
    "subprocess",
)
"""What is imported while the loader is at work, as there is nothing else to do then."""
_REPLY: Final = msgspec.json.Decoder(LoaderReply)
_DIGESTS: Final = msgspec.json.Decoder(dict[str, str])


class Opened:
    """A loaded pipeline with its store, ledger and results. Close it, or use it in a `with`.

    Attributes:
        listings: What lay in each folder that imports were looked for in.
        sharing: What other machines share with this project; None where nothing is configured.
        told: Hears what a person should know, as a sentence; a run hands in its own.
        began_ns: When loading began; what changed after that is not trusted to be what was read.
    """

    def __init__(self, project: Project, overrides: tuple[Override, ...], environment: str) -> None:
        self.project = project
        self.environment = environment
        self.variables: Mapping[str, str] = dict(os.environ)
        self.origin = origin(self.variables, project.trusted_branches)
        self.began_ns = time.time_ns()
        make_state(project.state)
        request = LoadRequest(
            root=str(project.root), pipeline=project.pipeline, state=str(project.state), overrides=overrides
        )
        self.platform = cast(
            "ProcessPlatform", Shared(launch_platform(msgspec.json.encode(request), self.variables))
        )
        try:
            for name in _NEEDED_LATER:
                importlib.import_module(name)
            self.loaded = self._reply()
            self.listings = {folder: listing(folder) for folder in self.loaded.watched.folders}
            self._open()
        except BaseException:
            self.platform.close()
            raise

    def _reply(self) -> Loaded:
        reply: LoaderReply = _REPLY.decode(self.platform.reply())
        if not isinstance(reply, Loaded):
            raise raised(reply)
        return reply

    def _open(self) -> None:
        self.graph = self.loaded.graph
        self.store = open_store(self.project.state)
        self.ledger = open_ledger(self.project.state)
        self.files = Files(str(self.project.root), _read_known(self.project.state), self.began_ns)
        rules = Rules(current=current_format, clock=time.time, maker=self.origin.maker)
        self.told: Callable[[str], None] = _unheard
        self.sharing = self._sharing()
        self.results = Results(self.ledger, self.store, self.files, rules, self.sharing)
        self.sources = Sources(
            fingerprints=self.loaded.fingerprints, classes=self._classes, variables=self.variables
        )
        self.kinds = self._kinds()

    def _sharing(self) -> "Sharing | None":
        if not (self.project.remote or self.project.ledger_url):
            return None
        from legato.app.sharing import Sharing  # only where something is shared

        return Sharing(self.project, self.origin.maker, self.variables, self._tell)

    def _tell(self, text: str) -> None:
        self.told(text)

    def _kinds(self) -> dict[str, Kind]:
        self.books = Books(self.ledger, self.store, self.sharing, self.project, self.environment)
        if self.sharing is None and self.origin.is_known_service:
            self.books.unknown = (
                "this CI build shares no ledger that could name a champion: [store] remote = …"
            )
        registrar = self.registrar = Registrar(
            self.books, self.store, self.graph, self.sources, platform=platform_name()
        )
        job, builtin = JobKind(self.sources), BuiltinKind(self.sources)
        kinds: dict[str, Kind] = {
            "registered": RegisteredKind(self._registered),
            "step": job,
            "check": job,
            "command": builtin,
            "elements": builtin,
            "gates": builtin,
            "package": builtin,
            "champion": ChampionKind(self.sources, self.store, registrar.champion),
            "tune": SearchKind(self._searches),
            "register": ActionKind(registrar.register, self.sources, rests_on=registrar.rests_on),
            "deploy": ActionKind(
                self._deploy,
                self.sources,
                cached=False,
            ),
        }
        return {"dataset": self.datasets, **kinds} if self.has_datasets else kinds

    @property
    def has_datasets(self) -> bool:
        """Whether a node of the pipeline is a dataset."""
        return any(node.kind == "dataset" for node in self.graph.nodes)

    @cached_property
    def datasets(self) -> "DatasetKind":
        """What datasets are to this run; made, with all that reads data, only where it is asked for."""
        from legato.app.datasets import DatasetKind

        return DatasetKind(
            root=self.project.root,
            state=self.project.state,
            pipeline=self.project.pipeline,
            store=self.store,
            files=self.files,
            seen=self.registrar.data,
            variables={**read_dotenv(self.project.root / ".env"), **self.variables},
            fetch=self._fetch if self.project.remote else None,
        )

    def _searches(self) -> Kind:
        """Return what a search is, where the pipeline has one."""
        from legato.app.tuning import Bench, TuneKind

        def bench() -> Bench:
            return Bench(
                graph=self.graph,
                ledger=self.ledger,
                store=self.store,
                results=self.results,
                kinds=self.kinds,
                platform=cast("Shared", self.platform),
                environment=self.job_environment,
                secrets=self.secrets,
                bring=self.bring,
                say=self._tell,
                project=self.project,
                origin=self.origin,
                effects=self.environment,
                machine=platform_name(),
            )

        return TuneKind(bench, self.sources, self.graph)

    def _fetch(self, digest: Digest) -> None:
        if self.sharing is not None:
            self.sharing.fetch(self.store, [digest])

    def _deploy(self, node: Node, inputs: Inputs, action: Action) -> Acted:  # noqa: ARG002 - the engine's signature
        from legato.app.deploying import (
            deploy,  # what serves is imported only where something is to be served
        )

        return deploy(self.project, self.ledger, self.store, node)

    def _registered(self, reference: str) -> tuple[str, Artifact]:
        from legato.registry import read  # only where a pipeline asks for a model

        found = read.version(self.books.reader, reference, self.environment)
        return found.name, found.artifact

    def _classes(self, references: Iterable[str]) -> Mapping[str, str]:
        return _DIGESTS.decode(self.platform.ask(msgspec.json.encode(list(references))))

    def job_environment(self, node: Node) -> Mapping[str, str]:
        """Return the variables that a step sees: a short list, what it declared, and its secrets."""
        found = {
            name: value
            for name, value in self.variables.items()
            if name in PASSED or name.startswith(PASSED_PREFIXES)
        }
        for name in node.words.env:
            if name in self.variables:
                found[name] = self.variables[name]
        if PACKAGES in node.detail:
            found |= {name: value for name, value in self.variables.items() if is_for_setup(name)}
        if node.words.secrets:
            found |= self._secrets(node)
        return found

    def secrets(self, node: Node) -> Iterable[str]:
        """Return the values that must not be shown."""
        return self._secrets(node).values()

    def _secrets(self, node: Node) -> dict[str, str]:
        known = {**read_dotenv(self.project.root / ".env"), **self.variables}
        missing = [name for name in node.words.secrets if name not in known]
        if missing:
            raise MissingError(
                f"step {node.name!r} needs the secret {missing[0]}, which is not set",
                hint=f"export {missing[0]}=..., or put it into .env",
            )
        return {name: known[name] for name in node.words.secrets}

    def bring(self, artifacts: Sequence[Artifact]) -> Coming:
        """Start to fetch what a step needs and only others hold."""
        return HERE if self.sharing is None else self.sharing.bring(self.store, artifacts)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is open."""
        self.close()

    def close(self) -> None:
        """End the loader and give the ledger back; file digests are kept for the next time."""
        self.platform.dismiss()
        try:
            Checkpoints(self.project.state).sweep(lambda key: self.results.find(key) is not None)
            self.ledger.close()
            if "datasets" in vars(self):
                self.datasets.close()
            _write_known(self.project.state, self.files.known)
        finally:
            self.platform.close()


def _unheard(_: str) -> None:
    return


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the `NAME=value` lines of a `.env` file; none when there is no file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = value.strip().strip("\"'")
    return found


def _read_known(state: Path) -> dict[str, tuple[Signature, str]]:
    import marshal

    try:
        found = marshal.loads((state / "files.bin").read_bytes())  # noqa: S302 - our own file, plain data
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_known(state: Path, known: Mapping[str, tuple[Signature, str]]) -> None:
    import marshal

    if not known:
        return
    temporary = state / f"files.bin.{os.getpid()}"
    temporary.write_bytes(marshal.dumps(dict(known)))
    temporary.replace(state / "files.bin")


def platform_name() -> str:
    """Return where results are made: system, machine and Python (`linux-x86_64-cpython-3.11`)."""
    machine = os.uname().machine
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{sys.platform}-{machine}-{sys.implementation.name}-{version}"
