"""A DynamoDB inside this process: moto behind a loopback port, which worker processes can reach too.

Nothing leaves the machine. Requests are answered one at a time: moto's own tables are not atomic across threads, and
DynamoDB's are.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, cast

import requests

REGION: Final = "us-east-1"
"""Where the embedded tables live; a handler may believe to be in any region."""

MOTO_URL: Final = f"https://dynamodb.{REGION}.amazonaws.com/"
"""The address that moto answers for; no request to it leaves the process."""

HANDED_ON: Final = ("Authorization", "Content-Type", "X-Amz-Target")
"""What moto needs of a request's headers."""

POLL: Final = 0.02
"""Seconds until the server sees that it is to stop; a request is seen at once."""

OURS: Final = {
    "AWS_ACCESS_KEY_ID": "embedded",
    "AWS_SECRET_ACCESS_KEY": "embedded",
    # A profile, an endpoint or a proxy of the user's own must not lead a handler elsewhere.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
"""The environment in which the embedded DynamoDB is met."""

NOT_OURS: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
"""What must not be set in it."""


@contextmanager
def embedded_dynamodb() -> Generator[None]:
    """Serve an empty DynamoDB, and point the environment of this process and its children at it."""
    with ExitStack() as stack:
        server = stack.enter_context(serving())
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
        places = {
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{server.server_port}",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }
        stack.enter_context(environment(OURS | places, NOT_OURS))
        stack.enter_context(isolated())
        yield


@contextmanager
def isolated() -> Generator[None]:
    """No AWS call of this process gets out: moto answers, but for DynamoDB, which has its loopback port."""
    from moto import mock_aws

    with mock_aws():
        yield


@contextmanager
def environment(values: Mapping[str, str], absent: tuple[str, ...] = ()) -> Generator[None]:
    """Set and unset environment variables, and put them back."""
    before = {name: os.environ.get(name) for name in (*values, *absent)}
    os.environ.update(values)
    for name in absent:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def serving() -> Generator[ThreadingHTTPServer]:
    """The loopback server, on a port of the system's choice."""
    server = Server(("127.0.0.1", 0), Exchange)
    thread = threading.Thread(target=server.serve_forever, args=(POLL,), name="embedded-dynamodb", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Server(ThreadingHTTPServer):
    """A thread for each connection, and one lock for all requests."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that was killed; report everything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed's own union of sockets


class Exchange(BaseHTTPRequestHandler):
    """One connection: each request goes to moto, and moto's answer back."""

    protocol_version = "HTTP/1.1"  # botocore keeps its connections
    disable_nagle_algorithm = True  # or an answer waits 40 ms for an acknowledgement
    wbufsize = -1  # head and body in one packet

    def do_POST(self) -> None:
        """Answer one request of DynamoDB's JSON protocol."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: self.headers.get(name, "") for name in HANDED_ON}
        with cast("Server", self.server).lock:
            # Answered in this process, by moto; the time-out only bounds what cannot happen.
            answer = requests.post(MOTO_URL, data=body, headers=headers, timeout=10)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        """Not a word: the command's own output says what was sent."""
