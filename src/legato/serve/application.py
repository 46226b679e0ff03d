"""The HTTP application of an endpoint: Open Inference Protocol v2 over REST, as an RSGI callable.

Rule: bad input is never a 500; a request is answered by one version from beginning to end; nothing is read
of a body that is too large. Paths: docs/serving.md.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import unquote

import msgspec

from legato.domain.version import __version__
from legato.serve.hosts import Hosts
from legato.serve.limits import Limits
from legato.serve.model import Model
from legato.serve.refusals import RefusedError, error_body
from legato.serve.requests import Question
from legato.serve.runners import RowsRefusedError

_LOG: Final = logging.getLogger("legato.serve")
_INLINE_S: Final = 0.002
"""A model that needs longer answers on a thread, so that others and health checks do not wait for it."""

_JSON: Final = ("content-type", "application/json")
_CLOSE: Final = ("connection", "close")
_GET: Final = ("GET", "HEAD")


class Exchange(Protocol):
    """What RSGI hands over to answer with."""

    async def __call__(self) -> bytes:
        """Return the whole body."""

    def __aiter__(self) -> Any:  # noqa: ANN401 - an iterator over parts of the body
        """Iterate over the parts of the body."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""


class Answered(NamedTuple):
    """What a hook learns of each prediction that was answered."""

    model: Model
    question: Question
    body: bytes


class Models:
    """The set of versions being served; replaced as a whole, never changed."""

    def __init__(self, number: int, models: Sequence[Model]) -> None:
        """Serve `models` as generation `number`; the first of each name is its default."""
        self.number = number
        self.models = tuple(models)
        self.routes: dict[str, tuple[str, Model]] = {}
        for model in models:
            root = f"/v2/models/{model.served.name}"
            for path in (root, f"{root}/versions/{model.served.version}"):
                for deed in ("", "/ready", "/infer"):
                    self.routes.setdefault(path + deed, (deed, model))

    def versions(self, name: str) -> list[str]:
        """Return the versions of one model."""
        return [model.served.version for model in self.models if model.served.name == name]


class Application:
    """Answers HTTP requests. One per process; lives on its event loop.

    Attributes:
        current: The versions that new requests are answered by.
        draining: The process is stopping: not ready any more, and each answer closes its connection.
        in_flight: Requests being answered.
        answered: Requests answered so far.
    """

    def __init__(
        self,
        hosts: Hosts,
        limits: Limits,
        new_id: Callable[[], str],
        threads: int = 2,
        on_answer: Callable[[Answered], None] | None = None,
    ) -> None:
        """Start with no models, not ready.

        Args:
            hosts: Which hosts a request may name.
            limits: How much it may ask for.
            new_id: Names an unexpected error, so that its log entry is found.
            threads: For models that take long.
            on_answer: Called after each prediction; must not block.
        """
        self.current = Models(0, ())
        self.draining = False
        self.in_flight = 0
        self.answered = 0
        self._hosts = hosts
        self._limits = limits
        self._new_id = new_id
        self._on_answer = on_answer
        self._parallel = ThreadPoolExecutor(threads, "model")
        self._serial = ThreadPoolExecutor(1, "native-model")
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._answers: Mapping[str, Callable[[], tuple[int, bytes]]] = {
            "/v2": self._server_metadata,
            "/v2/health/live": lambda: (200, b'{"live":true}'),
            "/v2/health/ready": self._ready,
        }

    async def __rsgi__(self, scope: Any, protocol: Exchange) -> None:  # noqa: ANN401 - a foreign object
        """Answer one request."""
        self.in_flight += 1
        headers, status = [_JSON], 200
        try:
            path = scope.path
            self._check_origin(scope)
            deed, model = self.current.routes.get(path, ("", None))
            if deed == "/infer" and model is not None:
                headers = model.head
                body = await self._infer(scope, protocol, model)
            else:
                status, body = self._describe(scope, path, deed, model)
        except RefusedError as refusal:
            status, body = refusal.status, error_body(refusal.message)
            headers = [
                *headers,
                *([_CLOSE] if refusal.close else ()),
                *([("allow", refusal.allow)] if refusal.allow else ()),
            ]
        except Exception:  # noqa: BLE001 - the top loop of a server: recorded, and it goes on
            error_id = self._new_id()
            _LOG.exception("request %s failed, error %s", scope.path, error_id)
            status, body = 500, error_body(f"the endpoint failed; its log names this as error {error_id}")
        finally:
            self.in_flight -= 1
        self.answered += 1
        protocol.response_bytes(status, [*headers, _CLOSE] if self.draining else headers, body)

    def _check_origin(self, scope: Any) -> None:  # noqa: ANN401 - a foreign object
        headers = scope.headers
        host = headers.get("host")
        if not self._hosts.trusts(host) or (scope.authority and not self._hosts.trusts(scope.authority)):
            raise RefusedError(
                403, f"host {host!r} is not served here; ask for localhost or 127.0.0.1", close=True
            )
        origin = headers.get("origin")
        if origin is not None and not self._hosts.trusts_origin(origin):
            raise RefusedError(403, f"pages from {origin!r} may not ask this endpoint", close=True)

    async def _infer(self, scope: Any, protocol: Exchange, model: Model) -> bytes:  # noqa: ANN401 - a foreign object
        _allow(scope, ("POST",))
        question = model.read(await self._body(scope, protocol))
        try:
            if model.seconds_base + model.seconds_row * question.rows < _INLINE_S:
                body = model.answer(question)
            else:
                pool = self._parallel if model.parallel else self._serial
                body = await asyncio.get_running_loop().run_in_executor(pool, model.answer, question)
        except RowsRefusedError as error:
            raise RefusedError(422, f"the model does not take these rows: {error}") from error
        if self._on_answer is not None:
            self._on_answer(Answered(model, question, body))
        return body

    async def _body(self, scope: Any, protocol: Exchange) -> bytes:  # noqa: ANN401 - a foreign object
        """Return the body, cut off at the limits of size and time."""
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        if task is None:
            raise RuntimeError("a request is answered outside of a task")
        self._reading[task] = loop.time() + self._limits.body_timeout_s
        try:
            length = scope.headers.get("content-length")
            if length is None:
                return await self._chunks(protocol)
            if not length.isdecimal() or int(length) > self._limits.body_bytes:
                raise self._too_large(f"{length} bytes")
            return await protocol()
        except asyncio.CancelledError:
            if loop.time() < self._reading[task]:
                raise
            task.uncancel()
            raise RefusedError(
                408, f"the body did not come within {self._limits.body_timeout_s:g} seconds", close=True
            ) from None
        except RuntimeError:  # granian's word for a body that broke off or is no valid chunking
            raise RefusedError(400, "the body broke off before its end", close=True) from None
        finally:
            del self._reading[task]

    async def _chunks(self, protocol: Exchange) -> bytes:
        body = bytearray()
        async for part in protocol:
            if not part:
                break
            body += part
            if len(body) > self._limits.body_bytes:
                raise self._too_large("more")
        return bytes(body)

    def _too_large(self, came: str) -> RefusedError:
        return RefusedError(413, f"a body may have {self._limits.body_bytes} bytes, got {came}", close=True)

    def drop_slow(self) -> None:
        """End the reading of bodies that are overdue; to be called now and then."""
        now = asyncio.get_running_loop().time()
        for task in [task for task, deadline in self._reading.items() if deadline <= now]:
            task.cancel()

    def _describe(self, scope: Any, path: str, deed: str, model: Model | None) -> tuple[int, bytes]:  # noqa: ANN401
        fixed = self._answers.get(path)
        if fixed is not None:
            _allow(scope, _GET)
            return fixed()
        if model is None:
            raise self._unknown(path)
        _allow(scope, _GET)
        if deed == "/ready":
            return self._ready()
        return 200, model.metadata(self.current.versions(model.served.name))

    def _ready(self) -> tuple[int, bytes]:
        ready = bool(self.current.models) and not self.draining
        return (200, b'{"ready":true}') if ready else (503, b'{"ready":false}')

    def _server_metadata(self) -> tuple[int, bytes]:
        return 200, msgspec.json.encode({"name": "legato", "version": __version__, "extensions": []})

    def _unknown(self, path: str) -> RefusedError:
        parts = unquote(path).split("/")
        if parts[:3] != ["", "v2", "models"] or len(parts) < 4:  # noqa: PLR2004 - /v2/models/NAME
            return RefusedError(404, f"there is no {path!r}; models answer under /v2/models/NAME/infer")
        versions = self.current.versions(parts[3])
        if not versions:
            served = ", ".join(sorted({model.served.name for model in self.current.models})) or "none yet"
            return RefusedError(404, f"model {parts[3]!r} is not served here; served: {served}")
        if len(parts) > 5 and parts[4] == "versions" and parts[5] not in versions:  # noqa: PLR2004 - …/versions/V
            return RefusedError(
                404, f"version {parts[5]!r} of {parts[3]!r} is not served; served: {', '.join(versions)}"
            )
        return RefusedError(404, f"there is no {path!r}; ask {'/'.join(parts[:4])}, …/ready or …/infer")


def _allow(scope: Any, methods: Sequence[str]) -> None:  # noqa: ANN401 - a foreign object
    if scope.method not in methods:
        raise RefusedError(
            405, f"{scope.method} is not answered here; use {methods[0]}", allow=", ".join(methods)
        )
