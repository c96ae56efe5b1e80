"""One decorated function: from its arguments to an attempt, from a reply to its result."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Final, cast

from idemlambda import keys
from idemlambda._attempt import Ambient, Attempt, Policy, Reply
from idemlambda._core import run_once
from idemlambda._drivers import AsyncDriver, Driver
from idemlambda._environment import is_disabled
from idemlambda.codec import decode_error, encode_error
from idemlambda.errors import (
    ConfigError,
    InProgress,
    KeyMissing,
    KeyReused,
    Rejected,
    StoreUnavailable,
    Unrecorded,
)
from idemlambda.invocation import current_invocation, function_name, invocation
from idemlambda.ports import AsyncStore, BoundCodec, Clock, Observer, Outcome, OutcomeName, Store

LOGGER: Final = logging.getLogger("idemlambda")

CLAIM_BYTES: Final = 1_000
"""A fresh claim stays under 1 KB, which is one write unit (DynamoDB: write capacity)."""

FIXED_BYTES: Final = 260
"""What a fresh claim takes beside its id, its origin and its digests: names, numbers, fingerprint and version."""

Arguments = tuple[tuple[object, ...], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Selected:
    """What one call is known by.

    Attributes:
        key: The parts of its key, after the namespace.
        payload: What its fingerprint covers.
        repeats_key: Whether the payload is the key itself, so that no conflict can arise.
    """

    key: tuple[object, ...]
    payload: object
    repeats_key: bool


@dataclass(frozen=True, slots=True)
class Surface:
    """How a kind of function shows its calls.

    Attributes:
        select: From the arguments to key and payload.
        context: From the arguments to Lambda's context object; None for a function that gets none.
    """

    select: Callable[[Arguments], Selected]
    context: Callable[[Arguments], object] | None


@dataclass(frozen=True, slots=True)
class Guarded:
    """A function, and all that its idempotent calls need; built once, while decorating."""

    function: Callable[..., object]
    namespace: str
    surface: Surface
    key_optional: bool
    policy: Policy
    codec: BoundCodec
    store: Store | AsyncStore
    clock: Clock
    observers: tuple[Observer, ...]

    def reply(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Reply:
        """Call the function once per key, or answer from the record; `Reply.result()` is what it comes to."""
        if is_disabled():
            return unguarded(self.function(*args, **kwargs))
        if self.surface.context is None:
            return self._reply(args, kwargs)
        with invocation(self.surface.context((args, kwargs))):
            return self._reply(args, kwargs)

    async def areply(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Reply:
        """As `reply`, for a coroutine function."""
        if is_disabled():
            return unguarded(await _awaited(self.function(*args, **kwargs)))
        if self.surface.context is None:
            return await self._areply(args, kwargs)
        with invocation(self.surface.context((args, kwargs))):
            return await self._areply(args, kwargs)

    def _reply(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Reply:
        telling = Telling(self)
        try:
            attempt = self._attempt(args, kwargs, lambda: not_a_coroutine(self.function(*args, **kwargs)))
            if attempt is None:
                return telling.unprotected(self.function(*args, **kwargs))
            telling.record_id = attempt.id
            driver = Driver(cast("Store", self.store), self.clock)
            reply = driver.run(run_once(attempt, self._ambient()))
        except Exception as error:
            telling.ended(error)
            raise
        return telling.answered(reply)

    async def _areply(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Reply:
        telling = Telling(self)
        try:
            attempt = self._attempt(args, kwargs, lambda: self.function(*args, **kwargs))
            if attempt is None:
                return telling.unprotected(await _awaited(self.function(*args, **kwargs)))
            telling.record_id = attempt.id
            reply = await AsyncDriver(self.store, self.clock).run(run_once(attempt, self._ambient()))
        except Exception as error:
            telling.ended(error)
            raise
        return telling.answered(reply)

    def _attempt(
        self, args: tuple[object, ...], kwargs: dict[str, object], called: Callable[[], object]
    ) -> Attempt | None:
        """What this call claims; None for a call without a key, where that is allowed."""
        try:
            selected = self.surface.select((args, kwargs))
        except KeyMissing as missing:
            if self.key_optional and missing.part == "key":
                return None
            raise
        record_id = keys.record_id(self.namespace, *selected.key)
        origin = f"{function_name()}/{current_invocation().request_id}"
        room = CLAIM_BYTES - FIXED_BYTES - len(record_id.encode()) - len(origin.encode())
        payload, codec, remember = selected.payload, self.codec, self.policy.remember
        return Attempt(
            id=record_id,
            fingerprint=keys.fingerprint(payload),
            digests=b"" if selected.repeats_key else keys.digests(payload, record_id, max(room, 0)),
            token=os.urandom(12).hex(),  # drawn at claim time: clones of a snapshot never share one
            origin=origin,
            policy=self.policy,
            function=called,
            encode=lambda value: codec.encode(value, record_id),
            decode=lambda body: codec.decode(body, record_id),
            encode_error=lambda error: encode_error(error, remember),
            decode_error=lambda body: decode_error(body, remember),
            changes=lambda digests: keys.changes(digests, payload, record_id),
        )

    def _ambient(self) -> Ambient:
        return Ambient(now=self.clock.now, remaining=current_invocation().remaining, jitter=_jitter)


class Telling:
    """Tells the observers, and the log, what becomes of one call."""

    __slots__ = ("_guarded", "_started", "record_id")

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded
        self._started = time.perf_counter()
        self.record_id = ""

    def answered(self, reply: Reply) -> Reply:
        """Tell of a reply, and hand it on."""
        if reply.trouble is not None:
            LOGGER.warning("%s: %s", self.record_id, reply.trouble)
        name: OutcomeName = "executed"
        if reply.replayed:
            name = "replayed"
        elif not reply.recorded:
            name = "failed" if reply.error is not None else "unrecorded"
        self._tell(name, reply.attempt, reply.trouble or reply.error)
        return reply

    def unprotected(self, value: object) -> Reply:
        """Tell of a call that ran without a key, and hand its value on."""
        self._tell("unprotected", 0, None)
        return unguarded(value)

    def ended(self, error: Exception) -> None:
        """Tell of a call that ended without a reply."""
        self._tell(outcome_of(error), 0, error)

    def _tell(self, name: OutcomeName, attempt: int, error: Exception | None) -> None:
        if not self._guarded.observers:
            return
        took = (time.perf_counter() - self._started) * 1000
        outcome = Outcome(name, self._guarded.namespace, self.record_id, attempt, took, error)
        for observer in self._guarded.observers:
            try:
                observer(outcome)
            except Exception:
                LOGGER.exception("An observer failed at %s.", name)


def not_a_coroutine(result: object) -> object:
    """The result of a sync function, which must be there: of a coroutine nothing has run yet.

    Raises:
        ConfigError: It is a coroutine; it is closed, and the claim is given back.
    """
    if isinstance(result, Coroutine):
        result.close()
        raise ConfigError(
            "The function returned a coroutine, and nothing of it has run: put the idempotent decorator directly on "
            "the `async def`, below decorators that hide it."
        )
    return result


def unguarded(value: object) -> Reply:
    """The reply of a function that ran as it is."""
    return Reply(value=value, recorded=False, attempt=0)


def outcome_of(error: Exception) -> OutcomeName:
    """The outcome's name where an error ended the call."""
    match error:
        case InProgress():
            return "in_progress"
        case StoreUnavailable():
            return "store_unavailable"
        case KeyReused():
            return "key_reused"
        case Rejected() | ConfigError():
            return "rejected"
        case Unrecorded():
            return "unrecorded"
        case _:
            return "failed"


async def _awaited(result: object) -> object:
    return await cast("Awaitable[object]", result)


def _jitter() -> float:
    """A number from 0 up to 1; not from `random`, whose import and whose seed a snapshot's clones would share."""
    return int.from_bytes(os.urandom(4)) / 2**32
