from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pytest

from idemlambda._attempt import Reply
from idemlambda._core import run_once
from idemlambda._drivers import AsyncDriver, Driver
from idemlambda._ops import Insert, Op, Read, Remove, Sleep
from idemlambda.errors import InProgress, StoreUnavailable
from idemlambda.memory import MemoryStore
from idemlambda.ports import Found, Record, Status, Store, StoreOp, SystemClock
from idemlambda.testing import FakeClock, Killed, KillingStore, RecordedStore, kill_at_every_operation
from idemlambda.testing.attempts import RECORD_ID, ambient, attempt


class NativeStore:
    """A store whose round trips are awaited, each with a turn for others."""

    def __init__(self) -> None:
        self.within = MemoryStore()
        self.sent = 0

    async def asend(self, op: StoreOp) -> Found:
        self.sent += 1
        await asyncio.sleep(0)
        return self.within.send(op)


class Flaky:
    """A store whose first answers are lost."""

    def __init__(self, store: Store, lost: int) -> None:
        self.store = store
        self.lost = lost

    def send(self, op: StoreOp) -> Found:
        found = self.store.send(op)
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("no answer")
        return found


def run_sync(function: Callable[[], object], store: Store, clock: FakeClock, token: str = "a") -> Reply:  # noqa: S107 - an attempt's token
    """One call under the sync driver."""
    return Driver(store, clock).run(run_once(attempt(token, function), ambient(clock)))


def run_async(function: Callable[[], object], store: Store | NativeStore, clock: FakeClock, token: str = "a") -> Reply:  # noqa: S107 - an attempt's token
    """One call under the async driver, in a loop of its own, as a Lambda handler would."""
    return asyncio.run(AsyncDriver(store, clock).run(run_once(attempt(token, function), ambient(clock))))


def coroutine(outcome: object) -> Callable[[], Coroutine[Any, Any, object]]:
    """An async function that raises what is an error, and returns all else."""

    async def function() -> object:
        await asyncio.sleep(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return function


def plain(outcome: object) -> Callable[[], object]:
    """The same, without awaiting."""

    def function() -> object:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return function


def claim_in(store: MemoryStore) -> Record:
    """The record, which must be there."""
    there = store.send(Read(RECORD_ID))
    assert isinstance(there, Record)
    return there


def test_a_first_execution_takes_two_operations_and_a_replay_one() -> None:
    """Claim and completion; then the refused claim alone, which brings the answer."""
    store, clock = RecordedStore(MemoryStore()), FakeClock()
    assert run_sync(plain({"total": 3}), store, clock) == Reply(value={"total": 3})
    assert [type(op).__name__ for op in store.operations] == ["Insert", "Replace"]
    again = run_sync(plain("never"), store, clock, token="b")  # noqa: S106 - an attempt's token
    assert again == Reply(value={"total": 3}, replayed=True)
    assert [type(op).__name__ for op in store.operations[2:]] == ["Insert"]


def test_an_async_function_works_on_a_sync_store_in_a_thread() -> None:
    """Under the async driver a sync store is sent to from another thread, so that the loop goes on."""
    threads: set[int] = set()

    class Noted(MemoryStore):
        def send(self, op: StoreOp) -> Found:
            threads.add(threading.get_ident())
            return super().send(op)

    assert run_async(coroutine("done"), Noted(), FakeClock()) == Reply(value="done")
    assert threads
    assert threading.get_ident() not in threads


def test_an_async_function_works_on_an_async_store() -> None:
    """A store that is awaited is awaited."""
    store, clock = NativeStore(), FakeClock()
    assert run_async(coroutine("done"), store, clock) == Reply(value="done")
    again = run_async(coroutine("never"), store, clock, token="b")  # noqa: S106 - an attempt's token
    assert again == Reply(value="done", replayed=True)
    assert store.sent == 3


def test_a_loop_for_each_invocation_is_no_matter() -> None:
    """Ten calls under ten loops, each closed after its call, on one driver."""
    clock, store = FakeClock(), MemoryStore()
    driver = AsyncDriver(store, clock)
    for n in range(10):
        made = attempt(f"t{n}", coroutine(n), record_id=f"shop#{n}")
        assert asyncio.run(driver.run(run_once(made, ambient(clock)))).value == n


@pytest.mark.parametrize(
    "error", [ValueError("no"), StopIteration(7), StoreUnavailable("downstream"), InProgress("x", retry_after=1)]
)
def test_an_error_of_the_function_is_its_own(error: Exception) -> None:
    """Whatever `Exception` a function raises is its error: also one that could be taken for the store's, or an end."""
    store, clock = RecordedStore(MemoryStore()), FakeClock()
    reply = run_sync(plain(error), store, clock)
    assert reply.error is error
    assert isinstance(store.operations[-1], Remove)
    assert len(store.operations) == 2


def test_an_error_of_an_async_function_is_its_own() -> None:
    """The same under the async driver; a `StopIteration` is turned by Python itself before anyone can see it."""
    error = StoreUnavailable("downstream")
    assert run_async(coroutine(error), MemoryStore(), FakeClock()).error is error
    turned = run_async(coroutine(StopIteration(7)), MemoryStore(), FakeClock()).error
    assert isinstance(turned, RuntimeError)


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_what_is_no_exception_passes_and_leaves_the_lease(end: BaseException) -> None:
    """An interrupt or an exit goes through at once; the claim stands until its lease ends, and then is taken over."""
    store, clock = MemoryStore(), FakeClock()
    recorded = RecordedStore(store)
    with pytest.raises(type(end)):
        run_sync(plain(end), recorded, clock)
    assert len(recorded.operations) == 1
    assert claim_in(store).lease_end == clock.now() + 60_000
    with pytest.raises(InProgress):
        run_sync(plain("second"), store, clock, token="b")  # noqa: S106 - an attempt's token
    clock.advance(seconds=60)
    reply = run_sync(plain("second"), store, clock, token="b")  # noqa: S106 - an attempt's token
    assert reply == Reply(value="second", attempt=2)


def test_a_cancelled_call_leaves_its_lease() -> None:
    """A cancelled task writes nothing more: its claim stands."""
    store, clock = MemoryStore(), FakeClock()
    recorded = RecordedStore(store)

    async def scene() -> None:
        started = asyncio.Event()

        async def function() -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(AsyncDriver(recorded, clock).run(run_once(attempt("a", function), ambient(clock))))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert len(recorded.operations) == 1
    assert claim_in(store).status is Status.INPROGRESS


def test_pauses_are_slept_on_the_clock() -> None:
    """Between two sends a driver sleeps, on the clock it was given: sync and async alike."""
    for run, function in ((run_sync, plain("done")), (run_async, coroutine("done"))):
        clock = FakeClock()
        begin = clock.now()
        assert run(function, Flaky(MemoryStore(), lost=2), clock) == Reply(value="done")
        assert clock.now() == begin + 2


def test_an_error_of_the_store_reaches_the_caller() -> None:
    """What a flow does not answer to is raised by the driver, sync and async."""

    class Odd:
        def send(self, op: StoreOp) -> Found:
            raise LookupError("odd")

    with pytest.raises(LookupError, match="odd"):
        run_sync(plain(1), Odd(), FakeClock())
    with pytest.raises(LookupError, match="odd"):
        run_async(coroutine(1), Odd(), FakeClock())


def test_an_unknown_operation_is_an_error_of_the_flow() -> None:
    """A driver that does not know an operation says so to the flow, which may only end by it."""

    class Dance(Op[None]):
        pass

    def flow() -> Generator[Op[Any], Any, Reply]:
        yield Dance()
        return Reply()

    with pytest.raises(TypeError, match="no driver knows the operation"):
        Driver(MemoryStore(), FakeClock()).run(flow())
    with pytest.raises(TypeError, match="no driver knows the operation"):
        asyncio.run(AsyncDriver(MemoryStore(), FakeClock()).run(flow()))


def test_the_systems_clock_sleeps() -> None:
    """The default clock tells milliseconds of this age, and sleeps at least as long as it is told."""

    def flow() -> Generator[Op[Any], Any, Reply]:
        yield Sleep(0.002)
        return Reply()

    clock = SystemClock()
    begin = clock.now()
    assert begin > 1_700_000_000_000
    Driver(MemoryStore(), clock).run(flow())
    asyncio.run(AsyncDriver(MemoryStore(), clock).run(flow()))
    assert clock.now() >= begin + 3


def test_a_process_killed_at_any_operation_shows_no_second_result() -> None:
    """Killed before or after any operation, a call is finished by a later one, by the recorded result if any."""

    def scene(killing: KillingStore) -> None:
        clock = FakeClock()
        try:
            run_sync(plain("first"), killing, clock)
        except Killed:
            clock.advance(seconds=61)
        there = killing.store.send(Read(RECORD_ID))
        done = isinstance(there, Record) and there.status is Status.COMPLETED
        reply = run_sync(plain("second"), killing.store, clock, token="b")  # noqa: S106 - an attempt's token
        assert (reply.value, reply.replayed) == (("first", True) if done else ("second", False))

    assert kill_at_every_operation(scene) == 4


def test_an_insert_is_what_a_claim_sends() -> None:
    """A driver sends what the flow asks for, and nothing else."""
    store, clock = RecordedStore(MemoryStore()), FakeClock()
    run_sync(plain(None), store, clock)
    first = store.operations[0]
    assert isinstance(first, Insert)
    assert first.record.version == "a:1"
