"""One request under the `Idempotency-Key` contract: from the request to its key, from a reply to an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from idemlambda._attempt import Reply
from idemlambda._guarded import Arguments, Guarded, Selected, Surface
from idemlambda.app import Idempotency, refuse_async_store
from idemlambda.errors import KeyMissing
from idemlambda.http._header import client_key
from idemlambda.http._identity import AUTO, ScopeOf, scope_of
from idemlambda.http._options import HttpOptions, Settings, settings_of
from idemlambda.http._problems import code_of, problem
from idemlambda.http._request import Request
from idemlambda.http._response import Answer, AnswerCodec, AnswerOf, NotKept, is_stored, with_headers
from idemlambda.invocation import invocation

T = TypeVar("T")


@dataclass(slots=True)
class Exchange:
    """One request on its way through the contract.

    Attributes:
        request: What was asked.
        context: Lambda's context object.
        run: Calls the handler; of a coroutine function, its result is to be awaited.
        echo: The key as it was sent, once it is known to be one.
        is_unprotected: Whether it runs without a key, as `required=False` allows.
        is_wanted: Whether its answer may be stored; `dont_store` says no.
    """

    request: Request
    context: object
    run: Callable[[], object]
    echo: str = ""
    is_unprotected: bool = False
    is_wanted: bool = True


_current: Final[ContextVar[Exchange | None]] = ContextVar("idemlambda_exchange", default=None)


def dont_store(response: T) -> T:
    """Say that the answer to the request now running is not stored, so that a retry runs the handler again.

    Outside of a protected request it does nothing, so that a handler can be tested by itself.

    Args:
        response: Handed back as it is: `return dont_store({"statusCode": 404})`.
    """
    exchange = _current.get()
    if exchange is not None:
        exchange.is_wanted = False
    return response


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A result that is no answer: the work is done, so the record is completed without it, and the error told."""

    error: Exception


@contextmanager
def _running(exchange: Exchange) -> Generator[None]:
    token = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(token)


@dataclass(frozen=True, slots=True)
class Contract:
    """The terms of one handler: what is claimed, what is stored, and what is answered.

    Attributes:
        settings: The checked terms.
        scope: Whose key it is.
        answer_of: From the handler's result to an answer.
    """

    settings: Settings
    scope: ScopeOf
    answer_of: AnswerOf

    def select(self, arguments: Arguments) -> Selected:
        """Key and payload of a request."""
        exchange, settings = exchange_in(arguments), self.settings
        sent = exchange.request.headers.get(settings.header.lower(), ())
        try:
            key = client_key(sent, settings.header)
        except KeyMissing:
            exchange.is_unprotected = not settings.is_required
            raise
        exchange.echo = sent[0].strip()
        request = exchange.request
        scope = self.scope(request)
        return Selected(key=(scope, request.method, request.path, key), payload=request.payload, repeats_key=False)

    def run(self, exchange: Exchange) -> object:
        """Call the handler."""
        with _running(exchange):
            result = exchange.run()
        return self._kept(result, exchange)

    async def arun(self, exchange: Exchange) -> object:
        """As `run`, for a coroutine function."""
        with _running(exchange):
            result = await cast("Awaitable[object]", exchange.run())
        return self._kept(result, exchange)

    def _kept(self, result: object, exchange: Exchange) -> object:
        """The answer to be stored; one that is not to be is raised, after which the flow gives the claim back."""
        if exchange.is_unprotected:
            return result
        try:
            answer = self.answer_of(result, exchange.request)
        except (TypeError, ValueError) as error:
            return NoAnswer(error)
        if exchange.is_wanted and is_stored(answer):
            return answer
        raise NotKept(answer)

    def replied(self, reply: Reply, exchange: Exchange) -> object:
        """What a reply comes to: an answer, or the handler's own error raised."""
        if isinstance(reply.error, NotKept):
            return self._marked(reply.error.answer, exchange)
        value = reply.result()
        if isinstance(value, NoAnswer):
            raise value.error
        if exchange.is_unprotected:
            return value
        return self._marked(cast("Answer", value), exchange, is_replay=reply.replayed)

    def failed(self, error: Exception, exchange: Exchange) -> Answer:
        """What an error that left the flow comes to: a problem, or the handler's own error raised."""
        code = code_of(error)
        if exchange.is_unprotected or code is None:
            raise error
        told = problem(error, code, exchange.request, self.settings.statuses, self.settings.problem_base)
        return self._marked(told, exchange)

    def _marked(self, answer: Answer, exchange: Exchange, *, is_replay: bool = False) -> Answer:
        """The answer with the key that it belongs to, and whether it is a replay."""
        added = {self.settings.header: exchange.echo} if exchange.echo else {}
        if is_replay:
            added[self.settings.replayed] = "true"
        return with_headers(answer, added, exchange.request)


def exchange_in(arguments: Arguments) -> Exchange:
    """The one argument that a guarded function gets here."""
    return cast("Exchange", arguments[0][0])


@dataclass(frozen=True, slots=True)
class Front:
    """A contract and the guarded call behind it."""

    contract: Contract
    guarded: Guarded

    def serve(self, exchange: Exchange) -> object:
        """Answer a request: by the handler, from the record, or with a problem."""
        with invocation(exchange.context):
            if exchange.request.method not in self.contract.settings.methods:
                return exchange.run()
            try:
                reply = self.guarded.reply((exchange,), {})
            except Exception as error:  # noqa: BLE001 - told apart there; the handler's own are raised again
                return self.contract.failed(error, exchange)
            return self.contract.replied(reply, exchange)

    async def aserve(self, exchange: Exchange) -> object:
        """As `serve`, for a coroutine function."""
        with invocation(exchange.context):
            if exchange.request.method not in self.contract.settings.methods:
                return await cast("Awaitable[object]", exchange.run())
            try:
                reply = await self.guarded.areply((exchange,), {})
            except Exception as error:  # noqa: BLE001 - told apart there; the handler's own are raised again
                return self.contract.failed(error, exchange)
            return self.contract.replied(reply, exchange)


def front_of(
    config: Idempotency, options: HttpOptions, namespace: str, *, answer_of: AnswerOf, name: str, is_async: bool
) -> Front:
    """The contract of one function, and its guarded call.

    Args:
        config: The configuration, with what the options say otherwise (`config_of`).
        options: The terms.
        namespace: The whole namespace.
        answer_of: From the function's result to an answer.
        name: The function's name, for messages.
        is_async: Whether it is a coroutine function.

    Raises:
        ConfigError: An option makes no sense.
    """
    refuse_async_store(config, name, is_async=is_async)
    settings = settings_of(options)
    scope = scope_of(options.get("scope", AUTO), is_strict=options.get("strict_scope", False), function=name)
    contract = Contract(settings=settings, scope=scope, answer_of=answer_of)
    run = contract.arun if is_async else contract.run
    guarded = Guarded(
        function=run,
        namespace=namespace,
        surface=Surface(select=contract.select, context=None),
        key_optional=not settings.is_required,
        policy=config.policy,
        codec=AnswerCodec(config.codec.bind(run), has_cookies=settings.has_cookies),
        store=config.port,
        clock=config.clock,
        observers=config.observers,
    )
    return Front(contract, guarded)
