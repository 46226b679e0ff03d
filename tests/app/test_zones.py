"""What the zones of a remote are asked: once for many, and never answered before they were looked at."""

import io
import threading

import pytest

from legato.app.config import Project
from legato.app.sharing import Sharing
from legato.app.wiring import open_store
from legato.domain.errors import MissingError
from legato.domain.events import DataPushed


@pytest.fixture
def project(tmp_path) -> Project:
    (tmp_path / ".legato").mkdir()
    return Project(tmp_path, "pipeline.py", {"store": {"remote": str(tmp_path / "remote")}})


def sharing(project: Project, maker: str = "laptop") -> Sharing:
    return Sharing(project, maker, {}, lambda _: None)


def test_many_who_ask_at_once_all_wait_for_the_first_look(project):
    digest = sharing(project).own.store.put(io.BytesIO(b"model"))
    asked, found = sharing(project), []
    threads = [
        threading.Thread(target=lambda: found.append(asked.holds(frozenset([digest])))) for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [True] * 8


def test_what_was_sent_after_the_last_look_is_fetched_all_the_same(project, tmp_path):
    asked, local = sharing(project), open_store(tmp_path / "here")
    assert not asked.holds(frozenset([local.put(io.BytesIO(b"looks"))]))
    digest = sharing(project).own.store.put(io.BytesIO(b"late"))

    asked.fetch(local, [digest])

    assert local.has([digest]) == {digest}


def test_what_nobody_has_is_named(project, tmp_path):
    lost = open_store(tmp_path / "elsewhere").put(io.BytesIO(b"lost"))

    with pytest.raises(MissingError, match=lost):
        sharing(project).fetch(open_store(tmp_path / "here"), [lost])


def test_facts_are_read_only_from_zones_that_are_trusted_as_much(project: Project):
    for maker in ("laptop", "ci"):
        sharing(project, maker).own.ledger.append([DataPushed(datasets={})])

    assert sharing(project, "ci").reader("ci") is not None
    assert sharing(project, "ci").reader("laptop") is None
    assert sharing(project, "laptop").reader("ci") is not None
    assert sharing(project, "laptop").reader("untrusted") is None
