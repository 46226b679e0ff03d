"""Runs a work order in a Python of the step's own packages, and hands on what it says.

Rule: that process is a fresh one; of this one's packages it can import Legato, and, last, what Legato itself needs.
"""

import os
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

from legato.app import environments
from legato.app.own_packages import PACKAGES, is_for_setup
from legato.app.work import Workbench
from legato.domain.digests import canonical, digest_of
from legato.domain.graph import Struct
from legato.domain.messages import LoadRequest, WorkOrder
from legato.platforms import Say

_NEEDED: Final = ("msgspec", "zstandard", "obstore")
_START: Final = (
    "import sys; sys.path.insert(0, {ours!r}); sys.path.append({needed!r}); "
    "from legato.app.within import main; main({order}, {says})"
)
_DROPPED: Final = frozenset({"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"})


class Handed(Struct, frozen=True, kw_only=True):
    """What the other process is given: the order, and names that it may find missing."""

    request: LoadRequest
    order: WorkOrder
    roots: tuple[str, ...]


def hand_over(bench: Workbench, order: WorkOrder, say: Say) -> None:
    """Run an order in its own environment, which is made first where it is not there; end as it ends.

    Raises:
        LegatoError: The environment cannot be made.
        SystemExit: The process ended without having said how.
    """
    python = environments.make(bench.state, bench.lock(order.detail[PACKAGES]))
    detail = {key: value for key, value in order.detail.items() if key != PACKAGES}
    handed = Handed(
        request=bench.request,
        order=msgspec.structs.replace(order, detail=detail),
        roots=tuple(sorted({name.partition(".")[0] for name in bench.modules})),
    )
    code = _run(python, _bridge(bench.state), msgspec.msgpack.encode(handed), say)
    if code < 0:
        os.kill(os.getpid(), -code)  # so that the platform tells what befell the step
    if code:
        raise SystemExit(code)


def _run(python: Path, bridge: Path, order: bytes, say: Say) -> int:
    order_end, order_write = os.pipe()
    says, says_end = os.pipe()
    start = _START.format(
        ours=str(bridge / "ours" / "site-packages"),
        needed=str(bridge / "needed" / "site-packages"),
        order=order_end,
        says=says_end,
    )
    with subprocess.Popen(
        [str(python), "-s", "-P", "-c", start], pass_fds=(order_end, says_end), env=_variables(python)
    ) as process:
        os.close(order_end)
        os.close(says_end)
        with suppress(BrokenPipeError), os.fdopen(order_write, "wb") as pipe:
            pipe.write(order)  # where it ends before it reads, its exit code tells
        with os.fdopen(says, "rb") as lines:
            for line in lines:
                say(line.rstrip(b"\n"))
        return process.wait()


def _variables(python: Path) -> dict[str, str]:
    """Return the step's variables, without those that only installing needs."""
    found = {
        name: value for name, value in os.environ.items() if name not in _DROPPED and not is_for_setup(name)
    }
    folder = python.parent
    return {**found, "VIRTUAL_ENV": str(folder.parent), "PATH": f"{folder}:{found.get('PATH', os.defpath)}"}


def _bridge(state: Path) -> Path:
    """Return a folder of links to Legato and to what it needs, by which another Python of this version has them."""
    places = {name: _place_of(name) for name in ("legato", *_NEEDED)}
    told = canonical({name: str(place) for name, place in places.items()})
    bridge = state / "environments" / f"bridge-{digest_of(told)[7:23]}"
    _link(bridge / "ours" / "site-packages", {"legato": places["legato"]})
    _link(bridge / "needed" / "site-packages", {name: places[name] for name in _NEEDED})
    return bridge


def _link(folder: Path, places: dict[str, Path | None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, place in places.items():
        if place is not None:
            with suppress(FileExistsError):
                (folder / name).symlink_to(place)


def _place_of(name: str) -> Path | None:
    spec = find_spec(name)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) if folders else None
