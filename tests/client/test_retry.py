from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idemlambda.client._retry import Outcome, Patience, digits, next_pause, problem_code, retry_after, worth_retrying
from idemlambda.errors import ConfigError

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110


def whole(ceiling: float) -> float:
    """No chance: the whole of a pause."""
    return ceiling


@pytest.mark.parametrize(
    ("status", "code", "again"),
    [
        (None, None, True),
        (200, None, False),
        (201, None, False),
        (303, None, False),
        (400, None, False),
        (400, "key_missing", False),
        (400, "key_reused", False),
        (401, None, False),
        (403, "scope_missing", False),
        (404, None, False),
        (408, None, False),
        (409, None, False),
        (409, "in_progress", True),
        (409, "claim_lost", True),
        (409, "key_reused", False),
        (409, "outcome_unknown", False),
        (409, "result_not_kept", False),
        (409, "something_of_the_application", False),
        (422, None, False),
        (422, "key_reused", False),
        (423, "in_progress", True),
        (425, None, False),
        (429, None, True),
        (500, None, True),
        (500, "record_unreadable", False),
        (500, "misconfigured", False),
        (501, None, False),
        (502, None, True),
        (503, None, True),
        (503, "store_unavailable", True),
        (503, "not_stored", False),
        (504, None, True),
        (505, None, False),
    ],
)
def test_what_may_end_otherwise_is_sent_again(status: int | None, code: str | None, again: bool) -> None:  # noqa: FBT001 - a table's column
    """Only what passes is sent again: no answer, a busy or failing server, a key in progress; never a reused key."""
    outcome = Outcome(status=status, code=code)
    assert worth_retrying(outcome) is again
    pause = next_pause(outcome, attempt=1, elapsed=0, patience=Patience(), jitter=whole)
    assert (pause is not None) is again


@pytest.mark.parametrize(
    ("attempt", "pause"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 3.0), (5, 3.0), (5_000, 3.0), (9_999, 3.0), (10_000, None)]
)
def test_pauses_double_up_to_the_longest_and_end(attempt: int, pause: float | None) -> None:
    """Each pause has twice the ceiling of the one before, up to the longest; after the last attempt there is none."""
    patience = Patience(attempts=10_000, seconds=30, pause=0.5, longest_pause=3)
    assert next_pause(Outcome(status=503), attempt=attempt, elapsed=0, patience=patience, jitter=whole) == pause


@pytest.mark.parametrize(
    ("asked", "elapsed", "pause"),
    [
        (None, 0.0, 1.0),
        (0.0, 0.0, 1.0),
        (7.0, 0.0, 8.0),
        (9.0, 0.0, 10.0),
        (9.1, 0.0, None),
        (7.0, 2.0, 8.0),
        (7.0, 2.1, None),
        (None, 9.0, 1.0),
        (None, 9.1, None),
        (None, 11.0, None),
        (math.inf, 0.0, None),
    ],
)
def test_no_pause_ends_after_the_bound(asked: float | None, elapsed: float, pause: float | None) -> None:
    """What the server asks for is waited for, and a wait that the bound would cut short is not begun."""
    outcome = Outcome(status=429, retry_after=asked)
    patience = Patience(seconds=10, pause=1)
    assert next_pause(outcome, attempt=1, elapsed=elapsed, patience=patience, jitter=whole) == pause


@given(
    asked=st.none() | st.floats(0, 100),
    attempt=st.integers(1, 12),
    elapsed=st.floats(0, 100),
    seconds=st.floats(0, 60),
    part=st.floats(0, 1),
)
def test_every_pause_keeps_its_bounds(
    asked: float | None, attempt: int, elapsed: float, seconds: float, part: float
) -> None:
    """Whatever happens, a pause is no shorter than asked for, and neither attempts nor seconds are exceeded."""
    patience = Patience(attempts=10, seconds=seconds)
    outcome = Outcome(status=503, retry_after=asked)
    pause = next_pause(
        outcome, attempt=attempt, elapsed=elapsed, patience=patience, jitter=lambda all_of: all_of * part
    )
    if pause is None:
        assert attempt >= 10 or elapsed + (asked or 0) + patience.longest_pause > seconds
    else:
        assert attempt < 10
        assert (asked or 0) <= pause <= (asked or 0) + patience.longest_pause
        assert elapsed + pause <= seconds


@pytest.mark.parametrize(
    ("text", "date", "seconds"),
    [
        ("", "", None),
        ("0", "", 0),
        ("120", "", 120),
        ("1.5", "", None),
        ("-1", "", None),
        ("+1", "", None),
        ("soon", "", None),
        ("\u0663", "", None),
        ("9" * 400, "", math.inf),
        ("Sun, 06 Nov 1994 08:49:47 GMT", "", 10),
        ("Sunday, 06-Nov-94 08:49:47 GMT", "", 10),
        ("Sun Nov  6 08:49:47 1994", "", 10),
        ("Sun, 06 Nov 1994 08:49:00 GMT", "", 0),
        ("Sun, 06 Nov 1994 08:49:47 GMT", "Sun, 06 Nov 1994 08:49:44 GMT", 3),
        ("Sun, 06 Nov 1994 08:49:47 GMT", "yesterday", 10),
        ("Sun, 06 Nov 99999 08:49:47 GMT", "", None),
    ],
)
def test_retry_after_is_read_in_both_forms(text: str, date: str, seconds: float | None) -> None:
    """`Retry-After` is seconds or a date, which the server's own clock is taken away from; all else is not there."""
    assert retry_after(text, date, NOW) == seconds


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be changed here")
def test_a_date_without_a_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form of asctime means UTC, wherever the client is."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX+05")
        time.tzset()
        seconds = retry_after("Sun Nov  6 08:49:47 1994", "", NOW)
    time.tzset()
    assert seconds == 10


@given(st.text(), st.text())
def test_no_header_breaks_the_retry(text: str, date: str) -> None:
    """Whatever a server sends as `Retry-After` and `Date` is a number of seconds or nothing."""
    seconds = retry_after(text, date, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("17", 17), ("", None), ("5, 5", None), ("0x1", None), ("²", None)]
)
def test_only_ascii_digits_are_a_number(text: str, number: float | None) -> None:
    """A length is written in ASCII digits alone (RFC 9110, 8.6)."""
    assert digits(text) == number


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"code": "in_progress"}', "in_progress"),
        (b'{"code": 7}', None),
        (b"{}", None),
        (b"[]", None),
        (b'"in_progress"', None),
        (b"<html>", None),
        (b"\xff", None),
        (b"", None),
        (b"[" * 100_000, None),
        (json.dumps({"code": "größe"}).encode("utf-16"), "größe"),
    ],
)
def test_a_problem_without_a_code_is_no_error(content: bytes, code: str | None) -> None:
    """What a server sends as a problem is read as far as it is one."""
    assert problem_code(content) == code


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": 2.0},
        {"attempts": True},
        {"seconds": -1},
        {"seconds": math.nan},
        {"seconds": math.inf},
        {"seconds": "30"},
        {"pause": True},
        {"longest_pause": None},
    ],
)
def test_a_bound_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    """A bound that is no number of its kind is an error that names it."""
    with pytest.raises(ConfigError, match=f"^{next(iter(options))}="):
        Patience(**options)
