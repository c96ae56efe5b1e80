"""Whether and when a request is sent again: pure functions of how the last attempt ended."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Final, cast

from idemlambda.errors import ConfigError

ATTEMPTS: Final = 5
"""With the pauses below, three seconds at the most: a cold start, a throttle or a deployment is over by then."""

SECONDS: Final = 30.0
"""What API Gateway lets one request take (29 s), and a little: a caller has given up by then."""

PAUSE: Final = 0.2
"""Seconds at the most before the first retry, doubled for each further one: some round trips."""

LONGEST_PAUSE: Final = 5.0
"""Seconds that doubling ends at: longer ones only add to how long a recovery goes unnoticed."""

AGAIN_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
"""Busy, failed or unreachable: a server that keeps keys records none of these as the answer."""

AGAIN_CODES: Final = frozenset({"in_progress", "claim_lost", "store_unavailable"})
"""Problems that pass: whatever their status, which an API may choose."""

FINAL_CODES: Final = frozenset({"not_stored", "record_unreadable", "misconfigured"})
"""Problems of a 5xx that do not pass. `not_stored` is final too: the request was carried out, no record says so, and
whether to risk a second time is for the caller to say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an attempt ended, as far as the next one is concerned.

    Attributes:
        status: The answer's; None if no whole answer came: no connection, a time-out, a cut.
        code: The answer's problem, where it is one (RFC 9457).
        retry_after: Seconds that the server asks to wait.
    """

    status: int | None
    code: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How often and how long a request is tried; the transports describe each.

    Raises:
        ConfigError: A number that makes no sense.
    """

    attempts: int = ATTEMPTS
    seconds: float = SECONDS
    pause: float = PAUSE
    longest_pause: float = LONGEST_PAUSE

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise ConfigError(f"attempts={self.attempts!r}: give a whole number, 1 for no retry.")
        for name in ("seconds", "pause", "longest_pause"):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ConfigError(f"{name}={value!r}: give seconds, 0 or more.")


def worth_retrying(outcome: Outcome) -> bool:
    """Whether another attempt under the same key may end otherwise: by the problem's code, else by the status."""
    if outcome.status is None:
        return True
    if outcome.code in AGAIN_CODES:
        return True
    return outcome.status in AGAIN_STATUSES and outcome.code not in FINAL_CODES


def next_pause(
    outcome: Outcome, *, attempt: int, elapsed: float, patience: Patience, jitter: Callable[[float], float]
) -> float | None:
    """Seconds until the next attempt; None if this outcome stands.

    Args:
        outcome: How the last attempt ended.
        attempt: Which one it was, from 1.
        elapsed: Seconds since the first one began.
        patience: The bounds. No pause ends after them: a wait in vain is not begun.
        jitter: From a ceiling in seconds to a part of it. Drawn evenly it is "full jitter", which keeps callers that
            failed together from coming back together. It is added to what the server asks for, for the same reason.
    """
    if attempt >= patience.attempts or not worth_retrying(outcome):
        return None
    # The exponent is bounded, for no float holds 2 ** 1024.
    ceiling = min(patience.longest_pause, patience.pause * 2.0 ** min(attempt - 1, 1000))
    pause = (outcome.retry_after or 0.0) + jitter(ceiling)
    return pause if elapsed + pause <= patience.seconds else None


def retry_after(text: str, date: str, now: float) -> float | None:
    """Seconds that an answer asks to wait; None where it does not, or in neither of the two forms.

    Args:
        text: Its `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
        date: Its `Date`, which a date is compared with, so that clocks need not agree.
        now: Seconds since 1970 here, for an answer without a `Date`.
    """
    seconds = digits(text)
    if seconds is not None:
        return seconds
    until, since = _http_date(text), _http_date(date)
    if until is None:
        return None
    return max(until - (now if since is None else since), 0.0)


def digits(text: str) -> float | None:
    """A number written in ASCII digits; infinite where no float is as large."""
    return float(text) if text.isascii() and text.isdigit() else None


def _http_date(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date in any of its three forms (RFC 9110, 5.6.7); None if it is none."""
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    # The form of asctime names no zone, and means UTC.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def problem_code(content: bytes) -> str | None:
    """The `code` of a problem's JSON; None where there is none."""
    try:
        problem: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    code = cast("dict[str, object]", problem).get("code") if isinstance(problem, dict) else None
    return code if isinstance(code, str) else None
