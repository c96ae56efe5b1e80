"""Transports for httpx that put one key on one logical request, and keep it over every retry."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection
from types import TracebackType
from typing import Final, Self, cast

import httpx

from idemlambda.client._call import Call, Rules
from idemlambda.client._retry import ATTEMPTS, LONGEST_PAUSE, PAUSE, SECONDS, Patience
from idemlambda.errors import ConfigError

METHODS: Final = ("POST", "PATCH")
"""The methods that are not idempotent by themselves (RFC 9110, 9.2.2; RFC 5789, 2), as on the server's side."""

HEADER: Final = "Idempotency-Key"
"""draft-ietf-httpapi-idempotency-key-header, 2."""

READ_AHEAD: Final = 6 * 1024 * 1024
"""Bytes: no Lambda function answers with more, unless it streams (AWS Lambda quotas)."""

LOST: Final = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
"""No whole answer came. Not among them: what httpx finds wrong with the request itself."""


def full_jitter(ceiling: float) -> float:
    """Any part of a pause, in seconds, each as likely as the next."""
    return random.uniform(0.0, ceiling)  # noqa: S311 - spreads callers in time, and guards nothing


class IdempotencyTransport(httpx.BaseTransport):
    """Sends a request under one key until it is answered, within bounds.

    A request that has a key, in its header or as `extensions={"idempotency_key": ...}`, keeps it; any other gets a new
    one. It is sent again when no whole answer comes (no connection, a time-out, a cut), after 429, 500, 502, 503 and
    504, and after the problems `in_progress`, `claim_lost` and `store_unavailable`; never after `key_reused`, any other
    status, or `not_stored`, `record_unreadable` and `misconfigured`, which time does not mend. When it is given up, the
    last answer is returned or the last error is raised, with a note of the key.

    The request's body is read into memory first, so that each attempt sends the same bytes. An answer whose
    `Content-Length` is at most `read_ahead` is read before it is returned, so that a cut one is asked for again; a
    longer one, or one of unannounced length, is streamed through, and where it is cut, its reader hears of it.

    `response.extensions["idempotency"]` tells `key`, `attempts` (how many were made), `replayed` (as `is_replay` does)
    and `given_up` (whether another attempt would have been made but for the bounds).

    Args:
        inner: What sends each attempt; `httpx.HTTPTransport()` if None. A client's own `verify`, `cert`, `http2`,
            `proxy` and `limits` do not reach it.
        methods: Which requests get a key, in capitals. Others pass through untouched, and are not retried.
        header: The name of the key's header.
        attempts: How often a request is sent at the most.
        seconds: How long after its first attempt a request may be sent again. An attempt's own bounds are the
            client's time-outs.
        pause: The ceiling of the first pause, in seconds, doubled for each further one. A pause is what the server asks
            for (`Retry-After`) and a random part of its ceiling.
        longest_pause: Where doubling ends, in seconds.
        read_ahead: In bytes; 0 streams every answer but problems.
        clock: Seconds, monotonic.
        now: Seconds since 1970.
        sleep: Waits so many seconds.
        jitter: From a ceiling, in seconds, to a part of it.

    Raises:
        ConfigError: An argument makes no sense.
    """

    def __init__(
        self,
        inner: httpx.BaseTransport | None = None,
        *,
        methods: Collection[str] = METHODS,
        header: str = HEADER,
        attempts: int = ATTEMPTS,
        seconds: float = SECONDS,
        pause: float = PAUSE,
        longest_pause: float = LONGEST_PAUSE,
        read_ahead: int = READ_AHEAD,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[float], float] = full_jitter,
    ) -> None:
        self._rules = Rules(
            patience=Patience(attempts=attempts, seconds=seconds, pause=pause, longest_pause=longest_pause),
            methods=methods,
            header=header,
            read_ahead=read_ahead,
            clock=clock,
            now=now,
            jitter=jitter,
        )
        if inner is not None and not hasattr(inner, "handle_request"):
            raise ConfigError(f"{inner!r} is no synchronous transport: AsyncIdempotencyTransport takes the others.")
        self._inner = httpx.HTTPTransport() if inner is None else inner
        self._sleep = sleep

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, again if need be.

        Raises:
            ConfigError: The request's key cannot be one, or it has two.
            httpx.TransportError: No attempt got a whole answer; the last error.
        """
        if request.method not in self._rules.methods:
            return self._inner.handle_request(request)
        call = Call(self._rules, request)
        request.read()
        while True:
            try:
                response = self._inner.handle_request(request)
                if call.reads(response):
                    _read(response)
            except LOST as error:
                pause = call.pause_after(None)
                if pause is None:
                    call.note(error)
                    raise
            else:
                pause = call.pause_after(response)
                if pause is None:
                    return call.answered(response)
                response.close()
            self._sleep(pause)

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._inner.__exit__(exc_type, exc_value, traceback)


def _read(response: httpx.Response) -> None:
    """Take an answer's bytes off the line, as they came: the caller decodes them."""
    stream = cast("httpx.SyncByteStream", response.stream)
    try:
        response.stream = httpx.ByteStream(b"".join(stream))
    finally:
        stream.close()


class AsyncIdempotencyTransport(httpx.AsyncBaseTransport):
    """`IdempotencyTransport` for `httpx.AsyncClient`: the same arguments, and the same rules.

    Args:
        inner: As there; `httpx.AsyncHTTPTransport()` if None.
        methods: As there.
        header: As there.
        attempts: As there.
        seconds: As there.
        pause: As there.
        longest_pause: As there.
        read_ahead: As there.
        clock: As there.
        now: As there.
        sleep: Waits so many seconds; under trio, pass `trio.sleep`.
        jitter: As there.

    Raises:
        ConfigError: An argument makes no sense.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport | None = None,
        *,
        methods: Collection[str] = METHODS,
        header: str = HEADER,
        attempts: int = ATTEMPTS,
        seconds: float = SECONDS,
        pause: float = PAUSE,
        longest_pause: float = LONGEST_PAUSE,
        read_ahead: int = READ_AHEAD,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[float], float] = full_jitter,
    ) -> None:
        self._rules = Rules(
            patience=Patience(attempts=attempts, seconds=seconds, pause=pause, longest_pause=longest_pause),
            methods=methods,
            header=header,
            read_ahead=read_ahead,
            clock=clock,
            now=now,
            jitter=jitter,
        )
        if inner is not None and not hasattr(inner, "handle_async_request"):
            raise ConfigError(f"{inner!r} is no asynchronous transport: IdempotencyTransport takes the others.")
        self._inner = httpx.AsyncHTTPTransport() if inner is None else inner
        self._sleep = sleep

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, again if need be.

        Raises:
            ConfigError: The request's key cannot be one, or it has two.
            httpx.TransportError: No attempt got a whole answer; the last error.
        """
        if request.method not in self._rules.methods:
            return await self._inner.handle_async_request(request)
        call = Call(self._rules, request)
        await request.aread()
        while True:
            try:
                response = await self._inner.handle_async_request(request)
                if call.reads(response):
                    await _aread(response)
            except LOST as error:
                pause = call.pause_after(None)
                if pause is None:
                    call.note(error)
                    raise
            else:
                pause = call.pause_after(response)
                if pause is None:
                    return call.answered(response)
                await response.aclose()
            await self._sleep(pause)

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._inner.__aexit__(exc_type, exc_value, traceback)


async def _aread(response: httpx.Response) -> None:
    """Take an answer's bytes off the line, as they came: the caller decodes them."""
    stream = cast("httpx.AsyncByteStream", response.stream)
    try:
        response.stream = httpx.ByteStream(b"".join([chunk async for chunk in stream]))
    finally:
        await stream.aclose()
