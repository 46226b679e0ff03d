"""Data under version control as a person types it: add, change, run, go back, move a branch."""

import sqlite3
import subprocess

import pytest

PIPELINE = """
from pathlib import Path

wine = lg.dataset("data/wine.csv")

@lg.step
def rows(wine: Path) -> int:
    return len(wine.read_text().splitlines())
"""


@pytest.fixture
def wine(project):
    """A project in git with a dataset of two rows, added and committed."""
    git(project, "init", "-q", "-b", "main", ".")
    project.write("data/wine.csv", "1\n2\n")
    project.pipeline(PIPELINE)
    project.legato("data", "add", "data/wine.csv")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "wine of two rows")
    return project


def git(project, *words):
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *words]
    return subprocess.run(command, cwd=project.root, check=True, capture_output=True, text=True).stdout


def change(project, text):
    (project.root / "data/wine.csv").unlink()
    project.write("data/wine.csv", text)


@pytest.fixture
def shop(project):
    """A project whose dataset is a query."""
    with sqlite3.connect(project.root / "shop.db") as connection:
        connection.execute("create table orders (id integer, price real)")
        connection.executemany(
            "insert into orders values (?, ?)", [(number, number / 2) for number in range(10)]
        )
    connection.close()
    project.pipeline(
        """
        import pyarrow as pa

        orders = lg.dataset(
            "sqlite:///shop.db", query="select * from orders order by id", version="select max(id) from orders"
        )

        @lg.step
        def rows(orders: pa.Table) -> int:
            return orders.num_rows
        """
    )
    return project


def add_order(project, number):
    connection = sqlite3.connect(project.root / "shop.db")
    connection.execute("insert into orders values (?, 1.0)", [number])
    connection.commit()
    connection.close()


def test_git_holds_the_lock_and_not_the_data(wine):
    tracked = git(wine, "ls-files").split()

    assert "legato.lock" in tracked
    assert "data/wine.csv" not in tracked
    assert git(wine, "status", "--porcelain") == ""


def test_status_says_what_changed_and_its_code_serves_a_script(wine):
    change(wine, "1\n2\n3\n")

    status = wine.legato("data", "status")
    code = wine.legato("data", "status", "--exit-code", code=1)

    assert "~ data/wine.csv  changed" in status.out
    assert code.out == status.out
    assert wine.legato("data", "status", "--json").lines()[0]["state"] == "changed"


def test_a_run_takes_the_file_as_it_is_and_notes_that_the_lock_has_another(wine):
    change(wine, "1\n2\n3\n")

    ran = wine.legato("run")

    assert "is not as legato.lock has it" in ran.text
    assert wine.got("rows") == "3"


def test_a_run_places_what_is_locked_and_not_there(wine):
    (wine.root / "data/wine.csv").unlink()

    wine.legato("run")

    assert wine.got("rows") == "2"
    assert (wine.root / "data/wine.csv").read_text() == "1\n2\n"


def test_an_up_to_date_run_looks_again_when_its_data_is_gone_or_another(wine):
    wine.legato("run")
    quick = wine.legato("run").out
    (wine.root / "data/wine.csv").unlink()

    without = wine.computed()
    wine.legato("data", "checkout")
    change(wine, "9\n")

    assert quick.startswith("up to date")
    assert without == []
    assert wine.computed() == ["wine", "rows"]


def test_an_up_to_date_run_looks_again_when_the_lock_is_another(shop):
    shop.legato("data", "update", "orders")
    shop.legato("run")
    quick = shop.legato("run").out
    add_order(shop, 100)
    shop.legato("data", "update", "orders")

    assert quick.startswith("up to date")
    assert shop.computed() == ["orders", "rows"]


def test_a_torn_lock_stops_a_run_and_says_what_mends_it(wine):
    lock = wine.root / "legato.lock"
    head, _, line = lock.read_text().splitlines()[:3]
    other = line.replace('"size_bytes":4', '"size_bytes":5')
    lock.write_text(f"{head}\n<<<<<<< ours\n{line}\n=======\n{other}\n>>>>>>> theirs\n")

    refused = wine.legato("run", code=1)
    wine.legato("data", "update", "data/wine.csv")

    assert "merge conflict at 'data/wine.csv'" in refused.err
    assert "legato data update data/wine.csv" in refused.err
    assert wine.legato("run").code == 0


def test_a_dataset_is_named_by_its_path_or_as_the_pipeline_calls_it(wine):
    change(wine, "1\n")

    wine.legato("data", "update", "wine")

    assert "unchanged" in wine.legato("data", "status", "wine.csv", at="data").out
    wrong = wine.legato("data", "update", "wime", code=4)
    assert "did you mean 'wine'?" in wrong.err


def test_versions_are_listed_compared_and_brought_back(wine):
    change(wine, "id\n1\n2\n3\n")
    wine.legato("data", "add", "data/wine.csv")
    wine.legato("run")
    git(wine, "commit", "-qam", "more wine")

    log = wine.legato("data", "log", "data/wine.csv").out
    compared = wine.legato("data", "diff", "data/wine.csv", "HEAD~1", "HEAD", "--bytes").out
    wine.legato("data", "checkout", "--rev", "HEAD~1")

    assert ["more wine" in log, "wine of two rows" in log, "run 1" in log] == [True] * 3
    assert "4 B → 9 B" in compared
    assert (wine.root / "data/wine.csv").read_text() == "1\n2\n"


def test_work_that_is_saved_nowhere_is_not_overwritten_unasked(wine):
    change(wine, "hours\n")

    refused = wine.legato("data", "checkout", code=6)
    kept = (wine.root / "data/wine.csv").read_text()
    wine.legato("data", "checkout", "--force")

    assert "its bytes are in no store; nothing was moved" in refused.err
    assert "hint: keep it with `legato data add data/wine.csv`" in refused.err
    assert kept == "hours\n"
    assert (wine.root / "data/wine.csv").read_text() == "1\n2\n"


def test_what_git_tracks_stays_in_git(wine):
    wine.write("small.csv", "1\n")
    git(wine, "add", "small.csv")

    added = wine.legato("data", "add", "small.csv")

    assert "it stays in git" in added.out
    assert "small.csv" not in (wine.root / "legato.lock").read_text()


def test_a_query_is_read_once_and_a_run_uses_what_is_locked(shop):
    early = shop.legato("run", code=1)
    shop.legato("data", "update", "orders")
    shop.legato("run")
    add_order(shop, 100)
    still = shop.legato("run").out

    assert "legato data update orders" in early.err
    assert shop.got("rows") == "10"
    assert "up to date" in still


def test_an_update_of_a_query_asks_for_its_version_and_the_next_run_uses_it(shop):
    shop.legato("data", "update", "orders")
    shop.legato("run")
    same = shop.legato("data", "update", "orders").out
    add_order(shop, 100)
    moved = shop.legato("data", "update").out

    assert same.startswith("= orders  unchanged")
    assert moved.startswith("~ orders  changed")
    assert shop.computed() == ["orders", "rows"]
    assert shop.got("rows") == "11"


def test_another_query_than_the_locked_one_is_not_answered_from_the_lock(shop):
    shop.legato("data", "update", "orders")
    shop.edit("pipeline.py", "select * from orders order by id", "select id from orders order by id")

    refused = shop.legato("run", code=1)

    assert "from another query than the pipeline names" in refused.err


def test_forgetting_takes_the_line_and_leaves_the_file(wine):
    wine.legato("data", "forget", "data/wine.csv")

    assert "wine" not in (wine.root / "legato.lock").read_text()
    assert "wine" not in (wine.root / ".gitignore").read_text()
    assert (wine.root / "data/wine.csv").is_file()


def test_a_pattern_is_a_folder_of_its_matches(project):
    for name in ("a.csv", "b.csv", "notes.txt"):
        project.write(f"data/{name}", name)
    project.pipeline(
        """
        from pathlib import Path

        parts = lg.dataset("data/*.csv")

        @lg.step
        def names(parts: Path) -> str:
            return " ".join(sorted(path.name for path in parts.iterdir()))
        """
    )

    project.legato("run")
    project.write("data/c.csv", "c")

    assert project.got("names") == "a.csv b.csv"
    assert project.computed() == ["parts", "names"]
    assert project.got("names") == "a.csv b.csv c.csv"


@pytest.mark.parametrize("command", ["add", "update", "status", "diff", "log", "checkout", "forget"])
def test_every_command_of_data_explains_itself(project, command):
    ran = project.legato("data", command, "--help")

    assert ran.out.startswith(f"Usage: legato data {command}")


def test_versions_of_a_query_are_compared_by_their_rows(shop):
    pytest.importorskip("polars")
    git(shop, "init", "-q", "-b", "main", ".")
    shop.legato("data", "update", "orders")
    git(shop, "add", "legato.lock")
    git(shop, "commit", "-qm", "ten orders")
    alone = shop.legato("data", "diff", "orders", code=4)
    add_order(shop, 100)
    shop.legato("data", "update", "orders")

    compared = shop.legato("data", "diff", "orders", "--html", "page.html").out

    assert "has one version" in alone.err
    assert "10 → 11" in compared
    assert "+1  -0  ~0 changed   (by id)" in compared
    assert "<svg" in (shop.root / "page.html").read_text()


def test_looking_where_no_data_is_locked_makes_nothing(project):
    looked = project.legato("data", "status")
    missing = project.legato("data", "log", "wine.csv", code=4)

    assert "no data is locked yet" in looked.err
    assert "no dataset 'wine.csv'" in missing.err
    assert list(project.root.iterdir()) == []
