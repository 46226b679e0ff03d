"""What jobs as processes of this machine must withstand: floods, crashes, strays, deaths above and below."""

import atexit
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from legato.domain.errors import OutsideError, UserCodeError
from legato.platforms import LONGEST_LINE_BYTES, Ended, Entry, Job, Prepared, Printed, Said, Say
from legato.platforms.process import ProcessPlatform, launch
from legato.platforms.process_tree import children_by_parent

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="forks and reads /proc"),
]

FLOOD_BYTES = 100 * 2**20
loaded_in: list[int] = []
rehearsed_in: list[int] = []


def execute(payload: bytes, say: Say) -> None:
    name, _, argument = payload.decode().partition(" ")
    globals()["job_" + name](say, argument)


def prepare(request: bytes) -> Prepared:
    loaded_in.append(os.getpid())
    atexit.register(print, "an exit handler of the loader")
    globals().get("load_" + request.decode(), lambda: None)()
    reply = b"long " * 2**20 if request == b"long" else b"reply"
    return Prepared(reply=reply, execute=execute, answer=answer, rehearse=REHEARSALS.get(request))


def prepare_job(request: bytes) -> Callable[[bytes, Say], None]:
    return prepare(request).execute


def prepare_packages(_request: bytes, _packages: tuple[str, ...]) -> None:
    return None


def answer(question: bytes) -> bytes:
    if question == b"raise":
        raise LookupError("no such class")
    if question == b"rehearsed":
        return str(len(rehearsed_in)).encode()
    if question == b"sleep":
        time.sleep(20)
    return question.upper()


ENTRY = Entry(
    prepare=f"{__name__}:prepare",
    prepare_job=f"{__name__}:prepare_job",
    prepare_packages=f"{__name__}:prepare_packages",
    clock="time:monotonic",
)


def load_raise():
    raise ZeroDivisionError("at module level")


def load_exit():
    sys.exit(3)


def load_die():
    os.write(1, b"about to die\n")
    os._exit(9)


def load_sleep():
    time.sleep(20)


def load_flood():
    sys.stdout.write("x" * 3 * 2**20)


def load_thread():
    threading.Thread(target=time.sleep, args=(20,), daemon=True, name="poller").start()


def load_child():
    subprocess.Popen(["sleep", "61"])


def job_nothing(_say, _argument):
    pass


def job_here(say, _argument):
    say(str(os.getpid()).encode())
    say(",".join(map(str, loaded_in)).encode())


def job_threads(say, _argument):
    say(f"{os.environ['OMP_NUM_THREADS']} {os.environ['POLARS_MAX_THREADS']}".encode())


def job_flood(_say, _argument):
    for _ in range(FLOOD_BYTES // 2**16):
        os.write(1, b"x" * 2**16)
    Path("flooded").touch()


def job_babble(_say, argument):
    while True:
        os.write(int(argument), b"x" * 2**20)


def job_endless_line(say, _argument):
    say(b"x" * (LONGEST_LINE_BYTES + 2**20))
    time.sleep(20)


def job_close_streams(say, _argument):
    os.close(1)
    os.close(2)
    say(b"still here")


def job_crash(_say, _argument):
    import ctypes

    ctypes.string_at(0)


def job_stray(say, _argument):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            say(str(os.getpid()).encode())
            time.sleep(61)
        os._exit(0)
    os.wait()
    time.sleep(0.2)


def job_family(say, _argument):
    child = subprocess.Popen(["sh", "-c", "sleep 61 & sleep 61"], start_new_session=True)
    time.sleep(0.2)
    say(str(child.pid).encode())
    say(str(os.getpid()).encode())
    time.sleep(61)


def job_pool(say, _argument):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        say(str(sum(pool.map(abs, [-1, -2, -3]))).encode())


def job_leave_children(say, _argument):
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(61,), daemon=True)
    process.start()
    say(str(process.pid).encode())


def job_thread(say, _argument):
    def late():
        time.sleep(0.2)
        say(b"late")

    threading.Thread(target=late).start()


def job_exit_handler(_say, _argument):
    atexit.register(print, "an exit handler of the job")


def job_c_print(_say, _argument):
    import ctypes

    ctypes.CDLL(None).puts(b"from C")


def job_stdin(say, _argument):
    say(repr(sys.stdin.read()).encode())


def job_fds(say, _argument):
    say(",".join(fd.name for fd in Path("/proc/self/fd").iterdir()).encode())


def rehearse() -> None:
    rehearsed_in.append(os.getpid())


def rehearse_badly() -> None:
    raise LookupError("a rehearsal failed")


REHEARSALS = {b"rehearse": rehearse, b"rehearse_badly": rehearse_badly}


def job_rehearsed(say, _argument):
    say(repr(rehearsed_in == [os.getpid()]).encode())


def job_imported(say, argument):
    say(repr(argument in sys.modules).encode())


def job_size(say, argument):
    say(str(len(argument)).encode())


def job_sleep(_say, argument):
    time.sleep(float(argument))


@pytest.fixture
def start() -> Iterator[Callable[..., ProcessPlatform]]:
    with contextlib.ExitStack() as stack:

        def start(request: bytes = b"", **more) -> ProcessPlatform:
            environment = {"PATH": os.environ["PATH"], **more.pop("environment", {})}
            platform = launch(ENTRY, request, environment=environment, **more)
            stack.callback(platform.close)
            return platform

        yield start


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    def make(payload: str, name: str = "j", **more) -> Job:
        return Job(
            **{"id": name, "payload": payload.encode(), "folder": str(tmp_path), "timeout_s": 40.0, **more}
        )

    return make


def finish(platform, *jobs):
    for job in jobs:
        platform.start(job)
    return heard(platform, len(jobs))


def heard(platform, ends=1):
    reports = []
    while sum(isinstance(one, Ended) for one in reports) < ends:
        reports += platform.poll(None)
    return reports


def said(reports):
    return [one.line.decode() for one in reports if isinstance(one, Said)]


def printed(reports):
    return b"".join(one.data for one in reports if isinstance(one, Printed))


def wait_for_said(platform, count):
    reports = []
    while len(said(reports)) < count:
        reports += platform.poll(10)
    return said(reports)


def state_of(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


def count_fds(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def is_gone(pid):
    return state_of(pid) in ("", "Z")


def all_gone_within(pids, seconds):
    for _ in range(round(seconds / 0.01)):
        if all(is_gone(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def test_every_job_is_a_process_of_its_own_that_found_the_code_loaded(start, job):
    platform = start()

    reports = finish(platform, job("here", "a"), job("here", "b"))

    pids = set(said(reports))
    assert len(pids) == 3  # two jobs, and the one loader of both
    assert platform.mode == "pipeline"
    assert platform.note == ""


def test_the_reply_of_the_loader_and_its_answers_come_back(start):
    platform = start()

    assert platform.reply() == b"reply"
    assert platform.ask(b"question") == b"QUESTION"
    with pytest.raises(UserCodeError, match="LookupError: no such class"):
        platform.ask(b"raise")
    assert platform.ask(b"again") == b"AGAIN"


def test_a_reply_that_is_longer_than_the_sockets_buffer_comes_back_whole(start):
    platform = start(b"long")
    time.sleep(0.5)  # so that the loader waits for room before anyone reads

    assert platform.reply() == b"long " * 2**20
    assert platform.ask(b"question") == b"QUESTION"


def test_an_answer_that_takes_too_long_is_not_waited_for(start):
    platform = start()

    with pytest.raises(OutsideError, match="200ms"):
        platform.ask(b"sleep", timeout_s=0.2)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (b"raise", "ZeroDivisionError: at module level"),
        (b"exit", "SystemExit: 3"),
        (b"die", "exit code 9"),
        (b"sleep", "took too long"),
    ],
)
def test_a_loader_that_fails_in_whatever_way_is_an_error_of_the_users_code(start, request_, message):
    platform = start(request_, prepare_timeout_s=1.0 if request_ == b"sleep" else 30.0)

    with pytest.raises(UserCodeError, match=message):
        platform.reply()


def test_a_job_of_a_loader_that_died_is_lost_and_says_why(start, job):
    platform = start(b"die")

    reports = finish(platform, job("nothing"))

    assert printed(reports) == b"about to die\n"
    assert (reports[-1].reason, "exit code 9" in reports[-1].note) == ("lost", True)


def test_what_the_loader_prints_is_reported_without_a_job_and_bounded(start, job):
    platform = start(b"flood")

    platform.reply()
    reports = finish(platform, job("nothing"))

    assert {one.job for one in reports if isinstance(one, Printed)} == {""}
    assert 0 < len(printed(reports)) <= 2**20


def test_a_hundred_megabytes_of_print_arrive_in_bounded_pieces(start, job, tmp_path):
    platform = start()
    platform.reply()
    platform.start(job("flood"))
    time.sleep(0.5)
    waited = not (tmp_path / "flooded").exists()

    total = largest = 0
    ended = False
    while not ended:
        reports = platform.poll(None)
        piece = len(printed(reports))
        total, largest = total + piece, max(largest, piece)
        ended = any(isinstance(one, Ended) for one in reports)

    assert waited
    assert total == FLOOD_BYTES
    assert largest <= 8 * 2**20


def test_a_job_that_prints_without_end_does_not_silence_others(start, job):
    platform = start()
    platform.start(job("babble 1", "loud"))
    platform.start(job("here", "quiet"))

    reports = []
    while not any(isinstance(one, Ended) for one in reports):
        reports = [one for one in platform.poll(None) if one.job == "quiet"] or reports
    platform.cancel("loud")

    assert reports[-1].code == 0
    assert heard(platform)[-1].reason == "cancelled"


def test_a_line_that_never_ends_ends_the_job(start, job):
    platform = start()

    reports = finish(platform, job("endless_line"))

    assert said(reports) == []
    assert (reports[-1].reason, "64.0 MiB" in reports[-1].note) == ("lost", True)


def test_a_job_may_close_its_streams(start, job):
    reports = finish(start(), job("close_streams"))

    assert said(reports) == ["still here"]
    assert reports[-1].code == 0


def test_a_segmentation_fault_shows_where_it_happened(start, job):
    reports = finish(start(), job("crash"))

    assert (reports[-1].reason, reports[-1].code) == ("signalled", signal.SIGSEGV)
    assert b"job_crash" in printed(reports)


def test_a_daemon_that_a_job_leaves_behind_is_gone_before_the_job_has_ended(start, job):
    platform = start()

    reports = finish(platform, job("stray"))

    assert reports[-1].code == 0
    assert is_gone(int(said(reports)[0]))
    assert reports[-1].usage.wall_s < 20


def test_strays_of_one_job_are_found_while_others_run(start, job):
    platform = start()
    platform.start(job("sleep 1.5", "other"))

    reports = finish(platform, job("stray"))

    assert is_gone(int(said(reports)[0]))
    assert (reports[-1].job, heard(platform)[-1].code) == ("j", 0)


def test_cancelling_kills_the_whole_family(start, job):
    platform = start()
    platform.start(job("family"))
    pids = wait_for_said(platform, 2)
    platform.cancel("j")

    assert heard(platform)[-1].reason == "cancelled"
    assert all(is_gone(int(pid)) for pid in pids)


def test_worker_processes_of_a_job_work_and_do_not_outlive_it(start, job):
    platform = start()

    pool = finish(platform, job("pool"))
    left = finish(platform, job("leave_children", "k"))

    assert said(pool) == ["6"]
    assert left[-1].code == 0
    assert is_gone(int(said(left)[0]))


def test_a_job_ends_like_a_program_threads_joined_and_its_own_exit_handlers_run(start, job):
    platform = start()

    thread = finish(platform, job("thread"))
    handler = finish(platform, job("exit_handler"))

    assert said(thread) == ["late"]
    assert printed(handler) == b"an exit handler of the job\n"


def test_what_c_libraries_print_is_not_lost(start, job):
    reports = finish(start(), job("c_print"))

    assert printed(reports) == b"from C\n"


def test_stdin_is_empty(start, job):
    reports = finish(start(), job("stdin"))

    assert said(reports) == ["''"]


def test_a_job_holds_no_descriptors_but_its_own(start, job):
    platform = start()
    finish(platform, job("sleep 0.1", "before"))
    platform.start(job("sleep 1", "beside"))

    reports = finish(platform, job("fds"))

    assert len(said(reports)[0].split(",")) == 5  # three streams, the messages, and the listing itself


def test_an_order_too_large_for_one_packet_arrives(start, job):
    reports = finish(start(), *(job("size " + "x" * size, str(size)) for size in (10, 100_000, 5_000_000)))

    assert sorted(map(int, said(reports))) == [10, 100_000, 5_000_000]


def test_threads_are_limited_to_the_cpus_of_a_job_unless_someone_has_said_otherwise(start, job):
    platform = start(environment={"POLARS_MAX_THREADS": "5"})

    one = finish(platform, job("threads", "one"))
    two = finish(platform, job("threads", "two", cpus=1.5))
    said_otherwise = finish(platform, job("threads", "three", environment={"OMP_NUM_THREADS": "9"}))

    assert [said(each) for each in (one, two, said_otherwise)] == [["1 5"], ["2 5"], ["9 5"]]


def test_three_hundred_jobs_side_by_side_leave_no_descriptor_and_no_zombie(start, job):
    platform = start()
    finish(platform, job("here", "first"))
    fds = count_fds("self")

    reports = finish(platform, *(job("here", str(n)) for n in range(300)))
    zygote = int(said(reports)[1])
    ours = {zygote, platform._stem_pid, os.getpid()}
    zombies = [
        one for parent in ours for one in children_by_parent().get(parent, ()) if one.state == ord("Z")
    ]

    assert [one.code for one in reports if isinstance(one, Ended)] == [0] * 300
    assert count_fds("self") == fds
    assert zombies == []
    assert count_fds(zygote) < 12


def test_a_job_that_was_forked_ahead_has_rehearsed_once_in_its_own_process(start, job):
    platform = start(b"rehearse")
    finish(platform, job("sleep 0.3", "before"))
    found = said(finish(platform, job("rehearsed")))

    assert found == ["True"]
    assert platform.ask(b"rehearsed") == b"0"


def test_a_rehearsal_that_fails_costs_a_job_nothing_and_is_not_heard(start, job):
    platform = start(b"rehearse_badly")
    reports = [one for n in range(5) for one in finish(platform, job("sleep 0.05", str(n)))]

    assert [one.code for one in reports if isinstance(one, Ended)] == [0] * 5
    assert printed(reports) == b""


def test_more_jobs_than_there_are_descriptors_wait_their_turn(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import resource, sys, os\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))\n"
        "sys.path.insert(0, os.environ['TESTS'])\n"
        "import test_process_platform as t\n"
        "platform = t.launch(t.ENTRY, b'', environment=dict(os.environ))\n"
        "jobs = [t.Job(id=str(n), payload=b'here', folder='/tmp') for n in range(60)]\n"
        "reports = t.finish(platform, *jobs)\n"
        "platform.close()\n"
        "print(len(t.said(reports)), {one.code for one in reports if isinstance(one, t.Ended)})\n"
    )
    environment = {**os.environ, "TESTS": str(Path(__file__).parent)}

    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "120 {0}\n"


def test_closing_leaves_nothing_running(start, job):
    platform = start(b"child")
    for name in ("a", "b"):
        platform.start(job("family", name))
    pids = [int(pid) for pid in wait_for_said(platform, 4)]
    loader = platform._zygotes.loader
    platform.close()

    assert loader.state == "ready"
    assert all(is_gone(pid) for pid in pids)
    assert not [pid for pid in Path("/proc").iterdir() if _line_of(pid).endswith("sleep\x0061\x00")]


def _line_of(process):
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_text(errors="replace")
    return ""


def test_when_the_owner_is_killed_everything_below_it_dies(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, os\n"
        "sys.path.insert(0, os.environ['TESTS'])\n"
        "import test_process_platform as t\n"
        "platform = t.launch(t.ENTRY, b'', environment=dict(os.environ))\n"
        "for name in 'ab': platform.start(t.Job(id=name, payload=b'family', folder='/tmp'))\n"
        "print(*t.wait_for_said(platform, 4), flush=True)\n"
        "platform.poll(None)\n"
    )
    environment = {**os.environ, "TESTS": str(Path(__file__).parent)}
    owner = subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    owner.kill()
    owner.wait()
    owner.stdout.close()

    assert len(pids) == 4
    assert all_gone_within(pids, 10)


def test_jobs_of_a_zygote_that_was_killed_are_lost_and_the_next_one_runs(start, job):
    platform = start()
    zygote = int(said(finish(platform, job("here", "first")))[1])
    platform.start(job("family"))
    pids = [int(pid) for pid in wait_for_said(platform, 2)]
    os.kill(zygote, signal.SIGKILL)

    lost = heard(platform)[-1]
    after = finish(platform, job("here", "after"))

    assert (lost.reason, lost.note) == (
        "lost",
        "the process that steps are forked from is gone: it ended with signal 9; run again",
    )
    assert all(is_gone(pid) for pid in pids)
    assert after[-1].code == 0
    with pytest.raises(OutsideError, match="signal 9"):
        platform.ask(b"question")


def test_when_the_stem_is_killed_jobs_are_lost_and_none_is_started_any_more(start, job):
    platform = start()
    platform.reply()
    platform.start(job("here"))
    pid = wait_for_said(platform, 1)[0]
    platform.start(job("sleep 20", "k"))
    os.kill(platform._stem_pid, signal.SIGKILL)
    reports = heard(platform, 1)
    reports += heard(platform, 2 - sum(isinstance(one, Ended) for one in reports))

    after = finish(platform, job("nothing", "after"))

    assert reports[-1].reason == "lost"
    assert after[-1].reason == "lost"
    assert all_gone_within([int(pid)], 10)


def test_a_thread_at_module_level_is_named_and_jobs_do_not_start_from_there(start, job):
    platform = start(b"thread")

    reports = finish(platform, job("here"))

    assert platform.mode == "packages"
    assert "Python (poller)" in platform.note
    assert reports[-1].code == 0


def test_a_signal_from_the_terminal_reaches_only_the_owner(start, job):
    platform = start()
    pid, loader = (int(line) for line in said(finish(platform, job("here"))))

    assert os.getsid(loader) not in (os.getsid(0), pid)


def test_an_interactive_job_has_the_owners_own_streams(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, os\n"
        "sys.path.insert(0, os.environ['TESTS'])\n"
        "import test_process_platform as t\n"
        "platform = t.launch(t.ENTRY, b'', environment=dict(os.environ))\n"
        "job = t.Job(id='j', payload=b'stdin', folder='/tmp', interactive=True)\n"
        "print(t.said(t.finish(platform, job)), flush=True)\n"
        "job = t.Job(id='j', payload=b'exit_handler', folder='/tmp', interactive=True)\n"
        "print(t.printed(t.finish(platform, job)), flush=True)\n"
        "platform.close()\n"
    )
    environment = {**os.environ, "TESTS": str(Path(__file__).parent)}

    done = subprocess.run(
        [sys.executable, script],
        env=environment,
        input="continue\n",
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[\"'continue\\\\n'\"]\nan exit handler of the job\nb''\n"
