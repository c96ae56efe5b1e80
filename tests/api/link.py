"""A link between a client and a server that loses what it is told to lose."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import urlsplit


class Fate(Enum):
    """What becomes of one request and its response."""

    CARRIED = "both arrive"
    REQUEST_LOST = "the request is lost before the server sees it"
    RESPONSE_LOST = "the response is lost after the server sent it"
    RESPONSE_CUT = "the connection ends in the middle of the response"


FateOf = Callable[[str, int], Fate]
"""From a request's key, and how often that key has come by, from 1, to what becomes of it."""


def losing(share: float, seed: int) -> FateOf:
    """Loses this share of the requests, and of the responses to those that arrive.

    Each fate depends on the seed, the key and the attempt alone, whatever the order in which threads come by.
    """

    def fate(key: str, attempt: int) -> Fate:
        chance = random.Random(f"{seed}:{key}:{attempt}")  # noqa: S311 - a coin that falls the same way each time
        if chance.random() < share:
            return Fate.REQUEST_LOST
        return Fate.RESPONSE_LOST if chance.random() < share else Fate.CARRIED

    return fate


class LossyLink(ThreadingHTTPServer):
    """A loopback proxy for POST; it loses by closing the client's connection."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: str, fate: FateOf) -> None:
        super().__init__(("127.0.0.1", 0), Carrier)
        self.upstream = urlsplit(upstream)
        self.fates: Counter[Fate] = Counter()
        self._fate = fate
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where clients reach the server through this link."""
        return f"http://127.0.0.1:{self.server_port}"

    def next_fate(self, key: str) -> Fate:
        """What becomes of the next request with this key."""
        with self._lock:
            self._attempts[key] += 1
            fate = self._fate(key, self._attempts[key])
            self.fates[fate] += 1
            return fate


class Carrier(BaseHTTPRequestHandler):
    """One connection of a client, and the one to the server behind it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or an answer waits 40 ms for an acknowledgement
    wbufsize = -1  # head and body in one packet

    def setup(self) -> None:
        super().setup()
        upstream = cast("LossyLink", self.server).upstream
        self.upstream = HTTPConnection(str(upstream.hostname), upstream.port, timeout=30)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def do_POST(self) -> None:
        """Carry one request, and what comes back, as far as its fate lets them come."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fate = cast("LossyLink", self.server).next_fate(self.headers["Idempotency-Key"])
        if fate is Fate.REQUEST_LOST:
            self.close_connection = True
            return
        self.upstream.request("POST", self.path, body, dict(self.headers))
        response = self.upstream.getresponse()
        content = response.read()
        if fate is Fate.RESPONSE_LOST:
            self.close_connection = True
            return
        self._answer(response, content if fate is Fate.CARRIED else content[: len(content) // 2])
        self.close_connection = fate is Fate.RESPONSE_CUT

    def _answer(self, response: HTTPResponse, content: bytes) -> None:
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        """Not a word."""


@contextmanager
def lossy_link(upstream: str, fate: FateOf) -> Iterator[LossyLink]:
    """A link to this server, until the end of the block."""
    link = LossyLink(upstream, fate)
    thread = threading.Thread(target=link.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield link
    finally:
        link.shutdown()
        link.server_close()
        thread.join()
