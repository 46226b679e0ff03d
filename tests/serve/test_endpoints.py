"""Endpoints of this machine: started once, swapped in place, found again, stopped."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from legato.app import endpoints
from legato.domain.errors import ConfigurationError, OutsideError
from legato.serve.generation import Generation, Served


@pytest.fixture
def home(tmp_path):
    """Return an endpoint's folder; what lives there at the end is stopped."""
    folder = tmp_path / "endpoints" / "wine"
    yield folder
    endpoints.stop(folder)


def generation(folder, version="1"):
    return Generation(
        number=0, endpoint="wine", models=(Served(name="wine", version=version, folder=str(folder)),)
    )


def version_that_answers(endpoint):
    host, port = endpoint.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", "/v2/models/wine")
    told = json.loads(connection.getresponse().read())
    connection.close()
    return told["versions"]


def test_an_endpoint_is_started_then_left_alone_then_swapped_in_the_same_process(home, matrix):
    first = endpoints.ensure(home, "wine", generation(matrix))
    again = endpoints.ensure(home, "wine", generation(matrix))
    second = endpoints.ensure(home, "wine", generation(matrix, "2"))

    assert [one.action for one in (first, again, second)] == ["started", "unchanged", "swapped"]
    assert len({one.pid for one in (first, again, second)}) == 1
    assert version_that_answers(second) == ["2"]
    assert second.models == ("wine:2",)


def test_what_would_change_is_told_without_changing_it(home, matrix):
    told = [endpoints.difference(home, "wine", generation(matrix))]
    endpoints.ensure(home, "wine", generation(matrix))
    told += [
        endpoints.difference(home, "wine", generation(matrix)),
        endpoints.difference(home, "wine", generation(matrix, "2")),
        endpoints.difference(home, "wine", generation(matrix), python="/usr/bin/python3"),
    ]
    still = endpoints.ensure(home, "wine", generation(matrix))

    assert told[:3] == ["does not answer", "", "answers with wine:1, not wine:2"]
    assert told[3] == f"answers with {sys.executable}"
    assert still.action == "unchanged"


def test_an_endpoint_is_found_again_and_stopped(home, matrix):
    started = endpoints.ensure(home, "wine", generation(matrix))
    found = endpoints.status(home)
    stopped = endpoints.stop(home)

    assert (found.address, found.pid, found.ready) == (started.address, started.pid, True)
    assert stopped is True
    assert endpoints.status(home) is None
    assert endpoints.stop(home) is False


def test_an_endpoint_keeps_its_address_when_it_is_started_again(home, matrix):
    first = endpoints.ensure(home, "wine", generation(matrix))
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)

    second = endpoints.ensure(home, "wine", generation(matrix))

    assert second.action == "started"
    assert second.address == first.address
    assert second.pid != first.pid


def test_a_process_number_that_someone_else_has_by_now_is_not_taken_for_the_endpoint(home, matrix):
    endpoints.ensure(home, "wine", generation(matrix))
    endpoints.stop(home)
    state = json.loads((home / "state.json").read_text())
    (home / "state.json").write_text(json.dumps(state | {"pid": os.getpid()}))

    assert endpoints.status(home) is None
    assert endpoints.stop(home) is False


def test_a_version_that_does_not_load_is_an_error_and_the_old_one_goes_on(home, matrix, tmp_path):
    endpoints.ensure(home, "wine", generation(matrix))
    altered = shutil.copytree(matrix, tmp_path / "altered")
    (altered / "model.onnx").write_bytes(b"none")

    with pytest.raises(ConfigurationError, match="endpoint 'wine': ONNX Runtime cannot load the model"):
        endpoints.ensure(home, "wine", generation(altered, "2"))

    assert version_that_answers(endpoints.status(home)) == ["1"]
    assert endpoints.ensure(home, "wine", generation(matrix)).action == "unchanged"


def test_a_first_version_that_does_not_load_leaves_nothing_running(home, tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no servable\.json") as caught:
        endpoints.ensure(home, "wine", generation(tmp_path / "nothing"))

    assert caught.value.hint == "package the model again"
    assert endpoints.status(home) is None


def test_a_port_that_is_taken_is_named(home, matrix):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(OutsideError, match=f"port {port} is taken"):
            endpoints.ensure(home, "wine", generation(matrix), port=port)


def test_a_process_that_dies_while_it_starts_shows_the_end_of_its_log(home, matrix, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such library >&2\nexit 9\n")
    python.chmod(0o755)

    with pytest.raises(OutsideError, match=r"ended while it started\n  \| no such library"):
        endpoints.ensure(home, "wine", generation(matrix), python=str(python))


def test_a_process_that_hangs_while_it_starts_is_ended(home, matrix, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)

    with pytest.raises(OutsideError, match=r"did not answer within 0\.3 seconds"):
        endpoints.ensure(home, "wine", generation(matrix), python=str(python), timeout_s=0.3)


def test_two_that_ask_at_once_get_one_process(home, matrix):
    found = []
    asking = [
        threading.Thread(target=lambda: found.append(endpoints.ensure(home, "wine", generation(matrix))))
        for _ in range(3)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()

    assert sorted(one.action for one in found) == ["started", "unchanged", "unchanged"]
    assert len({one.pid for one in found}) == 1


def test_an_endpoint_outlives_the_process_that_started_it(home, matrix):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from legato.app.endpoints import ensure\n"
        "from legato.serve.generation import Generation, Served\n"
        "models = (Served(name='wine', version='1', folder=sys.argv[2]),)\n"
        "ensure(Path(sys.argv[1]), 'wine', Generation(number=0, endpoint='wine', models=models))\n"
    )

    subprocess.run([sys.executable, "-c", script, str(home), str(matrix)], check=True)
    time.sleep(0.1)

    assert version_that_answers(endpoints.status(home)) == ["1"]


def test_secrets_of_the_starting_process_do_not_reach_the_endpoint(home, matrix):
    environment = {"PATH": "/usr/bin:/bin", "API_TOKEN": "hush", "OMP_NUM_THREADS": "1"}

    endpoint = endpoints.ensure(home, "wine", generation(matrix), environment=environment)

    variables = Path(f"/proc/{endpoint.pid}/environ").read_bytes().split(b"\0")
    assert b"OMP_NUM_THREADS=1" in variables
    assert not any(b"hush" in variable for variable in variables)
