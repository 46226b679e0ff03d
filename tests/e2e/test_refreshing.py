"""A run uses the lock; `--refresh` looks at the source first and leaves the lock as it is."""

import sqlite3
import subprocess

import pytest

PIPELINE = """
    orders = lg.dataset("sqlite:///shop.db", query="select id, price from orders order by id",
                        version="select count(*) from orders")

    @lg.step
    def total(orders: "pyarrow.Table") -> float:
        return float(sum(orders["price"].to_pylist()))

    import pyarrow
"""


def insert(project, *prices):
    with sqlite3.connect(project.root / "shop.db") as shop:
        shop.execute("create table if not exists orders (id integer primary key, price real)")
        shop.executemany("insert into orders (price) values (?)", [(price,) for price in prices])
    shop.close()


@pytest.fixture
def shop(project):
    project.pipeline(PIPELINE)
    insert(project, 1.5, 2.5)
    project.legato("data", "update", "orders")
    project.legato("run")
    return project


def test_a_run_uses_the_lock_until_it_is_asked_to_look(shop):
    lock = (shop.root / "legato.lock").read_text()
    insert(shop, 6.0)

    shop.legato("run")
    assert shop.got("total") == "4.0"

    ran = shop.legato("run", "--refresh")
    assert "orders is newer than legato.lock has it" in ran.err
    assert shop.got("total") == "10.0"
    assert (shop.root / "legato.lock").read_text() == lock
    shop.legato("run")
    assert shop.got("total") == "4.0"


def test_a_source_that_has_not_changed_is_said_and_nothing_runs(shop):
    ran = shop.legato("run", "--refresh", "orders")

    assert "no source has changed" in ran.err
    assert "up to date" in ran.out


def test_an_unknown_dataset_is_named_with_the_known_ones(shop):
    refused = shop.legato("run", "--refresh", "order", code=4)

    assert "'order'" in refused.err
    assert "orders" in refused.err


def test_git_keeps_data_in_step_once_hooks_are_installed(project):
    def git(*words):
        subprocess.run(
            ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *words],
            cwd=project.root, env=project.environment(), check=True, capture_output=True,
        )  # fmt: skip

    git("init", "-q")
    project.pipeline("")
    project.write("rows.csv", "a\n1\n")
    project.legato("data", "add", "rows.csv", "--copy")
    git("add", ".")
    git("commit", "-qm", "one")
    project.write("rows.csv", "a\n2\n")
    project.legato("data", "update")
    git("add", ".")
    git("commit", "-qm", "two")
    said = project.legato("init", "--hooks")

    git("checkout", "-q", "HEAD~1")

    assert "post-checkout" in said.out
    assert (project.root / "rows.csv").read_text() == "a\n1\n"
    assert "is installed" in project.legato("init", "--hooks").out
