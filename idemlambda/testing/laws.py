"""What holds in every run of a world: each law is a function that raises where a history breaks it.

The laws do not use the code they judge: leases and expiry are compared here by plain arithmetic.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from idemlambda._ops import GONE, Gone, Insert, Raised, Remove, Replace, StoreOp
from idemlambda.errors import InProgress, Rejected, Retryable, Unrecorded
from idemlambda.record import RELEASED, Record, Status
from idemlambda.testing.history import Changed, Ended, History, Law, Sent, Started, Told


class LawBroken(AssertionError):
    """A history that must not be."""

    def __init__(self, law: Law, how: str, history: History) -> None:
        super().__init__(f"{law.__name__}: {how}\n{history}")
        self.law = law


def one_result(history: History) -> None:
    """A recorded result neither changes nor goes away before it expires, and every success that is told equals one."""
    recorded: list[object] = []
    for _, change in history.every(Changed):
        before, after = change.before, change.after
        if change.by and is_result(before) and not is_expired(before, change.at):
            raise LawBroken(one_result, f"{change.by} changed a recorded result", history)
        if isinstance(after, Record) and is_result(after):
            recorded.append(content(after))
    for _, told in history.every(Told):
        if told.reply is None or not told.reply.recorded:
            continue
        error = told.reply.error
        said = told.reply.value if error is None else [str(part) for part in error.args]
        if said not in recorded:
            raise LawBroken(one_result, f"{told.by} told {said!r}, which no record says", history)


def no_start_under_a_live_lease(history: History) -> None:
    """No attempt starts while the record is another's live claim, nor before the lease of one that is at work ends."""
    starts = history.every(Started)
    for place, start in starts:
        there = start.there
        if is_live(there, start.at) and not is_of(there, start.by):
            raise LawBroken(no_start_under_a_live_lease, f"{start.by} started under another's claim", history)
        over = {end.by for when, end in history.every(Ended) if when < place and isinstance(end.outcome, Raised)}
        over |= {change.by for when, change in history.every(Changed) if when < place and is_result(change.after)}
        for earlier, other in starts:
            at_work = earlier < place and other.by not in over and other.by != start.by
            if at_work and is_of(other.there, other.by) and is_live(other.there, start.at):
                raise LawBroken(
                    no_start_under_a_live_lease, f"{start.by} started before the lease of {other.by} was over", history
                )


def fenced(history: History) -> None:
    """Who does not hold the claim changes nothing: a write meets no record, its own, or one whose time is over."""
    for _, change in history.every(Changed):
        before = change.before
        if not change.by or not isinstance(before, Record) or is_of(before, change.by):
            continue
        if is_live(before, change.at) or (is_result(before) and not is_expired(before, change.at)):
            raise LawBroken(fenced, f"{change.by} wrote over what is not its own", history)


def one_payload(history: History) -> None:
    """A record never changes its payload before it expires."""
    for _, change in history.every(Changed):
        before, after = change.before, change.after
        if not isinstance(before, Record) or not isinstance(after, Record):
            continue
        if before.fingerprint not in {"", after.fingerprint} and not is_expired(before, change.at):
            raise LawBroken(one_payload, f"{change.by} took over a record of another payload", history)


def truth_is_told(history: History) -> None:
    """Who is told that nothing ran here did not run, and who is told that it ran did."""
    ran = {start.by for _, start in history.every(Started)}
    for _, told in history.every(Told):
        if isinstance(told.error, Retryable | Rejected) and told.by in ran:
            raise LawBroken(truth_is_told, f"{told.by} ran, and was told that it had not", history)
        if isinstance(told.error, Unrecorded) and told.by not in ran:
            raise LawBroken(truth_is_told, f"{told.by} did not run, and was told that it had", history)


def a_replay_is_of_another(history: History) -> None:
    """Who recorded a result itself is not told that it was replayed."""
    there: Record | Gone = GONE
    for event in history.events:
        if isinstance(event, Changed):
            there = event.after
        if isinstance(event, Told) and event.reply is not None and event.reply.replayed and is_of(there, event.by):
            raise LawBroken(a_replay_is_of_another, f"{event.by} was told its own result as a replay", history)


def nobody_waits_for_itself(history: History) -> None:
    """Who is told that a claim stands in its way has not left its own one there; a claim that it gave back aside."""
    there: Record | Gone = GONE
    gave_back: set[str] = set()
    for event in history.events:
        if isinstance(event, Changed):
            there = event.after
        if isinstance(event, Sent) and is_release(event.op):
            gave_back.add(event.by)
        waits = isinstance(event, Told) and isinstance(event.error, InProgress) and event.by not in gave_back
        if waits and is_of(there, event.by):
            raise LawBroken(nobody_waits_for_itself, f"{event.by} waits for its own claim", history)


def one_write_a_version(history: History) -> None:
    """No two different writes carry one version (rule 7)."""
    written: dict[str, StoreOp] = {}
    for _, sent in history.every(Sent):
        if isinstance(sent.op, Insert | Replace):
            first = written.setdefault(sent.op.record.version, sent.op)
            if first != sent.op:
                raise LawBroken(one_write_a_version, f"{sent.by} sent two writes as {sent.op.record.version}", history)


def runs_once_at_a_time(history: History) -> None:
    """An attempt starts its function once at the most."""
    starts = [start.by for _, start in history.every(Started)]
    if len(starts) != len(set(starts)):
        raise LawBroken(runs_once_at_a_time, "an attempt started twice", history)


LAWS: Final[Sequence[Law]] = (
    one_result,
    no_start_under_a_live_lease,
    fenced,
    one_payload,
    truth_is_told,
    a_replay_is_of_another,
    nobody_waits_for_itself,
    one_write_a_version,
    runs_once_at_a_time,
)
"""All of them."""


def content(record: Record) -> object:
    """A stored result, written by `attempts.encode`; its marker where it was not kept."""
    body = record.body
    return json.loads(body.data) if body is not None and body.data is not None else body


def is_of(record: Record | Gone, name: str) -> bool:
    """Whether an attempt of this name wrote the record."""
    return record is not GONE and record.version.rpartition(":")[0] == name


def is_release(op: StoreOp) -> bool:
    """Whether an operation gives a claim back."""
    given_back = isinstance(op, Replace) and op.record.lease_end == RELEASED and not is_result(op.record)
    return isinstance(op, Remove) or given_back


def is_live(record: Record | Gone, now: int) -> bool:
    """Whether the record is a claim whose lease is not over."""
    return record is not GONE and record.status is Status.INPROGRESS and record.lease_end > max(now, RELEASED)


def is_result(record: Record | Gone) -> bool:
    """Whether the record holds an outcome."""
    return record is not GONE and record.status is not Status.INPROGRESS


def is_expired(record: Record | Gone, now: int) -> bool:
    """Whether the record's time is over."""
    return record is not GONE and record.expiration * 1000 <= now and not is_live(record, now)
