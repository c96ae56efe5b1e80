"""`idemlambda serve`: a handler behind a local HTTP front, which says of each request what came of it."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, closing, redirect_stdout
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol, cast

import click
from rich.text import Text

from idemlambda.app import TABLE_VARIABLE
from idemlambda.cli._attempts import Attempted, Handler, attempt, awaited
from idemlambda.cli._output import STYLES, console, fail
from idemlambda.cli._target import load_handler
from idemlambda.cli.invoke import dynamodb
from idemlambda.client._retry import problem_code
from idemlambda.http._problems import KINDS, MEDIA_TYPE
from idemlambda.local import front
from idemlambda.testing.context import LONGEST_TIMEOUT

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from rich.console import Console

HOST: Final = "127.0.0.1"
"""This machine only: a handler under trial is nobody else's to call."""

PORT: Final = 8080

THREADS: Final = 32
"""Requests at once: more than a browser or a test opens; further ones wait, as beyond a function's concurrency."""

TIMED_OUT: Final = "timed_out"
"""The outcome of a request whose handler was still running when the gateway answered."""

RELEASED: Final = "released"
"""The outcome of an answer that is not one to be kept, such as a 503: the claim was given back."""

PASSED_THROUGH: Final = "passed_through"
"""The outcome of a request that claimed nothing, by a method that needs no key."""

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods whose requests may be repeated as they are (RFC 9110, 9.2.2)."""

TOLD: Final = frozenset({"executed", "replayed"})
"""Outcomes after which an answer is the handler's own, whatever it says."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it.

    Attributes:
        method: As sent.
        path: Without query, as sent.
        status: What was answered.
        outcome: As `invoke` names it, or a problem's code, `timed_out`, `released` or `passed_through`.
        milliseconds: From the request to its answer.
        error: What the handler raised, or why its result is no answer, in one line.
    """

    method: str
    path: str
    status: int
    outcome: str
    milliseconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class Front:
    """A WSGI application that is one handler behind one API.

    Attributes:
        handler: What is called; a coroutine function, too.
        form: The payload format version.
        timeout: The function's time-out, in seconds.
        tell: Hears of each exchange, on the thread that served it.
    """

    handler: Handler
    form: front.Form
    timeout: float
    tell: Callable[[Exchange], None]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Serve one request."""
        started = time.perf_counter()
        attempted = self._attempted(front.event_of(environ, self.form))
        answer, error = self._answer(attempted)
        took = (time.perf_counter() - started) * 1000
        method, path = str(environ["REQUEST_METHOD"]), front.raw_path(environ)
        outcome = TIMED_OUT if attempted is None else outcome_of(attempted, answer, method)
        self.tell(Exchange(method, path, answer.status, outcome, took, error))
        return answer.send(environ, start_response)

    def _attempted(self, event: front.Event) -> Attempted | None:
        """What the handler comes to, or None if that takes too long: it then runs on, and nobody waits for it."""
        ended: list[Attempted] = []

        def run() -> None:
            ended.append(attempt(self._traced, event, timeout=self.timeout))

        # A thread of its own for each: one that runs on must not keep the next request waiting.
        thread = threading.Thread(target=run, name="handler", daemon=True)
        thread.start()
        thread.join(min(self.timeout, front.LONGEST_S[self.form]))
        return next(iter(ended), None)

    def _traced(self, event: object, context: object) -> object:
        """Call the handler, and show where it failed."""
        try:
            return awaited(self.handler(event, context))
        except BaseException as error:
            traceback.print_exc()
            if isinstance(error, Exception):
                raise
            raise RuntimeError(f"The handler was ended by {type(error).__name__}: {error}") from error

    def _answer(self, attempted: Attempted | None) -> tuple[front.Answer, str | None]:
        """The answer, and what went wrong with it."""
        if attempted is None:
            # A function's own time-out is one of its failures to the gateway, which hears of it from Lambda.
            is_own = self.timeout < front.LONGEST_S[self.form]
            answer = front.failed(self.form) if is_own else front.gave_up(self.form)
            return answer, f"no answer within {min(self.timeout, front.LONGEST_S[self.form]):g} s"
        if attempted.error is not None:
            return front.failed(self.form), attempted.error
        try:
            return front.answer_of(attempted.result, self.form), None
        except front.BadAnswer as error:
            return front.failed(self.form), str(error)


def outcome_of(attempted: Attempted, answer: front.Answer, method: str) -> str:
    """What came of a request: of an answer in the kit's own words, the problem's code, which is more exact."""
    if attempted.outcome in TOLD:
        return attempted.outcome
    code = problem_code(answer.body) if ("Content-Type", MEDIA_TYPE) in answer.headers else None
    if code is not None and code in KINDS:
        return code
    if attempted.outcome == "failed" and attempted.error is None:
        return RELEASED
    if attempted.outcome == "unprotected" and method in IDEMPOTENT:
        return PASSED_THROUGH
    return attempted.outcome


class Server(Protocol):
    """What is used of waitress's server."""

    def run(self) -> None:
        """Serve until a KeyboardInterrupt; then wait five seconds at the most for what is being served."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


@click.command()
@click.argument("target", metavar="MODULE:HANDLER")
@click.option(
    "--payload-format",
    type=click.Choice(("1.0", "2.0")),
    default="2.0",
    show_default=True,
    help="Events of a REST API (1.0) or of an HTTP API (2.0).",
)
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="0 takes a free one.")
@click.option("--table", metavar="NAME", help="A real table, with the AWS environment as it is.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, LONGEST_TIMEOUT),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="The function's time-out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document for each request, one a line.")
def serve(  # noqa: PLR0917 - click passes by name
    target: str,
    payload_format: front.Form,
    port: int,
    table: str | None,
    timeout: float,
    as_json: bool,  # noqa: FBT001 - click passes by name
) -> None:
    """Serve a handler over HTTP on this machine, as API Gateway would, and print a line for each request.

    MODULE is a module on the path or in the working directory, or a file. Without --table the handler meets an
    embedded DynamoDB that lasts as long as the server and holds one table, named by IDEMLAMBDA_TABLE (else
    "idempotency"). Requests are served at the same time. There is no authorizer: all callers are unknown.

    A handler that fails is answered as API Gateway does (502 in format 1.0, 500 in 2.0), and its traceback is on
    standard error, as is what it prints. So is one that runs out of its time; unlike in Lambda, it runs on, and what
    it then writes to its record is fenced.

    Ctrl-C ends it, with exit code 0. 1: the port or the table cannot be used. 2: usage.
    """
    name = table or os.environ.get(TABLE_VARIABLE) or "idempotency"
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # That requests wait is no news where one counts them.
    with ExitStack() as stack:
        listening = stack.enter_context(closing(bound(port)))
        stack.enter_context(dynamodb(name, is_embedded=table is None))
        tell = printer(console(), as_json=as_json)
        stack.enter_context(redirect_stdout(sys.stderr))
        app = Front(load_handler(target), payload_format, timeout, tell)
        where = f"the table {table}" if table else "an embedded DynamoDB"
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        server = server_of(app, listening)
        click.echo(f"{target} at {address} (payload format {payload_format}, {where}). Ctrl-C ends it.", err=True)
        server.run()
        server.close()


def bound(port: int) -> socket.socket:
    """A socket that listens on this machine.

    Raises:
        click.ClickException: It cannot; exit code 1.
    """
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            fail(f"Port {port} is taken: end what listens there, or choose another with --port (0 takes a free one).")
        fail(f"Port {port} cannot be used: {error.strerror}. Choose another with --port (0 takes a free one).")


def server_of(app: Front, listening: socket.socket) -> Server:
    """A server of this application on this socket."""
    from waitress.server import create_server  # type: ignore[import-untyped]  # it has no types

    create = cast("Callable[..., Server]", create_server)
    # No `Server` header: an API has none of its own either.
    return create(app, sockets=[listening], threads=THREADS, ident=None, max_request_body_size=front.LARGEST_BODY)


def printer(out: Console, *, as_json: bool) -> Callable[[Exchange], None]:
    """Prints exchanges, one a line and each as a whole, for a person or for a program."""
    lock = threading.Lock()

    def tell(exchange: Exchange) -> None:
        with lock:
            if as_json:
                out.file.write(f"{json.dumps(document(exchange))}\n")
            else:
                out.print(line(exchange), soft_wrap=True)
            out.file.flush()

    return tell


def document(exchange: Exchange) -> dict[str, object]:
    """An exchange for a program."""
    told: dict[str, object] = {
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
        "outcome": exchange.outcome,
        "milliseconds": round(exchange.milliseconds, 1),
    }
    return told if exchange.error is None else told | {"error": exchange.error}


def line(exchange: Exchange) -> Text:
    """An exchange for a person."""
    # A path may hold what moves a terminal's cursor.
    path = "".join(char if char.isprintable() else "?" for char in exchange.path)
    is_error = exchange.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    other = "default" if exchange.outcome == PASSED_THROUGH else "yellow"
    style = "red" if is_error else STYLES.get(exchange.outcome, other)
    text = Text(f"{exchange.method:<6} {path:<24} {exchange.status} ")
    text.append(f"{exchange.outcome.replace('_', ' '):<14}", style=style)
    text.append(f" {exchange.milliseconds:6.0f} ms")
    return text if exchange.error is None else text.append(f"  {exchange.error}")
