from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
from collections.abc import Callable, Iterator
from typing import Any, Self
from uuid import UUID

import httpx
import pytest

from idemlambda.client import AsyncIdempotencyTransport, IdempotencyTransport, is_replay
from idemlambda.client._transport import full_jitter
from idemlambda.errors import ConfigError
from tests.client.conftest import URL, Line, Stream, problem

LATER = "Fri, 02 Jan 1970 00:00:04 GMT"
"""Four seconds after the server's clock, which is a day ahead of the test's."""


def ok() -> httpx.Response:
    """An answer to be content with."""
    return httpx.Response(201, json={"id": "o-1"})


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("late"),
        httpx.ReadTimeout("late"),
        httpx.WriteTimeout("late"),
        httpx.PoolTimeout("busy"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.CloseError("reset"),
        httpx.RemoteProtocolError("cut"),
        httpx.ProxyError("502"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_request_without_a_whole_answer_is_sent_again_under_its_key(line: Line, error: Exception) -> None:
    """Whatever keeps an answer from coming, the request goes out again, the same bytes under the same key."""
    line.script = [error, error, ok()]
    answer = line.send(content=b'{"sku": "a"}')
    assert answer.status_code == 201
    assert line.bodies == [b'{"sku": "a"}'] * 3
    assert len(line.keys) == 3
    assert len(set(line.keys)) == 1
    assert UUID(line.keys[0]).version == 4
    assert answer.extensions["idempotency"] == {
        "key": line.keys[0],
        "attempts": 3,
        "replayed": False,
        "given_up": False,
    }


@pytest.mark.parametrize("error", [httpx.LocalProtocolError("bad header"), httpx.UnsupportedProtocol("ftp"), OSError()])
def test_what_is_wrong_with_the_request_is_told_at_once(line: Line, error: Exception) -> None:
    """An error that says nothing about the line is no reason to send anything again."""
    line.script = [error, ok()]
    with pytest.raises(type(error)):
        line.send()
    assert len(line.keys) == 1


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (lambda: problem("in_progress", 409, **{"Retry-After": "3"}), 3.2),
        (lambda: problem("claim_lost", 409, **{"Retry-After": "1"}), 1.2),
        (lambda: problem("store_unavailable", 503, **{"Retry-After": "1"}), 1.2),
        (lambda: httpx.Response(429, headers={"Retry-After": "2"}), 2.2),
        (lambda: httpx.Response(503, headers={"Retry-After": "Thu, 01 Jan 1970 00:16:45 GMT"}), 5.2),
        (lambda: httpx.Response(500), 0.2),
        (lambda: problem("in_progress", 409, **{"Content-Type": "Application/Problem+JSON ; charset=utf-8"}), 0.2),
        (lambda: httpx.Response(503, headers={"Retry-After": LATER, "Date": "Fri, 02 Jan 1970 00:00:00 GMT"}), 4.2),
        (lambda: httpx.Response(502, text="bad gateway"), 0.2),
        (lambda: httpx.Response(504), 0.2),
    ],
)
def test_an_answer_that_passes_is_waited_out(line: Line, answer: Callable[[], httpx.Response], pause: float) -> None:
    """After a busy or failing server and a key in progress, the request is sent again when the server says so."""
    line.script = [answer(), ok()]
    assert line.send().status_code == 201
    assert line.pauses == [pytest.approx(pause)]


@pytest.mark.parametrize(
    "answer",
    [
        lambda: problem("key_reused", 409),
        lambda: problem("key_reused", 422),
        lambda: problem("key_reused", 400),
        lambda: problem("outcome_unknown", 409),
        lambda: problem("not_stored", 503),
        lambda: problem("record_unreadable", 500),
        lambda: httpx.Response(409, json={"code": "in_progress"}),
        lambda: httpx.Response(409),
        lambda: httpx.Response(400),
        lambda: httpx.Response(408),
        lambda: httpx.Response(200, headers={"content-type": "application/problem+json"}, json={"code": "in_progress"}),
    ],
)
def test_an_answer_that_stands_is_returned_at_once(line: Line, answer: Callable[[], httpx.Response]) -> None:
    """A reused key is never tried again, and neither is any other answer that no retry changes."""
    line.script = [answer(), ok()]
    assert line.send().status_code == answer().status_code
    assert line.pauses == []


def test_the_callers_key_is_kept(line: Line) -> None:
    """A key in the header, in either form, goes out as it is with every attempt."""
    line.script = [httpx.Response(503), ok()]
    answer = line.send(headers={"idempotency-key": '"my, key"'})
    assert line.keys == ['"my, key"'] * 2
    assert answer.extensions["idempotency"]["key"] == '"my, key"'


@pytest.mark.parametrize("header", [{}, {"Idempotency-Key": "cart-7"}])
def test_a_key_can_be_given_beside_the_headers(line: Line, header: dict[str, str]) -> None:
    """A key in the request's extensions is its key, and may say again what the header says."""
    line.script = [httpx.Response(503), ok()]
    line.send(extensions={"idempotency_key": "cart-7"}, headers=header)
    assert line.keys == ["cart-7"] * 2


def test_no_key_is_given_by_none(line: Line) -> None:
    """None in the extensions is no key: the request gets a new one."""
    line.script = [ok()]
    line.send(extensions={"idempotency_key": None})
    assert UUID(line.keys[0]).version == 4


@pytest.mark.parametrize("key", ["", "a b", 'a"', "a,b", "a;b", "a\\b", "é", "a\n", "k" * 256, 7, b"key"])
def test_a_key_that_the_server_would_refuse_is_refused_here(line: Line, key: object) -> None:
    """A key that is none is an error before anything is sent."""
    line.script = [ok()]
    with pytest.raises(ConfigError, match="a key is 1 to 255 visible ASCII characters"):
        line.send(extensions={"idempotency_key": key})
    assert line.keys == []


def test_every_bare_key_is_taken(line: Line) -> None:
    """Each visible character that needs no quotes may be in a key, and so may 255 of them."""
    line.script = [ok()]
    bare = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",;\\')
    for key in (bare, "k" * 255):
        line.send(extensions={"idempotency_key": key})
    assert line.keys == [bare, "k" * 255]


def test_two_keys_are_an_error(line: Line) -> None:
    """Nobody guesses which of two keys was meant."""
    line.script = [ok()]
    with pytest.raises(ConfigError, match="two keys: 'a' in Idempotency-Key and 'b' in its extensions"):
        line.send(headers={"Idempotency-Key": "a"}, extensions={"idempotency_key": "b"})


def test_two_requests_have_two_keys(line: Line) -> None:
    """One key is one logical request: the next one gets its own."""
    line.script = [ok()]
    line.send()
    line.send()
    assert len(set(line.keys)) == 2


def test_a_redirect_that_keeps_the_method_keeps_the_key(line: Line) -> None:
    """A request that httpx itself sends on is the same logical request."""
    line.script = [httpx.Response(307, headers={"Location": "/v2/orders"}), ok()]
    line.send(content=iter([b"a", b"b"]), follow_redirects=True)
    assert len(set(line.keys)) == 1
    assert line.bodies == [b"ab", b"ab"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_a_method_without_keys_passes_through(line: Line, method: str) -> None:
    """A request of another method gets no key, no second attempt and no remark."""
    line.script = [httpx.Response(503), ok()]
    answer = line.send(method)
    assert answer.status_code == 503
    assert line.keys == [None]
    assert "idempotency" not in answer.extensions


def test_the_methods_and_the_header_can_be_chosen(line: Line) -> None:
    """An API that takes keys with other methods, or under another name, is served too."""
    line.script = [
        lambda request: httpx.Response(200, json=[request.method, "x-request-key" in request.headers]),
    ]
    options = {"methods": {"PUT"}, "header": "X-Request-Key"}
    assert line.send("PUT", options=options).json() == ["PUT", True]
    assert line.send("POST", options=options).json() == ["POST", False]


def test_a_body_that_can_be_read_once_is_sent_every_time(line: Line) -> None:
    """A stream is read before the first attempt, so that each attempt sends the same bytes."""
    reads: list[bytes] = []

    def pieces() -> Iterator[bytes]:
        for piece in (b"one,", b"two"):
            reads.append(piece)
            yield piece

    line.script = [httpx.ConnectError("refused"), httpx.Response(503), ok()]
    line.send(content=pieces())
    assert line.bodies == [b"one,two"] * 3
    assert reads == [b"one,", b"two"]


@pytest.mark.parametrize("name", ["Idempotency-Replayed", "Idempotent-Replayed"])
@pytest.mark.parametrize(("value", "replayed"), [("true", True), (" TRUE", True), ("false", False), ("", False)])
def test_a_replay_is_told(line: Line, name: str, value: str, replayed: bool) -> None:  # noqa: FBT001 - a table's column
    """Whether the request did anything this time is told under either name of the header."""
    line.script = [httpx.ReadTimeout("late"), httpx.Response(201, headers={name: value})]
    answer = line.send()
    assert is_replay(answer) is replayed
    assert answer.extensions["idempotency"]["replayed"] is replayed
    assert answer.extensions["idempotency"]["attempts"] == 2


def test_the_last_error_is_raised_with_a_note_of_the_key(line: Line) -> None:
    """A request that is given up raises what happened last, and says under which key to go on."""
    line.script = [httpx.ConnectError("first"), httpx.ReadTimeout("last")]
    with pytest.raises(httpx.ReadTimeout, match="last") as caught:
        line.send(options={"attempts": 3})
    assert len(line.keys) == 3
    (note,) = caught.value.__notes__
    assert note.startswith(
        f"Sent 3 times with Idempotency-Key: {line.keys[0]}. Whether it was carried out is not known"
    )
    assert caught.value.request.headers["Idempotency-Key"] == line.keys[0]


def test_one_attempt_is_no_retry(line: Line) -> None:
    """With one attempt the key goes out, and nothing is sent again."""
    line.script = [httpx.ConnectError("refused"), ok()]
    with pytest.raises(httpx.ConnectError) as caught:
        line.send(options={"attempts": 1})
    assert caught.value.__notes__[0].startswith("Sent once with Idempotency-Key")


def test_the_last_answer_is_returned_with_its_key(line: Line) -> None:
    """A request that is given up returns the last answer, as it came, and says that it was given up."""
    line.script = [httpx.ConnectError("first"), problem("in_progress", 409, **{"Retry-After": "1"})]
    answer = line.send(options={"attempts": 2})
    assert answer.json()["code"] == "in_progress"
    assert answer.extensions["idempotency"] == {
        "key": line.keys[0],
        "attempts": 2,
        "replayed": False,
        "given_up": True,
    }


def test_a_wait_past_the_bound_is_not_begun(line: Line) -> None:
    """Where the server asks for more than is left, the answer comes back at once, without any sleep."""
    line.script = [problem("in_progress", 409, **{"Retry-After": "31"})]
    assert line.send().status_code == 409
    assert line.pauses == []


def test_slow_attempts_use_up_the_time(line: Line) -> None:
    """The bound counts what the attempts take, not only the pauses: with 10 s each, the fourth would start too late."""
    line.slow = 10.0
    line.script = [httpx.ReadTimeout("late")]
    with pytest.raises(httpx.ReadTimeout):
        line.send(options={"seconds": 30, "attempts": 100})
    assert len(line.keys) == 3
    assert line.pauses == [pytest.approx(0.2), pytest.approx(0.4)]


def test_pauses_grow_with_full_jitter(line: Line) -> None:
    """Pauses are parts of doubling ceilings, so that callers which failed together come back apart."""
    drawn: list[float] = []

    def half(ceiling: float) -> float:
        drawn.append(ceiling)
        return ceiling / 2

    line.script = [httpx.Response(503)]
    line.send(options={"jitter": half, "pause": 1, "longest_pause": 3})
    assert drawn == [1, 2, 3, 3]
    assert line.pauses == [0.5, 1, 1.5, 1.5]


def test_the_default_jitter_is_any_part_of_the_ceiling() -> None:
    """Full jitter leaves no part of the ceiling out."""
    random.seed(4711)
    drawn = [full_jitter(8.0) for _ in range(1_000)]
    assert {int(part) for part in drawn} == set(range(8))


def test_a_cut_answer_is_asked_for_again(line: Line) -> None:
    """An answer that ends early is no answer: the request goes out again, and the replay is the answer."""
    cut = Stream(b'{"id"', httpx.ReadError("reset"))
    line.script = [
        httpx.Response(201, headers={"Content-Length": "13"}, stream=cut),
        httpx.Response(201, json={"id": "o-1"}, headers={"Idempotency-Replayed": "true"}),
    ]
    answer = line.send()
    assert answer.json() == {"id": "o-1"}
    assert is_replay(answer)
    assert cut.is_closed


@pytest.mark.parametrize("length", [None, str(6 * 1024 * 1024 + 1), "13, 13"])
def test_a_long_answer_is_streamed(line: Line, length: str | None) -> None:
    """An answer of unannounced or large length is not read ahead: its reader gets it as it comes."""
    body = Stream(b"one", b"two")
    given: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={} if length is None else {"Content-Length": length}, stream=body)

    def seen(response: httpx.Response) -> None:
        given.append(body.given)

    async def aseen(response: httpx.Response) -> None:
        seen(response)

    line.script = [answer]
    line.hooks = {"response": [aseen if line.is_async else seen]}
    received, content = line.stream()
    assert (received.status_code, content, given, body.is_closed) == (200, b"onetwo", [0], True)


def test_a_short_answer_can_be_read_as_it_came(line: Line) -> None:
    """What was read ahead is handed on untouched: a reader of raw bytes gets them still compressed."""
    packed = gzip.compress(b'{"id": "o-1"}')
    headers = {"Content-Length": str(len(packed)), "Content-Encoding": "gzip"}
    line.script = [httpx.Response(201, headers=headers, stream=Stream(packed[:5], packed[5:]))]
    _, content = line.stream()
    assert content == packed


@pytest.mark.parametrize("packed", [True, False])
def test_a_problem_is_read_and_stays_readable(line: Line, packed: bool) -> None:  # noqa: FBT001 - a table's column
    """A problem is judged by its code, compressed or not, of known length or not, and the caller can still read it."""
    content = problem("key_reused").content
    headers = {"Content-Type": "application/problem+json; charset=utf-8"}
    if packed:
        content = gzip.compress(content)
        headers["Content-Encoding"] = "gzip"
    line.script = [httpx.Response(409, headers=headers, stream=Stream(content))]
    answer = line.send()
    assert answer.json()["code"] == "key_reused"
    assert answer.extensions["idempotency"] == {
        "key": line.keys[0],
        "attempts": 1,
        "replayed": False,
        "given_up": False,
    }


@pytest.mark.parametrize(("code", "attempts"), [("in_progress", 2), ("key_reused", 1)])
def test_an_answer_that_the_inner_transport_has_read_is_judged_too(line: Line, code: str, attempts: int) -> None:
    """An inner transport that reads answers itself, as one that caches does, leaves them readable."""

    def read(request: httpx.Request) -> httpx.Response:
        known = problem(code)
        answer = httpx.Response(409, headers=known.headers, stream=Stream(known.content))
        answer.read()
        return answer

    line.script = [read]
    answer = line.send(options={"attempts": 2})
    assert answer.json()["code"] == code
    assert answer.extensions["idempotency"]["attempts"] == attempts


def test_a_problem_that_cannot_be_read_has_no_code(line: Line) -> None:
    """A 409 that is no gzip although it says so stands, as any 409 without a code does."""
    headers = {"Content-Type": "application/problem+json", "Content-Encoding": "gzip"}
    line.script = [httpx.Response(409, headers=headers, stream=Stream(b"no gzip")), ok()]
    with pytest.raises(httpx.DecodingError):
        line.send()
    assert len(line.keys) == 1


def test_an_answer_that_is_not_wanted_is_closed(line: Line) -> None:
    """An answer that is followed by another attempt gives its connection back."""
    body = Stream(b"later")
    line.script = [httpx.Response(503, stream=body), ok()]
    line.send()
    assert body.is_closed


@pytest.mark.parametrize("transport", [IdempotencyTransport, AsyncIdempotencyTransport])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attempts": 0}, "attempts=0"),
        ({"methods": "POST"}, "methods='POST'"),
        ({"methods": ["post"]}, "methods="),
        ({"methods": [7]}, "methods="),
        ({"header": "Idempotency Key"}, "header='Idempotency Key' is no header's name"),
        ({"header": ""}, "header="),
        ({"header": None}, "header=None"),
        ({"read_ahead": -1}, "read_ahead=-1"),
        ({"read_ahead": True}, "read_ahead=True"),
        ({"read_ahead": 1.5}, "read_ahead=1.5"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(transport: type, options: dict[str, Any], message: str) -> None:
    """A wrong argument is told when the transport is made, not at its first request."""
    with pytest.raises(ConfigError, match=message):
        transport(**options)


def test_each_kind_of_transport_takes_its_own() -> None:
    """A transport of the other kind is refused, and the error names the one that takes it."""
    with pytest.raises(ConfigError, match="AsyncIdempotencyTransport takes the others"):
        IdempotencyTransport(httpx.AsyncHTTPTransport())  # type: ignore[arg-type] # the mistake itself
    with pytest.raises(ConfigError, match="IdempotencyTransport takes the others"):
        AsyncIdempotencyTransport(httpx.HTTPTransport())  # type: ignore[arg-type] # the mistake itself


class Inner(httpx.MockTransport):
    """Knows what was done to it."""

    def __init__(self) -> None:
        super().__init__(lambda request: ok())
        self.done: list[str] = []

    def __enter__(self) -> Self:
        self.done.append("enter")
        return self

    async def __aenter__(self) -> Self:
        return self.__enter__()

    def __exit__(self, *_: object) -> None:
        self.done.append("exit")

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def close(self) -> None:
        self.done.append("close")

    async def aclose(self) -> None:
        self.close()


def test_the_inner_transport_opens_and_closes_with_the_outer() -> None:
    """A client that is closed, in either way, closes what it sent through."""
    inner = Inner()
    with httpx.Client(transport=IdempotencyTransport(inner)) as client:
        assert client.post(URL).status_code == 201
    httpx.Client(transport=IdempotencyTransport(inner)).close()
    assert inner.done == ["enter", "exit", "close"]


def test_the_inner_transport_opens_and_closes_with_the_asynchronous_outer() -> None:
    """The same under an event loop."""
    inner = Inner()

    async def use() -> None:
        async with httpx.AsyncClient(transport=AsyncIdempotencyTransport(inner)) as client:
            assert (await client.post(URL)).status_code == 201
        await httpx.AsyncClient(transport=AsyncIdempotencyTransport(inner)).aclose()

    asyncio.run(use())
    assert inner.done == ["enter", "exit", "close"]


def test_a_cancelled_request_is_not_sent_again() -> None:
    """Cancelling ends a request in its pause: nothing is retried behind the caller's back."""
    sent: list[httpx.Request] = []

    async def use() -> None:
        is_sent = asyncio.Event()

        def busy(request: httpx.Request) -> httpx.Response:
            sent.append(request)
            is_sent.set()
            return httpx.Response(503, headers={"Retry-After": "20"})

        async with httpx.AsyncClient(transport=AsyncIdempotencyTransport(httpx.MockTransport(busy))) as client:
            post = asyncio.create_task(client.post(URL))
            await is_sent.wait()
            post.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await post
            assert post.cancelled()

    asyncio.run(use())
    assert len(sent) == 1


def test_one_transport_serves_many_requests_at_once() -> None:
    """Requests that run at the same time share a transport, and no key."""
    sent: dict[bytes, list[str]] = {}

    def flaky(request: httpx.Request) -> httpx.Response:
        keys = sent.setdefault(request.content, [])
        keys.append(request.headers["Idempotency-Key"])
        return httpx.Response(503 if len(keys) < 3 else 201)

    async def use() -> list[httpx.Response]:
        transport = AsyncIdempotencyTransport(httpx.MockTransport(flaky), pause=0.001)
        async with httpx.AsyncClient(transport=transport) as client:
            return await asyncio.gather(*(client.post(URL, content=str(number).encode()) for number in range(50)))

    answers = asyncio.run(use())
    assert {answer.status_code for answer in answers} == {201}
    assert {len(keys) for keys in sent.values()} == {3}
    assert all(len(set(keys)) == 1 for keys in sent.values())
    assert len({keys[0] for keys in sent.values()}) == 50
