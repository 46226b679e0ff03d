"""The simulator's HTTP: one face of a forge on a free port of the loopback, with troubles to order.

Rule: a request without the right token is refused as the forge refuses it; a trouble is answered once, then forgotten.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from legato.domain.errors import MissingError
from legato.domain.forge import ForgeKind
from legato.scm.forges.memory import World
from legato.scm.forges.simulator.bitbucket import BITBUCKET
from legato.scm.forges.simulator.bitbucket_server import BITBUCKET_SERVER
from legato.scm.forges.simulator.gitlab import GITLAB
from legato.scm.forges.simulator.hub import GITEA, GITHUB
from legato.scm.forges.simulator.routes import Asked, Reply, Route

if TYPE_CHECKING:
    from legato.scm.forges.asking import Answer


_FACES: Final[Mapping[ForgeKind, Sequence[Route]]] = {
    ForgeKind.GITHUB: GITHUB,
    ForgeKind.GITEA: GITEA,
    ForgeKind.GITLAB: GITLAB,
    ForgeKind.BITBUCKET: BITBUCKET,
    ForgeKind.BITBUCKET_SERVER: BITBUCKET_SERVER,
}


class Simulator:
    """A server that answers as one kind of forge, until `close`; `with` closes it.

    Args:
        kind: Which forge.
        world: What there is.
        token: The only one that is let in.
        account: Who its owner is to the forge.
    """

    def __init__(self, kind: ForgeKind, world: World, token: str, account: str = "legato") -> None:
        self.kind, self.world, self.token, self.account = kind, world, token, account
        self.troubles: list[Answer | None] = []
        """Answered first, one each; None: the connection is cut without an answer."""
        self.lost = 0
        """How many of the next writing requests are taken without the asker hearing of it."""
        self.asked: list[str] = []
        """Methods and paths, in order."""
        self._face = _FACES[kind]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        """Return the simulator."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return what one request is answered."""
        if self.token not in headers.get("authorization", ""):
            return Reply({"message": "Bad credentials"}, 401)
        parts = urlsplit(target)
        found = self._route(method, parts.path)
        if found is None:
            return Reply({"message": "Not Found"}, 404)
        chosen, names = found
        query = dict(parse_qsl(parts.query))
        with self.world.lock:
            try:
                told = json.loads(body) if body else {}
                return chosen.answer(
                    Asked(self.world, {**names, "me": self.account}, query, told, self.address)
                )
            except MissingError as error:
                return Reply({"message": f"Not Found: {error.message}"}, 404)

    def _route(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        routes: Sequence[Route] = self._face
        for one in routes:
            match = one.path.fullmatch(path)
            if match is not None and one.method == method:
                return one, {name: unquote(value) for name, value in match.groupdict().items()}
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                simulator.asked.append(f"{self.command} {self.path}")
                if simulator.troubles:
                    trouble = simulator.troubles.pop(0)
                    if trouble is not None:
                        self._write(trouble.status, trouble.headers, trouble.body)
                    self.close_connection = True
                    return
                small = {name.lower(): value for name, value in self.headers.items()}
                reply = simulator.answer(self.command, self.path, small, body)
                if simulator.lost and self.command != "GET":
                    simulator.lost -= 1
                    reply = Reply(None, 502)
                data = b"" if reply.body is None else json.dumps(reply.body).encode()
                self._write(reply.status, reply.headers, data)

            def _write(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815 - as http.server calls them

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
                """Say nothing."""

        return Handler
