"""A ledger in a bucket: what its objects are, who may delete what, and what an audit finds."""

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore, MemoryStore
from shared_cases import PREFIX, log_in, looker, machine, named, numbers, objects_of, salt, started

from legato.domain.errors import ConfigurationError, OutsideError
from legato.domain.events import PayloadRedacted, Redacted
from legato.ledger import Expect, Head
from legato.ledger.batches import SEGMENT
from legato.ledger.bucket import BucketClock, BucketLog
from legato.ledger.objects import Objects
from legato.ledger.segments import batch_name, segment_name


@pytest.fixture
def bucket() -> MemoryStore:
    return MemoryStore()


def read(bucket: Any, name: str) -> bytes:
    return bytes(bucket.get(f"{PREFIX}/{name}").bytes())


def write(bucket: Any, name: str, data: bytes) -> None:
    bucket.put(f"{PREFIX}/{name}", data)


def change(bucket: Any, name: str, old: bytes, new: bytes) -> None:
    data = read(bucket, name)
    assert old in data
    write(bucket, name, data.replace(old, new))


def delete(bucket: Any, name: str) -> None:
    bucket.delete(f"{PREFIX}/{name}")


def fill(bucket: Any, count: int) -> Head:
    with closing(machine(log_in(bucket))) as ledger:
        for number in range(1, count + 1):
            ledger.append([started(number, f"actor {number}")])
        return ledger.head()


def test_a_mirror_that_was_deleted_is_made_anew(bucket, tmp_path):
    mirror = tmp_path / "mirror.db"
    with closing(machine(log_in(bucket), mirror)) as ledger:
        ledger.append([started(1)])
    for file in tmp_path.iterdir():
        file.unlink()

    with closing(machine(log_in(bucket), mirror)) as ledger:
        assert numbers(ledger) == [1]
        assert ledger.append([started(2)])[0].seq == 2


@pytest.mark.parametrize("place", [0, 3000])
def test_a_damaged_mirror_is_made_anew(bucket, tmp_path, place):
    mirror = tmp_path / "mirror.db"
    with closing(machine(log_in(bucket), mirror)) as ledger:
        ledger.append([started(1)])
    whole = mirror.read_bytes()
    mirror.write_bytes(whole[:4096] + bytes(len(whole) - 4096) if place else whole[:200])

    with closing(machine(log_in(bucket), mirror)) as ledger:
        assert numbers(ledger) == [1]


def test_a_file_that_is_no_mirror_is_left_alone(bucket, tmp_path):
    notes = tmp_path / "notes"
    notes.write_bytes(b"these are my notes\n" * 100)

    with pytest.raises(OutsideError, match="no SQLite database"):
        machine(log_in(bucket), notes)

    assert notes.read_bytes() == b"these are my notes\n" * 100


def test_a_mirror_of_another_ledger_is_thrown_away_and_the_event_is_named(bucket, tmp_path):
    mirror, told = tmp_path / "mirror.db", []
    with closing(machine(log_in(MemoryStore()), mirror)) as other:
        other.append([started(7)])
    fill(bucket, 2)

    with closing(machine(log_in(bucket), mirror, told=told.append)) as ledger:
        assert numbers(ledger) == [1, 2]

    assert len(told) == 1
    assert "event 1 on" in told[0]


def test_a_mirror_that_knows_more_than_its_log_is_thrown_away(bucket, tmp_path):
    mirror, told = tmp_path / "mirror.db", []
    with closing(machine(log_in(bucket), mirror)) as ledger:
        for number in (1, 2, 3):
            ledger.append([started(number)])
    delete(bucket, batch_name(3))

    with closing(machine(log_in(bucket), mirror, told=told.append)) as ledger:
        assert numbers(ledger) == [1, 2]
        assert ledger.append([started(9)])[0].seq == 3

    assert "event 3 on" in told[0]


def test_a_mirror_someone_changed_is_found_by_verify_and_made_anew(bucket, tmp_path):
    told = []
    with closing(machine(log_in(bucket), tmp_path / "mirror.db", told=told.append)) as ledger:
        ledger.append([started(1), started(2)])
        ledger.mirror.session.rows("UPDATE events SET payload = replace(payload, 'ann', 'eve') WHERE seq = 2")
        assert ledger.verify() == []

        assert "event 2 on" in told[0]
        assert [stored.event.actor for stored in ledger.events()] == ["ann", "ann"]


def test_a_ledger_restored_to_an_earlier_state_while_it_is_used_is_noticed(bucket):
    told = []
    with closing(machine(log_in(bucket), told=told.append)) as ledger:
        ledger.append([started(1)])
        ledger.append([started(2)])
        delete(bucket, batch_name(2))
        with closing(machine(log_in(bucket))) as other:
            other.append([started(5)])
            other.append([started(6)])

        ledger.append([started(7)])

        assert numbers(ledger) == [1, 5, 6, 7]
    assert "event 2 on" in told[0]


def test_a_look_is_fresh_for_as_long_as_the_caller_says(bucket):
    time = [0.0]
    with closing(machine(log_in(bucket), fresh_s=5, steady=lambda: time[0])) as reading:
        fill(bucket, 1)
        before = numbers(reading)
        time[0] = 5.0
        after = numbers(reading)
        fill_more(bucket, 2)
        stale = numbers(reading)
        reading.refresh()

        assert (before, after, stale, numbers(reading)) == ([], [1], [1], [1, 2])


def fill_more(bucket: Any, number: int) -> None:
    with closing(machine(log_in(bucket))) as ledger:
        ledger.append([started(number)])


def test_who_only_looks_writes_nothing(bucket):
    fill(bucket, 2)
    before = sorted(objects_of(bucket))

    with closing(looker(log_in(bucket))) as reader:
        assert numbers(reader) == [1, 2]
        assert reader.verify() == []

    assert sorted(objects_of(bucket)) == before
    assert not hasattr(reader, "append")


def test_who_only_looks_into_an_empty_bucket_finds_an_empty_ledger(bucket):
    with closing(looker(log_in(bucket))) as reader:
        assert reader.head().seq == 0

    assert list(objects_of(bucket)) == []


class Careless(MemoryStore):
    """A bucket whose server ignores If-None-Match."""


class CarelessObjects(Objects):
    """Writes over what is there, as such a server does."""

    def create(self, name: str, data: bytes) -> bool:
        self.replace(name, data)
        return True


def test_a_bucket_that_ignores_conditions_is_refused_before_anything_is_written():
    store = MemoryStore()
    log = BucketLog(CarelessObjects(store, PREFIX, "s3://old"), lambda: 1.0, salt)
    with closing(machine(log)) as ledger:
        with pytest.raises(ConfigurationError, match=r"s3://old cannot hold a ledger") as caught:
            ledger.append([started(1)])

        assert numbers(ledger) == []
    assert "postgresql" in caught.value.hint
    assert list(objects_of(store)) == ["probe"]


class Forgetful(Objects):
    """Loses the answer to a write that was done; `lost` counts how often it does so."""

    lost = 1

    def create(self, name: str, data: bytes) -> bool:
        made = super().create(name, data)
        if self.lost and name.startswith("log/"):
            self.lost -= 1
            raise OutsideError("the connection was reset", hint="try again")
        return made


class Repeating(Objects):
    """Sends every write twice, as a client does that lost an answer."""

    def create(self, name: str, data: bytes) -> bool:
        super().create(name, data)
        return super().create(name, data)


@pytest.mark.parametrize("kind", [Forgetful, Repeating])
def test_a_write_whose_answer_was_lost_is_known_again(bucket, kind):
    log = BucketLog(kind(bucket, PREFIX, "the bucket"), lambda: 1.0, salt)
    with closing(machine(log)) as ledger:
        first = ledger.append([started(1)])
        second = ledger.append([started(2)])

        assert [item.seq for item in (*first, *second)] == [1, 2]
        assert numbers(ledger) == [1, 2]
        assert ledger.verify() == []


class Broken(Objects):
    """Cannot be written to any more."""

    def create(self, name: str, data: bytes) -> bool:
        if name.startswith("log/"):
            raise OutsideError("the connection was reset", hint="try again")
        return super().create(name, data)


def test_nothing_is_kept_of_a_write_that_failed(bucket):
    fill(bucket, 1)
    log = BucketLog(Broken(bucket, PREFIX, "the bucket"), lambda: 1.0, salt)
    with closing(machine(log)) as ledger:
        with pytest.raises(OutsideError, match="reset"):
            ledger.append([started(2)])

        assert numbers(ledger) == [1]
        assert ledger.head().seq == 1


def test_time_never_goes_back_in_a_ledger(bucket):
    for at in (50.0, 40.0, 60.0):
        with closing(machine(log_in(bucket, at=lambda at=at: at))) as ledger:
            ledger.append([started(int(at))])

    with closing(machine(log_in(bucket))) as ledger:
        assert [stored.at for stored in ledger.events()] == [50.0, 50.0, 60.0]


@pytest.mark.parametrize("wrong_s", [-7200.0, 0.0, 86400.0])
def test_the_buckets_clock_counts_however_wrong_ours_is(bucket, wrong_s):
    import time

    clock = BucketClock(Objects(bucket, PREFIX, "the bucket"), lambda: time.time() + wrong_s, time.monotonic)

    assert abs(clock() - time.time()) < 2.5


def test_a_jump_of_our_clock_does_not_move_the_ledgers(bucket):
    import time

    ours, steady = [time.time()], [0.0]
    clock = BucketClock(Objects(bucket, PREFIX, "the bucket"), lambda: ours[0], lambda: steady[0])
    first = clock()

    ours[0] += 10**6
    steady[0] += 3.0

    assert clock() == first + 3.0


def test_a_new_reader_of_many_batches_asks_for_few_objects(bucket):
    count = 2 * SEGMENT + 10
    fill(bucket, count)
    objects = Counting(bucket, PREFIX, "the bucket")

    with closing(looker(BucketLog(objects, lambda: 1.0, salt))) as reader:
        assert numbers(reader) == list(range(1, count + 1))

    assert objects.asked < 40
    assert sorted(objects_of(bucket))[-2:] == [segment_name(0), segment_name(1)]


class Counting(Objects):
    """Counts what is asked for."""

    asked = 0

    def get(self, name: str) -> bytes | None:
        self.asked += 1
        return super().get(name)


def test_segments_that_two_make_at_once_are_the_same(bucket):
    fill(bucket, SEGMENT)
    first = read(bucket, segment_name(0))
    delete(bucket, segment_name(0))

    with closing(machine(log_in(bucket))) as ledger:
        for number in range(SEGMENT + 1, 2 * SEGMENT + 1):
            ledger.append([started(number)])

    assert read(bucket, segment_name(0)) == first


def test_a_mirror_may_stop_in_the_middle_of_a_segment(bucket, tmp_path):
    mirror = tmp_path / "mirror.db"
    with closing(machine(log_in(bucket), mirror)) as ledger:
        ledger.append([started(1), started(2)])
    with closing(machine(log_in(bucket))) as other:
        for number in range(3, SEGMENT + 9):
            other.append([started(number)])

    with closing(machine(log_in(bucket), mirror)) as ledger:
        assert numbers(ledger) == list(range(1, SEGMENT + 9))


def words_in(bucket: Any, word: bytes) -> list[str]:
    from legato.ledger.batches import unpack_segment

    found = []
    for name in objects_of(bucket):
        data = read(bucket, name)
        plain = unpack_segment(data, name) if name.startswith("segments/") else data
        if word in plain:
            found.append(name)
    return found


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_a_redacted_word_is_in_no_object_any_more(tmp_path, kind):
    bucket = MemoryStore() if kind == "memory" else LocalStore(tmp_path / "bucket", mkdir=True)
    fill(bucket, SEGMENT + 3)
    assert words_in(bucket, b'actor 17\\"') == [batch_name(17), segment_name(0)]

    with closing(machine(log_in(bucket))) as ledger:
        ledger.append([PayloadRedacted(seq=17, why="a token")])

        assert words_in(bucket, b'actor 17\\"') == []
        assert ledger.verify() == []
    with closing(machine(log_in(bucket))) as fresh:
        assert list(fresh.events())[16].event == Redacted(kind="run.started", by=SEGMENT + 4)
        assert 17 not in numbers(fresh)


class NeverBlanks(Objects):
    """Dies before anything is written over."""

    def change(self, name: str, data: bytes, tag: str | None) -> bool:
        raise OutsideError(f"killed before {name}, {len(data)} bytes, {tag}", hint="")


def test_a_redaction_that_was_killed_half_way_is_finished_by_the_next_who_reads_it(bucket, tmp_path):
    fill(bucket, 2)
    dying = BucketLog(NeverBlanks(bucket, PREFIX, "the bucket"), lambda: 1.0, salt)
    with (
        closing(machine(dying, tmp_path / "mirror.db")) as ledger,
        pytest.raises(OutsideError, match="killed"),
    ):
        ledger.append([PayloadRedacted(seq=1, why="a token")])
    assert words_in(bucket, b"actor 1") == [batch_name(1)]
    with closing(looker(log_in(bucket))) as reader:
        assert named(reader) == [(1, "kept")]

    with closing(machine(log_in(bucket), tmp_path / "mirror.db")) as ledger:
        assert ledger.verify() == []
    assert words_in(bucket, b"actor 1") == []


def swapped(bucket: Any) -> None:
    second, third = read(bucket, batch_name(2)), read(bucket, batch_name(3))
    write(bucket, batch_name(2), third)
    write(bucket, batch_name(3), second)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda bucket: change(bucket, batch_name(2), b"actor 2", b"actor 9"), [(2, "altered")]),
        (lambda bucket: change(bucket, batch_name(2), b'"at":', b'"at":1'), [(2, "altered")]),
        (lambda bucket: change(bucket, batch_name(2), b'"seq":1', b'"seq":0'), [(1, "altered")]),
        (lambda bucket: write(bucket, batch_name(2), b""), [(2, "altered")]),
        (lambda bucket: write(bucket, batch_name(2), read(bucket, batch_name(2))[:-40]), [(2, "altered")]),
        (lambda bucket: delete(bucket, batch_name(2)), [(2, "missing")]),
        (lambda bucket: write(bucket, batch_name(5), read(bucket, batch_name(4))), [(4, "reordered")]),
        (swapped, [(2, "reordered"), (3, "reordered")]),
    ],
)
def test_an_object_changed_behind_its_back_is_named(bucket, tmp_path, damage, found):
    with closing(machine(log_in(bucket), tmp_path / "mirror.db")) as ledger:
        for number in range(1, 5):
            ledger.append([started(number, f"actor {number}")])

        damage(bucket)

        assert named(ledger) == found


def test_an_object_far_behind_is_no_batch_and_costs_nothing(bucket):
    fill(bucket, 2)
    write(bucket, batch_name(10**15), read(bucket, batch_name(2)))

    problems = log_in(bucket).audit(None)

    assert [(problem.seq, problem.kind) for problem in problems] == [(2, "reordered"), (3, "missing")]
    with pytest.raises(OutsideError, match=r"batch 3 .* is missing"):
        looker(log_in(bucket))


def test_a_cut_tail_is_named_against_a_published_head(bucket):
    head = fill(bucket, 3)
    delete(bucket, batch_name(3))

    with closing(looker(log_in(bucket))) as reader:
        assert named(reader) == []
        assert named(reader, head) == [(3, "cut")]


def test_a_segment_that_differs_from_its_batches_is_named(bucket):
    fill(bucket, SEGMENT)
    write(bucket, segment_name(0), read(bucket, segment_name(0))[:-9])
    with closing(machine(log_in(MemoryStore()))) as other:
        objects = log_in(bucket).audit(None)
        other.append([started(1)])

    assert [(problem.seq, problem.kind) for problem in objects] == [(1, "altered")]
    assert "segment 0" in objects[0].message


@pytest.mark.parametrize("place", [1, 2])
def test_an_altered_batch_is_never_read(bucket, place):
    fill(bucket, 3)
    change(bucket, batch_name(place), b"actor", b"bactor")

    with pytest.raises(OutsideError, match=f"event {place} ") as caught:
        looker(log_in(bucket))

    assert "legato ledger verify --shared" in caught.value.hint


def test_a_missing_batch_is_never_passed_over(bucket):
    fill(bucket, 4)
    delete(bucket, batch_name(2))

    with pytest.raises(OutsideError, match="batch 2 of the ledger the bucket is missing"):
        looker(log_in(bucket))


def test_a_newer_form_is_refused(bucket):
    fill(bucket, 1)
    change(bucket, batch_name(1), b'"format":1', b'"format":2')

    with pytest.raises(ConfigurationError, match="format 2"):
        looker(log_in(bucket))


def test_threads_with_a_ledger_each_lose_nothing(bucket):
    def work(owner: str) -> None:
        with closing(machine(log_in(bucket))) as ledger:
            for _ in range(10):
                (lease,) = ledger.acquire([owner], owner, 60)
                said = ledger.transact(lambda query: [started(query("next")[0]["number"], owner)])
                ledger.append([], expect=Expect(leases=(lease,)), release=[lease])
                assert said[0].event.actor == owner

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with closing(looker(log_in(bucket))) as reader:
        assert numbers(reader) == list(range(1, 41))
        assert reader.verify() == []


def test_a_folder_of_this_machine_is_flushed(tmp_path: Path):
    bucket = LocalStore(tmp_path / "bucket", mkdir=True)
    with closing(machine(log_in(bucket))) as ledger:
        ledger.append([started(1)])

        ledger.sync()

        assert numbers(ledger) == [1]


def test_what_a_killed_writer_left_of_a_file_is_no_batch(tmp_path: Path):
    bucket = LocalStore(tmp_path / "bucket", mkdir=True)
    fill(bucket, 2)
    half = tmp_path / "bucket" / PREFIX / f"{batch_name(3)}#1"
    half.write_bytes(b"half")

    with closing(machine(log_in(bucket))) as ledger:
        assert ledger.append([started(3)])[0].seq == 3
        assert ledger.verify() == []
