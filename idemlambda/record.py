"""The record and the rules of its life, as pure functions of (record, now).

Times are integers: milliseconds since the epoch, but for `expiration`, which is in seconds because it is also the
table's TTL attribute (DynamoDB reads a TTL in seconds).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Final

FORMAT: Final = 1
"""The record format this release writes; a record of a newer one is refused, never overwritten."""

NOT_KEPT: Final = "none"
"""The encoding of a result that was not stored: the call is over, its answer cannot be given again."""

RELEASED: Final = 0
"""A lease that a handled error gave back: nobody holds the claim, its steps stand."""

ERROR_LENGTH: Final = 300
"""Characters kept of an error's text: enough for a person, and little beside the 1 KB of a write unit."""

UNFINISHED_GRACE_MS: Final = 3_600_000
"""How long an unfinished record outlives its lease (1 h), so that TTL never deletes what a retry still has to judge."""


class Status(StrEnum):
    """What a record says of its call; the first two names are Lambda Powertools' own."""

    INPROGRESS = "INPROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class Verdict(Enum):
    """What a record means to an attempt that meets it."""

    VACANT = "expired, and no live lease: as good as absent"
    FOREIGN = "the same key with another payload"
    DONE = "completed, or failed with a remembered error"
    RELEASED = "given back by a handled error"
    LAPSED = "its lease is over: the owner is dead or stalled"
    BUSY = "another attempt holds a live claim"


@dataclass(frozen=True, slots=True)
class Body:
    """A stored result: its text or bytes, and how it is written.

    Attributes:
        data: The result as JSON text, or as bytes where `encoding` says so; None where it is not kept.
        encoding: None for plain JSON text; `NOT_KEPT` for a result that was not stored.
    """

    data: str | bytes | None = None
    encoding: str | None = None

    @property
    def size(self) -> int:
        """Bytes that `data` takes in the item."""
        if isinstance(self.data, str):
            return len(self.data.encode())
        return len(self.data or b"")


@dataclass(frozen=True, slots=True)
class Record:
    """One call's record, as DESIGN's format 1 lays it out in a DynamoDB item.

    Attributes:
        id: `{namespace}#{sha256 hex}`.
        status: What the record says of its call.
        version: `token:n`, new for every write: the fencing token.
        expiration: Seconds since the epoch after which the record is as good as absent.
        lease_end: Milliseconds since the epoch at which an unfinished claim lapses; `RELEASED` once given back.
        fingerprint: sha256 of the payload; empty where it was not recorded (then it is not compared).
        digests: What names the changed fields in a conflict.
        body: The result, once there is one.
        steps: Step name to its stored result.
        attempt: 1, and one more for every takeover of a lapsed claim.
        started: When this attempt claimed, in milliseconds.
        completed: When the call ended, in milliseconds; 0 while it has not.
        origin: Function name and request id of the last writer.
        error: A short text of the last failure.
        format: The record format.
    """

    id: str
    status: Status
    version: str
    expiration: int
    lease_end: int = RELEASED
    fingerprint: str = ""
    digests: bytes = b""
    body: Body | None = None
    steps: Mapping[str, Body] = field(default_factory=dict[str, Body])
    attempt: int = 1
    started: int = 0
    completed: int = 0
    origin: str = ""
    error: str = ""
    format: int = FORMAT

    def is_same_write(self, other: Record) -> bool:
        """Whether both are one write: a record that *is* the one just written is not in its way (rule 8)."""
        return self.version == other.version and self.status == other.status

    def is_claim_of(self, token: str) -> bool:
        """Whether an unfinished record was written by the attempt with this token (rule 1)."""
        return self.status is Status.INPROGRESS and self.version.rpartition(":")[0] == token

    def is_result_of(self, token: str) -> bool:
        """Whether a finished record was written by the attempt with this token, by whichever of its writes."""
        return self.status is not Status.INPROGRESS and self.version.rpartition(":")[0] == token


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a claim holds and its record lives, from the moment it is made.

    Attributes:
        end: Milliseconds since the epoch.
        ttl: Milliseconds that a record lives after its last write.
    """

    end: int
    ttl: int

    def unfinished_expiration(self, now: int) -> int:
        """Seconds since the epoch at which an unfinished record expires: never before its lease (rule 5)."""
        return in_seconds(max(now + self.ttl, self.end + UNFINISHED_GRACE_MS))


def in_seconds(milliseconds: int) -> int:
    """Milliseconds as whole seconds, rounded up: a record never expires early."""
    return -(-milliseconds // 1000)


def lease_end(now: int, *, remaining: int | None, lease: int | None, default: int, skew: int) -> int:
    """When a claim made now lapses (rule 3).

    Inside an invocation: when it must be dead, which is its deadline plus `skew`. A longer `lease` is honoured, a
    shorter one never ends before the deadline. Outside: `lease`, or the default.

    Args:
        now: Milliseconds since the epoch.
        remaining: Milliseconds until the invocation's deadline; None outside an invocation.
        lease: Milliseconds asked for; None where nothing was.
        default: Milliseconds of a lease outside an invocation.
        skew: Milliseconds by which two clocks may differ.
    """
    if remaining is None:
        return now + (default if lease is None else lease)
    return now + max(remaining + skew, lease or 0)


def judge(record: Record, fingerprint: str, now: int) -> Verdict:
    """What `record` means to an attempt with this fingerprint, at this moment (DESIGN section 4).

    The order counts: another payload is foreign whatever the status, also at a takeover, and a live lease is never
    vacant. Expiry is judged here, on read, because DynamoDB deletes expired items days late.
    """
    live = record.status is Status.INPROGRESS and record.lease_end > now
    if record.expiration * 1000 <= now and not live:
        return Verdict.VACANT
    if record.fingerprint and record.fingerprint != fingerprint:
        return Verdict.FOREIGN
    if record.status is not Status.INPROGRESS:
        return Verdict.DONE
    if record.lease_end == RELEASED:
        return Verdict.RELEASED
    return Verdict.BUSY if live else Verdict.LAPSED


def taken_over(found: Record, verdict: Verdict, fresh: Record) -> Record:
    """The record of a claim that takes over `found`: the fresh claim, with what `found` hands on.

    Steps are kept unless the record is vacant. The attempt counts takeovers of lapsed claims only: an ordinary error
    is no crash.
    """
    if verdict is Verdict.VACANT:
        return fresh
    lapsed = verdict is Verdict.LAPSED
    return replace(fresh, steps=found.steps, attempt=found.attempt + lapsed, error=found.error)


def completed(claim: Record, *, version: str, status: Status, body: Body, error: str, now: int, ttl: int) -> Record:
    """The finished record of a claim; it lives `ttl` milliseconds from now (rule 5), without lease and steps."""
    return replace(
        claim,
        status=status,
        version=version,
        expiration=in_seconds(now + ttl),
        lease_end=RELEASED,
        body=body,
        steps={},
        completed=now,
        error=error,
    )


def released(claim: Record, *, version: str, error: str, now: int, ttl: int) -> Record:
    """The record of a claim that a handled error gives back, with its steps (rule 12)."""
    return replace(claim, version=version, lease_end=RELEASED, expiration=in_seconds(now + ttl), error=error)


def error_text(error: BaseException) -> str:
    """An error in a few words: its type and message, cut to `ERROR_LENGTH` characters.

    A lone surrogate, which no store takes, becomes a question mark: the text must never keep a record from being
    written.
    """
    name = type(error).__name__
    try:
        text = f"{name}: {error}".encode(errors="replace").decode()
    except Exception:  # noqa: BLE001 - the message is the user's code
        text = name
    return text if len(text) <= ERROR_LENGTH else text[: ERROR_LENGTH - 1] + "…"
