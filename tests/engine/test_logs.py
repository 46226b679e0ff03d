"""What steps print is kept, a file a step and run, within a bound."""

import pytest

from legato.domain.errors import OutsideError
from legato.engine.logs import LIMIT_BYTES, Logs


def test_what_was_written_is_kept_in_order(tmp_path):
    logs = Logs(tmp_path / "logs")
    logs.write(3, "train", b"one\n")
    logs.write(3, "train", b"two\n")
    logs.write(3, "other", b"x")

    assert logs.close(3, "train") == "3/train.log"
    assert logs.close(3, "other") == "3/other.log"
    assert (tmp_path / "logs" / "3" / "train.log").read_bytes() == b"one\ntwo\n"


def test_a_silent_step_has_no_log(tmp_path):
    logs = Logs(tmp_path / "logs")

    assert logs.close(3, "train") == ""
    assert not (tmp_path / "logs").exists()


def test_a_second_attempt_goes_on_below_the_first(tmp_path):
    logs = Logs(tmp_path)
    logs.write(1, "flaky", b"first\n")
    logs.close(1, "flaky")
    logs.write(1, "flaky", b"second\n")
    logs.close(1, "flaky")

    assert (tmp_path / "1" / "flaky.log").read_bytes() == b"first\nsecond\n"


def test_a_log_has_a_bound_and_says_so_once(tmp_path):
    logs = Logs(tmp_path)
    block = b"x" * (LIMIT_BYTES // 2 - 10)
    for _ in range(5):
        logs.write(1, "loud", block)
    logs.close(1, "loud")

    kept = (tmp_path / "1" / "loud.log").read_bytes()
    assert len(kept) < LIMIT_BYTES + 100
    assert kept.count(b"the rest is left out") == 1


def test_a_log_that_just_fits_says_nothing(tmp_path):
    logs = Logs(tmp_path)
    logs.write(1, "exact", b"x" * LIMIT_BYTES)
    logs.close(1, "exact")

    assert (tmp_path / "1" / "exact.log").stat().st_size == LIMIT_BYTES


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "3").write_text("in the way")

    with pytest.raises(OutsideError, match=r"cannot write the log .*/3/train\.log: ") as raised:
        Logs(tmp_path).write(3, "train", b"one\n")

    assert "free space" in raised.value.hint
