"""Measures an endpoint beside its floor: a constant body from the same HTTP server, and the barest ONNX server.

Rule: all three are measured in one run, in turns, on one machine; only their ratios mean something.

Needs `wrk` (Debian has it). `python bench/serving.py [SECONDS]` prints a table and writes `results/serving.json`.
"""

import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

COLUMNS = 64
ROUNDS = 3
PORTS = {"constant body": 18601, "bare ONNX": 18602, "Legato": 18603}
BARE = """
import asyncio, sys
import msgspec, numpy as np, onnxruntime
from granian.constants import HTTPModes
from granian.server.embed import Server

class Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]

class Request(msgspec.Struct):
    inputs: list[Tensor]

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
run = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"]).run
decoder, encoder = msgspec.json.Decoder(Request), msgspec.json.Encoder()
HEADERS = [("content-type", "application/json")]

class Bare:
    async def __rsgi__(self, scope, protocol):
        tensor = decoder.decode(await protocol()).inputs[0]
        labels, shares = run(None, {"rows": np.array(tensor.data).reshape(tensor.shape)})
        outputs = [
            {"name": "predictions", "datatype": "INT64", "shape": labels.shape, "data": labels.tolist()},
            {"name": "probabilities", "datatype": "FP64", "shape": shares.shape, "data": shares.ravel().tolist()},
        ]
        protocol.response_bytes(200, HEADERS, encoder.encode({"model_name": "m", "outputs": outputs}))

class Constant:
    async def __rsgi__(self, scope, protocol):
        await protocol()
        protocol.response_bytes(200, HEADERS, b"{}")

async def main():
    kind = Bare() if sys.argv[3] == "bare" else Constant()
    server = Server(kind, port=int(sys.argv[1]), log_enabled=False, websockets=False, http=HTTPModes.http1)
    await server.serve()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Took:
    """One measurement."""

    requests_s: float
    cpu_us: float


class _Saved:
    def __init__(self, path: Path) -> None:
        self.path, self.format, self.type, self.classes, self.unsafe = path, "none/1", "none", (), False


def make_servable(folder: Path) -> Path:
    """Package a logistic regression on 64 numbers."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from legato.serve.package import package

    features = np.random.default_rng(0).normal(size=(2000, COLUMNS))
    (folder / "bytes").write_bytes(b"")
    model = LogisticRegression().fit(features, (features[:, 0] > 0).astype(int))
    package(model, {"features": features}, folder / "servable", native=_Saved(folder / "bytes"))
    return folder / "servable"


def start_all(folder: Path, servable: Path) -> dict[str, subprocess.Popen[bytes]]:
    """Start the three servers and wait until each answers."""
    served = {"name": "m", "version": "1", "folder": str(servable)}
    (folder / "generation.json").write_text(json.dumps({"number": 1, "endpoint": "m", "models": [served]}))
    ours = ["-m", "legato.app.serving", "--generation", str(folder / "generation.json")]
    commands = {
        "constant body": ["-c", BARE, str(PORTS["constant body"]), str(servable / "model.onnx"), "constant"],
        "bare ONNX": ["-c", BARE, str(PORTS["bare ONNX"]), str(servable / "model.onnx"), "bare"],
        "Legato": [*ours, "--port", str(PORTS["Legato"])],
    }
    running = {}
    for name, command in commands.items():
        running[name] = subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL)
        _wait_for(PORTS[name])
    return running


def _wait_for(port: int) -> None:
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("POST", "/v2/models/m/infer", body(1))
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing answers on port {port}")


def url(port: int) -> str:
    """Return where a server is asked; the others answer on any path."""
    return f"http://127.0.0.1:{port}/v2/models/m/infer"


def body(rows: int) -> bytes:
    """Return a request of so many rows."""
    data = [round(0.013 * (index % 97), 6) for index in range(rows * COLUMNS)]
    tensor = {"name": "rows", "shape": [rows, COLUMNS], "datatype": "FP64", "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def take(pid: int, port: int, script: Path, connections: int, seconds: int) -> Took:
    """Ask one server for some seconds."""
    before = _cpu_s(pid)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script), url(port)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said:
        raise SystemExit(said)
    asked = int(said.split(" requests in ")[0].split()[-1])
    return Took(asked / seconds, (_cpu_s(pid) - before) / asked * 1e6)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def show(results: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print the figures, and what ours are of the others'."""
    for case, servers in results.items():
        ours = servers["Legato"]
        for server, figures in servers.items():
            say(f"{case:9} {server:14} {figures['requests_s']:>8} requests/s {figures['cpu_us']:>8} CPU us")
        for server in ("constant body", "bare ONNX"):
            other = servers[server]
            more, cpu = ours["requests_s"] / other["requests_s"], ours["cpu_us"] / other["cpu_us"]
            say(f"{case:9} Legato / {server}: {more:.2f} of its requests/s, {cpu:.2f} of its CPU a request")


def main() -> None:
    """Measure, print, and write the results."""
    if shutil.which("wrk") is None:
        raise SystemExit("this needs wrk: apt-get install wrk")
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    results: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        running = start_all(folder, make_servable(folder))
        try:
            for rows, connections in ((1, 64), (100, 8)):
                script = folder / f"{rows}.lua"
                script.write_text(f"wrk.method = 'POST'\nwrk.body = '{body(rows).decode()}'\n")
                taken: dict[str, list[Took]] = {server: [] for server in running}
                for _ in range(ROUNDS):
                    for server, process in running.items():
                        taken[server].append(take(process.pid, PORTS[server], script, connections, seconds))
                results[f"{rows} rows"] = {
                    server: {
                        "requests_s": round(statistics.median(one.requests_s for one in all_)),
                        "cpu_us": round(statistics.median(one.cpu_us for one in all_), 1),
                    }
                    for server, all_ in taken.items()
                }
        finally:
            for process in running.values():
                process.terminate()
                process.wait()
    show(results)
    target = Path(__file__).parent / "results" / "serving.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
