"""Puts a model version behind an endpoint of this machine.

Rule: what serves is what the `champion` alias of the environment points at; the same version twice changes nothing.
"""

from pathlib import Path

from legato.app import endpoints
from legato.app.config import Project
from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError, MissingError
from legato.domain.events import EndpointChanged
from legato.domain.graph import Node
from legato.engine.kinds import Acted
from legato.ledger import Ledger
from legato.registry import read
from legato.registry.read import Version
from legato.serve.generation import Generation, Served
from legato.store import Store


def deploy(project: Project, ledger: Ledger, store: Store, node: Node) -> Acted:
    """Have the endpoint of a node serve its model's champion; start it, swap it, or leave it.

    Raises:
        MissingError: The model has no champion here.
        OutsideError: The endpoint does not start.
    """
    name, model = str(node.detail["endpoint"]), str(node.detail["model"])
    if "local" not in node.detail["environments"]:
        wanted = ", ".join(node.detail["environments"])
        return Acted(changed=False, notes=(f"lives in {wanted}; only `local` can be served by this version",))
    version = read.version(ledger, f"{model}@champion", environment="local")
    generation = generation_of(project, store, version, endpoint=name)
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


def generation_of(project: Project, store: Store, version: Version, *, endpoint: str) -> Generation:
    """Return the generation that serves one version."""
    servable = version.servable
    served = Served(
        name=version.model,
        version=str(version.number),
        folder=str(place_servable(project, store, servable, version.model)),
        digest=servable.digest if servable else "",
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


def place_servable(project: Project, store: Store, servable: Artifact | None, model: str) -> Path:
    """Return a folder that holds a servable, checked against its digest when it was placed."""
    if servable is None:
        raise MissingError(
            f"this version of {model!r} holds no servable", hint="`legato run` packages the model again"
        )
    target = project.state / "servables" / servable.digest[7:]
    if not target.is_dir():
        store.place(servable.digest, servable.tree, target)
    return target
