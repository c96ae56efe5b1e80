"""A scripted line to a server, on which each test runs with the synchronous and with the asynchronous transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from idemlambda.client import AsyncIdempotencyTransport, IdempotencyTransport

URL = "https://shop.example/orders"


def problem(code: str, status: int = 409, **headers: str) -> httpx.Response:
    """An answer as idemlambda's HTTP surface gives it."""
    content = json.dumps({"title": "A problem", "status": status, "code": code}).encode()
    return httpx.Response(
        status, content=content, headers=httpx.Headers({"Content-Type": "application/problem+json"} | headers)
    )


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An answer's body that comes once, in pieces, and may end in an error; it knows how far it was read."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = pieces
        self.given = 0
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        if self.given:
            raise httpx.StreamConsumed
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            self.given += 1
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Takes a request's body off its stream, as a connection does, and leaves nothing of it behind."""

    def __init__(self, answer: Callable[[httpx.Request, bytes], httpx.Response]) -> None:
        self._answer = answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        return self._answer(request, b"".join(request.stream))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        return self._answer(request, b"".join([piece async for piece in request.stream]))


@dataclass
class Line:
    """What a server answers, attempt by attempt, under a clock that only sleeping and `slow` move.

    Attributes:
        script: An answer or an error for each attempt; the last one goes on for ever.
        slow: Seconds that an attempt takes.
        keys, bodies, pauses: What happened.
        hooks: The client's, for streamed answers.
    """

    is_async: bool
    script: list[httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]] = field(default_factory=list)
    slow: float = 0.0
    now: float = 1_000.0
    keys: list[str | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    hooks: dict[str, list[Any]] = field(default_factory=dict)

    def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        self.keys.append(request.headers.get("Idempotency-Key"))
        self.bodies.append(body)
        self.now += self.slow
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    async def _asleep(self, seconds: float) -> None:
        self._sleep(seconds)

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"clock": lambda: self.now, "now": lambda: self.now, "jitter": lambda ceiling: ceiling, **options}

    def send(self, method: str = "POST", content: Any = b"{}", *, options: Any = (), **request: Any) -> httpx.Response:
        """Sends one request, and reads its answer.

        Args:
            method: Of HTTP.
            content: Bytes, or an iterator over them.
            options: For the transport.
            request: For the request.
        """
        given = self._options(dict(options))
        if self.is_async:
            return asyncio.run(self._asend(method, content, given, request))
        transport = IdempotencyTransport(Wire(self._answer), sleep=self._sleep, **given)
        with httpx.Client(transport=transport) as client:
            return client.request(method, URL, content=content, **request)

    async def _asend(self, method: str, content: Any, given: dict[str, Any], request: dict[str, Any]) -> httpx.Response:
        if isinstance(content, Iterator):
            content = as_async(content)
        transport = AsyncIdempotencyTransport(Wire(self._answer), sleep=self._asleep, **given)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.request(method, URL, content=content, **request)

    def stream(self) -> tuple[httpx.Response, bytes]:
        """Sends a request whose answer is read piece by piece; the answer, and its bytes as they came."""
        if self.is_async:
            return asyncio.run(self._astream())
        transport = IdempotencyTransport(Wire(self._answer), sleep=self._sleep, **self._options({}))
        client = httpx.Client(transport=transport, event_hooks=self.hooks)
        with client, client.stream("POST", URL) as answer:
            return answer, b"".join(answer.iter_raw())

    async def _astream(self) -> tuple[httpx.Response, bytes]:
        options = self._options({})
        transport = AsyncIdempotencyTransport(Wire(self._answer), sleep=self._asleep, **options)
        client = httpx.AsyncClient(transport=transport, event_hooks=self.hooks)
        async with client, client.stream("POST", URL) as answer:
            return answer, b"".join([piece async for piece in answer.aiter_raw()])


async def as_async(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, for an asynchronous client."""
    for piece in pieces:
        yield piece


@pytest.fixture(params=["sync", "async"])
def line(request: pytest.FixtureRequest) -> Line:
    """A line for each kind of transport."""
    return Line(is_async=request.param == "async")
