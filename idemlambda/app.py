"""`Idempotency`: the one configuration object, and its decorators."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, ParamSpec, TypedDict, TypeVar, Unpack, cast, overload

from idemlambda import keys
from idemlambda._attempt import Policy
from idemlambda._core import DEFAULT_LEASE_MS
from idemlambda._environment import connects_at_once
from idemlambda._functions import check_callable, implicit_namespace, is_coroutine_function, name_of, refuse_unknown
from idemlambda._guarded import Guarded, Surface
from idemlambda._surfaces import function_surface, handler_surface
from idemlambda.cache import AsyncCachedStore, CachedStore
from idemlambda.codec import JsonCodec
from idemlambda.errors import ConfigError
from idemlambda.keys import Selector
from idemlambda.ports import AsyncStore, Clock, Codec, Found, Observer, Store, StoreOp, SystemClock

if TYPE_CHECKING:
    from idemlambda.http import HttpOptions

P = ParamSpec("P")
R = TypeVar("R")

Duration = timedelta | float
"""A time span: a timedelta, or a number of seconds."""

TABLE_VARIABLE: Final = "IDEMLAMBDA_TABLE"
"""The environment variable that names the table where no store is given."""

LARGEST_RESULT: Final = 400_000
"""Bytes of a result that fit into an item beside its other attributes; DynamoDB's limit is 400 KB (409,600 bytes)."""

SHORTEST_TTL_S: Final = 1
"""DynamoDB's TTL counts in seconds."""


LONGEST_S: Final = 10 * 366 * 24 * 3600
"""Ten years: a longer time is a mistake in its unit."""


class Overrides(TypedDict, total=False):
    """What a decorator may say otherwise than its `Idempotency`; the meaning is that of the field of the same name."""

    ttl: Duration
    lease: Duration | None
    skew: Duration
    remember: tuple[type[Exception], ...]
    without_store: Literal["raise", "run"]
    unrecorded: Literal["raise", "return"]
    max_result_bytes: int
    codec: Codec
    observers: tuple[Observer, ...]
    cache: int
    clock: Clock


class Selection(TypedDict, total=False):
    """What a decorator says of its function.

    Attributes:
        key: A JMESPath expression or a callable that selects the key.
        payload: Selects what must be the same when a key comes again.
        scope: Selects whose key it is: two scopes never share an answer.
        namespace: Replaces the whole namespace, which is the Lambda function's name, module and qualified name.
        key_optional: A call without the key runs unprotected, instead of being refused with `KeyMissing`.
    """

    key: Selector | None
    payload: Selector | None
    scope: Selector | None
    namespace: str | None
    key_optional: bool


class Options(Selection, Overrides, total=False):
    """What a decorator takes: what belongs to its function, and what differs from its `Idempotency`."""


SurfaceOf = Callable[..., Surface]


@dataclass(frozen=True, eq=False)
class Idempotency:
    """How calls are made idempotent. Frozen, and safe to share between threads, loops and functions.

    Attributes:
        store: Where records live; by default the DynamoDB table that `IDEMLAMBDA_TABLE` names.
        namespace: Replaces the Lambda function's name in the namespaces of its functions.
        ttl: Seconds (or a timedelta) that a record answers retries; 24 hours.
        lease: Seconds that a claim holds. Inside an invocation it never ends before Lambda's deadline; outside it is
            60 seconds.
        skew: Seconds by which two machines' clocks may differ.
        remember: Errors that are an answer: stored, and raised again for a retry. All others give the claim back.
        without_store: What to do when the store does not answer a claim: `raise`, or `run` without protection.
        unrecorded: What to do when a result could not be recorded: `raise` it, or `return` it all the same.
        max_result_bytes: A larger result is not kept: its caller gets it, a retry gets `ResultNotKept`.
        codec: How results are written and read back.
        observers: Told about each outcome.
        cache: How many finished records this process remembers; a replay from there costs no DynamoDB call.
        clock: The time of day.
        policy: The checked times and choices, for the flow.
        port: The store with the cache in front, where there is one.

    Raises:
        ConfigError: A value makes no sense.
    """

    store: Store | AsyncStore | None = None
    _: KW_ONLY
    namespace: str | None = None
    ttl: Duration = timedelta(hours=24)
    lease: Duration | None = None
    skew: Duration = 2
    remember: tuple[type[Exception], ...] = ()
    without_store: Literal["raise", "run"] = "raise"
    unrecorded: Literal["raise", "return"] = "raise"
    max_result_bytes: int = LARGEST_RESULT
    codec: Codec = field(default_factory=JsonCodec)
    observers: tuple[Observer, ...] = ()
    cache: int = 0
    clock: Clock = field(default_factory=SystemClock)
    policy: Policy = field(init=False, repr=False)
    port: Store | AsyncStore = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", policy_of(self))
        store = store_of_environment() if self.store is None else self.store
        if not isinstance(store, Store | AsyncStore):
            raise ConfigError(f"{store!r} is no store: a table's is Idempotency(DynamoDBStore({str(store)[:40]!r})).")
        object.__setattr__(self, "store", store)
        object.__setattr__(self, "port", with_cache(store, self.cache))

    def but(self, *, namespace: str | None = None, **changes: Unpack[Overrides]) -> Idempotency:
        """A variant of this configuration on the same store.

        Raises:
            ConfigError: A value makes no sense.
        """
        return replace(self, namespace=namespace or self.namespace, **changes)

    @overload
    def handler(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def handler(
        self, function: None = None, /, **options: Unpack[Options]
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def handler(
        self, function: Callable[P, R] | None = None, /, **options: Unpack[Options]
    ) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
        """Make a Lambda handler idempotent: `@idem.handler`, or `@idem.handler(key="detail.order_id")`.

        In the bare form the whole event is the key. With `key=`, the payload is by default the business part of a
        known envelope (EventBridge `detail`, SNS `Message`, HTTP query and body, a queue record's body), else the
        whole event.

        Args:
            function: The handler, `(event, context)`; a method's `self` or `cls` may come first.
            **options: See `Options`; selectors see the event.

        Raises:
            ConfigError: The function cannot be made idempotent, or a selector has a syntax error.
        """
        return self._decorate(handler_surface, function, options)

    @overload
    def function(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def function(
        self, function: None = None, /, **options: Unpack[Options]
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def function(
        self, function: Callable[P, R] | None = None, /, **options: Unpack[Options]
    ) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
        """Make any function or coroutine function idempotent: `@idem.function(key=lambda order: order.id)`.

        In the bare form all arguments but `self` and `cls` are the key; with `key=` they are the payload.

        Args:
            function: The function; its type is kept.
            **options: See `Options`; a JMESPath expression sees the arguments by name, a callable gets those that
                its own parameters name.

        Raises:
            ConfigError: The function cannot be made idempotent, or a selector has a syntax error.
        """
        return self._decorate(function_surface, function, options)

    @overload
    def http(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def http(
        self, function: None = None, /, **options: Unpack[HttpOptions]
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def http(
        self, function: Callable[P, R] | None = None, /, **options: Unpack[HttpOptions]
    ) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
        """Give an HTTP handler the `Idempotency-Key` contract: `@idem.http`, or `@idem.http(scope="...")`.

        For events of API Gateway, load balancers and function URLs; the options are `idemlambda.http.HttpOptions`.

        Raises:
            ConfigError: The function cannot be made idempotent, or an option makes no sense.
        """
        from idemlambda import http

        return functools.partial(http.decorate, self, **options) if function is None else http.decorate(self, function)

    def _decorate(
        self, surface_of: SurfaceOf, function: Callable[P, R] | None, options: Options
    ) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
        refuse_unknown(options, Options.__annotations__, of="The decorator")
        own = Selection.__annotations__
        config = self.but(**cast("Overrides", {name: value for name, value in options.items() if name not in own}))

        def decorate(target: Callable[P, R]) -> Callable[P, R]:
            check_callable(target)
            surface = surface_of(
                target, key=options.get("key"), payload=options.get("payload"), scope=options.get("scope")
            )
            return guard(
                target, surface, config, options.get("namespace"), key_optional=options.get("key_optional", False)
            )

        return decorate if function is None else decorate(function)


def guard(
    function: Callable[P, R], surface: Surface, config: Idempotency, namespace: str | None, *, key_optional: bool
) -> Callable[P, R]:
    """The function that claims before it runs the given one; a coroutine function stays one."""
    is_async = is_coroutine_function(function)
    refuse_async_store(config, name_of(function), is_async=is_async)
    guarded = Guarded(
        function=function,
        namespace=checked_namespace(function, config, namespace),
        surface=surface,
        key_optional=key_optional,
        policy=config.policy,
        codec=config.codec.bind(function),
        store=config.port,
        clock=config.clock,
        observers=config.observers,
    )
    if is_async:

        @functools.wraps(function)
        async def acall(*args: P.args, **kwargs: P.kwargs) -> object:
            return (await guarded.areply(args, kwargs)).result()

        return cast("Callable[P, R]", acall)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return cast("R", guarded.reply(args, kwargs).result())

    return call


def refuse_async_store(config: Idempotency, name: str, *, is_async: bool) -> None:
    """Refuse a store that cannot serve a function.

    Raises:
        ConfigError: The function is sync, and the store async.
    """
    if not isinstance(config.port, Store) and not is_async:
        raise ConfigError(f"{name} is no coroutine function, and an async store serves nothing else.")


def checked_namespace(function: Callable[..., object], config: Idempotency, given: str | None) -> str:
    """The namespace of a function, given or its own.

    Raises:
        ConfigError: It cannot be one.
    """
    namespace = given or implicit_namespace(function, config.namespace, config.store)
    keys.record_id(namespace)  # refuses what is none
    return namespace


def policy_of(config: Idempotency) -> Policy:
    """The checked times and choices of a configuration, in milliseconds.

    Raises:
        ConfigError: A value makes no sense.
    """
    ttl, skew = milliseconds(config.ttl, "ttl"), milliseconds(config.skew, "skew")
    lease = None if config.lease is None else milliseconds(config.lease, "lease")
    if ttl < SHORTEST_TTL_S * 1000:
        raise ConfigError(f"ttl={config.ttl!r} is less than {SHORTEST_TTL_S} s.")
    if (DEFAULT_LEASE_MS if lease is None else lease) <= skew:
        given = "the default of 60 s" if lease is None else f"{config.lease!r}"
        raise ConfigError(f"lease= ({given}) is not longer than skew={config.skew!r}: no call could ever start.")
    for name, allowed in (("without_store", ("raise", "run")), ("unrecorded", ("raise", "return"))):
        if getattr(config, name) not in allowed:
            raise ConfigError(f"{name}={getattr(config, name)!r} is none of {', '.join(allowed)}.")
    if not isinstance(config.remember, tuple):
        raise ConfigError(f"remember={config.remember!r} is no tuple: write remember=(ValueError,), with the comma.")
    if not all(isinstance(error, type) and issubclass(error, Exception) for error in config.remember):
        raise ConfigError(f"remember={config.remember!r} is not a tuple of exception types.")
    if config.cache < 0 or config.max_result_bytes < 0:
        raise ConfigError("cache and max_result_bytes count from 0 up.")
    return Policy(
        ttl=ttl,
        lease=lease,
        skew=skew,
        remember=config.remember,
        without_store=config.without_store,
        unrecorded=config.unrecorded,
        max_result_bytes=config.max_result_bytes,
    )


def milliseconds(duration: Duration, name: str) -> int:
    """A time span in whole milliseconds.

    Raises:
        ConfigError: It is none, or below 0.
    """
    if isinstance(duration, timedelta):
        duration = duration.total_seconds()
    elif isinstance(duration, bool) or not isinstance(duration, int | float):
        raise ConfigError(f"{name}={duration!r} is neither a timedelta nor a number of seconds.")
    if not 0 <= duration < LONGEST_S:
        raise ConfigError(f"{name}={duration!r} is not between 0 and {LONGEST_S} seconds.")
    return round(duration * 1000)


def with_cache(store: Store | AsyncStore, entries: int) -> Store | AsyncStore:
    """The store itself, or with a cache of so many entries in front."""
    if entries == 0:
        return store
    if isinstance(store, Store):
        return CachedStore(store, entries)
    return AsyncCachedStore(store, entries)


def store_of_environment() -> Store:
    """The DynamoDB table that `IDEMLAMBDA_TABLE` names.

    Inside the Lambda runtime it is connected at once, in INIT; elsewhere the variable is read at the first call, so
    that importing a handler in a unit test needs neither it nor a region.
    """
    if connects_at_once():
        return connected_store()
    return LazyStore()


def connected_store() -> Store:
    """The store on the table that the environment names.

    Raises:
        ConfigError: It names none.
    """
    table = os.environ.get(TABLE_VARIABLE)
    if not table:
        raise ConfigError(f"No store: set {TABLE_VARIABLE} to the table's name, or give Idempotency(store).")
    from idemlambda.dynamodb import DynamoDBStore

    return DynamoDBStore(table)


class LazyStore:
    """The store of the environment, looked up at its first use. All of them are one: that environment's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store: Store | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazyStore)

    def __hash__(self) -> int:
        return hash(LazyStore)

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation, as `Store.send` says."""
        with self._lock:
            if self._store is None:
                self._store = connected_store()
        return self._store.send(op)
