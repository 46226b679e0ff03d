"""Puts a model version behind an endpoint of this machine.

Rule: what serves is what the `champion` alias of the environment points at; the same version twice changes nothing.
"""

from pathlib import Path

from msgspec.structs import replace

from legato.app import endpoints
from legato.app.config import Project
from legato.app.fetching import ensure_here
from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.events import EndpointChanged
from legato.domain.graph import Graph, Node
from legato.domain.keys import Cause
from legato.domain.plan import Decision, Plan
from legato.engine.kinds import Acted
from legato.engine.results import Results
from legato.engine.schedule import needs
from legato.ledger import Ledger
from legato.registry import read
from legato.registry.read import Version
from legato.serve.generation import Generation, Served
from legato.store import Depot


def deploy(project: Project, ledger: Ledger, store: Depot, node: Node) -> Acted:
    """Have the endpoint of a node serve its model's champion; start it, swap it, or leave it.

    Raises:
        MissingError: The model has no champion here.
        OutsideError: The endpoint does not start.
    """
    name, model = _names(node)
    if not _is_local(node):
        wanted = ", ".join(node.detail["environments"])
        return Acted(changed=False, notes=(f"lives in {wanted}; only `local` can be served by this version",))
    version = read.version(ledger, f"{model}@champion", environment="local")
    place_servable(project, store, version.servable, model)
    generation = generation_of(project, version, endpoint=name)
    endpoint = endpoints.ensure(folder_of(project, name), name, generation)
    if endpoint.action != "unchanged":
        changed = EndpointChanged(
            endpoint=name, environment="local", model=model, version=version.number, address=endpoint.address
        )
        ledger.append([changed])
    where = f"{endpoint.address}/v2/models/{model}"
    return Acted(
        changed=endpoint.action != "unchanged",
        notes=(f"{endpoint.action}: {model} version {version.number} answers at {where}",),
    )


def difference(project: Project, ledger: Ledger, node: Node) -> str:
    """Return why `deploy` would change the endpoint of a node, in words; empty where it would not. Changes nothing."""
    name, model = _names(node)
    if not _is_local(node):
        return ""
    try:
        version = read.version(ledger, f"{model}@champion", environment="local")
        wanted = generation_of(project, version, endpoint=name)
    except MissingError as error:
        return error.message
    return endpoints.difference(folder_of(project, name), name, wanted)


def foreseen(project: Project, ledger: Ledger, results: Results, graph: Graph, plan: Plan) -> Plan:
    """Return a plan in which each endpoint says what a run would do with it: leave it, change it, or first wait."""
    decided = {step.name: step for step in plan.steps}
    needed = needs(graph)
    for node in graph.nodes:
        step = decided[node.name]
        if node.kind != "deploy" or step.decision is not Decision.RUN:
            continue
        open_ = [name for name in sorted(needed[node.name]) if decided[name].decision is not Decision.REUSE]
        causes = tuple(Cause(kind="step", name=name, change="may change its model") for name in open_)
        decision = Decision.MAY_RUN
        if not open_:
            told = difference(project, ledger, node)
            causes = (Cause(kind="step", name=node.name, change=told),) if told else ()
            decision = Decision.RUN if told else Decision.REUSE
        last = results.last_of(node.name) if decision is Decision.REUSE else None
        decided[node.name] = replace(
            step, decision=decision, causes=causes, made_by=last.run if last is not None else 0
        )
    return Plan(steps=tuple(decided.values()))


def _names(node: Node) -> tuple[str, str]:
    return str(node.detail["endpoint"]), str(node.detail["model"])


def _is_local(node: Node) -> bool:
    return "local" in node.detail["environments"]


def generation_of(project: Project, version: Version, *, endpoint: str) -> Generation:
    """Return the generation that serves one version; raises MissingError where it holds no servable."""
    servable = _servable(version.servable, version.model)
    served = Served(
        name=version.model,
        version=str(version.number),
        folder=str(_place_of(project, servable)),
        digest=servable.digest,
    )
    return Generation(
        number=0,
        endpoint=endpoint,
        models=(served,),
        root=str(project.root),
        paths=(str((project.root / project.pipeline).parent),),
        allow_unsafe=project.allow_unsafe,
    )


def folder_of(project: Project, name: str) -> Path:
    """Return where a local endpoint keeps its state.

    Raises:
        ConfigurationError: The name cannot be a folder's.
    """
    if Path(name).name != name or name.startswith("."):
        raise ConfigurationError(
            f"{name!r} cannot be an endpoint's name", hint="use letters, digits, - and _"
        )
    return project.state / "endpoints" / name


def place_servable(project: Project, store: Depot, servable: Artifact | None, model: str) -> Path:
    """Return a folder that holds a servable, checked against its digest when it was placed."""
    found = _servable(servable, model)
    target = _place_of(project, found)
    if not target.is_dir():
        ensure_here(project, store, [found.digest])
        store.place(found.digest, found.tree, target)
    return target


def _servable(servable: Artifact | None, model: str) -> Artifact:
    if servable is None:
        raise MissingError(
            f"this version of {model!r} holds no servable", hint="`legato run` packages the model again"
        )
    return servable


def _place_of(project: Project, servable: Artifact) -> Path:
    return project.state / "servables" / servable.digest[7:]
