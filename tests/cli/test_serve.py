"""Laws of `idemlambda serve`; the whole of it, over a lossy link, is in tests/api."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result
from rich.console import Console

from idemlambda.cli._target import load_handler
from idemlambda.cli.serve import Exchange, Front, bound, line, printer
from idemlambda.local import front
from idemlambda.local.front import Form

Run = Callable[..., Result]
Write = Callable[[str], str]

POST = {
    "REQUEST_METHOD": "POST",
    "REQUEST_URI": "/orders",
    "PATH_INFO": "/orders",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8080",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.url_scheme": "http",
}


STATUS_OF_FAILURE: dict[Form, int] = {"1.0": 502, "2.0": 500}


class Caller:
    """Calls a handler through a front, and notes what was told."""

    def __init__(self, target: str, form: Form = "2.0", timeout: float = 3.0) -> None:
        self.told: list[Exchange] = []
        self.front = Front(load_handler(target), form, timeout, self.told.append)

    def __call__(self, body: bytes = b"", **environ: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one request; its outcome is the last that was told."""
        sent: list[Any] = []
        request = POST | environ | {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
        answer = self.front(request, lambda *args: sent.extend(args))  # type: ignore[arg-type]  # no write()
        return int(sent[0][:3]), dict(sent[1]), b"".join(answer)

    @property
    def outcome(self) -> str:
        """The last outcome."""
        return self.told[-1].outcome


KEYED = """
@idem.http(scope=None)
def handler(event, context):
    return {"statusCode": int(event.get("body") or 200), "body": "x"}
"""


@pytest.mark.usefixtures("table")
def test_outcomes_are_told_in_the_kit_s_own_words(write: Write) -> None:
    """First answer, replay, conflict, missing and invalid key, an answer that is not kept, and other methods."""
    call = Caller(write(KEYED))
    requests: list[tuple[bytes, dict[str, str], int, str]] = [
        (b"201", {"HTTP_IDEMPOTENCY_KEY": "a"}, 201, "executed"),
        (b"201", {"HTTP_IDEMPOTENCY_KEY": "a"}, 201, "replayed"),
        (b"202", {"HTTP_IDEMPOTENCY_KEY": "a"}, 409, "key_reused"),
        (b"201", {}, 400, "key_missing"),
        (b"201", {"HTTP_IDEMPOTENCY_KEY": "a, b"}, 400, "key_invalid"),
        (b"503", {"HTTP_IDEMPOTENCY_KEY": "b"}, 503, "released"),
        (b"", {"REQUEST_METHOD": "GET"}, 200, "passed_through"),
    ]
    for body, environ, status, outcome in requests:
        assert (call(body, **environ)[0], call.outcome) == (status, outcome)
    assert {(told.method, told.path, told.error) for told in call.told} == {
        (m, "/orders", None) for m in ("POST", "GET")
    }
    assert all(told.milliseconds > 0 for told in call.told)


@pytest.mark.usefixtures("table")
def test_requests_are_served_at_the_same_time(write: Write) -> None:
    """A duplicate that comes while the first is being served is told that it is, and for how long."""
    code = """
    import threading
    begun, go_on = threading.Event(), threading.Event()

    @idem.http(scope=None)
    def handler(event, context):
        begun.set()
        assert go_on.wait(20)
        return {"statusCode": 201}
    """
    target = write(code)
    call = Caller(target, timeout=25)
    module = sys.modules[call.front.handler.__module__]
    first = threading.Thread(target=call, kwargs={"HTTP_IDEMPOTENCY_KEY": "a"})
    first.start()
    assert module.begun.wait(20)
    status, headers, _ = call(HTTP_IDEMPOTENCY_KEY="a")
    assert (status, call.outcome, int(headers["Retry-After"]) > 0) == (409, "in_progress", True)
    module.go_on.set()
    first.join()
    assert call.outcome == "executed"


@pytest.mark.parametrize(
    ("code", "outcome", "says"),
    [
        ("raise ValueError('no stock')", "failed", "ValueError: no stock"),
        ("raise KeyboardInterrupt", "failed", "RuntimeError: The handler was ended by KeyboardInterrupt"),
        ("raise ConfigError('x')", "misconfigured", "ConfigError: x"),
        ("return {'statusCode': 'many'}", "unprotected", "statusCode is 'many'"),
    ],
)
def test_a_failure_is_the_gateway_s_answer(
    code: str, outcome: str, says: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails is answered as API Gateway does, told in a line, and shown with its traceback."""
    target = write(f"def handler(event, context): {code}")
    for form, status in STATUS_OF_FAILURE.items():
        call = Caller(target, form)
        assert call()[0] == status
        told = call.told[-1]
        assert (told.status, told.outcome) == (status, outcome)
        assert says in str(told.error)
        assert ("Traceback" in capsys.readouterr().err) is code.startswith("raise")


@pytest.mark.parametrize(("form", "own", "gateway"), [("1.0", 502, 504), ("2.0", 500, 503)])
def test_a_handler_that_takes_too_long_is_not_waited_for(
    form: Form, own: int, gateway: int, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the function's time-out the answer is that of a failed function, after the gateway's own another."""
    target = write("import time\ndef handler(event, context): time.sleep(0.5)")
    call = Caller(target, form, timeout=0.1)
    assert (call()[0], call.outcome, call.told[-1].error) == (own, "timed_out", "no answer within 0.1 s")
    monkeypatch.setattr(front, "LONGEST_S", {form: 0.2})
    call = Caller(target, form, timeout=10)
    assert (call()[0], call.outcome, call.told[-1].error) == (gateway, "timed_out", "no answer within 0.2 s")


def test_an_async_handler_is_awaited(write: Write) -> None:
    """A coroutine function is run in a loop of its own."""
    call = Caller(write("async def handler(event, context): return {'statusCode': 418}"))
    assert (call()[0], call.outcome) == (418, "unprotected")


def test_a_handler_s_own_problem_is_not_taken_for_ours(write: Write) -> None:
    """A problem with a code that the kit does not have is the handler's answer."""
    problem = (
        "{'statusCode': 400, 'headers': {'Content-Type': 'application/problem+json'}, 'body': '{\"code\": \"x\"}'}"
    )
    call = Caller(write(f"def handler(event, context): return {problem}"))
    assert (call()[0], call.outcome) == (400, "unprotected")


@pytest.mark.parametrize("body", ["", "[1]", "{"])
def test_a_problem_that_cannot_be_read_is_the_handler_s_own(body: str, write: Write) -> None:
    """What calls itself a problem and is none does not end the request."""
    problem = {"statusCode": 400, "headers": {"Content-Type": "application/problem+json"}, "body": body}
    call = Caller(write(f"def handler(event, context): return {problem!r}"))
    assert (call()[0], call.outcome) == (400, "unprotected")


@pytest.mark.parametrize(
    ("exchange", "words"),
    [
        (Exchange("POST", "/orders", 409, "key_reused", 6.7, None), "POST /orders 409 key reused 7 ms"),
        (Exchange("GET", "/a\x1b[2J", 200, "passed_through", 1, None), "GET /a?[2J 200 passed through 1 ms"),
        (Exchange("POST", "/", 502, "failed", 1, "no"), "POST / 502 failed 1 ms no"),
    ],
)
def test_a_line_for_a_person(exchange: Exchange, words: str) -> None:
    """One line for each request, in columns that do not move; nothing in it moves the cursor."""
    text = line(exchange).plain
    assert text.split() == words.split()
    assert text[32:35] == str(exchange.status)


def test_a_line_is_never_broken() -> None:
    """However narrow the terminal: an exchange is one line."""
    out = io.StringIO()
    printer(Console(file=out, width=20), as_json=False)(Exchange("POST", "/orders" * 9, 201, "executed", 1, None))
    assert out.getvalue().count("\n") == 1


def test_a_line_for_a_program() -> None:
    """With --json: one document a line, with the error where there is one."""
    out = io.StringIO()
    tell = printer(Console(file=out), as_json=True)
    tell(Exchange("POST", "/a", 201, "executed", 1.234, None))
    tell(Exchange("POST", "/a", 502, "failed", 1.234, "ValueError: x"))
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first == {"method": "POST", "path": "/a", "status": 201, "outcome": "executed", "milliseconds": 1.2}
    assert second["error"] == "ValueError: x"


def test_a_port_that_is_taken_is_told_in_one_line(run: Run, write: Write) -> None:
    """A port that somebody listens on is exit code 1, and a line that says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("serve", write(KEYED), "--port", port)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: Port {port} is taken: end what listens there, or choose another with --port (0 takes a free one).\n"
    )


def test_a_port_that_cannot_be_used_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else keeps a port from being used is named."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(click.ClickException, match="Port 80 cannot be used: Permission denied"):
        bound(80)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nope:handler"], "There is no module 'nope'"),
        (["app:handler", "--payload-format", "3.0"], "'3.0' is not one of '1.0', '2.0'"),
        (["app:handler", "--port", "70000"], "70000 is not in the range"),
        (["app:handler", "--timeout", "0"], "0.0 is not in the range"),
    ],
)
def test_wrong_usage_is_told(words: list[str], says: str, run: Run) -> None:
    """What cannot be served is exit code 2, and says why."""
    result = run("serve", "--port", "0", *words)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_it_serves_until_ctrl_c(options: list[str], write: Write, desk: Path) -> None:
    """On an embedded DynamoDB it serves requests, prints a line for each and nothing else, and ends in peace."""
    code = KEYED.replace("    return", "    print('a line of the handler\\'s own')\n    return")
    command = [sys.executable, "-m", "idemlambda.cli", "serve", write(code), "--port", "0", *options]
    with (desk / "err").open("wb") as err:
        process = subprocess.Popen(command, cwd=desk, stdout=subprocess.PIPE, stderr=err, env={**os.environ})  # noqa: S603 - this Python
    try:
        url = address(desk / "err", process)
        headers = {"Idempotency-Key": "a", "Content-Type": "text/plain"}
        for _ in range(2):
            request = urllib.request.Request(f"{url}/orders", b"201", headers)  # noqa: S310 - loopback
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
                assert (answer.status, answer.read(), answer.headers["Server"]) == (201, b"x", None)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    said = (desk / "err").read_text("utf-8")
    assert process.returncode == 0, said
    assert "a line of the handler's own" in said
    assert "Traceback" not in said
    lines = out.decode().splitlines()
    outcomes = [json.loads(one)["outcome"] for one in lines] if options else [one.split()[3] for one in lines]
    assert outcomes == ["executed", "replayed"]


def address(err: Path, process: subprocess.Popen[bytes]) -> str:
    """The address that a server says it is at, once it is."""
    give_up = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < give_up:
        if found := re.search(r" at (http://127\.0\.0\.1:[0-9]+) \(payload format 2\.0, an embedded", err.read_text()):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(err.read_text())
