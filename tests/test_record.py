from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idemlambda.record import (
    ERROR_LENGTH,
    RELEASED,
    UNFINISHED_GRACE_MS,
    Body,
    Lease,
    Record,
    Status,
    Verdict,
    completed,
    error_text,
    in_seconds,
    judge,
    lease_end,
    released,
    taken_over,
)

NOW: Final = 1_750_000_000_000
DAY_MS: Final = 86_400_000


def record(**fields: Any) -> Record:
    """A claim that is live for a minute and lives for a day, but for what a test says."""
    usual: dict[str, Any] = {
        "id": "shop#1",
        "status": Status.INPROGRESS,
        "version": "x:1",
        "expiration": (NOW + DAY_MS) // 1000,
        "lease_end": NOW + 60_000,
        "fingerprint": "payload",
    }
    return Record(**(usual | fields))


EXPIRED: Final = {"expiration": NOW // 1000}
DONE: Final = {"status": Status.COMPLETED, "lease_end": RELEASED}
FAILED: Final = {"status": Status.FAILED, "lease_end": RELEASED}
LAPSED: Final = {"lease_end": NOW}
BACK: Final = {"lease_end": RELEASED}
OTHER: Final = {"fingerprint": "other"}
ANY: Final = {"fingerprint": ""}


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, Verdict.BUSY),
        ({"lease_end": NOW + 1}, Verdict.BUSY),
        (LAPSED, Verdict.LAPSED),
        (BACK, Verdict.RELEASED),
        (DONE, Verdict.DONE),
        (FAILED, Verdict.DONE),
        (OTHER, Verdict.FOREIGN),
        (OTHER | LAPSED, Verdict.FOREIGN),
        (OTHER | BACK, Verdict.FOREIGN),
        (OTHER | DONE, Verdict.FOREIGN),
        (OTHER | FAILED, Verdict.FOREIGN),
        (ANY, Verdict.BUSY),
        (ANY | LAPSED, Verdict.LAPSED),
        (ANY | DONE, Verdict.DONE),
        (EXPIRED, Verdict.BUSY),
        (EXPIRED | OTHER, Verdict.FOREIGN),
        (EXPIRED | LAPSED, Verdict.VACANT),
        (EXPIRED | BACK, Verdict.VACANT),
        (EXPIRED | DONE, Verdict.VACANT),
        (EXPIRED | FAILED, Verdict.VACANT),
        (EXPIRED | DONE | OTHER, Verdict.VACANT),
        (EXPIRED | DONE | {"lease_end": NOW + 60_000}, Verdict.VACANT),
        ({"expiration": NOW // 1000 + 1} | DONE, Verdict.DONE),
    ],
)
def test_judge_answers_in_its_order(fields: dict[str, Any], verdict: Verdict) -> None:
    """Vacant, foreign, done, released, lapsed, busy: the first that fits is the verdict."""
    assert judge(record(**fields), "payload", NOW) is verdict


RECORDS: Final = st.builds(
    record,
    status=st.sampled_from(Status),
    expiration=st.integers(NOW // 1000 - 5, NOW // 1000 + 5),
    lease_end=st.one_of(st.just(RELEASED), st.integers(NOW - 5_000, NOW + 5_000)),
    fingerprint=st.sampled_from(["", "payload", "other"]),
)
TIMES: Final = st.integers(NOW - 10_000, NOW + 10_000)


@given(RECORDS, TIMES)
def test_a_live_claim_is_busy_or_foreign(there: Record, now: int) -> None:
    """No claim whose lease is not over can be taken, whatever else its record says (rule 5)."""
    if there.status is Status.INPROGRESS and there.lease_end > now:
        assert judge(there, "payload", now) in {Verdict.BUSY, Verdict.FOREIGN}


@given(RECORDS, TIMES, TIMES)
def test_a_verdict_only_ages(there: Record, one: int, two: int) -> None:
    """As time goes by a record turns from busy to lapsed, and from anything to vacant, but never back."""
    before, after = (judge(there, "payload", now) for now in sorted((one, two)))
    assert after in {before, Verdict.VACANT} or (before, after) == (Verdict.BUSY, Verdict.LAPSED)


@given(RECORDS, TIMES)
def test_another_payload_never_gets_at_a_record_before_it_expires(there: Record, now: int) -> None:
    """With another fingerprint a record is foreign, or vacant."""
    if there.fingerprint:
        assert judge(there, "yet another", now) in {Verdict.FOREIGN, Verdict.VACANT}


@pytest.mark.parametrize(
    ("remaining", "lease", "expected"),
    [
        (None, None, 60_000),
        (None, 5_000, 5_000),
        (None, 0, 0),
        (10_000, None, 12_000),
        (10_000, 5_000, 12_000),
        (10_000, 12_001, 12_001),
        (0, None, 2_000),
    ],
)
def test_a_lease_ends_at_the_deadline_or_as_asked(remaining: int | None, lease: int | None, expected: int) -> None:
    """Inside an invocation: the deadline plus the skew, or a longer lease; outside: what is asked, or the default."""
    assert lease_end(NOW, remaining=remaining, lease=lease, default=60_000, skew=2_000) == NOW + expected


@given(st.integers(0, 5_400_000), st.one_of(st.none(), st.integers(0, DAY_MS)), st.integers(0, 10_000))
def test_a_lease_never_ends_before_the_invocation(remaining: int, lease: int | None, skew: int) -> None:
    """Inside an invocation no lease is over, by any clock within the skew, while the invocation may be alive."""
    assert lease_end(NOW, remaining=remaining, lease=lease, default=60_000, skew=skew) >= NOW + remaining + skew


@given(st.integers(NOW, NOW + DAY_MS), st.integers(0, DAY_MS))
def test_an_unfinished_record_outlives_its_lease(end: int, ttl: int) -> None:
    """An unfinished record lives its time, and an hour longer than its lease at the least (rule 5)."""
    expiration = Lease(end, ttl).unfinished_expiration(NOW) * 1000
    assert expiration >= end + UNFINISHED_GRACE_MS
    assert expiration >= NOW + ttl
    assert expiration < max(end + UNFINISHED_GRACE_MS, NOW + ttl) + 1000


@pytest.mark.parametrize(("milliseconds", "seconds"), [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2)])
def test_seconds_are_rounded_up(milliseconds: int, seconds: int) -> None:
    """A record never expires early for the sake of a round number."""
    assert in_seconds(milliseconds) == seconds


@pytest.mark.parametrize(
    ("verdict", "attempts"), [(Verdict.LAPSED, 3), (Verdict.RELEASED, 2)], ids=["lapsed", "released"]
)
def test_a_takeover_hands_on_steps_attempts_and_the_last_error(verdict: Verdict, attempts: int) -> None:
    """A claim that takes over keeps the steps and the error of what it found; it counts crashes, not errors."""
    found = record(steps={"reserve": Body(data="1")}, attempt=2, error="ValueError: no")
    fresh = record(version="y:1", started=NOW)
    assert taken_over(found, verdict, fresh) == replace(fresh, steps=found.steps, attempt=attempts, error=found.error)


def test_a_vacant_record_hands_on_nothing() -> None:
    """A claim over an expired record starts from nothing."""
    fresh = record(version="y:1")
    assert taken_over(record(steps={"reserve": Body(data="1")}, attempt=2), Verdict.VACANT, fresh) is fresh


def test_a_finished_record_has_no_lease_and_no_steps() -> None:
    """Completing sets the result and the expiry, counted from now, and drops lease and steps."""
    claim = record(steps={"reserve": Body(data="1")}, attempt=2, started=NOW - 50, digests=b"d", origin="orders r-1")
    done = completed(
        claim, version="x:2", status=Status.COMPLETED, body=Body(data="1"), error="", now=NOW, ttl=DAY_MS + 1
    )
    assert done == replace(
        claim,
        status=Status.COMPLETED,
        version="x:2",
        expiration=NOW // 1000 + 86_401,
        lease_end=RELEASED,
        body=Body(data="1"),
        steps={},
        completed=NOW,
    )


def test_a_released_record_keeps_its_steps() -> None:
    """Releasing gives back the lease, and notes why; steps and attempt stand."""
    claim = record(steps={"reserve": Body(data="1")}, attempt=2)
    back = released(claim, version="x:2", error="ValueError: no", now=NOW, ttl=10_000)
    assert back == replace(
        claim, version="x:2", lease_end=RELEASED, expiration=NOW // 1000 + 10, error="ValueError: no"
    )
    assert judge(back, "payload", NOW) is Verdict.RELEASED


def test_an_error_is_told_in_a_few_words() -> None:
    """Type and message, cut to its length with a sign that it was cut."""
    assert error_text(ValueError("out of stock")) == "ValueError: out of stock"
    assert error_text(KeyError()) == "KeyError: "
    exact = "x" * (ERROR_LENGTH - len("ValueError: "))
    assert error_text(ValueError(exact)) == f"ValueError: {exact}"
    cut = error_text(ValueError(exact + "y"))
    assert len(cut) == ERROR_LENGTH
    assert cut.endswith("x…")


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ({}, {}, True),
        ({}, {"origin": "elsewhere"}, True),
        ({}, {"version": "x:2"}, False),
        ({}, {"status": Status.COMPLETED}, False),
    ],
)
def test_rule_08_a_write_is_known_by_version_and_status(one: dict[str, Any], two: dict[str, Any], same: bool) -> None:  # noqa: FBT001 - a table
    """Two records are one write if version and status are equal, and only then."""
    assert record(**one).is_same_write(record(**two)) is same


@pytest.mark.parametrize(
    ("version", "status", "claim", "result"),
    [
        ("x:1", Status.INPROGRESS, True, False),
        ("x:23", Status.INPROGRESS, True, False),
        ("x:2", Status.COMPLETED, False, True),
        ("x:2", Status.FAILED, False, True),
        ("xx:1", Status.INPROGRESS, False, False),
        ("x", Status.INPROGRESS, False, False),
        ("x:y:1", Status.COMPLETED, False, False),
        ("", Status.COMPLETED, False, False),
    ],
)
def test_a_record_is_known_by_the_token_of_its_version(version: str, status: Status, claim: bool, result: bool) -> None:  # noqa: FBT001 - a table
    """A claim or a result is an attempt's own if its version is the token and a number."""
    there = record(version=version, status=status)
    assert (there.is_claim_of("x"), there.is_result_of("x")) == (claim, result)


@pytest.mark.parametrize(("data", "size"), [(None, 0), ("", 0), ("abc", 3), ("äö", 4), (b"\x00\xff", 2)])
def test_a_body_is_measured_in_bytes(data: str | bytes | None, size: int) -> None:
    """The size of a result is what it takes in the item."""
    assert Body(data=data).size == size


def test_an_errors_text_can_always_be_stored() -> None:
    """A lone surrogate in a message becomes a question mark: no store takes one."""
    assert error_text(ValueError("a\ud800b")) == "ValueError: a?b"


def test_an_error_whose_message_cannot_be_made_is_named_all_the_same() -> None:
    """What fails while it is being told of never keeps a record from being written."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no message")

    assert error_text(Mute()) == "Mute"
