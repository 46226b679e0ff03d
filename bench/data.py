"""Measures how data is stored, sent and fetched, beside DVC, restic and git-lfs; writes bench/results/data.json.

Rule: a figure that could not be had is told, with the reason; all tools have the same bytes and the same server.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from data_sets import SETS, TWICE
from write_page import write

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "bench" / "results" / "data.json"
DVC: Final = "dvc[s3]==3.67.1"
KEYS: Final = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}

Command = Sequence[str]
_OTHERS: Final = ("AWS_", "DVC_", "GIT_")


class FailedError(Exception):
    """A command did not do what it should."""


class Place:
    """Where one tool works on one set: a repository, a second one, and a bucket of its own."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.repository = root / "repository"
        self.clone = root / "clone"
        self.data = self.repository / "data"
        self.port = port
        self.environment: Mapping[str, str] = {
            **{
                name: value
                for name, value in os.environ.items()  # noqa: TID251 - a script
                if not name.startswith(_OTHERS)
            },
            **KEYS,
            "HOME": str(root),
            "RESTIC_PASSWORD": "bench",
            "RESTIC_REPOSITORY": f"s3:http://127.0.0.1:{port}/bucket/restic",
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "user.name",
            "GIT_CONFIG_VALUE_0": "bench",
            "GIT_CONFIG_KEY_1": "user.email",
            "GIT_CONFIG_VALUE_1": "bench@localhost",
        }

    def take(self, commands: Sequence[Command], folder: Path) -> dict[str, float]:
        """Run commands one after another; return CPU and wall seconds, and the peak of the largest process in MB."""
        cpu_s = wall_s = peak_mb = 0.0
        for command in commands:
            with (self.root / "said").open("w+b") as said:
                began_s = time.perf_counter()
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                )
                _, status, usage = os.wait4(process.pid, 0)
                wall_s += time.perf_counter() - began_s
                process.returncode = os.waitstatus_to_exitcode(status)
                if process.returncode:
                    said.seek(0)
                    text = " ".join(said.read().decode("utf-8", "replace").split())
                    raise FailedError(f"{' '.join(map(str, command))[:120]}: {text[-300:]}")
            cpu_s += usage.ru_utime + usage.ru_stime
            peak_mb = max(peak_mb, usage.ru_maxrss / 1024)
        return {"cpu_s": round(cpu_s, 3), "wall_s": round(wall_s, 3), "peak_mb": round(peak_mb, 1)}


class Legato:
    """Legato's store. While no command does it, bench/data_deeds.py stands for the command: see `deed`."""

    name = "legato"
    local = remote = True

    def prepare(self, place: Place) -> None:
        """Nothing to make."""

    def deed(self, place: Place, deed: str, folder: Path) -> list[Command]:
        """Return the command of a deed."""
        address = f"s3://bucket/legato?endpoint=http://127.0.0.1:{place.port}"
        script = str(ROOT / "bench" / "data_deeds.py")
        return [[sys.executable, script, deed, str(folder / ".legato"), str(folder / "data"), address]]

    def add(self, place: Place) -> list[Command]:
        """Store locally."""
        return self.deed(place, "add", place.repository)

    def status(self, place: Place) -> list[Command]:
        """Look whether anything changed."""
        return self.deed(place, "status", place.repository)

    def push(self, place: Place) -> list[Command]:
        """Send."""
        return self.deed(place, "push", place.repository)

    def pull(self, place: Place) -> list[Command]:
        """Fetch into an empty clone and place it there."""
        noted = place.clone / ".legato" / "data.digest"
        noted.parent.mkdir(parents=True)
        shutil.copy(place.repository / ".legato" / "data.digest", noted)
        (place.clone / "data").mkdir()
        return self.deed(place, "pull", place.clone)


class Dvc:
    """DVC, with its S3 extra."""

    name = "dvc"
    local = remote = True

    def __init__(self) -> None:
        self.bin = ROOT / ".bench" / "peers" / DVC / "bin"

    def install(self) -> None:
        """Make its environment, once."""
        if not (self.bin / "dvc").exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.bin.parent)], check=True)
            subprocess.run([str(self.bin / "pip"), "install", "-qq", DVC], check=True)

    def prepare(self, place: Place) -> None:
        """Make a repository with a remote."""
        self.install()
        dvc = str(self.bin / "dvc")
        place.take(
            [
                ["git", "init", "-q"],
                [dvc, "init", "-q"],
                [dvc, "remote", "add", "-d", "remote", "s3://bucket/dvc"],
                [dvc, "remote", "modify", "remote", "endpointurl", f"http://127.0.0.1:{place.port}"],
            ],
            place.repository,
        )

    def add(self, place: Place) -> list[Command]:
        """Store locally."""
        del place
        return [[str(self.bin / "dvc"), "add", "-q", "data"]]

    def status(self, place: Place) -> list[Command]:
        """Look whether anything changed."""
        del place
        return [[str(self.bin / "dvc"), "status", "-q"]]

    def push(self, place: Place) -> list[Command]:
        """Send."""
        del place
        return [[str(self.bin / "dvc"), "push", "-q"]]

    def pull(self, place: Place) -> list[Command]:
        """Fetch into an empty clone and place it there."""
        place.take([["git", "add", "-A"], ["git", "commit", "-qm", "data"]], place.repository)
        place.take([["git", "clone", "-q", str(place.repository), str(place.clone)]], place.root)
        return [[str(self.bin / "dvc"), "pull", "-q"]]


class Restic:
    """restic, which has no local store: add and push are one."""

    name = "restic"
    local, remote = False, True

    def prepare(self, place: Place) -> None:
        """Make a repository in the bucket."""
        place.take([["restic", "-q", "init"]], place.repository)

    def push(self, place: Place) -> list[Command]:
        """Read, cut and send."""
        del place
        return [["restic", "-q", "backup", "data"]]

    def pull(self, place: Place) -> list[Command]:
        """Fetch into an empty folder."""
        place.clone.mkdir(exist_ok=True)
        return [["restic", "-q", "restore", "latest", "--target", "."]]


class GitLfs:
    """git-lfs: only what it does here, as its servers speak no S3."""

    name = "git-lfs"
    local, remote = True, False

    def prepare(self, place: Place) -> None:
        """Make a repository."""
        place.take(
            [["git", "init", "-q"], ["git", "lfs", "install", "--local"], ["git", "lfs", "track", "data/**"]],
            place.repository,
        )

    def add(self, place: Place) -> list[Command]:
        """Store locally."""
        del place
        return [["git", "add", "data"]]

    def status(self, place: Place) -> list[Command]:
        """Look whether anything changed."""
        del place
        return [["git", "status", "--porcelain"]]


TOOLS: Final = (Legato, Dvc, Restic, GitLfs)


@contextlib.contextmanager
def server() -> Iterator[int]:
    """Start an S3 server with an empty bucket, and yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = str(Path(sys.executable).parent / "moto_server")
    process = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                request = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
                urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - our own
                break
            time.sleep(0.1)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def stored_bytes(port: int) -> int:
    """Return how many bytes the bucket holds."""
    import obstore
    from obstore.store import S3Store

    bucket = S3Store(
        "bucket",
        config={"access_key_id": "b", "secret_access_key": "b", "endpoint": f"http://127.0.0.1:{port}"},
        client_options={"allow_http": True},
    )
    return sum(entry["size"] for some in obstore.list(bucket) for entry in some)


def make(name: str, folder: Path, share: float, *, second: bool = False) -> int:
    """Make a set in a process of its own, so that its memory is not ours, and return its size."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, str(ROOT / "bench" / "data_sets.py"), name, str(folder), "--share", str(share)]
    subprocess.run([*command, *(["--second"] if second else [])], check=True)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(tool: object, name: str, share: float, say: Callable[[str], None]) -> dict[str, object]:
    """Return all figures of one tool with one set; what fails is told in words."""
    found: dict[str, object] = {"tool": tool.name, "set": name}
    with tempfile.TemporaryDirectory(dir=ROOT / ".bench") as folder, server() as port:
        place = Place(Path(folder), port)
        place.repository.mkdir()
        try:
            size = make(name, place.data, share)
            found["size_bytes"] = size
            tool.prepare(place)
            _versions(tool, name, place, share, found)
        except (FailedError, OSError, subprocess.SubprocessError) as error:
            found["failed"] = str(error)[:500]
    say(json.dumps(found))
    return found


def _versions(tool: object, name: str, place: Place, share: float, found: dict[str, object]) -> None:
    deeds = [*(["add", "status"] if tool.local else []), *(["push", "pull"] if tool.remote else [])]
    for deed in deeds:
        before = stored_bytes(place.port)
        commands = getattr(tool, deed)(place)
        folder = place.clone if deed == "pull" else place.repository
        found[deed] = place.take(commands, folder)
        if deed == "push":
            found["stored_bytes"] = stored_bytes(place.port) - before
    if name in TWICE and tool.remote:
        size = make(name, place.data, share, second=True)
        before = stored_bytes(place.port)
        for deed in deeds[:1] if tool.local else []:
            found[f"second {deed}"] = place.take(getattr(tool, deed)(place), place.repository)
        found["second push"] = place.take(tool.push(place), place.repository)
        found["second stored_bytes"] = stored_bytes(place.port) - before
        found["second share"] = round((stored_bytes(place.port) - before) / size, 5)


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the figures as a table, with the ratio of the best peer to Legato."""
    lines = ["| set, deed | " + " | ".join(tool.name for tool in TOOLS) + " | best peer / Legato |"]
    lines.append("|---|" + "--:|" * (len(TOOLS) + 1))
    figures = {(str(row["tool"]), str(row["set"])): row for row in rows}
    for name in SETS:
        for deed, part in [
            *((deed, "cpu_s") for deed in ("add", "status", "push", "pull")),
            *((deed, "peak_mb") for deed in ("push", "pull")),
            ("second share", ""),
        ]:
            values = [_value(figures.get((tool.name, name), {}), deed, part) for tool in TOOLS]
            if not any(values):
                continue
            peers = [value for value in values[1:] if value is not None]
            ratio = f"{min(peers) / values[0]:.1f} x" if values[0] and peers else "-"
            cells = ["-" if value is None else f"{value:.4g}" for value in values]
            lines.append(f"| {name}: {deed} {part} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines) + "\n"


def _value(row: Mapping[str, object], deed: str, part: str) -> float | None:
    found = row.get(deed)
    if isinstance(found, dict):
        return found.get(part)
    return float(found) if isinstance(found, float | int) else None


def main() -> None:
    """Measure the tools and sets that are named, or all; write the results unless only some were."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tools", nargs="*", default=[tool.name for tool in TOOLS])
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--share", type=float, default=1.0, help="of the full size of the sets")
    parser.add_argument(
        "--keep", action="store_true", help="write the results even if only some were measured"
    )
    options = parser.parse_args()
    (ROOT / ".bench").mkdir(exist_ok=True)
    rows = [
        measure(tool(), name, options.share, lambda text: print(text, file=sys.stderr))  # noqa: T201 - progress
        for name in options.sets
        for tool in TOOLS
        if tool.name in options.tools
    ]
    sys.stdout.write(table(rows))
    whole = len(rows) == len(TOOLS) * len(SETS) and options.share == 1.0
    if whole or options.keep:
        machine = {
            "cpus": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(
            json.dumps({"machine": machine, "share": options.share, "rows": rows}, indent=1) + "\n", "utf-8"
        )
        write()


if __name__ == "__main__":
    main()
