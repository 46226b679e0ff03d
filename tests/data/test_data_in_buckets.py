"""Objects and prefixes of a bucket, asked of a server that answers as S3 does."""

import hashlib
import http.server
import threading
import urllib.parse
from xml.sax.saxutils import escape

import pytest

from legato.data.addresses import Address
from legato.data.standing import manifest_of
from legato.data.updating import updated
from legato.domain.errors import ConfigurationError, MissingError, OutsideError


def tag_of(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Cloud(http.server.ThreadingHTTPServer):
    """One bucket called `b`: bytes by key."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Requests)
        self.objects = {}
        self.asked = []
        self.signed = []
        self.lies = False


class Requests(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        key = urllib.parse.unquote(parts.path).removeprefix("/b").lstrip("/")
        self.server.asked.append((self.command, key))
        self.server.signed.append(self.headers["Authorization"])
        if key:
            return self._object(key)
        prefix = urllib.parse.parse_qs(parts.query).get("prefix", [""])[0]
        items = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{tag_of(data)}&quot;</ETag><Size>{len(data)}</Size></Contents>"
            for name, data in sorted(self.server.objects.items())
            if name.startswith(prefix)
        )
        body = f'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>'
        return self._say(200, body.encode(), {"Content-Type": "application/xml"})

    do_HEAD = do_GET  # noqa: N815 - http.server's own name

    def _object(self, key):
        data = self.server.objects.get(key)
        if data is None:
            return self._say(404, b"<Error><Code>NoSuchKey</Code></Error>", {})
        headers = {
            "ETag": f'"{tag_of(data)}"',
            "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        }
        if self.server.lies and self.command == "GET":
            data = data[:-1]
        return self._say(200, data, headers)

    def _say(self, code, body, headers):
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def cloud():
    with Cloud() as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.objects = {
            "wine.csv": b"a\n1\n",
            "rows/2026/a.csv": b"1",
            "rows/2026/b.csv": b"2",
            "rows/2026/notes.txt": b"3",
            "rows/2027/c.csv": b"4",
        }
        yield server
        server.shutdown()
        thread.join()


def read(room, cloud, address, before=None):
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{cloud.server_port}",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "hush",
        "AWS_REGION": "us-east-1",
    }
    with room.desk(variables=variables) as desk:
        return updated(desk, Address(name="wine", address=address), before)


def files_of(room, entry):
    with room.desk() as desk:
        return {
            file.path: desk.store.path(file.digest).read_bytes()
            for file in manifest_of(desk.store, entry.digest)
        }


def test_an_object_is_a_file_and_is_read_once_while_it_is_the_same(room, cloud):
    first = read(room, cloud, "s3://b/wine.csv")
    asked = len(cloud.asked)
    again = read(room, cloud, "s3://b/wine.csv", first)

    assert (first.tree, first.file, first.size_bytes) == (False, "wine.csv", 4)
    assert again == first
    assert cloud.asked[asked:] == [("HEAD", "wine.csv")]


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("s3://b/rows/2026/", {"a.csv", "b.csv", "notes.txt"}),
        ("s3://b/rows", {"2026/a.csv", "2026/b.csv", "2026/notes.txt", "2027/c.csv"}),
        ("s3://b/rows/2026/*.csv", {"a.csv", "b.csv"}),
        ("s3://b/rows/**/*.csv", {"2026/a.csv", "2026/b.csv", "2027/c.csv"}),
    ],
)
def test_a_prefix_or_pattern_is_a_folder(room, cloud, address, names):
    entry = read(room, cloud, address)

    assert entry.tree
    assert set(files_of(room, entry)) == names


def test_a_prefix_is_another_version_when_one_of_its_objects_is(room, cloud):
    first = read(room, cloud, "s3://b/rows/")
    same = read(room, cloud, "s3://b/rows/", first)
    cloud.objects["rows/2027/c.csv"] = b"5"

    moved = read(room, cloud, "s3://b/rows/", first)

    assert same == first
    assert moved.version != first.version
    assert files_of(room, moved)["2027/c.csv"] == b"5"


def test_nothing_at_an_address_is_missing(room, cloud):
    with pytest.raises(MissingError, match="nothing at s3://b/nope"):
        read(room, cloud, "s3://b/nope")


def test_a_short_object_is_no_object(room, cloud):
    cloud.lies = True

    with pytest.raises(OutsideError, match="changed while it was read"):
        read(room, cloud, "s3://b/wine.csv")

    assert room.left_behind() == []


def test_a_key_that_no_folder_can_hold_is_refused(room, cloud):
    cloud.objects["rows/../evil"] = b"x"

    with pytest.raises((ConfigurationError, OutsideError)):
        read(room, cloud, "s3://b/rows/")


def test_an_endpoint_a_profile_and_a_region_may_be_in_address_and_files(room, cloud, tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[team]\naws_access_key_id = id\naws_secret_access_key = hush\n"
    )
    (tmp_path / ".aws" / "config").write_text("[profile team]\nregion = eu-west-1\n")
    address = f"s3://b/wine.csv?endpoint=http://127.0.0.1:{cloud.server_port}&timeout_s=20"
    with room.desk(variables={"HOME": str(tmp_path), "AWS_PROFILE": "team"}) as desk:
        entry = updated(desk, Address(name="wine", address=address), None)

    assert entry.file == "wine.csv"
    assert "region=eu-west-1" not in entry.source
    assert "eu-west-1/s3/aws4_request" in cloud.signed[-1]


def test_a_public_bucket_is_read_without_credentials(room, cloud):
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{cloud.server_port}",
        "AWS_SKIP_SIGNATURE": "true",
    }
    with room.desk(variables=variables) as desk:
        entry = updated(desk, Address(name="wine", address="s3://b/wine.csv"), None)

    assert entry.size_bytes == 4
    assert set(cloud.signed) == {None}


def test_an_address_with_a_password_is_refused_without_it(room):
    address = Address(name="wine", address="s3://ann:${WORD}@b/wine.csv")
    with (
        room.desk(variables={"WORD": "hunter2"}) as desk,
        pytest.raises(ConfigurationError, match="holds a name or password") as caught,
    ):
        updated(desk, address, None)

    assert "hunter2" not in str(caught.value)


def test_a_server_asks_no_endpoint_that_an_address_names(room, cloud):
    address = f"s3://b/wine.csv?endpoint=http://127.0.0.1:{cloud.server_port}"
    with (
        room.desk(private=False) as desk,
        pytest.raises(ConfigurationError, match="endpoint of its own"),
    ):
        updated(desk, Address(name="wine", address=address), None)

    assert cloud.asked == []


def test_an_option_that_no_bucket_has_is_refused(room):
    variables = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hush"}
    address = Address(name="wine", address="s3://b/wine.csv?option=1")

    with (
        room.desk(variables=variables) as desk,
        pytest.raises(ConfigurationError, match="the unknown option 'option'"),
    ):
        updated(desk, address, None)
