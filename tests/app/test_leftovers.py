"""What a killed process leaves below the state folder goes; what a living one uses stays."""

import os
import subprocess
import sys

from legato.app.leftovers import make_own
from legato.app.processes import alive, local_id, owner_name, place, started_at, was_before


def dead_process():
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    return ended.pid


def test_folders_of_dead_processes_are_cleared_in_the_old_naming_and_the_new(tmp_path):
    dead = dead_process()
    left = [str(dead), f"debug-{dead}", f"{dead}-12345-{place()}", f"{os.getpid()}-1-{place()}"]
    for name in left:
        (tmp_path / name / "3-1").mkdir(parents=True)

    mine = make_own(tmp_path)

    assert [folder.name for folder in tmp_path.iterdir()] == [mine.name]


def test_folders_of_the_living_of_other_places_and_of_strangers_stay(tmp_path):
    pid = os.getpid()
    kept = {f"debug-{pid}-{started_at(pid)}-{place()}", "1-1-.other-boot.4026530000", "notes"}
    for name in kept:
        (tmp_path / name).mkdir()

    mine = make_own(tmp_path)

    assert {folder.name for folder in tmp_path.iterdir()} == {*kept, mine.name}


def test_an_owner_is_known_by_where_its_process_id_counts():
    host, pid = os.uname().nodename, os.getpid()

    assert alive(owner_name())
    assert local_id(owner_name()) == pid
    assert not alive(f"{host}~{place()}:{pid}:1")
    assert alive(f"{host}~.another-boot.4026530000:{pid}:1")
    assert local_id(f"{host}~.another-boot.4026530000:{pid}:1") is None
    assert alive("elsewhere:1:1")


def test_an_owner_named_by_an_earlier_version_is_still_understood():
    host, pid = os.uname().nodename, os.getpid()

    assert alive(f"{host}:{pid}:{started_at(pid)}")
    assert not alive(f"{host}:{pid}:1")


def test_only_an_earlier_boot_of_the_same_installation_is_over():
    assert not was_before(place())
    assert not was_before("another.boot.4026531836")
    assert not was_before("")
