"""A small world for the engine: steps are functions by name, everything else is what Legato ships in memory.

Rule: nothing sleeps; time passes only when the platform is asked to wait.
"""

import io
import itertools
import json
from types import SimpleNamespace

import msgspec

from legato.domain.artifacts import Artifact
from legato.domain.digests import canonical
from legato.domain.elements import ELEMENTS, GATHERED, pack, unpack
from legato.domain.events import RunStarted
from legato.domain.graph import Axis, AxisValue, Graph, Input, Node, Output, Setting, Words
from legato.domain.keys import Ingredient, Read
from legato.domain.messages import Failed, Finished, Sample, WorkOrder
from legato.engine.files import Files, file_digest, listing_digest
from legato.engine.kinds import Acted, Call
from legato.engine.logs import Logs
from legato.engine.plan import forecast
from legato.engine.results import Results, Rules
from legato.engine.run import Run
from legato.engine.schedule import Budget
from legato.engine.settings import Settings, Tools
from legato.engine.workshop import WORKSHOP
from legato.ledger.sqlite import SqliteLedger
from legato.platforms.inline import InlinePlatform
from legato.store.memory import MemoryStore

_ENCODER = msgspec.json.Encoder()
_ORDER = msgspec.json.Decoder(WorkOrder)


def node(name, *needs, kind="step", after=(), settings=None, **words):
    """Return a node that makes the artifact of its own name from those of `needs`."""
    return Node(
        name=name,
        kind=kind,
        inputs=tuple(Input(parameter=need, artifact=need) for need in needs),
        outputs=(Output(artifact=name),) if kind != "check" else (),
        after=tuple(after),
        settings=tuple(
            Setting(name=key, wire=json.dumps(value), shown=repr(value))
            for key, value in (settings or {}).items()
        ),
        words=Words(**words),
    )


def elements(source):
    """Return the node that takes the artifact `source` apart."""
    name = f"{source}.elements"
    return Node(
        name=name,
        kind="elements",
        inputs=(Input(parameter="whole", artifact=source),),
        outputs=(Output(artifact=name),),
    )


def each(name, source, *needs, parameter="item", axes=(), **more):
    """Return a node that runs once for each element of the artifact `source`."""
    own = over(source, parameter)
    taken = Input(parameter=parameter, artifact=own.source, part="element")
    return fanned(name, (*axes, own), *needs, inputs=(taken,), **more)


def fanned(name, axes, *needs, inputs=(), gathers=(), matrix=(), **more):
    """Return a node that is fanned out over `axes`; it sets the parameters in `matrix`."""
    fields = {field: more.pop(field) for field in ("kind", "after", "when") if field in more}
    kind = fields.pop("kind", "step")
    return Node(
        name=name,
        kind=kind,
        inputs=(
            *inputs,
            *(Input(parameter=need, artifact=need) for need in needs),
            *(Input(parameter=need, artifact=need, part="gathered") for need in gathers),
        ),
        outputs=(Output(artifact=name),) if kind != "check" else (),
        settings=tuple(Setting(name=one, wire="0", shown="0", origin="matrix") for one in matrix),
        axes=tuple(axes),
        words=Words(**more),
        **fields,
    )


def gather(name, *families, **words):
    """Return a node that takes all elements of `families`."""
    return fanned(name, (), gathers=families, **words)


def over(source, parameter="item"):
    """Return the axis of the elements of an artifact."""
    return Axis(name=parameter, source=f"{source}.elements")


def matrix(name, *values):
    """Return the axis of a parameter's values."""
    return Axis(
        name=name,
        values=tuple(
            AxisValue(key=str(value), wire=json.dumps(value), shown=repr(value)) for value in values
        ),
    )


class Clock:
    """Seconds that pass only when someone waits."""

    def __init__(self, start=1_000.0):
        self.now = start

    def __call__(self):
        return self.now


class WaitingPlatform(InlinePlatform):
    """The inline platform, in a world where waiting moves the clock."""

    def __init__(self, execute, clock, world):
        super().__init__(execute, clock)
        self._world_clock = clock
        self._world = world

    def start(self, job):
        self._world.jobs.append(job)
        super().start(job)

    def poll(self, timeout_s):
        reports = super().poll(0)
        if not reports and timeout_s:
            self._world_clock.now += timeout_s
            self._world.while_waiting()
        return reports


class Steps:
    """A kind whose results depend on a version of the code, on parameters and on inputs."""

    def __init__(self, world):
        self._world = world

    def call(self, node, inputs):
        parts = [
            Ingredient("kind", "", "step/1"),
            Ingredient(
                "closure",
                "code",
                str(self._world.versions.get(node.template or node.name, node.template or node.name)),
            ),
            *(Ingredient("parameter", s.name, s.wire, s.shown) for s in node.settings),
            *(Ingredient("input", name, artifact.digest) for name, artifact in inputs.items()),
        ]
        return Call(recipe=tuple(parts), inputs=inputs)


class Looks:
    """A kind that always acts, in the engine's own process."""

    def __init__(self, world):
        self._world = world

    def call(self, node, inputs):
        def act(action):
            number = action.run() if self._world.world_changed else 0
            self._world.acted.append((node.name, number))
            outputs = {"": self._world.artifact(self._world.functions[node.name]())}
            return Acted(outputs=outputs, changed=self._world.world_changed, notes=("looked",))

        return Call(recipe=None, inputs=inputs, act=act)


class World:
    """Everything that runs need, kept between them.

    Attributes:
        functions: By step: takes the input values by name; may return a value, or `Reading(value, paths)`.
        versions: By step, where its code differs from what it was.
        ran: Names of steps in the order in which they were computed.
        progress: All that was reported.
    """

    def __init__(self, root, functions=None):
        self.root = root
        self.clock = Clock()
        self.functions = dict(functions or {})
        self.versions = {}
        self.formats = {"json/1", ELEMENTS}
        self.secrets = {}
        self.ran = []
        self.acted = []
        self.progress = []
        self.jobs = []
        self.dead = set()
        self.world_changed = True
        self.while_waiting = lambda: None
        self.store = MemoryStore(root / "objects")
        salts = itertools.count()
        self.ledger = SqliteLedger(
            ":memory:",
            [WORKSHOP],
            clock=self.clock,
            salt=lambda: next(salts).to_bytes(16, "big"),
            alive=lambda owner: owner not in self.dead,
        )
        (root / "work").mkdir()
        (root / "repository").mkdir()
        self.kinds = {"step": Steps(self), "check": Steps(self), "elements": Steps(self), "look": Looks(self)}

    def artifact(self, value):
        data = canonical(value)
        return Artifact(digest=self.store.put(io.BytesIO(data)), size_bytes=len(data), format="json/1")

    def value(self, artifact):
        data = self.store.open(artifact.digest).read()
        if artifact.format != GATHERED:
            return json.loads(data)
        family = unpack(data)
        missing = {"missing": list(family.missing)} if family.missing else {}
        return {key: self.value(item) for key, item in family.items.items()} | missing

    def apart(self, whole):
        """Return the artifact of the elements of a list or mapping."""
        items = whole if isinstance(whole, dict) else {str(item): item for item in whole}
        data = pack({key: self.artifact(item) for key, item in items.items()})
        return Artifact(digest=self.store.put(io.BytesIO(data)), size_bytes=len(data), format=ELEMENTS)

    def results(self):
        files = Files(str(self.root / "repository"), {}, int(self.clock() * 1e9))
        return Results(
            self.ledger, self.store, files, Rules(current=self.formats.__contains__, clock=self.clock)
        )

    def run(self, *nodes, **settings):
        """Run a graph and return its summary with each step's state by name."""
        platform = WaitingPlatform(self._execute, self.clock, self)
        options = {"owner": "me", "budget": Budget(cpus=2.0), **settings}
        found = Run(
            Graph(nodes=tuple(nodes)),
            Settings(
                started=lambda: RunStarted(number=0, targets=(), pipeline="pipeline.py"),
                work=str(self.root / "work"),
                root=str(self.root / "repository"),
                **options,
            ),
            Tools(
                ledger=self.ledger,
                results=self.results(),
                platform=platform,
                kinds=self.kinds,
                logs=Logs(self.root / "logs"),
                environment=lambda _node: {},
                secrets=lambda node: [self.secrets[name] for name in node.words.secrets],
                report=self.progress.append,
                clock=self.clock,
                monotonic=self.clock,
            ),
        ).execute()
        states = {step.name: str(step.state) for step in found.steps}
        return SimpleNamespace(summary=found, states=states, steps={step.name: step for step in found.steps})

    def plan(self, *nodes, **options):
        """Return what a run of the graph would do, by step."""
        found = forecast(Graph(nodes=tuple(nodes)), self.kinds, self.results(), **options)
        return {step.name: step for step in found.steps}

    def _execute(self, payload, say):
        order = _ORDER.decode(payload)
        self.ran.append(order.element or order.node)
        inputs = {given.parameter: self.value(given.artifact) for given in order.inputs}
        inputs |= {s.name: json.loads(s.wire) for s in order.settings if s.origin == "matrix"}
        function = self.functions.get(order.node, lambda **_: 1)
        if order.kind == "elements":
            outputs = {"": self.apart(inputs["whole"])}
            say(_ENCODER.encode(Finished(outputs=outputs)))
            return
        try:
            value = function(**inputs)
        except ArithmeticError as error:
            say(_ENCODER.encode(Failed(error=type(error).__name__, message=str(error), details="at line 1")))
            return
        reads = ()
        if isinstance(value, Reading):
            reads = tuple(sorted(Read(path, self._digest(path)) for path in value.paths))
            value = value.value
        say(_ENCODER.encode(Sample(values={"loss": 0.5}, step=1)))
        outputs = {output.field: self.artifact(value) for output in order.outputs}
        say(_ENCODER.encode(Finished(outputs=outputs, reads=reads)))

    def _digest(self, path):
        absolute = str(self.root / "repository" / path)
        return listing_digest(absolute) if path.endswith("/") else file_digest(absolute)


class Reading:
    """A value that was made from files of the repository."""

    def __init__(self, value, *paths):
        self.value = value
        self.paths = paths
