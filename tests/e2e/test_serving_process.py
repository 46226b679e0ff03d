"""The serving process over real sockets: limits, stops and swaps, as callers meet them."""

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from legato.serve.generation import Generation, Served, read_acknowledgement, write_atomically
from legato.serve.package import package

WIDTH = 4
BODY = json.dumps(
    {"id": "q", "inputs": [{"name": "rows", "shape": [1, WIDTH], "datatype": "FP64", "data": [0.5] * WIDTH}]}
).encode()
PATH = "/v2/models/wine/infer"
SLOW = """
import time

class Slow:
    feature_names_in_ = ("a",)

    def predict(self, rows):
        time.sleep(0.4)
        return [int(value) for value in rows["a"].to_list()]

class OwnFormat:
    def save(self, value, folder):
        (folder / "state").write_text("slow")

    def load(self, folder):
        return Slow()
"""


class Saved:
    """What the formats room says of a saved model."""

    def __init__(self, path, format_="sklearn/1", classes=(), *, unsafe=False):
        self.path, self.format, self.classes, self.unsafe, self.type = path, format_, classes, unsafe, "Model"


@pytest.fixture(scope="module")
def servables(tmp_path_factory):
    """Return two servables that answer the same row with other labels."""
    folder = tmp_path_factory.mktemp("servables")
    (folder / "value.bin").write_bytes(b"bytes")
    features = np.random.default_rng(1).normal(size=(200, WIDTH))
    for name, sign in (("one", 1), ("two", -1)):
        model = LogisticRegression().fit(features, (sign * features[:, 0] > 0).astype(int))
        package(model, {"features": features}, folder / name, native=Saved(folder / "value.bin"))
    return folder


def until(holds, times=3000):
    """Look a hundred times a second whether something holds; say whether it came to."""
    for _ in range(times):
        if holds():
            return True
        time.sleep(0.01)
    return False


class Process:
    """One serving process and its folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.file = folder / "generation.json"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "legato.app.serving", "--generation", str(self.file), *options],
            stderr=subprocess.PIPE,
        )
        self.port = self._port()

    def _port(self) -> int:
        state = self.folder / "state.json"
        if not until(lambda: (state.exists() and self.acknowledged(1)) or self.process.poll() is not None):
            self.process.kill()
        if self.process.poll() is not None:
            raise AssertionError(self.process.communicate()[1].decode())
        return json.loads(state.read_text())["port"]

    def acknowledged(self, number, worker=1):
        said = read_acknowledgement(self.folder / f"worker-{worker}.json")
        return said if said is not None and said.number == number else None

    def wait_for(self, number, worker=1):
        assert until(lambda: self.acknowledged(number, worker) is not None)
        return self.acknowledged(number, worker)

    def ask(self, method="POST", path=PATH, body=BODY, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, json.loads(data) if data else None, response.headers

    def raw(self, data, timeout_s=20):
        """Send bytes; return what comes until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            connection.sendall(data)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
            return b"".join(parts)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.errors = self.process.communicate(timeout=40)[1].decode()
        return self.process.returncode


def generation(servables, *names, number=1, **more):
    models = tuple(
        Served(name="wine", version=name, folder=str(servables / name), digest=f"sha256:{name}")
        for name in names
    )
    return Generation(number=number, endpoint="wine", models=models, **more)


@pytest.fixture
def serve(tmp_path, servables):
    running = []

    def start(*options, names=("one",), **more):
        write_atomically(tmp_path / "generation.json", generation(servables, *names, **more))
        running.append(Process(tmp_path, *options))
        return running[-1]

    yield start
    for process in running:
        process.end()


@pytest.fixture(scope="module")
def server(tmp_path_factory, servables):
    """Return a process that many tests ask, with short time limits."""
    folder = tmp_path_factory.mktemp("endpoint")
    write_atomically(folder / "generation.json", generation(servables, "one", "two"))
    process = Process(folder, "--header-timeout", "1", "--body-timeout", "1", "--body-bytes", "100000")
    yield process
    assert process.end() == 0
    assert "Traceback" not in process.errors


def test_an_answer_carries_model_version_digest_and_the_callers_id(server):
    status, answer, headers = server.ask()

    assert status == 200
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("wine", "one", "q")
    assert answer["outputs"][0] == {"name": "predictions", "datatype": "INT64", "shape": [1], "data": [1]}
    assert headers["legato-model-version"] == "wine:one"
    assert headers["legato-model-digest"] == "sha256:one"


def test_each_version_answers_under_its_own_path(server):
    answers = [server.ask(path=f"/v2/models/wine/versions/{version}/infer")[1] for version in ("one", "two")]

    assert [answer["model_version"] for answer in answers] == ["one", "two"]
    assert [answer["outputs"][0]["data"] for answer in answers] == [[1], [0]]


def test_metadata_and_health_are_as_the_protocol_has_them(server):
    told = server.ask("GET", "/v2/models/wine", None)[1]

    assert told["versions"] == ["one", "two"]
    assert told["inputs"] == [{"name": "rows", "datatype": "FP64", "shape": [-1, WIDTH], "parameters": {}}]
    assert told["outputs"][1]["parameters"] == {"labels": [0, 1]}
    assert server.ask("GET", "/v2", None)[1]["name"] == "legato"
    paths = ["health/live", "health/ready", "models/wine/ready", "models/wine/versions/two/ready"]
    for path in paths:
        assert server.ask("GET", f"/v2/{path}", None)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/v2/models", None, 404),
        ("POST", "/v2/models/wines/infer", BODY, 404),
        ("POST", "/v2/models/wine/versions/9/infer", BODY, 404),
        ("POST", "/v2/models/wine/train", BODY, 404),
        ("GET", "/v2/models/..%2f..%2fetc", None, 404),
        ("GET", PATH, None, 405),
        ("DELETE", "/v2/models/wine", None, 405),
        ("POST", "/v2/health/live", b"{}", 405),
        ("POST", PATH, b"", 400),
        ("POST", PATH, b"{", 400),
        ("POST", PATH, b"[" * 90_000, 400),
        ("POST", PATH, BODY.replace(b"[1, 4]", b"[2, 2]"), 400),
        ("POST", PATH, BODY.replace(b"0.5", b'"x"', 1), 400),
        ("POST", PATH, BODY.replace(b"0.5", b"null", 1), 400),
        ("POST", PATH, BODY.replace(b"0.5", b"NaN", 1), 400),
        ("POST", PATH, BODY.replace(b"0.5", b"1e400", 1), 400),
        ("POST", PATH, BODY + b" " * 100_000, 413),
    ],
)
def test_a_request_that_cannot_be_answered_gets_its_status_and_says_why(server, method, path, body, status):
    answer = server.ask(method, path, body)

    assert answer[0] == status
    assert answer[1]["error"]
    assert (answer[2]["allow"] is not None) == (status == 405)


@pytest.mark.parametrize("path", ["/v2", "/v2/health/ready", "/v2/models/wine", PATH, "/nothing"])
@pytest.mark.parametrize(
    "headers", [{"Host": "evil.test"}, {"Host": "127.0.0.1.evil.test:80"}, {"Origin": "http://evil.test"}]
)
def test_a_page_from_elsewhere_is_refused_on_every_path(server, path, headers):
    assert server.ask("GET", path, None, headers)[0] == 403


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server):
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000001\r\n\r\n"

    answer = server.raw(head.encode())

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer


def test_a_chunked_body_is_cut_off_at_the_limit(server):
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head)
        for _ in range(2):
            connection.sendall(b"ea60\r\n" + b" " * 60_000 + b"\r\n")
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413")


def test_a_chunked_body_within_the_limit_is_answered(server):
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (BODY[:30], BODY[30:])) + b"0\r\n\r\n"
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )

    assert server.raw(head.encode() + chunks).startswith(b"HTTP/1.1 200")


def test_a_body_that_breaks_off_does_no_harm(server):
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head.encode() + b"{")

    assert server.ask()[0] == 200


def test_slow_headers_and_a_slow_body_are_ended(server):
    late_head = server.raw(b"POST /v2 HTT")
    late_body = server.raw(
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{{".encode()
    )
    silent = server.raw(b"")

    assert late_head == b""
    assert late_body.startswith(b"HTTP/1.1 408")
    assert b"did not come within 1 seconds" in late_body
    assert silent == b""


class Callers:
    """Callers that keep asking on open connections, and count what each got."""

    def __init__(self, port, count):
        self.port, self.stop, self.answers, self.lost = port, False, [], []
        self.threads = [threading.Thread(target=self._call) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _call(self):
        while not self.stop:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                connection.connect()
            except OSError:  # the door is closed: nothing was asked, nothing is lost
                return
            self._ask_while_open(connection)

    def _ask_while_open(self, connection):
        try:
            while not self.stop:
                connection.request("POST", PATH, BODY)
                response = connection.getresponse()
                answer = json.loads(response.read())
                self.answers.append((response.status, answer.get("model_version"), answer))
                if response.will_close:
                    break
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.lost.append(error)
        finally:
            connection.close()

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join(30)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_request_is_lost_when_the_process_is_told_to_stop(serve, workers):
    process = serve("--workers", workers)
    callers = Callers(process.port, 8)
    while len(callers.answers) < 50:
        time.sleep(0.01)

    code = process.end()
    callers.end()

    assert callers.lost == []
    assert {status for status, _, _ in callers.answers} == {200}
    assert code == 0


ROWS = {"inputs": [{"name": "a", "shape": [1], "datatype": "INT64", "data": [7]}]}


@pytest.fixture(scope="module")
def slow_root(tmp_path_factory, servables):
    """Return a repository with a slow model of the user's own; it is packaged as servable `slow`."""
    root = tmp_path_factory.mktemp("repository")
    (root / "slow_model.py").write_text(SLOW)
    (root / "own").mkdir()
    (root / "own" / "state").write_text("slow")
    script = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path\n"
        "import polars\n"
        "from slow_model import Slow\n"
        "from test_serving_process import Saved\n"
        "from legato.serve.package import package\n"
        "classes = ('slow_model:OwnFormat', 'slow_model:Slow')\n"
        "saved = Saved(Path(sys.argv[1]) / 'own', 'own:slow_model:OwnFormat', classes)\n"
        "package(Slow(), {'t': polars.DataFrame({'a': [1, 2]})}, Path(sys.argv[3]), native=saved)\n"
    )
    here, target = str(Path(__file__).parent), str(servables / "slow")
    subprocess.run([sys.executable, "-c", script, str(root), here, target], check=True)
    return str(root)


def test_a_stopping_process_says_it_is_not_ready_and_finishes_what_it_is_answering(serve, slow_root):
    process = serve(names=("slow",), root=slow_root)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(process.ask(body=json.dumps(ROWS).encode())))
    asking.start()
    time.sleep(0.1)

    process.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    ready = process.ask("GET", "/v2/health/ready", None)
    asking.join()

    assert (ready[0], ready[2]["connection"]) == (503, "close")
    assert [(status, answer["outputs"][0]["data"]) for status, answer, _ in answers] == [(200, [7])]
    assert process.process.wait(20) == 0


def test_a_slow_model_does_not_keep_others_waiting(serve, slow_root):
    process = serve(names=("slow", "one"), root=slow_root)
    ended = []

    def ask(version, body):
        assert process.ask(path=f"/v2/models/wine/versions/{version}/infer", body=body)[0] == 200
        ended.append(version)

    slow = threading.Thread(target=ask, args=("slow", json.dumps(ROWS).encode()))
    slow.start()
    ask("one", BODY)
    slow.join()

    assert ended == ["one", "slow"]


@pytest.mark.parametrize("workers", [1, 2])
def test_versions_are_swapped_under_load_without_a_lost_or_mixed_answer(serve, servables, workers):
    process = serve("--workers", str(workers))
    callers = Callers(process.port, 4)
    for number in range(2, 8):
        write_atomically(process.file, generation(servables, ("one", "two")[number % 2 == 0], number=number))
        for worker in range(1, workers + 1):
            assert process.wait_for(number, worker).error == ""
    swapped = len(callers.answers)
    while len(callers.answers) < swapped + 50:
        time.sleep(0.01)
    callers.end()

    assert callers.lost == []
    assert {(version, answer["outputs"][0]["data"][0]) for _, version, answer in callers.answers} == {
        ("one", 1),
        ("two", 0),
    }
    assert {version for _, version, _ in callers.answers[-10:]} == {"one"}


def test_a_version_that_does_not_load_leaves_the_old_one_answering(serve, servables, tmp_path):
    process = serve()
    altered = shutil.copytree(servables / "two", tmp_path / "altered")
    golden = json.loads((altered / "golden.json").read_text())
    golden["outputs"]["predictions"] = [1 - label for label in golden["outputs"]["predictions"]]
    (altered / "golden.json").write_text(json.dumps(golden))

    bad = Generation(
        number=2, endpoint="wine", models=(Served(name="wine", version="bad", folder=str(altered)),)
    )
    write_atomically(process.file, bad)
    said = process.wait_for(2)

    assert (said.serving, said.number) == (1, 2)
    assert "fails its self-test" in said.error
    assert process.ask()[1]["model_version"] == "one"
    assert process.ask("GET", "/v2/health/ready", None)[0] == 200


def test_a_pickled_model_is_refused_unless_it_is_allowed(tmp_path, servables):
    package_path = shutil.copytree(servables / "one", tmp_path / "pickled")
    description = json.loads((package_path / "servable.json").read_text())
    description["flavor"] = "native"
    description["native"] |= {"format": "pickle/1", "unsafe": True}
    (package_path / "servable.json").write_text(json.dumps(description))
    canary = tmp_path / "canary"
    (package_path / description["native"]["path"]).write_bytes(
        b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."
    )
    models = (Served(name="wine", version="1", folder=str(package_path)),)
    write_atomically(tmp_path / "generation.json", Generation(number=1, endpoint="wine", models=models))

    done = subprocess.run(
        [sys.executable, "-m", "legato.app.serving", "--generation", str(tmp_path / "generation.json")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "is a pickle: reading it can run any code, so it is not served" in done.stderr
    assert not canary.exists()


def test_nothing_but_this_machine_is_listened_to_by_the_process():
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "legato.app.serving",
            "--generation",
            "generation.json",
            "--host",
            "0.0.0.0",  # noqa: S104 - it is refused
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "cannot listen on '0.0.0.0'" in done.stderr


def test_a_worker_that_dies_is_replaced(serve):
    process = serve("--workers", "2")
    first = process.wait_for(1, worker=2).pid

    subprocess.run(["/bin/kill", "-9", str(first)], check=True)

    assert until(lambda: process.wait_for(1, worker=2).pid != first)
    assert process.ask()[0] == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_process_whose_folder_is_gone_ends_by_itself(tmp_path, servables, workers):
    folder = tmp_path / "endpoint"
    folder.mkdir()
    write_atomically(folder / "generation.json", generation(servables, "one"))
    process = Process(folder, "--workers", workers)
    process.wait_for(1, worker=int(workers))

    shutil.rmtree(folder)

    assert process.process.wait(30) == 0
    with pytest.raises(ConnectionRefusedError):
        process.ask()
    process.end()
