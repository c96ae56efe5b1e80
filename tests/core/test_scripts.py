from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from idemlambda._attempt import Attempt, Reply
from idemlambda._core import PATIENCE_MS, ROUNDS, run_once
from idemlambda._ops import GONE, Call, Insert, Op, Raised, Read, Remove, Replace, Returned, Sleep
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
from idemlambda.record import NOT_KEPT, Body, Record, Status
from idemlambda.testing import FakeClock
from idemlambda.testing.attempts import RECORD_ID, Declined, ambient, attempt, decode_error, encode_error, policy_but

HOUR_MS = 3_600_000


class Script:
    """A flow driven by hand: each line answers what the flow has asked for, and returns what it asks for next."""

    def __init__(self, made: Attempt | None = None, *, remaining: int | None = None, skew: int = 0) -> None:
        self.clock = FakeClock()
        self.flow = run_once(made or attempt("a", lambda: None), ambient(self.clock, skew=skew, remaining=remaining))
        self.op: Op[Any] = next(self.flow)
        self.claim = self.op

    @property
    def asked(self) -> Record:
        """The record that the flow has asked to be written."""
        assert isinstance(self.op, Insert | Replace)
        return self.op.record

    def answer(self, *replies: object) -> Script:
        """Answer once for each reply; the last answer must not end the flow. An error is thrown."""
        for reply in replies:
            self.op = self.flow.throw(reply) if isinstance(reply, Exception) else self.flow.send(reply)
        return self

    def end(self, *replies: object) -> Reply:
        """Answer once for each reply; the last one ends the flow with a reply."""
        self.answer(*replies[:-1])
        last = replies[-1]
        with pytest.raises(StopIteration) as caught:
            self.flow.throw(last) if isinstance(last, Exception) else self.flow.send(last)
        reply = caught.value.value
        assert isinstance(reply, Reply)
        return reply

    def fail(self, seconds: float = 0, *, in_doubt: bool = True) -> Script:
        """Let time pass, and then the store not answer."""
        self.clock.advance(seconds=seconds)
        return self.answer(StoreUnavailable("no answer", in_doubt=in_doubt))


def there(script: Script, *, status: Status = Status.INPROGRESS, lease: int = 60_000, **fields: object) -> Record:
    """A record of another attempt, x, as it is at the script's time; `lease` in milliseconds from then."""
    now = script.clock.now()
    record = Record(
        id=RECORD_ID,
        status=status,
        version="x:1",
        expiration=now // 1000 + 86_400,
        lease_end=now + lease if status is Status.INPROGRESS else 0,
        fingerprint="payload",
        body=None if status is Status.INPROGRESS else Body(data='"x\'s result"'),
    )
    return replace(record, **fields)  # type: ignore[arg-type] # a test's own shorthand


def test_rule_01_a_claim_is_an_insert_then_a_call_then_a_replace() -> None:
    """The main path takes two operations of the store, and the second one expects the first."""
    script = Script()
    claim = script.asked
    assert isinstance(script.op, Insert)
    script.answer(None)
    assert isinstance(script.op, Call)
    script.answer(Returned({"total": 3}))
    assert isinstance(script.op, Replace)
    assert script.op.expect == claim
    assert script.asked.status is Status.COMPLETED
    assert script.asked.body == Body(data='{"total": 3}')
    assert script.end(None) == Reply(value={"total": 3})


def test_rule_01_a_done_record_is_replayed() -> None:
    """A completed record in the way is the answer."""
    script = Script()
    reply = script.end(there(script, status=Status.COMPLETED, attempt=3))
    assert reply == Reply(value="x's result", replayed=True, attempt=3)
    assert reply.result() == "x's result"


def test_rule_01_another_payload_is_refused_whatever_the_status() -> None:
    """A record of another payload is refused, and what changed is named: done, lapsed, released or live."""
    for fields in ({"status": Status.COMPLETED}, {"lease": -1}, {"lease_end": 0}, {}):
        script = Script()
        with pytest.raises(KeyReused, match=r"changed or added: /total; missing: 1") as caught:
            script.answer(there(script, fingerprint="other", digests=b"d", **fields))
        assert (caught.value.changed, caught.value.missing) == (("/total",), 1)


def test_rule_01_another_payload_without_digests_says_so() -> None:
    """Where the record holds no digests, the refusal says that the change is not recorded."""
    script = Script()
    with pytest.raises(KeyReused, match="which part is not recorded"):
        script.answer(there(script, fingerprint="other"))


def test_rule_01_a_live_claim_is_in_progress_for_what_is_left_of_it() -> None:
    """A live claim of another attempt answers with the seconds that are left of its lease."""
    script = Script()
    with pytest.raises(InProgress, match=r"12\.5 s") as caught:
        script.answer(there(script, lease=12_500))
    assert caught.value.retry_after == 12.5


@pytest.mark.parametrize(
    ("fields", "steps_kept", "attempts"),
    [
        ({"lease": -1}, True, 3),
        ({"lease_end": 0}, True, 2),
        ({"lease": -1, "expiration": 1}, False, 1),
    ],
    ids=["lapsed", "released", "vacant"],
)
def test_rule_01_a_takeover_replaces_what_was_found(fields: dict[str, Any], steps_kept: bool, attempts: int) -> None:  # noqa: FBT001 - a table
    """A takeover expects the record it found; it keeps the steps unless that is vacant, and counts crashes only."""
    script = Script()
    steps = {"reserve": Body(data="1")}
    found = there(script, steps=steps, attempt=2, **fields)
    script.answer(found)
    assert isinstance(script.op, Replace)
    assert script.op.expect is found
    assert script.asked.steps == (steps if steps_kept else {})
    assert script.asked.attempt == attempts


def test_rule_01_a_refused_insert_without_an_item_is_read() -> None:
    """An insert that is refused without showing by what is followed by a read, and judged by it."""
    script = Script()
    script.answer(GONE)
    assert script.op == Read(RECORD_ID)
    assert script.end(there(script, status=Status.COMPLETED)).replayed


def test_rule_01_a_record_that_went_away_is_claimed_anew() -> None:
    """Where the read finds nothing either, or a takeover finds the record gone, the next claim is an insert."""
    script = Script()
    assert isinstance(script.answer(GONE, GONE).op, Insert)
    script = Script()
    assert isinstance(script.answer(there(script, lease=-1), GONE).op, Insert)


def test_rule_01_an_older_version_of_my_own_claim_is_mine() -> None:
    """A found claim with my token, though not the one I just sent, is gone on from."""
    script = Script()
    first = script.asked
    script.answer(GONE, GONE)
    assert script.asked.version != first.version
    script.answer(first)
    assert isinstance(script.op, Call)
    script.answer(Returned(1))
    assert isinstance(script.op, Replace)
    assert script.op.expect == first


def test_rule_01_a_record_that_never_stands_still_is_in_progress() -> None:
    """Claiming is bounded: where the record changes each time, others got further, and the caller may retry."""
    script = Script()
    lapsed = [there(script, lease=-1, version=f"x:{n}") for n in range(ROUNDS)]
    with pytest.raises(InProgress, match=f"changed {ROUNDS} times") as caught:
        script.answer(*lapsed)
    assert caught.value.retry_after == 1.0


@pytest.mark.parametrize(
    ("remaining", "lease", "expected"),
    [
        (None, None, 60_000),
        (None, 5_000, 5_000),
        (10_000, None, 12_000),
        (10_000, 5_000, 12_000),
        (10_000, 30_000, 30_000),
    ],
)
def test_rule_03_a_lease_ends_when_the_invocation_must_be_dead(
    remaining: int | None, lease: int | None, expected: int
) -> None:
    """Inside an invocation a lease ends at its deadline plus the skew, or later if asked; outside, as asked."""
    script = Script(attempt("a", lambda: None, policy=policy_but(lease=lease)), remaining=remaining)
    assert script.asked.lease_end == script.clock.now() + expected


def test_rule_04_a_claim_answered_too_late_is_given_back_unstarted() -> None:
    """Where the answer comes within the margin of the lease's end, nothing starts; a retry may come at once."""
    script = Script()
    claim = script.asked
    script.clock.advance(ms=58_000)
    script.answer(None)
    assert script.op == Remove(claim)
    with pytest.raises(InProgress, match="was given back") as caught:
        script.answer(None)
    assert caught.value.retry_after == 0


def test_rule_04_the_last_moment_to_start_is_the_margin() -> None:
    """One millisecond before the margin, the function still starts."""
    script = Script()
    script.clock.advance(ms=57_999)
    assert isinstance(script.answer(None).op, Call)


def test_rule_04_a_claim_that_cannot_be_given_back_stands_for_the_rest_of_its_lease() -> None:
    """Where giving back fails, the caller is told what is left of the lease."""
    script = Script()
    script.clock.advance(ms=59_000)
    script.answer(None)
    with pytest.raises(InProgress, match="too late to run under it") as caught:
        script.fail()
    assert caught.value.retry_after == 1.0
    assert isinstance(caught.value.__cause__, StoreUnavailable)


def test_rule_05_an_unfinished_record_never_expires_before_its_lease() -> None:
    """An unfinished record outlives its lease by an hour, however short results are kept."""
    script = Script(attempt("a", lambda: None, policy=policy_but(ttl=1_000)))
    assert script.asked.expiration * 1000 == script.clock.now() + 60_000 + HOUR_MS


def test_rule_05_a_finished_record_lives_from_its_completion() -> None:
    """The expiry of a result is counted from the moment it is completed, and it carries no lease."""
    script = Script()
    script.answer(None)
    script.clock.advance(seconds=10)
    script.answer(Returned(1))
    assert script.asked.expiration * 1000 == script.clock.now() + 86_400_000
    assert (script.asked.lease_end, script.asked.completed) == (0, script.clock.now())


def test_rule_05_a_live_lease_is_never_vacant() -> None:
    """A live claim whose expiry has passed is in progress."""
    script = Script()
    with pytest.raises(InProgress):
        script.answer(there(script, expiration=1))


def test_rule_07_no_two_writes_of_an_attempt_carry_one_version() -> None:
    """Claims, completions and insertions of one attempt are numbered one by one."""
    script = Script()
    versions = [script.asked.version]
    script.answer(there(script, lease=-1))
    versions.append(script.asked.version)
    script.answer(None, Returned(1))
    versions.append(script.asked.version)
    script.answer(GONE)
    versions.append(script.asked.version)
    assert versions == ["a:1", "a:2", "a:3", "a:4"]


def test_rule_07_a_resend_is_the_identical_operation() -> None:
    """After a failure with no answer, the same operation is sent again, after a pause that doubles."""
    script = Script()
    first = script.op
    pauses = []
    for _ in range(3):
        script.fail()
        assert isinstance(script.op, Sleep)
        pauses.append(script.op.seconds)
        script.answer(None)
        assert script.op is first
    assert pauses == [0.001, 0.001, 0.001]  # without jitter, the least


def test_rule_07_pauses_double_up_to_a_second() -> None:
    """With all the jitter there is, pauses double from 50 ms and stop growing at one second."""
    clock = FakeClock()
    moment = replace(ambient(clock), jitter=lambda: 1.0)
    flow = run_once(attempt("a", lambda: None, policy=policy_but(lease=600_000)), moment)
    next(flow)
    flow.send(None)
    flow.send(Returned(1))
    pauses: list[float] = []
    for _ in range(7):
        op = flow.throw(StoreUnavailable("no answer"))
        assert isinstance(op, Sleep)
        pauses.append(op.seconds)
        flow.send(None)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_rule_08_a_claim_met_by_its_own_resend_is_mine() -> None:
    """Where the first send was applied and its answer lost, the resend meets its own record, and the call goes on."""
    script = Script()
    claim = script.asked
    assert isinstance(script.fail().answer(None, claim).op, Call)


def test_rule_08_a_result_met_by_its_own_resend_is_recorded() -> None:
    """A completion that meets the record it wrote is a success of its own, and no replay."""
    script = Script()
    script.answer(None, Returned(1))
    done = script.asked
    assert script.fail().end(None, done) == Reply(value=1)


def test_rule_08_a_result_brought_by_an_earlier_write_is_mine() -> None:
    """A finished record with my token is my result, whichever of my writes brought it; also one that is not kept."""
    script = Script()
    script.answer(None, Returned(object()), GONE)
    first = script.asked
    assert isinstance(script.op, Insert)
    script.fail().answer(None, GONE, GONE)
    assert script.asked.version != first.version
    reply = script.end(first)
    assert (reply.replayed, reply.recorded) == (False, True)


@pytest.mark.parametrize("outcome", [Returned(object()), Returned("long" * 100)])
def test_rule_09_what_cannot_be_stored_completes_the_record_all_the_same(outcome: Returned) -> None:
    """A result that has no JSON, or is too long, is given to the caller; the record says that it was not kept."""
    script = Script(attempt("a", lambda: None, policy=policy_but(max_result_bytes=100)))
    script.answer(None, outcome)
    assert script.asked.body == Body(encoding=NOT_KEPT)
    assert script.asked.error
    reply = script.end(None)
    assert reply.value is outcome.value
    assert reply.trouble is not None
    assert reply.recorded


def test_rule_09_what_the_store_will_never_take_is_marked() -> None:
    """A finished record that is too large for the store is written once more, as another write without its result."""
    script = Script()
    script.answer(None, Returned("value"))
    first = script.asked
    script.answer(RecordTooLarge("400 KB"))
    assert isinstance(script.op, Replace)
    assert script.asked.body == Body(encoding=NOT_KEPT)
    assert script.asked.version != first.version
    assert script.asked.error == "RecordTooLarge: 400 KB"
    reply = script.end(None)
    assert (reply.value, reply.recorded) == ("value", True)
    assert isinstance(reply.trouble, RecordTooLarge)


def test_rule_09_a_result_that_was_not_kept_is_never_a_second_run() -> None:
    """A retry of a call whose result was not kept is refused, with the reason."""
    for body in (Body(encoding=NOT_KEPT), None):
        script = Script()
        with pytest.raises(ResultNotKept, match="too long"):
            script.answer(there(script, status=Status.COMPLETED, body=body, error="too long"))


def test_rule_10_a_lost_claim_answers_with_its_successors_result() -> None:
    """Who completes and finds a successor's result gives that, as a replay."""
    script = Script()
    script.answer(None, Returned("mine"))
    assert script.end(there(script, status=Status.COMPLETED)) == Reply(value="x's result", replayed=True)


def test_rule_10_a_lost_claim_answers_with_its_successors_error() -> None:
    """The same where the successor's answer is a remembered error, which is raised."""
    script = Script()
    script.answer(None, Returned("mine"))
    reply = script.end(there(script, status=Status.FAILED, body=encode_error(Declined("card"))))
    with pytest.raises(Declined, match="card"):
        reply.result()
    assert isinstance(reply.outcome, Declined)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"status": Status.COMPLETED, "fingerprint": "other"},
        {"status": Status.COMPLETED, "body": Body(encoding=NOT_KEPT)},
        {"status": Status.COMPLETED, "body": Body(data="{")},
    ],
    ids=["at work", "another payload", "not kept", "unreadable"],
)
def test_rule_10_a_lost_claim_without_an_answer_carries_its_own_value(fields: dict[str, Any]) -> None:
    """Where the successor has no answer that could be given, the caller learns so, with the value that was lost."""
    script = Script()
    script.answer(None, Returned("mine"))
    with pytest.raises(ClaimLost, match="another attempt holds the record") as caught:
        script.answer(there(script, **fields))
    assert caught.value.value == "mine"


def test_rule_10_a_record_that_cannot_be_read_takes_the_claim() -> None:
    """A record of a newer format in the way of a completion is a lost claim, and is left as it is."""
    script = Script()
    script.answer(None, Returned("mine"))
    with pytest.raises(ClaimLost, match="cannot be read") as caught:
        script.answer(RecordUnreadable("format 2"))
    assert caught.value.value == "mine"


def test_rule_10_a_record_that_is_only_damaged_is_told_as_such() -> None:
    """A replay that the codec refuses is an unreadable record; a refusal of its own passes as it is."""
    script = Script()
    with pytest.raises(RecordUnreadable, match="cannot be read back: JSONDecodeError"):
        script.answer(there(script, status=Status.COMPLETED, body=Body(data="{")))
    sealed = RecordUnreadable("sealed with another key")

    def refuse(body: Body) -> object:
        raise sealed

    script = Script(replace(attempt("a", lambda: None), decode=refuse))
    with pytest.raises(RecordUnreadable) as caught:
        script.answer(there(script, status=Status.COMPLETED))
    assert caught.value is sealed


def test_rule_11_a_vanished_record_is_inserted_finished() -> None:
    """Where the claim is gone at completion, the finished record is inserted."""
    script = Script()
    script.answer(None, Returned(1), GONE)
    assert isinstance(script.op, Insert)
    assert script.asked.status is Status.COMPLETED
    assert script.end(None) == Reply(value=1)


def test_rule_11_an_insertion_refused_without_an_item_is_read() -> None:
    """The insertion of a finished record that is refused without an item is judged by a read: here a rival's result."""
    script = Script()
    script.answer(None, Returned(1), GONE, GONE)
    assert script.op == Read(RECORD_ID)
    assert script.end(there(script, status=Status.COMPLETED)).replayed


def test_rule_11_an_older_claim_of_mine_is_completed() -> None:
    """A completion that meets an older claim of its own attempt completes that."""
    script = Script()
    older = script.asked
    script.answer(GONE, GONE, None, Returned(1), older)
    assert isinstance(script.op, Replace)
    assert script.op.expect == older
    assert script.end(None) == Reply(value=1)


def test_rule_11_a_record_that_keeps_vanishing_is_not_stored() -> None:
    """Recording is bounded too: a record that vanishes each time is a store that does not hold."""
    script = Script()
    script.answer(None, Returned(1), GONE)
    with pytest.raises(NotStored, match=f"vanished {ROUNDS} times"):
        script.answer(*[GONE, GONE] * (ROUNDS - 1))


def test_rule_12_an_error_removes_the_claim_and_is_handed_on() -> None:
    """After an error of the function its claim is removed, and the error itself is the reply."""
    script = Script()
    claim, error = script.asked, ValueError("out of stock")
    script.answer(None, Raised(error))
    assert script.op == Remove(claim)
    reply = script.end(None)
    assert (reply.error, reply.recorded, reply.trouble) == (error, False, None)
    with pytest.raises(ValueError, match="out of stock"):
        reply.result()


def test_rule_12_steps_outlive_an_error() -> None:
    """A claim with steps is given back by a lease of 0, with its steps and a word on the error."""
    script = Script()
    script.answer(there(script, lease=-1, steps={"reserve": Body(data="1")}), None, Raised(ValueError("no")))
    assert isinstance(script.op, Replace)
    assert (script.asked.lease_end, script.asked.error) == (0, "ValueError: no")
    assert script.asked.steps == {"reserve": Body(data="1")}
    assert script.asked.status is Status.INPROGRESS


def test_rule_12_a_release_that_fails_does_not_hide_the_error() -> None:
    """Whatever goes wrong with the release, the function's error is raised, and the trouble is told beside it."""
    error = ValueError("out of stock")
    for failure in (ConfigError("denied"), RecordUnreadable("format 2")):
        script = Script()
        script.answer(None, Raised(error))
        reply = script.end(failure)
        assert (reply.error, reply.trouble, reply.recorded) == (error, failure, False)


def test_rule_12_a_release_is_sent_again_for_a_few_seconds_only() -> None:
    """A release that is not answered is given up after its patience."""
    script = Script()
    script.answer(None, Raised(ValueError("no")))
    script.fail().answer(None)
    script.clock.advance(ms=PATIENCE_MS)
    reply = script.end(StoreUnavailable("no answer"))
    assert isinstance(reply.trouble, StoreUnavailable)


def test_rule_12_a_release_that_finds_a_successors_result_gives_that() -> None:
    """Who raises after its claim was lost to one that has completed answers with that result."""
    script = Script()
    script.answer(None, Raised(ValueError("no")))
    assert script.end(there(script, status=Status.COMPLETED)) == Reply(value="x's result", replayed=True)


def test_rule_12_a_successor_without_an_answer_does_not_hide_the_error() -> None:
    """Where the successor's result was not kept, the caller gets the function's error, not "nothing ran here"."""
    error = ValueError("no")
    script = Script()
    script.answer(None, Raised(error))
    reply = script.end(there(script, status=Status.COMPLETED, body=Body(encoding=NOT_KEPT)))
    assert reply.error is error
    assert isinstance(reply.trouble, ResultNotKept)


def test_rule_12_a_release_that_finds_a_successor_at_work_leaves_it() -> None:
    """Who raises after its claim was lost to one that is at work hands its error on, and writes nothing more."""
    script = Script()
    script.answer(None, Raised(ValueError("no")))
    assert not script.end(there(script)).recorded


def test_rule_12_a_remembered_error_is_an_answer() -> None:
    """An error that is to be remembered is recorded as the outcome, and replayed to a retry."""
    script = Script(attempt("a", lambda: None, policy=policy_but(remember=(Declined,))))
    error = Declined("card")
    script.answer(None, Raised(error))
    done = script.asked
    assert (done.status, done.error) == (Status.FAILED, "Declined: card")
    reply = script.end(None)
    assert (reply.error, reply.recorded, reply.replayed) == (error, True, False)
    again = Script().end(done)
    assert again.replayed
    assert again.error is not None
    assert again.error.args == decode_error(done.body or Body()).args == ("card",)


def test_rule_12_an_interrupt_writes_nothing() -> None:
    """What is no `Exception` ends the flow where it stands: closing it asks for nothing more."""
    script = Script()
    script.answer(None)
    with pytest.raises(KeyboardInterrupt):
        script.flow.throw(KeyboardInterrupt())
    with pytest.raises(StopIteration):
        next(script.flow)


@pytest.mark.parametrize("failure", [ConfigError("denied"), StoreUnavailable("no answer")])
def test_rule_13_a_failed_completion_never_releases(failure: Exception) -> None:
    """Where the result cannot be recorded, the work is done: the caller learns so, and nothing is given back."""
    script = Script()
    script.answer(None, Returned("mine"))
    script.clock.advance(ms=58_000)
    with pytest.raises(NotStored, match="could not be recorded") as caught:
        script.answer(failure)
    assert caught.value.value == "mine"
    assert caught.value.__cause__ is failure


def test_rule_13_a_completion_is_sent_again_until_the_last_moment() -> None:
    """A completion is tried for as long as the claim is good for work, far beyond a claim's patience."""
    script = Script()
    script.answer(None, Returned("mine"))
    done = script.op
    script.fail(seconds=50).answer(None)
    assert script.op is done
    script.fail(seconds=7.9).answer(None)
    assert script.op is done


def test_rule_13_a_remembered_error_that_cannot_be_recorded_is_carried() -> None:
    """The same for a remembered error: it is what `.value` carries."""
    script = Script(attempt("a", lambda: None, policy=policy_but(remember=(Declined,))))
    error = Declined("card")
    script.answer(None, Raised(error))
    with pytest.raises(NotStored) as caught:
        script.answer(ConfigError("denied"))
    assert caught.value.value is error


def test_rule_13_a_value_can_be_handed_on_unrecorded() -> None:
    """With `unrecorded="return"` the value is handed on, marked as not recorded."""
    script = Script(attempt("a", lambda: None, policy=policy_but(unrecorded="return")))
    failure = ConfigError("denied")
    reply = script.end(None, Returned("mine"), failure)
    assert reply == Reply(value="mine", trouble=failure, recorded=False)


def leave_in_doubt(script: Script, **fields: object) -> Script:
    """Let a claim go unanswered for longer than its patience."""
    if fields:
        script.answer(there(script, **fields))  # type: ignore[arg-type] # a test's own shorthand
    return script.fail().answer(None).fail(seconds=3)


def test_rule_14_a_claim_in_doubt_is_taken_back_once() -> None:
    """Whoever leaves with a claim in doubt sends one removal of it; the first error is what is raised."""
    for answer in (None, GONE, ConfigError("denied"), StoreUnavailable("still no answer")):
        script = Script()
        claim = script.asked
        leave_in_doubt(script)
        assert script.op == Remove(claim)
        with pytest.raises(StoreUnavailable, match=r"^no answer"):
            script.answer(answer)


def test_rule_14_a_takeover_in_doubt_is_released_with_its_steps() -> None:
    """A takeover in doubt is given back by a lease of 0, so that the steps stand."""
    script = Script()
    leave_in_doubt(script, lease=-1, steps={"reserve": Body(data="1")})
    assert isinstance(script.op, Replace)
    assert script.asked.lease_end == 0
    assert script.asked.steps == {"reserve": Body(data="1")}


def test_rule_14_a_claim_in_doubt_is_taken_back_after_a_refusal_too() -> None:
    """A claim that may stand is taken back also where what fails in the end is the set-up."""
    script = Script()
    claim = script.asked
    script.fail().answer(None, ConfigError("denied"))
    assert script.op == Remove(claim)
    with pytest.raises(ConfigError, match="denied"):
        script.answer(None)


def test_rule_14_a_claim_that_surely_failed_is_left_alone() -> None:
    """Where each send is known not to have arrived, there is nothing to take back."""
    script = Script()
    script.fail(in_doubt=False).answer(None)
    with pytest.raises(StoreUnavailable):
        script.fail(seconds=3, in_doubt=False)


def test_rule_14_one_doubt_among_refusals_is_doubt() -> None:
    """One lost answer among refusals leaves the claim in doubt."""
    script = Script()
    claim = script.asked
    script.fail(in_doubt=True).answer(None).fail(seconds=3, in_doubt=False)
    assert script.op == Remove(claim)


def test_rule_16_a_claim_fails_closed_inside_a_few_seconds() -> None:
    """Without an answer the claim is given up after its patience, with nothing run."""
    script = Script()
    script.fail(seconds=1.9, in_doubt=False).answer(None)
    with pytest.raises(StoreUnavailable):
        script.fail(seconds=0.1, in_doubt=False)


def test_rule_16_a_claim_is_never_sent_after_the_deadline() -> None:
    """A claim's patience ends with the invocation: later nobody would be there to work under it."""
    script = Script(remaining=500)
    script.fail(seconds=0.4, in_doubt=False).answer(None)
    with pytest.raises(StoreUnavailable):
        script.fail(seconds=0.1, in_doubt=False)


@pytest.mark.parametrize("failure", [ConfigError("no such table"), RecordUnreadable("format 2")])
def test_rule_16_a_wrong_set_up_is_loud(failure: Exception) -> None:
    """A missing table or a record of a newer format is raised at once, also with `without_store="run"`."""
    script = Script(attempt("a", lambda: None, policy=policy_but(without_store="run")))
    with pytest.raises(type(failure)) as caught:
        script.answer(failure)
    assert caught.value is failure


def without_store(**policy: object) -> Script:
    """A script that runs its function after an outage at the claim."""
    script = Script(attempt("a", lambda: None, policy=policy_but(without_store="run", **policy)))
    leave_in_doubt(script)
    assert isinstance(script.op, Call)
    return script


def test_rule_16_running_without_a_store_settles_the_claim_first() -> None:
    """After running without an answer to the claim, the claim itself is settled before the result is written."""
    script = without_store()
    claim = script.claim
    assert isinstance(claim, Insert)
    script.answer(Returned("mine"))
    assert script.op is claim
    script.answer(None)
    assert isinstance(script.op, Replace)
    assert script.op.expect == claim.record
    assert script.end(None) == Reply(value="mine")


def test_rule_16_running_without_a_store_meets_its_own_claim() -> None:
    """Where the claim had been applied all along, the result is recorded over it."""
    script = without_store()
    claim = script.claim
    assert isinstance(claim, Insert)
    assert isinstance(script.answer(Returned("mine"), claim.record).op, Replace)
    assert script.end(None) == Reply(value="mine")


def test_rule_16_running_without_a_store_meets_a_result() -> None:
    """Where another attempt has completed, its result is the answer."""
    script = without_store()
    script.answer(Returned("mine"))
    assert script.end(there(script, status=Status.COMPLETED)).value == "x's result"


def test_rule_16_running_without_a_store_meets_a_claim() -> None:
    """Where another attempt is at work, the value is handed on, marked as not recorded."""
    script = without_store()
    script.answer(Returned("mine"))
    reply = script.end(there(script))
    assert (reply.value, reply.recorded) == ("mine", False)
    assert isinstance(reply.trouble, ClaimLost)


def test_rule_16_running_without_a_store_meets_no_store() -> None:
    """Where the store stays away, the value is handed on, marked as not recorded."""
    script = without_store()
    script.answer(Returned("mine"))
    script.clock.advance(ms=58_000)
    failure = StoreUnavailable("still no answer")
    assert script.end(failure) == Reply(value="mine", trouble=failure, recorded=False)


@pytest.mark.parametrize("value", [0, False, "", [], {}, None])
def test_rule_17_falsy_results_replay_as_themselves(value: object) -> None:
    """Nothing, zero and the empty things are results like any other."""
    script = Script()
    script.answer(None, Returned(value))
    done = script.asked
    reply = script.end(None)
    again = Script().end(done)
    assert reply.value == again.value == value
    assert type(again.value) is type(value)
    assert again.replayed


def test_the_clock_is_read_through_the_ambient_only() -> None:
    """A flow whose clock is ahead writes times of that clock."""
    script = Script(skew=1_500)
    assert script.asked.started == script.clock.now() + 1_500
