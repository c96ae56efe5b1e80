"""Attempts made by hand: what a flow needs, without an app around it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from idemlambda._attempt import Ambient, Attempt, Policy
from idemlambda.record import Body
from idemlambda.testing.clock import FakeClock

RECORD_ID: Final = "shop.orders.place#" + "0" * 64
"""One key's record, of the usual length."""

POLICY: Final = Policy(
    ttl=86_400_000,
    lease=None,
    skew=2_000,
    remember=(),
    without_store="raise",
    unrecorded="raise",
    max_result_bytes=300_000,
)
"""A day, a minute (outside an invocation), two seconds: the defaults."""


class Declined(Exception):
    """An error that a function may be asked to remember."""


def encode(value: object) -> Body:
    """Plain JSON."""
    return Body(data=json.dumps(value))


def decode(body: Body) -> object:
    """Plain JSON."""
    return json.loads(body.data or "")


def encode_error(error: Exception) -> Body:
    """An error's arguments, as JSON."""
    return Body(data=json.dumps([str(part) for part in error.args]))


def decode_error(body: Body) -> Exception:
    """A `Declined` with the same arguments."""
    return Declined(*json.loads(body.data or ""))


def attempt(
    token: str,
    function: Callable[[], object],
    *,
    fingerprint: str = "payload",
    policy: Policy = POLICY,
    record_id: str = RECORD_ID,
) -> Attempt:
    """One attempt whose results are plain JSON, and whose remembered error is `Declined`."""
    return Attempt(
        id=record_id,
        fingerprint=fingerprint,
        digests=b"digests",
        token=token,
        origin=f"orders {token}",
        policy=policy,
        function=function,
        encode=encode,
        decode=decode,
        encode_error=encode_error,
        decode_error=decode_error,
        changes=lambda digests: (("/total",), 1) if digests else ((), 0),
    )


def ambient(clock: FakeClock, *, skew: int = 0, remaining: int | None = None) -> Ambient:
    """The moment as read off a clock that is `skew` milliseconds off.

    Args:
        clock: The true time.
        skew: Milliseconds by which this attempt's own clock is ahead of it; negative where it is behind.
        remaining: Milliseconds from now until the invocation's deadline; None outside an invocation.
    """
    deadline = None if remaining is None else clock.now() + remaining
    return Ambient(
        now=lambda: clock.now() + skew,
        remaining=lambda: None if deadline is None else max(deadline - clock.now(), 0),
        jitter=lambda: 0.0,
    )


def policy_but(**changes: object) -> Policy:
    """The usual policy with some of it changed."""
    return replace(POLICY, **changes)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - by field name
