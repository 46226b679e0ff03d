"""A stamp is found without reading every line, and believed only where its own line says enough."""

import pytest

from legato.store.stamps import LASTING, Stamps, line_of

BOOT = b"boot-now"
NAME = "ab" * 32


@pytest.fixture
def found(tmp_path):
    (tmp_path / "object").write_bytes(b"x")
    return (tmp_path / "object").stat()


def test_the_last_line_about_an_object_counts(tmp_path, found):
    other = line_of(NAME, tmp_path.stat(), BOOT)
    path = tmp_path / "stamps"
    path.write_bytes(other + line_of("cd" * 32, found, BOOT) + line_of(NAME, found, BOOT))
    newer = tmp_path / "newer"
    newer.write_bytes(line_of(NAME, found, BOOT) + other)

    assert Stamps(str(path), BOOT).holds(NAME, found)
    assert not Stamps(str(newer), BOOT).holds(NAME, found)


@pytest.mark.parametrize(("boot", "holds"), [(BOOT, True), (LASTING, True), (b"boot-before", False)])
def test_a_line_of_an_earlier_boot_alone_is_not_believed(tmp_path, found, boot, holds):
    path = tmp_path / "stamps"
    path.write_bytes(line_of(NAME, found, boot))

    assert Stamps(str(path), BOOT).holds(NAME, found) is holds


def test_a_line_of_an_earlier_boot_that_reached_the_disk_is_believed(tmp_path, found):
    path = tmp_path / "stamps"
    path.write_bytes(line_of(NAME, found, b"boot-before"))
    Stamps(str(path), b"boot-before").synced((path.stat().st_ino, path.stat().st_size))

    assert Stamps(str(path), BOOT).holds(NAME, found)


def test_a_line_that_was_cut_short_says_nothing(tmp_path, found):
    path = tmp_path / "stamps"
    path.write_bytes(line_of(NAME, found, BOOT)[:-1])

    assert not Stamps(str(path), BOOT).holds(NAME, found)
