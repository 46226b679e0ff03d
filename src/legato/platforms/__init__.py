"""The door of the platforms: how jobs are started, heard and ended, wherever they run.

Rule: a job is bytes in and reports out; a platform never reads the payload nor a line that is said.

The life of a job: `start` hands it over and returns at once; `poll` reports what it printed (`Printed`) and
said (`Said`), in the order of each stream, and at last exactly one `Ended`, after which nothing of the job is
reported and, where the traits say `kills`, nothing of it runs. `cancel` may come at any time, also twice or
too late. One thread calls a platform. Nothing is retried: a job that is `lost` is the caller's to start again
under a new id.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from legato.domain.artifacts import Usage
from legato.domain.graph import DEFAULT_TIMEOUT_S, Struct

Say = Callable[[bytes], None]
"""Sends one line (without its line end) from a job to whoever polls."""

Execute = Callable[[bytes, Say], None]
"""Runs one payload; called in the job's own process where the platform isolates."""

Rehearse = Callable[[], None]
"""Goes through the motions of a job; what it raises is ignored."""

Stream = Literal["stdout", "stderr"]

Reason = Literal["exited", "signalled", "timeout", "cancelled", "memory", "lost"]

LONGEST_LINE_BYTES: Final = 64 * 2**20
"""A job that says a longer line is ended: no line of ours comes near."""


class Job(Struct, frozen=True, kw_only=True):
    """One execution.

    Attributes:
        id: Unique among the jobs of one platform.
        payload: What `execute` gets.
        folder: The working directory, absolute; must exist.
        environment: All variables of the job; those that limit threads are added where they are missing.
        cpus: Cores that it may use; libraries are told to start no more threads than that, rounded up.
        memory_bytes: What its processes may hold together; 0 for no limit.
        timeout_s: Wall seconds from its start until it is ended with all its processes.
        interactive: It gets this process's own stdin, stdout and stderr, for a debugger; none is `Printed`.
    """

    id: str
    payload: bytes
    folder: str
    environment: Mapping[str, str] = {}
    cpus: float = 1.0
    memory_bytes: int = 0
    timeout_s: float = DEFAULT_TIMEOUT_S
    interactive: bool = False


class Printed(Struct, frozen=True, kw_only=True):
    """Bytes as they came, cut anywhere. `job` is empty for what loading the pipeline printed."""

    job: str
    stream: Stream
    data: bytes


class Said(Struct, frozen=True, kw_only=True):
    """One whole line that the job's `say` sent, without its line end."""

    job: str
    line: bytes


class Ended(Struct, frozen=True, kw_only=True):
    """The last report of a job.

    Attributes:
        reason: `lost` when the platform cannot say how it ended.
        code: Exit code when it `exited`, else the signal that ended it (0 where there was none).
        note: What a person should know besides, with what to do next; may be empty.
    """

    job: str
    reason: Reason
    code: int
    usage: Usage = Usage()
    note: str = ""


Report = Printed | Said | Ended


class Traits(Struct, frozen=True, kw_only=True):
    """What sets platforms apart.

    Attributes:
        name: As in `legato.toml`.
        isolates: A job that crashes, exits or leaks takes nothing else with it.
        kills: A running job can be ended, by `cancel` and by its time limit, with all processes it started.
        limits_memory: `memory_bytes` is kept.
        parallel: Jobs run at the same time.
    """

    name: str
    isolates: bool
    kills: bool
    limits_memory: bool
    parallel: bool


class Platform(Protocol):
    """Starts jobs and reports on them. One thread calls it; see the module for the life of a job."""

    @property
    def traits(self) -> Traits:
        """What this platform can and cannot do."""

    def start(self, job: Job) -> None:
        """Hand over a job and return at once; whatever goes wrong from here on is an `Ended`.

        Raises:
            BugError: A job of this id was already started, or the platform is closed.
        """

    def poll(self, timeout_s: float | None) -> Sequence[Report]:
        """Return what happened since the last call, waiting up to `timeout_s` for a first report.

        None waits for as long as a job is unfinished: it returns at once, perhaps with nothing, when each
        that was started has had its `Ended` reported.
        """

    def cancel(self, job_id: str) -> None:
        """End a job; its `Ended` says `cancelled`. A job that is unknown or over is left alone."""

    def close(self) -> None:
        """End everything and return when nothing is left running. Later calls do nothing."""


class Entry(Struct, frozen=True, kw_only=True):
    """What a platform of processes calls in them, each as `module:attribute`, imported there and not here.

    Attributes:
        prepare: `(request: bytes) -> Prepared`: imports the user's code, describes it; once, in the loader.
        prepare_job: `(request: bytes) -> Execute`: imports the user's code only to run it.
        prepare_packages: `(request: bytes, packages: Sequence[str]) -> None`: imports the packages only.
        clock: `() -> float`: monotonic seconds.
    """

    prepare: str
    prepare_job: str
    prepare_packages: str
    clock: str


class Prepared(NamedTuple):
    """What the loader made of a request.

    Attributes:
        reply: For whoever asked.
        execute: Runs a payload, in a job forked from the loader.
        answer: Answers later questions about what was loaded, in the loader itself; should be quick.
        packages: Modules of other people's packages that were imported, for `prepare_packages`.
        rehearse: Does what every job does and leaves no trace; called, where jobs are forked ahead, in a process
            that waits for its job, so that it has copied by then what memory a job writes to.
    """

    reply: bytes
    execute: Execute
    answer: Callable[[bytes], bytes]
    packages: tuple[str, ...] = ()
    rehearse: Rehearse | None = None
