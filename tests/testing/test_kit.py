from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from idemlambda.memory import MemoryStore
from idemlambda.ports import GONE, Insert, Read, Record, Status, StoreOp
from idemlambda.testing import (
    FakeClock,
    Killed,
    KillingStore,
    LambdaContext,
    RecordedStore,
    kill_at_every_operation,
)

RECORD = Record(id="shop#1", status=Status.INPROGRESS, version="a:1", expiration=0)


def test_a_fake_clock_moves_only_when_it_is_moved() -> None:
    """Time stands still, and passes as told: in seconds, in milliseconds, and by sleeping."""
    clock = FakeClock(start_ms=1_000)
    assert (clock.now(), clock.now()) == (1_000, 1_000)
    clock.advance(seconds=1.5, ms=3)
    assert clock.now() == 2_503
    clock.sleep(0.001)
    assert clock.now() == 2_504


def test_a_fake_clock_does_not_run_backwards() -> None:
    """A negative step is a slip in the test."""
    with pytest.raises(ValueError, match="does not run backwards: -1 ms"):
        FakeClock().advance(ms=-1)


def test_a_fake_pause_gives_other_tasks_a_turn() -> None:
    """An awaited pause passes the time at once, and lets others run."""
    clock, order = FakeClock(start_ms=0), []

    async def sleeper() -> None:
        order.append("sleeps")
        await clock.asleep(5)
        order.append("wakes")

    async def other() -> None:
        order.append("other")

    async def both() -> None:
        await asyncio.gather(sleeper(), other())

    asyncio.run(both())
    assert order == ["sleeps", "other", "wakes"]
    assert clock.now() == 5_000


def test_a_fake_clock_loses_no_step_between_threads() -> None:
    """Steps from many threads add up."""
    clock = FakeClock(start_ms=0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(clock.sleep, [0.001] * 4_000))
    assert clock.now() == 4_000


def test_a_context_counts_down_to_its_deadline() -> None:
    """What remains is the timeout less what has passed, and never less than nothing."""
    clock = FakeClock()
    context = LambdaContext(timeout_seconds=3, clock=clock)
    assert context.get_remaining_time_in_millis() == 3_000
    clock.advance(ms=2_999)
    assert context.get_remaining_time_in_millis() == 1
    clock.advance(seconds=9)
    assert context.get_remaining_time_in_millis() == 0


def test_a_context_has_what_lambdas_has() -> None:
    """The attributes of the runtime's own object, with the same types."""
    context = LambdaContext(function_name="orders", aws_request_id="r-1", tenant_id="blue")
    assert 0 < context.get_remaining_time_in_millis() <= 3_000
    assert context.function_name == "orders"
    assert context.function_version == "$LATEST"
    assert context.invoked_function_arn == "arn:aws:lambda:eu-central-1:123456789012:function:orders"
    assert context.memory_limit_in_mb == "128"
    assert context.aws_request_id == "r-1"
    assert context.log_group_name == "/aws/lambda/orders"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", context.log_stream_name)
    assert context.identity.cognito_identity_id is None
    assert context.client_context is None
    assert context.tenant_id == "blue"


def test_each_context_is_a_request_of_its_own() -> None:
    """Unless told, no two contexts share a request id."""
    assert LambdaContext().aws_request_id != LambdaContext().aws_request_id


@pytest.mark.parametrize("seconds", [-1, 5_401])
def test_a_context_refuses_a_timeout_that_lambda_would_refuse(seconds: float) -> None:
    """A timeout is from nothing to an hour and a half."""
    with pytest.raises(ValueError, match="from 0 to 5,400"):
        LambdaContext(timeout_seconds=seconds)


def test_a_recorded_store_keeps_what_it_is_asked() -> None:
    """Operations are listed in order, and answered by the store within."""
    store = RecordedStore(MemoryStore())
    ops: list[StoreOp] = [Read("shop#1"), Insert(RECORD)]
    assert [store.send(op) for op in ops] == [GONE, None]
    assert store.operations == ops


def test_a_killing_store_dies_once_at_its_operation() -> None:
    """Before: the store within never sees it. After: it does, and nobody sees the answer. Others pass."""
    before = KillingStore(MemoryStore(), at=2, when="before")
    assert before.send(Read("shop#1")) is GONE
    with pytest.raises(Killed):
        before.send(Insert(RECORD))
    assert before.store.send(Read("shop#1")) is GONE
    after = KillingStore(MemoryStore(), at=1, when="after")
    with pytest.raises(Killed):
        after.send(Insert(RECORD))
    assert (after.killed, after.sent) == (True, 1)
    assert after.send(Read("shop#1")) is RECORD


def test_a_killing_store_counts_from_one() -> None:
    """There is no operation before the first."""
    with pytest.raises(ValueError, match="counted from 1, not from 0"):
        KillingStore(MemoryStore(), at=0, when="before")


def test_a_scene_is_killed_at_each_of_its_operations() -> None:
    """A scene of three operations dies six times, and then plays to its end."""
    ends: list[int] = []

    def scene(store: KillingStore) -> None:
        try:
            for _ in range(3):
                store.send(Read("shop#1"))
        except Killed:
            return
        ends.append(store.sent)

    assert kill_at_every_operation(scene) == 6
    assert ends == [3]


def test_a_scene_that_never_ends_is_given_up() -> None:
    """A scene that is killed for ever is an error, not an endless test."""

    def scene(store: KillingStore) -> None:
        store.killed = True

    with pytest.raises(RuntimeError, match="still sending after 1,000 operations"):
        kill_at_every_operation(scene)


def test_importing_the_kit_loads_no_test_library() -> None:
    """The kit can be used without pytest, moto or boto3, and does not load asyncio before it is needed."""
    code = (
        "import sys, idemlambda.testing; "
        "print(sorted({'pytest', 'moto', 'boto3', 'botocore', 'hypothesis', 'asyncio'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own line
    assert shown.stdout.strip() == "[]"
