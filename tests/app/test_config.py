"""Laws of the configuration: what is refused, when, and what stays unconnected."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import pytest

import idemlambda
from idemlambda import ConfigError, DynamoDBStore, Idempotency, MemoryStore
from idemlambda.testing import FakeClock, RecordedStore


@pytest.mark.parametrize(
    "settings",
    [
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": "1 day"},
        {"ttl": True},
        {"ttl": timedelta(days=36_600)},
        {"ttl": float("nan")},
        {"lease": 2},
        {"lease": 1, "skew": 5},
        {"skew": 60},
        {"skew": -1},
        {"without_store": "maybe"},
        {"unrecorded": "maybe"},
        {"remember": (int,)},
        {"remember": [ValueError]},
        {"remember": ValueError},
        {"remember": (BaseException,)},
        {"remember": ("ValueError",)},
        {"cache": -1},
        {"max_result_bytes": -1},
    ],
)
def test_values_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    """A wrong setting is a `ConfigError` at construction, in a variant and in a decorator alike."""
    with pytest.raises(ConfigError):
        Idempotency(MemoryStore(), **settings)
    with pytest.raises(ConfigError):
        Idempotency(MemoryStore()).but(**settings)
    with pytest.raises(ConfigError):
        Idempotency(MemoryStore()).handler(**settings)


def test_a_variant_shares_the_store_and_changes_the_rest() -> None:
    """`but` keeps what it is not told to change."""
    store = MemoryStore()
    idem = Idempotency(store, namespace="shop", lease=timedelta(seconds=30))
    variant = idem.but(ttl=300, lease=None)
    assert variant.store is store
    assert variant.namespace == "shop"
    assert variant.policy.ttl == 300_000
    assert (idem.policy.lease, variant.policy.lease) == (30_000, None)
    assert idem.but(namespace="other").namespace == "other"


def test_an_override_holds_for_its_function_only() -> None:
    """A decorator's `ttl=` lets its own records expire, and nobody else's."""
    clock = FakeClock()
    idem = Idempotency(MemoryStore(), clock=clock, ttl=1_000)
    ran: list[str] = []

    @idem.function(ttl=10)
    def short(order: str) -> None:
        ran.append("short")

    @idem.function
    def long(order: str) -> None:
        ran.append("long")

    for _ in range(2):
        short("a")
        long("a")
        clock.advance(seconds=11)
    assert ran == ["short", "long", "short"]


def generator(event: object, context: object) -> Generator[int]:
    """A handler that streams."""
    yield 1


async def async_generator() -> Any:
    """A coroutine that streams."""
    yield 1


def only_event(event: object) -> None:
    """No Lambda handler."""


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (generator, "generator"),
        (async_generator, "generator"),
        (only_event, "does not take an event and a context"),
        (lambda event, context: None, "namespace="),
        (functools.partial(lambda event, context, more: None, more=1), "namespace="),
        (staticmethod(generator), "above the idempotent decorator"),
        (classmethod(generator), "above the idempotent decorator"),
        (7, "A function is expected"),
    ],
)
def test_what_cannot_be_idempotent_is_refused_while_decorating(function: Any, reason: str) -> None:
    """Each function that the kit cannot guard is a `ConfigError` that says why."""
    with pytest.raises(ConfigError, match=reason):
        Idempotency(MemoryStore()).handler(function)


def test_a_selector_with_a_syntax_error_is_refused_while_decorating() -> None:
    """A broken JMESPath expression never waits for an event."""
    selections: list[dict[str, Any]] = [{"key": "a..b"}, {"payload": "["}, {"scope": "|"}]
    for selection in selections:
        with pytest.raises(ConfigError):
            Idempotency(MemoryStore()).handler(**selection)(lambda event, context: None)


def test_what_is_no_store_is_refused_at_construction() -> None:
    """A table's name is no store, and the error says how to write it."""
    wrong: Any = "orders"
    with pytest.raises(ConfigError, match=r"DynamoDBStore\('orders'\)"):
        Idempotency(wrong)


@pytest.mark.parametrize(("option", "meant"), [("kee", "did you mean 'key'"), ("expire", "There are: cache, clock")])
def test_an_unknown_option_is_refused_while_decorating(option: str, meant: str) -> None:
    """A misspelt option names the one that was probably meant, in each decorator."""
    idem = Idempotency(MemoryStore())
    options: dict[str, Any] = {option: "order_id"}
    for decorator in (idem.handler, idem.function, idem.http):
        with pytest.raises(ConfigError, match=f"no option '{option}'.*") as refused:
            decorator(**options)(lambda event, context: None)
        assert decorator == idem.http or meant in str(refused.value)


def test_a_callable_key_that_takes_more_than_the_event_is_refused_while_decorating() -> None:
    """A handler's selectors see the event alone; one that wants the context too never waits for an event."""
    idem = Idempotency(MemoryStore())
    wrong: Any = lambda event, context: event["id"]  # noqa: E731 - the callable in question
    with pytest.raises(ConfigError, match="with the event alone"):
        idem.handler(key=wrong, namespace="two arguments")(lambda event, context: None)
    assert idem.handler(key=max, namespace="a builtin")(lambda event, context: event)({"a": 1}, None) == {"a": 1}


def test_a_selector_that_is_async_is_refused_while_decorating() -> None:
    """A key is selected before anything runs, and nothing is awaited there."""

    async def key(order: str) -> str:
        return order

    with pytest.raises(ConfigError, match="key callable is async"):
        Idempotency(MemoryStore()).function(key=key, namespace="async key")(lambda order: order)


def test_a_selector_that_returns_a_coroutine_is_refused_at_the_call() -> None:
    """What hides its being async until it is called is a `ConfigError` then, and nothing is left un-awaited."""

    async def key(event: object) -> str:
        return "key"

    ran: list[object] = []
    handler = Idempotency(MemoryStore()).handler(key=lambda event: key(event), namespace="hidden")(  # noqa: PLW0108 - on purpose
        lambda event, context: ran.append(event)
    )
    with pytest.raises(ConfigError, match="key callable is async"):
        handler({}, None)
    assert ran == []


def test_two_functions_of_one_name_are_refused() -> None:
    """Two functions under one implicit namespace would share keys; one decorated twice is one (rule 21)."""
    idem = Idempotency(MemoryStore())

    def make(which: int) -> Any:
        if which:

            def twin(event: object, context: object) -> str:
                return "first"
        else:

            def twin(event: object, context: object) -> str:
                return "second"

        return twin

    idem.handler(make(0))
    idem.handler(make(0))
    with pytest.raises(ConfigError, match="give each a namespace"):
        idem.handler(make(1))
    idem.handler(namespace="another")(make(1))
    Idempotency(MemoryStore()).handler(make(1))


def test_one_factorys_functions_are_told_apart() -> None:
    """Functions of one factory that close over different values are two; a wrapper does not hide which it wraps."""
    idem = Idempotency(MemoryStore())

    def times(factor: int) -> Callable[[int], int]:
        late: int

        def multiply(number: int) -> int:
            return number * factor * late

        late = 1
        return multiply

    assert idem.function(times(2))(10) == 20
    assert idem.function(times(2))(10) == 20
    with pytest.raises(ConfigError, match="what they close over"):
        idem.function(times(3))

    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    def first() -> Any:
        def step(number: int) -> int:
            return number

        return step

    def second() -> Any:
        def step(number: int) -> int:
            return -number

        step.__qualname__ = first().__qualname__
        return step

    idem.function(logged(first()))
    with pytest.raises(ConfigError, match="give each a namespace"):
        idem.function(logged(second()))


def test_a_closure_that_is_filled_later_is_no_obstacle() -> None:
    """A function may be decorated before what it closes over is there."""
    idem = Idempotency(MemoryStore())

    @idem.function
    def outer(number: int) -> int:
        return inner(number)

    def inner(number: int) -> int:
        return number + 1

    assert outer(1) == 2


def test_stores_of_one_environment_are_one() -> None:
    """Two objects on the environment's table share its keys, so that their functions must differ in name."""

    def make(which: int) -> Any:
        def twin(event: object, context: object) -> int:
            return which

        return twin

    one, other = Idempotency(), Idempotency()
    one.handler(make(1))
    with pytest.raises(ConfigError, match="give each a namespace"):
        other.handler(make(2))


def test_a_coroutine_that_a_decorator_hides_gives_the_claim_back() -> None:
    """Nothing of it has run, so nothing is recorded, and the error says where the decorator belongs."""
    store = MemoryStore()

    async def charge(order: str) -> str:
        return order

    @functools.wraps(charge)
    def hidden(order: str) -> Any:
        return charge(order)

    with pytest.raises(ConfigError, match="directly on the `async def`"):
        Idempotency(store).function(hidden)("a")
    assert store._records == {}


def test_an_object_whose_call_is_async_stays_async() -> None:
    """A callable object with `async def __call__` is awaited like a coroutine function."""

    class Charge:
        async def __call__(self, order: str) -> str:
            return order.upper()

    charge = Idempotency(MemoryStore()).function(namespace="object")(Charge())
    assert [asyncio.run(charge("a")) for _ in range(2)] == ["A", "A"]


@pytest.mark.parametrize("namespace", ["a\nb", "x" * 600, 5])
def test_a_namespace_that_cannot_be_one_is_refused_while_decorating(namespace: Any) -> None:
    """A wrong namespace never waits for an event."""
    idem = Idempotency(MemoryStore())
    for decorator in (idem.handler, idem.function, idem.http):
        with pytest.raises(ConfigError, match="namespace"):
            decorator(namespace=namespace)(lambda event, context: None)


def test_namespaces_part_keys_and_join_them_on_purpose() -> None:
    """`namespace=` on the object replaces the function name, on a decorator the whole."""
    store = RecordedStore(MemoryStore())

    def handler(event: object, context: object) -> str:
        return "done"

    idem = Idempotency(store, namespace="shop")
    idem.handler(handler)({}, None)
    idem.handler(namespace="orders")(handler)({}, None)
    ids = [op.id.partition("#")[0] for op in store.operations[::2]]
    assert ids == [f"shop.{__name__}.{handler.__qualname__}", "orders"]


def test_the_off_switch_runs_the_function_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under IDEMLAMBDA_DISABLED nothing is stored, nothing connects, and a nonsense value is refused."""
    store = RecordedStore(MemoryStore())
    handler = Idempotency(store).handler(namespace="off")(lambda event, context: object())

    async def echo(value: int) -> int:
        return value

    aecho = Idempotency(store).function(echo)
    monkeypatch.setenv("IDEMLAMBDA_DISABLED", "1")
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    assert handler({}, None) is not handler({}, None)
    assert asyncio.run(aecho(3)) == 3
    assert store.operations == []
    Idempotency()
    monkeypatch.setenv("IDEMLAMBDA_DISABLED", "perhaps")
    with pytest.raises(ConfigError, match="perhaps"):
        handler({}, None)
    monkeypatch.setenv("IDEMLAMBDA_DISABLED", "off")
    handler({}, None)
    assert store.operations != []


def test_importing_a_handler_needs_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside Lambda the table is looked up at the first call; without one that call is a `ConfigError`."""
    monkeypatch.delenv("IDEMLAMBDA_TABLE", raising=False)
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)
    handler = Idempotency().handler(namespace="late")(lambda event, context: "done")
    with pytest.raises(ConfigError, match="IDEMLAMBDA_TABLE"):
        handler({}, None)


def test_inside_lambda_the_store_is_there_at_construction(monkeypatch: pytest.MonkeyPatch) -> None:
    """In INIT a missing table is an error at once, and a named one is connected."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("IDEMLAMBDA_TABLE", raising=False)
    with pytest.raises(ConfigError, match="IDEMLAMBDA_TABLE"):
        Idempotency()
    monkeypatch.setenv("IDEMLAMBDA_TABLE", "records")
    assert isinstance(Idempotency().store, DynamoDBStore)


def test_the_face_is_what_it_says() -> None:
    """`__all__` is exact: every name in it is there, and nothing else is public but the rooms."""
    rooms = {
        name for name, value in vars(idemlambda).items() if getattr(value, "__name__", "").startswith("idemlambda.")
    }
    public = {name for name in vars(idemlambda) if not name.startswith("_")} - rooms - {"annotations"}
    assert public | {"invocation"} == set(idemlambda.__all__)
