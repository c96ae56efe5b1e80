"""Over real sockets: what a broken line does to an answer, and what an installation without httpx can do."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from idemlambda.client import AsyncIdempotencyTransport, IdempotencyTransport, is_replay

ROOT = Path(__file__).resolve().parents[2]

WHOLE = b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nConnection: close\r\n%s\r\n" + b'{"id":"o-1"}'

FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "no answer": lambda answer: b"",
    "a cut head": lambda answer: answer[:20],
    "a cut body": lambda answer: answer[:-5],
    "no HTTP": lambda answer: b"SSH-2.0-OpenSSH\r\n",
}


class Shop:
    """Carries out an order once for each key, answers over a socket, and damages the first answers."""

    def __init__(self, fault: Callable[[bytes], bytes], faults: int) -> None:
        self.orders: dict[bytes, bytes] = {}
        self.requests = 0
        self._fault = fault
        self._faults = faults

    def answer(self, request: bytes) -> bytes:
        """The answer to a request, or what a fault leaves of it."""
        head, _, body = request.partition(b"\r\n\r\n")
        key = next(line[17:] for line in head.split(b"\r\n") if line.lower().startswith(b"idempotency-key: "))
        self.requests += 1
        replayed = b"Idempotency-Replayed: true\r\n" if key in self.orders else b""
        self.orders.setdefault(key, body)
        assert self.orders[key] == body
        answer = WHOLE % replayed
        return self._fault(answer) if self.requests <= self._faults else answer


def received(connection: socket.socket) -> bytes:
    """A whole request with a body of known length."""
    request = b""
    while True:
        head, end, body = request.partition(b"\r\n\r\n")
        lengths = [line[16:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: ")]
        if end and len(body) == int(lengths[0]):
            return request
        request += connection.recv(65_536)


@contextmanager
def served(shop: Shop) -> Iterator[str]:
    """A server on loopback, until the end of the block; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(5)
                    connection.sendall(shop.answer(received(connection)))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/orders"
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_line_carries_an_order_out_once(fault: str) -> None:
    """The order was carried out, its answer broke off twice: one order, its answer, and the replay is told."""
    shop = Shop(FAULTS[fault], faults=2)
    with served(shop) as url, httpx.Client(transport=IdempotencyTransport(pause=0.001), timeout=5) as client:
        answer = client.post(url, json={"sku": "a"})
    assert answer.json() == {"id": "o-1"}
    assert is_replay(answer)
    assert answer.extensions["idempotency"]["attempts"] == 3
    assert len(shop.orders) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_line_carries_an_asynchronous_order_out_once(fault: str) -> None:
    """The same under an event loop."""
    shop = Shop(FAULTS[fault], faults=2)

    async def use(url: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=AsyncIdempotencyTransport(pause=0.001), timeout=5) as client:
            return await client.post(url, json={"sku": "a"})

    with served(shop) as url:
        answer = asyncio.run(use(url))
    assert answer.json() == {"id": "o-1"}
    assert is_replay(answer)
    assert answer.extensions["idempotency"]["attempts"] == 3
    assert len(shop.orders) == 1


def test_without_reading_ahead_a_cut_is_the_readers() -> None:
    """With ``read_ahead=0`` an answer is streamed: its reader hears of the cut, and asks again under the same key."""
    shop = Shop(FAULTS["a cut body"], faults=1)
    transport = IdempotencyTransport(read_ahead=0)
    with served(shop) as url, httpx.Client(transport=transport, timeout=5) as client:
        request = client.build_request("POST", url, json={"sku": "a"})
        with pytest.raises(httpx.RemoteProtocolError):
            client.send(request)
        answer = client.send(request)
    assert is_replay(answer)
    assert len(shop.orders) == 1


def test_nobody_listening_is_given_up_in_time() -> None:
    """Where nothing listens, the last refusal is raised after the last attempt."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with httpx.Client(transport=IdempotencyTransport(attempts=3, pause=0.001)) as client:
        with pytest.raises(httpx.ConnectError) as caught:
            client.post(f"http://127.0.0.1:{port}/")
        assert caught.value.__notes__[0].startswith("Sent 3 times")


def run(script: str) -> str:
    """What a new interpreter prints."""
    command = [sys.executable, "-c", script]
    return subprocess.run(  # noqa: S603 - this Python
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_keys_need_no_httpx() -> None:
    """Without httpx keys can be made, and asking for a transport says which extra to install."""
    script = """
import sys
sys.modules["httpx"] = None
from idemlambda import client
from idemlambda.errors import ConfigError
print(len(client.new_key()), len(client.derive_key("a")))
for name in ("IdempotencyTransport", "AsyncIdempotencyTransport", "is_replay"):
    try:
        getattr(client, name)
    except ConfigError as error:
        print(error)
"""
    assert run(script).splitlines() == [
        "36 64",
        "IdempotencyTransport needs httpx: install idemlambda[client].",
        "AsyncIdempotencyTransport needs httpx: install idemlambda[client].",
        "is_replay needs httpx: install idemlambda[client].",
    ]


def test_keys_load_nothing_heavy() -> None:
    """A function that only makes keys pays for no HTTP client: httpx is loaded when a transport is asked for."""
    script = (
        "import sys; from idemlambda import client; client.derive_key('a'); "
        "print('httpx' in sys.modules, 'asyncio' in sys.modules); "
        "client.IdempotencyTransport; print('httpx' in sys.modules)"
    )
    assert run(script).split() == ["False", "False", "True"]


def test_what_is_not_there_is_no_attribute() -> None:
    """A name that the room does not have is an AttributeError, as for any module."""
    from idemlambda import client

    with pytest.raises(AttributeError, match="has no attribute 'Transport'"):
        _ = client.Transport
