"""The flow of one call, from claim to reply: a pure generator of operations.

Rules are numbered as in `docs/architecture.md`. Everything that can go wrong between two operations is decided here
and nowhere else; a driver only performs what the flow asks for.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

from idemlambda._attempt import Ambient, Attempt, Reply
from idemlambda._ops import GONE, Call, Found, Insert, Op, Raised, Read, Remove, Replace, Returned, Sleep, StoreOp
from idemlambda.errors import (
    ClaimLost,
    ConfigError,
    InProgress,
    KeyReused,
    NotStored,
    RecordTooLarge,
    RecordUnreadable,
    ResultNotKept,
    StoreUnavailable,
)
from idemlambda.record import (
    NOT_KEPT,
    Body,
    Lease,
    Record,
    Status,
    Verdict,
    completed,
    error_text,
    judge,
    lease_end,
    released,
    taken_over,
)

R = TypeVar("R")
Flow = Generator[Op[Any], Any, R]

DEFAULT_LEASE_MS: Final = 60_000
"""A lease outside an invocation: longer than nearly every call, short enough to wait for after a crash."""

PATIENCE_MS: Final = 2_000
"""How long a claim or a release is sent again: with the last send's own time-out, and that of the one try to take a
claim back, it fails inside 5 seconds."""

PAUSE_MS: Final = 50
"""The first pause between two sends; it doubles, each with full jitter (AWS: Exponential Backoff And Jitter)."""

LONGEST_PAUSE_MS: Final = 1_000
"""Pauses stop growing here: a completion goes on trying until its deadline, and must not sleep through a recovery."""

ROUNDS: Final = 10
"""How often a flow starts over because the record changed under it. Each round means that others got further."""


class Held:
    """The claim that an attempt holds, and the count of the writes it issued."""

    __slots__ = ("attempt", "in_doubt", "issued", "record", "unsettled")

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.issued = 0
        self.in_doubt = False
        """Whether the last write may have taken effect though no answer came."""
        self.unsettled: StoreOp | None = None
        """The claim's own write, where the function runs without an answer to it."""
        self.record: Record

    def next_version(self) -> str:
        """A version that no other write of any attempt carries (rule 7)."""
        self.issued += 1
        return f"{self.attempt.token}:{self.issued}"

    def fresh(self, now: int, ambient: Ambient) -> Record:
        """The record of a claim made now."""
        attempt, policy = self.attempt, self.attempt.policy
        lease = Lease(
            end=lease_end(
                now, remaining=ambient.remaining(), lease=policy.lease, default=DEFAULT_LEASE_MS, skew=policy.skew
            ),
            ttl=policy.ttl,
        )
        return Record(
            id=attempt.id,
            status=Status.INPROGRESS,
            version=self.next_version(),
            expiration=lease.unfinished_expiration(now),
            lease_end=lease.end,
            fingerprint=attempt.fingerprint,
            digests=attempt.digests,
            started=now,
            origin=attempt.origin,
        )

    @property
    def last_moment(self) -> int:
        """When work under this claim must have started, and writes for it must have been sent (rule 4)."""
        return self.record.lease_end - self.attempt.policy.skew


def run_once(attempt: Attempt, ambient: Ambient) -> Flow[Reply]:
    """One call: claim the record, run the function, complete the record; or answer from the record.

    Raises:
        Retryable, Rejected: Nothing ran here.
        Unrecorded: The function ran, but no record says so.
        ConfigError: The store's set-up is wrong.
    """
    held = Held(attempt)
    answer = yield from claim(held, ambient)
    if answer is not None:
        return answer
    if ambient.now() >= held.last_moment:
        yield from give_back_unstarted(held, ambient)
    outcome: Returned | Raised = yield from Call(attempt.function)
    if isinstance(outcome, Raised) and not isinstance(outcome.error, attempt.policy.remember):
        return (yield from release_after(outcome.error, held, ambient))
    return (yield from complete(outcome, held, ambient))


def claim(held: Held, ambient: Ambient) -> Flow[Reply | None]:
    """Take the claim, or find the answer: rules 1, 14 and 16. None means that `held.record` is ours."""
    started = ambient.now()
    write: Insert | Replace = Insert(held.fresh(started, ambient))
    until = min(started + PATIENCE_MS, write.record.lease_end - held.attempt.policy.skew)
    try:
        for _ in range(ROUNDS):
            found = yield from settle(write, until, held, ambient)
            if found is None:
                held.record = write.record
                return None
            if found is GONE and isinstance(write, Insert):  # refused, but the answer did not show by what
                found = yield from settle(Read(write.id), until, held, ambient)
            now = ambient.now()
            if not isinstance(found, Record):
                write = Insert(held.fresh(now, ambient))
                continue
            if found.is_claim_of(held.attempt.token):
                held.record = found
                return None
            verdict = judge(found, held.attempt.fingerprint, now)
            if verdict in {Verdict.DONE, Verdict.FOREIGN, Verdict.BUSY}:
                return answer_from(found, verdict, held.attempt, now)
            write = Replace(taken_over(found, verdict, held.fresh(now, ambient)), expect=found)
    except (StoreUnavailable, ConfigError) as failure:
        held.record = write.record
        if isinstance(failure, StoreUnavailable) and held.attempt.policy.without_store == "run":
            held.unsettled = write
            return None
        if held.in_doubt:
            yield from give_back_in_doubt(held, ambient)
        raise
    raise InProgress(f"The record of this key changed {ROUNDS} times while it was being claimed.", retry_after=1.0)


def answer_from(found: Record, verdict: Verdict, attempt: Attempt, now: int) -> Reply:
    """What a record that stands answers to an attempt: its result, or why there is none."""
    if verdict is Verdict.DONE:
        return replay(found, attempt)
    if verdict is Verdict.FOREIGN:
        changed, missing = attempt.changes(found.digests)
        raise KeyReused(reused_text(changed, missing), changed=changed, missing=missing)
    left = (found.lease_end - now) / 1000
    raise InProgress(f"Another attempt holds this key's claim for {left:.1f} s more.", retry_after=left)


def reused_text(changed: tuple[str, ...], missing: int) -> str:
    """Says which parts of a payload differ from the first one's."""
    parts = [f"changed or added: {', '.join(changed)}"] if changed else []
    parts += [f"missing: {missing}"] if missing else []
    return f"This key was used before with another payload ({'; '.join(parts) or 'which part is not recorded'})."


def replay(found: Record, attempt: Attempt) -> Reply:
    """The recorded answer.

    Raises:
        ResultNotKept: The result was not stored.
        RecordUnreadable: It was, and cannot be read back.
    """
    body = found.body
    if body is None or body.encoding == NOT_KEPT:
        raise ResultNotKept(f"This call is done, but its result was not kept ({found.error or 'no reason given'}).")
    try:
        if found.status is Status.FAILED:
            return Reply(error=attempt.decode_error(body), replayed=True, attempt=found.attempt)
        return Reply(value=attempt.decode(body), replayed=True, attempt=found.attempt)
    except RecordUnreadable:
        raise
    except Exception as error:
        raise RecordUnreadable(f"The result of this call cannot be read back: {error_text(error)}") from error


def release_after(error: Exception, held: Held, ambient: Ambient) -> Flow[Reply]:
    """After an error of the function: give the claim back, and hand the error on (rule 12).

    Where a successor has completed in the meantime, the answer is the successor's.
    """
    try:
        found = yield from release(error_text(error), held, ambient)
        if isinstance(found, Record) and judge(found, held.attempt.fingerprint, ambient.now()) is Verdict.DONE:
            return replay(found, held.attempt)
    except Exception as failure:  # noqa: BLE001 - whatever the store holds or did, the function's error is what is raised
        return Reply(error=error, attempt=held.record.attempt, trouble=failure, recorded=False)
    return Reply(error=error, attempt=held.record.attempt, recorded=False)


def release(reason: str, held: Held, ambient: Ambient) -> Flow[Found]:
    """Give the claim back: remove the record, or keep its steps under no lease."""
    now = ambient.now()
    write = release_write(reason, held, now)
    return (yield from settle(write, min(now + PATIENCE_MS, held.last_moment), held, ambient))


def release_write(reason: str, held: Held, now: int) -> StoreOp:
    """The operation that gives the claim back."""
    if not held.record.steps:
        return Remove(expect=held.record)
    version = held.next_version()
    mine = released(held.record, version=version, error=reason, now=now, ttl=held.attempt.policy.ttl)
    return Replace(mine, expect=held.record)


def give_back_unstarted(held: Held, ambient: Ambient) -> Flow[None]:
    """Give back a claim whose answer came after its own lease; the function is not started (rule 4).

    Raises:
        InProgress: Always.
    """
    left = max(held.record.lease_end - ambient.now(), 0) / 1000
    try:
        yield from release("the claim was answered too late", held, ambient)
    except Exception as failure:
        raise InProgress("The claim was answered too late to run under it.", retry_after=left) from failure
    raise InProgress("The claim was answered too late to run under it, and was given back.", retry_after=0.0)


def give_back_in_doubt(held: Held, ambient: Ambient) -> Flow[None]:
    """One try to take back a claim that may have been made: whoever asked for it leaves (rule 14)."""
    # What fails here leaves the claim standing for one lease at most; what failed first is what is raised.
    with suppress(Exception):
        yield from release_write("the claim was never answered", held, ambient.now())


def complete(outcome: Returned | Raised, held: Held, ambient: Ambient) -> Flow[Reply]:
    """Record what the function came to, and answer it; never let it run again (rules 9 to 11 and 13)."""
    attempt, policy = held.attempt, held.attempt.policy
    value = outcome.value if isinstance(outcome, Returned) else None
    error = outcome.error if isinstance(outcome, Raised) else None
    own = Reply(value=value, error=error, attempt=held.record.attempt)
    body, unkept = written(outcome, attempt)
    try:
        try:
            rival = yield from record_outcome(finished(outcome, body, unkept, held, ambient), held, ambient)
        except RecordTooLarge as failure:  # no resend mends it: what cannot be stored is marked (rule 9)
            body, unkept = Body(encoding=NOT_KEPT), failure
            rival = yield from record_outcome(finished(outcome, body, unkept, held, ambient), held, ambient)
    except RecordUnreadable as failure:
        raise ClaimLost(lost_text("cannot be read"), value=own.outcome) from failure
    except Exception as failure:
        if policy.unrecorded == "return" or policy.without_store == "run":
            return replace(own, trouble=failure, recorded=False)
        text = f"The function ran, but its result could not be recorded: {error_text(failure)}"
        raise NotStored(text, value=own.outcome) from failure
    if rival is None:
        return replace(own, trouble=unkept)
    return answer_of_rival(rival, own, attempt, ambient.now())


def answer_of_rival(rival: Record, own: Reply, attempt: Attempt, now: int) -> Reply:
    """After a lost claim: the successor's answer, if it has one (rule 10)."""
    if judge(rival, attempt.fingerprint, now) is Verdict.DONE:
        try:
            return replay(rival, attempt)
        except (ResultNotKept, RecordUnreadable) as failure:
            raise ClaimLost(lost_text("has an answer that cannot be given"), value=own.outcome) from failure
    if attempt.policy.without_store == "run":
        return replace(own, trouble=ClaimLost(lost_text("has no result"), value=own.outcome), recorded=False)
    raise ClaimLost(lost_text("has no result yet"), value=own.outcome)


def lost_text(rival: str) -> str:
    """Says how a claim was lost."""
    return f"The function ran, but another attempt holds the record, which {rival}."


def written(outcome: Returned | Raised, attempt: Attempt) -> tuple[Body, Exception | None]:
    """The outcome as text, or the marker and the reason why it cannot be stored (rule 9)."""
    try:
        body = attempt.encode_error(outcome.error) if isinstance(outcome, Raised) else attempt.encode(outcome.value)
        limit = attempt.policy.max_result_bytes
        if body.size > limit:
            raise ValueError(f"the result takes {body.size:,} bytes, the limit is {limit:,}")  # noqa: TRY301 - one exit
    except Exception as error:  # noqa: BLE001 - whatever the codec says: the work is done and must be recorded
        return Body(encoding=NOT_KEPT), error
    return body, None


def finished(outcome: Returned | Raised, body: Body, unkept: Exception | None, held: Held, ambient: Ambient) -> Record:
    """The record that closes this call."""
    error = outcome.error if isinstance(outcome, Raised) else None
    reason = unkept or error
    return completed(
        held.record,
        version=held.next_version(),
        status=Status.FAILED if error is not None else Status.COMPLETED,
        body=body,
        error=error_text(reason) if reason is not None else "",
        now=ambient.now(),
        ttl=held.attempt.policy.ttl,
    )


def record_outcome(done: Record, held: Held, ambient: Ambient) -> Flow[Record | None]:
    """Write the finished record over the claim; the record of a rival where the claim was lost, None where not."""
    until = held.last_moment
    write: Insert | Replace = Replace(done, expect=held.record)
    if held.unsettled is not None:  # nothing else is written while the claim's own outcome is unknown (rule 7)
        found = yield from settle(held.unsettled, until, held, ambient)
        if isinstance(found, Record) and not found.is_claim_of(held.attempt.token):
            return found
    for _ in range(ROUNDS):
        found = yield from settle(write, until, held, ambient)
        if found is GONE and isinstance(write, Insert):
            found = yield from settle(Read(write.id), until, held, ambient)
        if found is None or (isinstance(found, Record) and found.is_result_of(held.attempt.token)):
            return None
        again = replace(done, version=held.next_version())
        if not isinstance(found, Record):
            write = Insert(again)  # evicted or deleted (rule 11)
        elif found.is_claim_of(held.attempt.token):
            write = Replace(again, expect=found)
        else:
            return found
    raise StoreUnavailable(f"the record vanished {ROUNDS} times while the result was being recorded")


def settle(op: StoreOp, until: int, held: Held, ambient: Ambient) -> Flow[Found]:
    """Send an operation, the identical one again while its outcome is unknown, until it is answered (rule 7).

    Args:
        op: What to send; it is sent at least once.
        until: Milliseconds since the epoch after which it is not sent again.
        held: Learns whether a write is left in doubt.
        ambient: The moment.

    Raises:
        StoreUnavailable: No answer came in time.
    """
    held.in_doubt = False
    longest = PAUSE_MS
    while True:
        try:
            found: Found = yield from op
        except StoreUnavailable as error:
            held.in_doubt = held.in_doubt or error.in_doubt
            pause = max(int(longest * ambient.jitter()), 1)
            longest = min(longest * 2, LONGEST_PAUSE_MS)
            if ambient.now() + pause > until:
                raise
        else:
            held.in_doubt = False
            return found
        yield from Sleep(pause / 1000)
