"""What every platform promises, asked of all of them.

Rule: a test that a platform's traits rule out is skipped with the trait's name.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from legato.domain.errors import BugError
from legato.platforms import Ended, Entry, Job, Platform, Prepared, Printed, Report, Said, Say
from legato.platforms.inline import InlinePlatform
from legato.platforms.process import launch

pytestmark = pytest.mark.timeout(60)


def execute(payload: bytes, say: Say) -> None:
    name, _, argument = payload.decode().partition(" ")
    globals()["job_" + name](say, argument)


def prepare(request: bytes) -> Prepared:
    return Prepared(reply=request, execute=execute, answer=bytes.upper)


def prepare_job(_request: bytes) -> Callable[[bytes, Say], None]:
    return execute


def prepare_packages(_request: bytes, _packages: tuple[str, ...]) -> None:
    return None


ENTRY = Entry(
    prepare=f"{__name__}:prepare",
    prepare_job=f"{__name__}:prepare_job",
    prepare_packages=f"{__name__}:prepare_packages",
    clock="time:monotonic",
)


def job_print_and_say(say, _argument):
    sys.stdout.write("to stdout\n")
    sys.stderr.write("to stderr\n")
    say(b'{"n":1}')
    say(b'{"n":2}')


def job_bytes(_say, _argument):
    sys.stdout.flush()
    sys.stdout.buffer.write(b"\xff\xfe caf\xc3")
    sys.stdout.buffer.flush()


def job_exit(_say, argument):
    sys.exit(int(argument))


def job_exit_with_text(_say, _argument):
    sys.exit("it will not do")


def job_raise(_say, _argument):
    raise ZeroDivisionError("of the user")


def job_interrupt(_say, _argument):
    raise KeyboardInterrupt


def job_where(say, _argument):
    say(str(Path.cwd()).encode())
    say(
        ",".join(
            f"{name}={value}" for name, value in sorted(os.environ.items()) if "THREADS" not in name
        ).encode()
    )


def job_long_line(say, _argument):
    say(b"x" * 3_000_000)
    say(b"short")


def job_two_lines_in_one(say, _argument):
    say(b"a\nb")


def job_sleep(_say, argument):
    time.sleep(float(argument))


def job_leave(_say, _argument):
    os._exit(7)


def job_crash(_say, _argument):
    os.kill(os.getpid(), signal.SIGSEGV)


def job_eat(_say, _argument):
    kept = []
    for _ in range(100):
        kept.append(b"x" * 20_000_000)
        time.sleep(0.02)


def job_meet(_say, argument):
    mine, other = argument.split(" ")
    Path(mine).touch()
    until = time.perf_counter() + 20
    while not Path(other).exists():
        assert time.perf_counter() < until
        time.sleep(0.01)


@pytest.fixture(params=["inline", "forked", "spawned"])
def platform(request) -> Iterator[Platform]:
    if request.param == "inline":
        platform = InlinePlatform(execute, time.perf_counter)
    else:
        environment = {"PATH": os.environ["PATH"]}
        platform = launch(ENTRY, b"request", environment=environment, forks=request.param == "forked")
    yield platform
    platform.close()


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    def make(payload: str, name: str = "j", **more) -> Job:
        return Job(
            **{"id": name, "payload": payload.encode(), "folder": str(tmp_path), "timeout_s": 30.0, **more}
        )

    return make


def finish(platform: Platform, *jobs: Job) -> list[Report]:
    for job in jobs:
        platform.start(job)
    return heard(platform, len(jobs))


def heard(platform: Platform, ends: int = 1) -> list[Report]:
    reports: list[Report] = []
    while sum(isinstance(report, Ended) for report in reports) < ends:
        reports += platform.poll(None)
    return reports


def printed(reports: list[Report], stream: str) -> bytes:
    return b"".join(one.data for one in reports if isinstance(one, Printed) and one.stream == stream)


def said(reports: list[Report]) -> list[bytes]:
    return [one.line for one in reports if isinstance(one, Said)]


def end(reports: list[Report]) -> Ended:
    return next(one for one in reports if isinstance(one, Ended))


def needs(platform: Platform, trait: str) -> None:
    if not getattr(platform.traits, trait):
        pytest.skip(f"{platform.traits.name} has not the trait `{trait}`")


def test_it_reports_what_a_job_prints_and_says_and_last_of_all_its_end(platform, job):
    reports = finish(platform, job("print_and_say"))

    assert printed(reports, "stdout") == b"to stdout\n"
    assert printed(reports, "stderr") == b"to stderr\n"
    assert said(reports) == [b'{"n":1}', b'{"n":2}']
    assert isinstance(reports[-1], Ended)
    assert (reports[-1].job, reports[-1].reason, reports[-1].code) == ("j", "exited", 0)
    assert reports[-1].usage.wall_s > 0
    assert reports[-1].usage.peak_bytes > 1_000_000


def test_bytes_that_are_no_text_pass_unchanged(platform, job):
    reports = finish(platform, job("bytes"))

    assert printed(reports, "stdout") == b"\xff\xfe caf\xc3"


@pytest.mark.parametrize(
    ("payload", "code", "words"),
    [
        ("exit 0", 0, b""),
        ("exit 3", 3, b""),
        ("exit_with_text", 1, b"it will not do"),
        ("raise", 1, b"ZeroDivisionError: of the user"),
        ("interrupt", 130, b"KeyboardInterrupt"),
        ("two_lines_in_one", 1, b"holds a line end"),
    ],
)
def test_a_job_ends_with_the_exit_code_that_python_would_give(platform, job, payload, code, words):
    reports = finish(platform, job(payload))

    assert (end(reports).reason, end(reports).code) == ("exited", code)
    assert words in printed(reports, "stderr")


def test_a_job_runs_in_its_folder_with_its_variables_only(platform, job, tmp_path):
    here, variables = str(Path.cwd()), dict(os.environ)

    reports = finish(platform, job("where", environment={"REGION": "nord", "EMPTY": ""}))

    assert said(reports) == [str(tmp_path).encode(), b"EMPTY=,REGION=nord"]
    assert (str(Path.cwd()), dict(os.environ)) == (here, variables)


def test_a_line_of_megabytes_arrives_whole(platform, job):
    reports = finish(platform, job("long_line"))

    assert [len(line) for line in said(reports)] == [3_000_000, 5]


def test_every_one_of_many_jobs_ends_exactly_once(platform, job):
    reports = finish(platform, *(job(f"exit {n}", name=str(n)) for n in range(8)))
    reports += platform.poll(0)

    codes = {one.job: one.code for one in reports if isinstance(one, Ended)}
    assert codes == {str(n): n for n in range(8)}
    assert len([one for one in reports if isinstance(one, Ended)]) == 8


def test_a_job_cancelled_at_once_ends_as_cancelled_or_had_already_ended(platform, job):
    platform.start(job("exit 0", name="first"))
    platform.start(job("sleep 20", name="second"))
    platform.cancel("second")
    platform.cancel("second")
    platform.cancel("nobody")

    reasons = {one.job: one.reason for one in heard(platform, 2) if isinstance(one, Ended)}
    assert reasons == {"first": "exited", "second": "cancelled"}


def test_without_unfinished_jobs_poll_does_not_wait_for_ever(platform, job):
    reports = finish(platform, job("exit 0"))
    platform.cancel("j")

    assert isinstance(reports[-1], Ended)
    assert list(platform.poll(None)) == []
    assert list(platform.poll(0.01)) == []
    assert list(platform.poll(0)) == []


def test_a_second_job_of_the_same_id_is_refused(platform, job):
    platform.start(job("exit 0"))

    with pytest.raises(BugError, match="'j'"):
        platform.start(job("exit 0"))


def test_closing_twice_is_fine_and_starting_afterwards_is_not(platform, job):
    platform.start(job("sleep 20"))
    platform.close()
    platform.close()

    assert list(platform.poll(None)) == []
    with pytest.raises(BugError, match="closed"):
        platform.start(job("exit 0"))


def test_a_job_past_its_time_limit_is_ended(platform, job):
    needs(platform, "kills")

    reports = finish(platform, job("sleep 20", timeout_s=0.2))

    assert (end(reports).reason, end(reports).code) == ("timeout", signal.SIGKILL)
    assert end(reports).usage.wall_s < 15


def test_a_running_job_can_be_cancelled(platform, job):
    needs(platform, "kills")
    platform.start(job("sleep 20"))
    platform.poll(0.3)
    platform.cancel("j")

    assert end(heard(platform)).reason == "cancelled"


@pytest.mark.parametrize(("payload", "reason", "code"), [("leave", "exited", 7), ("crash", "signalled", 11)])
def test_a_job_that_dies_takes_nothing_with_it(platform, job, payload, reason, code):
    needs(platform, "isolates")

    first = finish(platform, job(payload))
    second = finish(platform, job("print_and_say", name="next"))

    assert (end(first).reason, end(first).code) == (reason, code)
    assert end(second).code == 0


def test_a_job_that_holds_more_memory_than_its_limit_is_ended(platform, job):
    needs(platform, "limits_memory")

    reports = finish(platform, job("eat", memory_bytes=300_000_000))

    assert end(reports).reason == "memory"
    assert "286.1 MiB" in end(reports).note


def test_jobs_run_side_by_side(platform, job, tmp_path):
    needs(platform, "parallel")
    one, two = tmp_path / "one", tmp_path / "two"

    reports = finish(platform, job(f"meet {one} {two}", name="one"), job(f"meet {two} {one}", name="two"))

    assert [each.code for each in reports if isinstance(each, Ended)] == [0, 0]


def test_a_platform_works_for_a_process_that_already_has_threads(job):
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    platform = launch(ENTRY, b"request", environment={"PATH": os.environ["PATH"]})

    reply, reports = platform.reply(), finish(platform, job("print_and_say"))

    platform.close()
    stop.set()
    thread.join()
    assert reply == b"request"
    assert end(reports).code == 0
