"""Generation files, hosts, first-party code and the socket: what the serving process rests on."""

import socket
import sys

import pytest

from legato.domain.errors import ConfigurationError, MissingError, OutsideError
from legato.serve.first_party import FirstParty
from legato.serve.generation import Generation, Served, check_generation, read_generation, write_atomically
from legato.serve.hosts import Hosts, loopback
from legato.serve.listener import listen, refuse_new, waiting


def served(name="wine", version="1"):
    return Served(name=name, version=version, folder="/nowhere")


def test_a_generation_file_reads_back_as_it_was_written(tmp_path):
    generation = Generation(
        number=4, endpoint="wine", models=(served(), served(version="2")), root="/repository"
    )

    write_atomically(tmp_path / "generation.json", generation)

    assert read_generation(tmp_path / "generation.json") == generation
    assert [path.name for path in tmp_path.iterdir()] == ["generation.json"]


@pytest.mark.parametrize("name", ["", "a/b", "../a", "a b", "a\n", "é", "x" * 129, ".hidden"])
def test_a_name_that_cannot_stand_in_a_path_or_a_header_is_refused(name):
    with pytest.raises(ConfigurationError, match="cannot be served under this name"):
        check_generation(Generation(number=1, endpoint="e", models=(served(name=name),)))


def test_a_generation_without_models_or_with_one_twice_is_refused():
    with pytest.raises(ConfigurationError, match="would serve no model"):
        check_generation(Generation(number=1, endpoint="e", models=()))
    with pytest.raises(ConfigurationError, match="listed twice"):
        check_generation(Generation(number=1, endpoint="e", models=(served(), served())))


def test_a_newer_damaged_or_missing_generation_file_is_refused(tmp_path):
    file = tmp_path / "generation.json"
    with pytest.raises(MissingError):
        read_generation(file)

    file.write_text('{"number": 1, "endpoint": "e", "models": [], "format": 2}')
    with pytest.raises(ConfigurationError, match="has format 2"):
        read_generation(file)

    file.write_text("{")
    with pytest.raises(ConfigurationError, match="damaged"):
        read_generation(file)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", "", "127.0.0.1.evil.test"])  # noqa: S104
def test_nothing_but_this_machine_is_listened_to(host):
    with pytest.raises(ConfigurationError, match="nothing authenticates yet"):
        loopback(host)


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("localhost", True),
        ("LOCALHOST:80", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("127.0.0.5:8000", True),
        ("127.0.0.2", False),
        ("evil.test", False),
        ("localhost.evil.test:8000", False),
        ("localhost:evil.test", False),
        ("", False),
        (None, False),
    ],
)
def test_a_host_header_speaks_for_this_machine_or_is_refused(host, trusted):
    assert Hosts("127.0.0.5").trusts(host) is trusted


def test_a_port_is_taken_for_one_process_alone():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]

        with pytest.raises(OutsideError, match=f"port {port} is taken"):
            listen("127.0.0.1", port)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can refuse newcomers and keep who is in line")
def test_newcomers_are_refused_while_those_in_line_are_kept():
    with listen("127.0.0.1", 0) as listening:
        early = socket.create_connection(listening.getsockname())
        early.sendall(b"first")

        refuse_new(listening)
        late = socket.socket()
        late.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.connect(listening.getsockname())
        in_line = waiting(listening)
        taken, _ = listening.accept()
        taken.settimeout(5)

        assert in_line == 1
        assert taken.recv(9) == b"first"
        assert waiting(listening) == 0
        for connection in (early, late, taken):
            connection.close()


def test_first_party_code_is_imported_anew_and_never_from_a_stale_compiled_file(tmp_path):
    module = tmp_path / "legato_test_rules.py"
    module.write_text("answer = 1\n")
    with FirstParty([str(tmp_path)]) as code:
        import legato_test_rules

        first = legato_test_rules.answer
        owned = (code.owns("legato_test_rules"), code.owns("numpy"), code.owns("json"))
    module.write_text("answer = 2\n")
    with FirstParty([str(tmp_path)]):
        import legato_test_rules as again

        second = again.answer
    with FirstParty([]):
        gone = "legato_test_rules" not in sys.modules

    assert (first, second, gone) == (1, 2, True)
    assert owned == (True, False, False)
