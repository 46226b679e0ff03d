"""The exact commit, from real remotes (folders, git daemon, HTTP), and nothing that a hostile repository asks for."""

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from legato.domain.errors import ConfigurationError, ConflictError, MissingError, OutsideError
from legato.domain.forge import ForgeKind, Push, Repository, Tag
from legato.domain.signing import write_secret
from legato.scm.addresses import read_address
from legato.scm.checkout import Source, Wishes, checkout, clear_mirrors
from legato.scm.commands import Credentials, Git
from legato.scm.polling import changes_between, look
from legato.scm.receiving import SECRET, Target, install_post_receive
from legato.scm.webhooks import parse

HOSTILE = 'zzz";echo${IFS}"hello">canary;#'
TOKEN = "s3cret-of-the-repository"  # noqa: S105 - of nothing real


class Remote:
    """A bare repository, and the working tree that pushes to it."""

    def __init__(self, folder: Path, name: str = "wine"):
        self.bare, self.tree = folder / f"{name}.git", folder / f"{name}-work"
        self.git("init", "-q", "--bare", "-b", "main", str(self.bare), at=folder)
        self.git("init", "-q", "-b", "main", str(self.tree), at=folder)
        self.git("remote", "add", "origin", str(self.bare))

    def git(self, *words, at=None):
        settings = ("user.name=Ann", "user.email=ann@example.org", "core.hooksPath=/dev/null")
        command = ["git", *(word for setting in settings for word in ("-c", setting)), *words]
        own = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            command, cwd=at or self.tree, capture_output=True, text=True, check=False, env=own
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, text, branch="main", file="a.txt"):
        path = self.tree / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self.commit_all(text, branch)

    def commit_all(self, text, branch="main"):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", text)
        self.git("push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    @property
    def source(self):
        return Source(address=str(self.bare), local=True)


@pytest.fixture
def remote(tmp_path):
    return Remote(tmp_path)


@pytest.fixture
def place(tmp_path):
    numbers = iter(range(100))
    return lambda: tmp_path / "jobs" / str(next(numbers))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@contextmanager
def serving(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def http_backend(root: Path, heard: list):
    """Return a handler that is `git http-backend`, for those who show the token."""
    right = "Basic " + base64.b64encode(f"oauth2:{TOKEN}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def _do(self):
            heard.append((self.path, self.headers.get("Authorization")))
            if self.headers.get("Authorization") != right:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            done = subprocess.run(
                ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _do  # noqa: N815 - as http.server calls them

        def log_message(self, *_):
            pass

    return Handler


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in Path(folder).rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts[:1]
    )


def test_the_exact_commit_is_there_and_no_other(remote, place, cache):
    old = remote.commit("one")
    remote.commit("two")

    found = checkout(remote.source, old, place(), cache)

    folder = Path(found.folder)
    assert (folder / "a.txt").read_text() == "one"
    assert remote.git("rev-parse", "HEAD", at=folder) == found.commit == old
    assert remote.git("rev-parse", f"{old}^{{tree}}") == found.tree
    assert remote.git("rev-list", "--count", "HEAD", at=folder) == "1"
    assert remote.git("status", "--porcelain", at=folder) == ""


def test_what_the_mirror_has_is_not_fetched_again_even_when_the_remote_is_gone(remote, place, cache):
    commit = remote.commit("one")
    first = checkout(remote.source, commit, place(), cache)
    shutil.rmtree(remote.bare)

    second = checkout(remote.source, commit, place(), cache)

    assert (first.fetched, second.fetched) == (True, False)
    assert (Path(second.folder) / "a.txt").read_text() == "one"


def test_a_folder_does_not_need_the_mirror_any_more(remote, place, cache):
    found = checkout(remote.source, remote.commit("one"), place(), cache)
    removed = clear_mirrors(cache, list)

    assert len(removed) == 1
    assert remote.git("fsck", "--strict", at=Path(found.folder)) == ""


def test_a_commit_that_a_forced_push_left_behind_is_still_served_from_the_mirror(remote, place, cache):
    old = remote.commit("one")
    checkout(remote.source, old, place(), cache)
    remote.git("checkout", "-q", "--orphan", "fresh")
    remote.commit("other")

    found = checkout(remote.source, old, place(), cache)

    assert (Path(found.folder) / "a.txt").read_text() == "one"


def test_many_jobs_share_one_mirror_at_once(remote, place, cache):
    commits = [remote.commit(str(number)) for number in range(3)]
    folders = [place() for _ in range(6)]

    with ThreadPoolExecutor(6) as pool:
        done = list(
            pool.map(lambda at: checkout(remote.source, commits[at % 3], folders[at], cache), range(6))
        )

    assert [(Path(one.folder) / "a.txt").read_text() for one in done] == ["0", "1", "2"] * 2
    assert len(list(cache.glob("*.git"))) == 1


def test_what_a_killed_fetch_left_is_in_nobodys_way(remote, place, cache):
    checkout(remote.source, remote.commit("one"), place(), cache)
    mirror = next(cache.glob("*.git"))
    for left in ("shallow.lock", "packed-refs.lock", "objects/pack/tmp_pack_abc"):
        (mirror / left).touch()
    commit = remote.commit("two")

    found = checkout(remote.source, commit, place(), cache)

    assert (Path(found.folder) / "a.txt").read_text() == "two"
    assert not list(mirror.rglob("tmp_*"))


def test_killed_at_any_moment_and_started_again_it_ends_well(remote, place, cache):
    for number in range(30):
        (remote.tree / f"{number}.bin").write_bytes(os.urandom(100_000))
    commit = remote.commit_all("much")
    script = (
        "import sys; from pathlib import Path; from legato.scm.checkout import *;"
        "checkout(Source(address=sys.argv[1], local=True), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))"
    )
    for wait_s in (0.15, 0.2, 0.25, 0.3):
        words = [sys.executable, "-c", script, str(remote.bare), commit, str(place()), str(cache)]
        with subprocess.Popen(words) as process:
            time.sleep(wait_s)
            process.kill()

    found = checkout(remote.source, commit, place(), cache)

    assert len(files(found.folder)) == 30
    assert remote.git("status", "--porcelain", at=Path(found.folder)) == ""


def test_git_is_given_no_variable_but_those_of_the_network(remote, place, cache):
    wishes = Wishes(network={"GIT_SSH_COMMAND": "touch canary"})

    with pytest.raises(ConfigurationError, match="GIT_SSH_COMMAND"):
        checkout(remote.source, remote.commit("one"), place(), cache, wishes)


def test_a_commit_that_is_not_there_is_named_and_leaves_nothing(remote, place, cache):
    remote.commit("one")
    folder = place()

    with pytest.raises(MissingError, match="has no commit " + "1" * 40):
        checkout(remote.source, "1" * 40, folder, cache)

    assert not folder.exists()


def test_a_remote_that_is_not_there_is_said(tmp_path, place, cache):
    with pytest.raises(MissingError, match="cannot be fetched"):
        checkout(Source(address=str(tmp_path / "none.git"), local=True), "1" * 40, place(), cache)


def test_a_folder_that_is_not_empty_is_left_alone(remote, place, cache):
    folder = place()
    folder.mkdir(parents=True)
    (folder / "mine").write_text("kept")

    with pytest.raises(ConflictError, match="is not empty"):
        checkout(remote.source, remote.commit("one"), folder, cache)

    assert (folder / "mine").read_text() == "kept"


@pytest.mark.parametrize(
    "address",
    [
        "ext::sh -c touch% canary",
        "ext::sh",
        "file:///etc",
        "/etc",
        "./x",
        "--upload-pack=touch canary",
        "-oProxyCommand=touch canary",
        "ssh://-oProxyCommand=touch/x",
        "ssh://-oProxyCommand=x@host/x",
        "-x@host:path",
        "host:-x",
        "host::path",
        "fd::7",
        "https://",
        "https://host",
        "https://host/x?y",
        "https://ho st/x",
        "https://host:99999/x",
        "ftp://host/x",
        "HTTPS://host\n/x",
        "",
    ],
)
def test_an_address_that_could_do_more_than_be_fetched_from_is_refused(address, place, cache):
    with pytest.raises(ConfigurationError):
        checkout(Source(address=address), "1" * 40, place(), cache)

    assert not cache.exists()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://ann:pw@git.example/team/wine.git", "https://git.example/team/wine.git"),
        ("https://git.example:8443/wine", "https://git.example:8443/wine"),
        ("ssh://git@git.example:2222/wine.git", "ssh://git@git.example:2222/wine.git"),
        ("git@git.example:team/wine.git", "git@git.example:team/wine.git"),
        ("https://[::1]/wine.git", "https://[::1]/wine.git"),
    ],
)
def test_usual_addresses_serve_and_hold_no_password(text, kept):
    assert read_address(text).text == kept


@pytest.mark.parametrize("commit", ["HEAD", "--upload-pack=x", "main", "a" * 7, "0" * 40, "A" * 40, ""])
def test_what_is_no_commit_is_refused(remote, place, cache, commit):
    with pytest.raises(ConfigurationError, match="no id of a commit"):
        checkout(remote.source, commit, place(), cache)


@pytest.mark.parametrize(
    "ref", ["main", "--upload-pack=x", "refs/heads/a b", "refs/heads/../x", "+refs/heads/x:refs/y"]
)
def test_what_is_no_whole_ref_is_refused(remote, place, cache, ref):
    source = Source(address=str(remote.bare), local=True, ref=ref)

    with pytest.raises(ConfigurationError, match="no whole ref"):
        checkout(source, "1" * 40, place(), cache)


@pytest.mark.parametrize("branch", [HOSTILE, "-x", "--upload-pack=touch", "$(touch${IFS}canary)", "é"])
def test_a_hostile_branch_is_only_a_name(remote, place, cache, branch, tmp_path):
    commit = remote.commit("one", branch)
    source = Source(address=str(remote.bare), local=True, ref=f"refs/heads/{branch}")

    found = checkout(source, commit, place(), cache)

    assert (Path(found.folder) / "a.txt").read_text() == "one"
    assert not list(tmp_path.rglob("canary"))


def test_hooks_filters_and_settings_of_anyone_do_not_run(remote, place, cache, tmp_path):
    canary = tmp_path / "canary"
    home = tmp_path / "home"
    hook = home / "template" / "hooks" / "post-checkout"
    hook.parent.mkdir(parents=True)
    hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        f'[init]\n templateDir = {home}/template\n[filter "bad"]\n smudge = touch {canary}\n'
        f"[core]\n fsmonitor = touch {canary}\n hooksPath = {hook.parent}\n"
    )
    (remote.tree / ".gitattributes").write_text("* filter=bad\n")
    (remote.tree / ".lfsconfig").write_text("[lfs]\n url = http://127.0.0.1:1/\n")
    commit = remote.commit("one")
    before = os.environ.get("HOME")
    os.environ["HOME"] = str(home)
    try:
        found = checkout(remote.source, commit, place(), cache)
    finally:
        os.environ["HOME"] = before or "/"

    assert not canary.exists()
    assert (Path(found.folder) / "a.txt").read_text() == "one"
    assert not list((Path(found.folder) / ".git").glob("hooks/*"))


def test_files_kept_by_lfs_stay_pointers(remote, place, cache):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    (remote.tree / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    commit = remote.commit(pointer, file="model.bin")

    found = checkout(remote.source, commit, place(), cache)

    assert (Path(found.folder) / "model.bin").read_text() == pointer


def lfs_server(root: Path, heard: list, kept: dict):
    """Return `git http-backend` that also keeps large files, as the batch interface of Git LFS says."""
    plain = http_backend(root, heard)

    class Handler(plain):
        def do_POST(self):  # noqa: N802 - as http.server calls it
            if not self.path.endswith("/info/lfs/objects/batch"):
                self._do()
                return
            heard.append((self.path, self.headers.get("Authorization")))
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            here = f"http://{self.headers['Host']}/kept"
            found = [
                {**one, "actions": {"download": {"href": f"{here}/{one['oid']}"}}} for one in asked["objects"]
            ]
            self._answer(json.dumps({"transfer": "basic", "objects": found}).encode())

        def do_GET(self):  # noqa: N802 - as http.server calls it
            if self.path.startswith("/kept/"):
                self._answer(kept[self.path.rpartition("/")[2]])
            else:
                self._do()

        def _answer(self, data):
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.git-lfs+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="install git-lfs")
@pytest.mark.parametrize("content", [b"weights" * 1000, b"other than was promised"])
def test_large_files_come_from_the_repositorys_own_address_and_are_checked(
    remote, place, cache, tmp_path, content
):
    digest = hashlib.sha256(b"weights" * 1000).hexdigest()
    (remote.tree / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (remote.tree / ".lfsconfig").write_text("[lfs]\n url = http://127.0.0.1:1/evil\n")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 7000\n"
    commit = remote.commit(pointer, file="model.bin")
    heard = []
    with serving(lfs_server(tmp_path, heard, {digest: content})) as address:
        source = Source(address=f"{address}/wine.git", credentials=Credentials(token=TOKEN))
        try:
            found = checkout(source, commit, place(), cache, Wishes(large_files=True))
        except OutsideError:
            brought = None
        else:
            brought = (Path(found.folder) / "model.bin").read_bytes()

    assert brought == (content if len(content) == 7000 else None)
    assert any(path.endswith("/objects/batch") and authorization for path, authorization in heard)


def test_a_token_reaches_the_server_and_no_file(remote, place, cache, tmp_path):
    heard = []
    commit = remote.commit("one")
    with serving(http_backend(tmp_path, heard)) as address:
        source = Source(address=f"{address}/wine.git", credentials=Credentials(token=TOKEN))

        found = checkout(source, commit, place(), cache)

    pair = base64.b64encode(f"oauth2:{TOKEN}".encode())
    written = [
        path.read_bytes()
        for place_ in (cache, tmp_path / "jobs")
        for path in place_.rglob("*")
        if path.is_file()
    ]
    assert (Path(found.folder) / "a.txt").read_text() == "one"
    assert {authorization for _, authorization in heard} == {f"Basic {pair.decode()}"}
    assert not any(TOKEN.encode() in data or pair in data for data in written)
    assert TOKEN not in repr(source)


def test_a_wrong_token_is_a_matter_of_configuration_and_stands_in_no_message(remote, place, cache, tmp_path):
    commit = remote.commit("one")
    with serving(http_backend(tmp_path, [])) as address:
        source = Source(address=f"{address}/wine.git", credentials=Credentials(token="wr0ng-token"))  # noqa: S106 - so

        with pytest.raises(ConfigurationError) as caught:
            checkout(source, commit, place(), cache)

    assert "wr0ng-token" not in f"{caught.value}{caught.value.hint}"


def test_a_redirect_takes_no_token_elsewhere(place, cache):
    stolen = []

    class Thief(BaseHTTPRequestHandler):
        def do_GET(self):
            stolen.append(self.headers.get("Authorization"))
            self.send_error(404)

        def log_message(self, *_):
            pass

    with serving(Thief) as thief:

        class Mover(Thief):
            def do_GET(self):
                self.send_response(302)
                self.send_header("Location", thief + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()

        with serving(Mover) as address:
            source = Source(address=f"{address}/wine.git", credentials=Credentials(token=TOKEN))
            with pytest.raises((OutsideError, MissingError)):
                checkout(source, "1" * 40, place(), cache)

    assert stolen == []


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_git_daemon_serves_too(remote, place, cache, tmp_path):
    commit, port = remote.commit("one"), free_port()
    command = [
        "git",
        "daemon",
        "--export-all",
        f"--base-path={tmp_path}",
        "--listen=127.0.0.1",
        f"--port={port}",
    ]
    with subprocess.Popen(
        [*command, str(tmp_path)], stderr=subprocess.DEVNULL, start_new_session=True
    ) as daemon:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            found = checkout(Source(address=f"git://127.0.0.1:{port}/wine.git"), commit, place(), cache)
        finally:
            os.killpg(daemon.pid, 15)

    assert (Path(found.folder) / "a.txt").read_text() == "one"


def test_a_server_that_says_nothing_is_left_after_the_time_limit(place, cache):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"git://127.0.0.1:{silent.getsockname()[1]}/wine.git"

        with pytest.raises(OutsideError, match=r"took more than 0\.5 s"):
            checkout(Source(address=address), "1" * 40, place(), cache, Wishes(timeout_s=0.5))


def with_submodule(folder, url):
    inner, outer = Remote(folder, "inner"), Remote(folder, "outer")
    commit = inner.commit("inside")
    (outer.tree / ".gitmodules").write_text(f'[submodule "x"]\n path = lib/x\n url = {url}\n')
    outer.git("add", "-A")
    outer.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib/x")
    outer.git("commit", "-qm", "outer")
    outer.git("push", "-q", "origin", "HEAD:refs/heads/main")
    return outer, outer.git("rev-parse", "HEAD")


def test_submodules_stay_away_unless_asked_for(place, cache, tmp_path):
    outer, commit = with_submodule(tmp_path, "https://git.example/x.git")

    found = checkout(outer.source, commit, place(), cache)

    assert files(found.folder) == [".gitmodules"]


def test_submodules_come_from_hosts_that_are_allowed(place, cache, tmp_path):
    _, commit = with_submodule(tmp_path, "../inner.git")
    with serving(http_backend(tmp_path, [])) as address:
        source = Source(address=f"{address}/outer.git", credentials=Credentials(token=TOKEN))
        host = address.removeprefix("http://")

        found = checkout(source, commit, place(), cache, Wishes(submodules=(host,)))

    assert (Path(found.folder) / "lib/x/a.txt").read_text() == "inside"


@pytest.mark.parametrize(
    "url", ["https://evil.example/x.git", "ext::sh -c id", "/etc", "file:///etc", "--upload-pack=x"]
)
def test_a_submodule_from_elsewhere_is_refused_and_leaves_nothing(place, cache, tmp_path, url):
    outer, commit = with_submodule(tmp_path, url)
    folder = place()

    with pytest.raises((ConfigurationError, OutsideError)):  # git itself refuses some of them
        checkout(outer.source, commit, folder, cache, Wishes(submodules=("git.example",)))

    assert not folder.exists()


WINE = Repository(forge=ForgeKind.GIT, name="team/wine")


def test_polling_tells_what_moved_and_at_first_nothing(remote, tmp_path):
    one = remote.commit("one")
    remote.git("config", "receive.denyDeleteCurrent", "ignore", at=remote.bare)
    git = Git(read_address(str(remote.bare), local=True), path=os.defpath, timeout_s=20)
    first = look(git, WINE, None, at=tmp_path)
    two = remote.commit("two", "other")
    remote.git("tag", "-a", "v1", "-m", "tag", one)
    remote.git("push", "-q", "origin", "v1", ":refs/heads/main")

    second = look(git, WINE, first.refs, at=tmp_path)
    third = look(git, WINE, second.refs, at=tmp_path)

    told = {getattr(one, "branch", "") or one.tag: (type(one), one.commit) for one in second.changes}
    assert first.changes == third.changes == ()
    assert told == {"main": (Push, ""), "other": (Push, two), "v1": (Tag, one)}


def test_the_same_move_has_the_same_id_each_time_and_another_move_another():
    before, now = {"refs/heads/main": "a" * 40}, {"refs/heads/main": "b" * 40}

    ids = [changes_between(WINE, *pair)[0].delivery for pair in ((before, now), (before, now), (now, before))]

    assert ids[0] == ids[1] != ids[2]


def test_a_remote_that_cannot_be_polled_is_an_error_and_not_an_empty_one(tmp_path):
    git = Git(read_address(str(tmp_path / "none.git"), local=True), path=os.defpath, timeout_s=20)

    with pytest.raises(MissingError):
        look(git, WINE, {"refs/heads/main": "a" * 40}, at=tmp_path)


@contextmanager
def listening(statuses):
    heard = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(statuses.pop(0) if statuses else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with serving(Listener) as address:
        yield address, heard


KEY = bytes(range(32))


def test_the_hook_of_a_plain_remote_tells_of_a_push(remote):
    with listening([]) as (address, heard):
        target = Target(url=f"{address}/hooks/1", name="team/wine", secret=write_secret(KEY))
        install_post_receive(remote.bare, target)
        commit = remote.commit("one", HOSTILE)

    found = parse(*heard[0], [write_secret(KEY)], now=time.time())
    assert [(one.branch, one.commit, one.before) for one in found.changes] == [(HOSTILE, commit, "")]
    assert found.changes[0].repository.name == "team/wine"
    assert (remote.bare / SECRET).stat().st_mode & 0o777 == 0o600
    assert "whsec_" not in (remote.bare / "config").read_text()


def test_the_hook_tries_again_with_the_same_id_and_never_fails_a_push(remote):
    with listening([503]) as (address, heard):
        install_post_receive(remote.bare, Target(url=address, name="team/wine", secret=write_secret(KEY)))
        remote.commit("one")
    remote.commit("two")  # nobody listens any more, and the push succeeds

    assert len(heard) == 2
    assert heard[0][0]["webhook-id"] == heard[1][0]["webhook-id"]


def test_installing_the_hook_again_renews_it_and_another_hook_is_left_alone(remote):
    target = Target(url="https://ci.example/x", name="team/wine", secret=write_secret(KEY))
    hook = install_post_receive(remote.bare, target)
    install_post_receive(remote.bare, target)
    hook.write_text("#!/bin/sh\necho mine\n")

    with pytest.raises(ConflictError, match="is there already"):
        install_post_receive(remote.bare, target)

    assert hook.read_text() == "#!/bin/sh\necho mine\n"
    assert "whsec_" not in repr(target)


@pytest.mark.parametrize(
    "wrong", [{"url": "ftp://x"}, {"secret": "password"}, {"name": "wine"}, {"clone": "ext::sh"}]
)
def test_a_hook_that_could_not_work_is_not_installed(remote, wrong):
    good = {"url": "https://ci.example/x", "name": "team/wine", "secret": write_secret(KEY)}

    with pytest.raises(ConfigurationError):
        install_post_receive(remote.bare, Target(**(good | wrong)))

    assert not (remote.bare / "hooks" / "post-receive").exists()
