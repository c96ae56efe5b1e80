"""What a flow is given, an attempt and its moment, and what it comes back with: a reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from idemlambda.record import Body


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user decided about a function's calls; times in milliseconds, sizes in bytes."""

    ttl: int
    lease: int | None
    skew: int
    remember: tuple[type[Exception], ...]
    without_store: Literal["raise", "run"]
    unrecorded: Literal["raise", "return"]
    max_result_bytes: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one key: what is claimed, what runs, and how its result is written.

    Attributes:
        token: Random, and this attempt's alone; its versions are `token:1`, `token:2`, ...
        origin: Function name and request id, for people.
        function: The call itself, without arguments; it may return an awaitable where the driver is async.
        changes: From a record's digests to the pointers of what changed, and how many parts went missing.
    """

    id: str
    fingerprint: str
    digests: bytes
    token: str
    origin: str
    policy: Policy
    function: Callable[[], object]
    encode: Callable[[object], Body]
    decode: Callable[[Body], object]
    encode_error: Callable[[Exception], Body]
    decode_error: Callable[[Body], Exception]
    changes: Callable[[bytes], tuple[tuple[str, ...], int]]


@dataclass(frozen=True, slots=True)
class Ambient:
    """What a flow knows of the moment it runs in.

    Attributes:
        now: Milliseconds since the epoch.
        remaining: Milliseconds until the invocation's deadline; None outside an invocation.
        jitter: A number from 0 up to 1, drawn anew each time.
    """

    now: Callable[[], int]
    remaining: Callable[[], int | None]
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call comes back with: a value, or the error that is its answer.

    Attributes:
        replayed: Whether it comes from the record and not from a run of this attempt.
        attempt: Which attempt at the key the answer comes from.
        trouble: What went wrong beside the answer: a release that failed, a result not kept or not recorded.
        recorded: Whether a record holds the outcome; an error that was released is not recorded.
    """

    value: object = None
    error: Exception | None = None
    replayed: bool = False
    attempt: int = 1
    trouble: Exception | None = None
    recorded: bool = True

    @property
    def outcome(self) -> object:
        """The error if there is one, else the value."""
        return self.value if self.error is None else self.error

    def result(self) -> object:
        """The value, or the error raised."""
        if self.error is not None:
            raise self.error
        return self.value
