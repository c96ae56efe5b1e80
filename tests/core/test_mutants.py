from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Final, NamedTuple

import pytest

from idemlambda import _core, record
from idemlambda.testing import Explored, LawBroken, laws
from idemlambda.testing.history import Law


class Mutant(NamedTuple):
    """One rule, broken by hand: `old` becomes `new` in the source of `owner.name`; in `world`, `law` shows it."""

    owner: ModuleType | type
    name: str
    old: str
    new: str
    world: str
    law: Law


MUTANTS: Final = {
    "rule 1: a live claim is taken over": Mutant(
        record,
        "judge",
        "return Verdict.BUSY if live else Verdict.LAPSED",
        "return Verdict.LAPSED",
        "two attempts, one fault",
        laws.no_start_under_a_live_lease,
    ),
    "rule 1: the payload is not compared at a takeover": Mutant(
        record,
        "judge",
        "if record.fingerprint and record.fingerprint != fingerprint:",
        "if record.status is not Status.INPROGRESS and record.fingerprint != fingerprint:",
        "two payloads",
        laws.one_payload,
    ),
    "rule 4: the function starts whenever the answer comes": Mutant(
        _core,
        "run_once",
        "if ambient.now() >= held.last_moment:",
        "if False:",
        "two attempts, one fault",
        laws.no_start_under_a_live_lease,
    ),
    "rule 4: no margin at the start": Mutant(
        _core,
        "run_once",
        "if ambient.now() >= held.last_moment:",
        "if ambient.now() >= held.record.lease_end:",
        "skewed clocks",
        laws.no_start_under_a_live_lease,
    ),
    "rule 5: a live lease can be vacant": Mutant(
        record,
        "judge",
        "if record.expiration * 1000 <= now and not live:",
        "if record.expiration * 1000 <= now:",
        "a live claim past its expiry",
        laws.fenced,
    ),
    "rule 7: one version for all writes of an attempt": Mutant(
        _core.Held,
        "next_version",
        "self.issued += 1",
        "self.issued = 1",
        "two attempts, one fault",
        laws.one_write_a_version,
    ),
    "rule 7: one version for all writes, in a store that compares versions alone": Mutant(
        _core.Held,
        "next_version",
        "self.issued += 1",
        "self.issued = 1",
        "versions alone",
        laws.one_result,
    ),
    "rule 7: a resend is another write": Mutant(
        _core,
        "settle",
        "yield from Sleep(pause / 1000)",
        "yield from Sleep(pause / 1000)\n"
        "        op = Insert(replace(op.record, started=-1)) if isinstance(op, Insert) else op",
        "an outage at the claim",
        laws.one_write_a_version,
    ),
    "rule 8: the version is not compared": Mutant(
        record.Record,
        "is_same_write",
        "self.version == other.version and self.status == other.status",
        "self.status == other.status",
        "two attempts, one fault",
        laws.fenced,
    ),
    "rule 8: nothing is compared": Mutant(
        record.Record,
        "is_same_write",
        "self.version == other.version and self.status == other.status",
        "True",
        "two attempts, one fault",
        laws.one_result,
    ),
    "rule 8: an own claim is not recognised": Mutant(
        record.Record,
        "is_claim_of",
        "self.status is Status.INPROGRESS",
        "False",
        "two attempts, one fault",
        laws.nobody_waits_for_itself,
    ),
    "rule 8: an own result is not recognised": Mutant(
        record.Record,
        "is_result_of",
        "self.status is not Status.INPROGRESS",
        "False",
        "two attempts, one fault",
        laws.a_replay_is_of_another,
    ),
    "rule 10: a lost claim returns its own value": Mutant(
        _core,
        "answer_of_rival",
        "if judge(rival, attempt.fingerprint, now) is Verdict.DONE:",
        "return own\n    if judge(rival, attempt.fingerprint, now) is Verdict.DONE:",
        "two attempts, one fault",
        laws.one_result,
    ),
    "rule 10: what is lost to a claim at work is told as a success": Mutant(
        _core,
        "answer_of_rival",
        'raise ClaimLost(lost_text("has no result yet"), value=own.outcome)',
        "return own",
        "two attempts, one fault",
        laws.one_result,
    ),
    "rule 11: a vanished record is not written anew": Mutant(
        _core,
        "record_outcome",
        "write = Insert(again)  # evicted or deleted (rule 11)",
        "return None",
        "a vanishing record",
        laws.one_result,
    ),
    "rule 12: an error releases without regard to whose claim it is": Mutant(
        _core,
        "release_after",
        "found = yield from release(error_text(error), held, ambient)",
        "held.record = (yield from Read(held.record.id))\n"
        "        found = yield from release(error_text(error), held, ambient)",
        "two attempts, one fault",
        laws.fenced,
    ),
    "rule 13: a failed completion releases": Mutant(
        _core,
        "complete",
        "    except Exception as failure:\n",
        "    except Exception as failure:\n        yield from release(error_text(failure), held, ambient)\n",
        "an outage at the completion",
        laws.no_start_under_a_live_lease,
    ),
    "rule 14: a claim in doubt runs": Mutant(
        _core,
        "claim",
        'policy.without_store == "run":',
        'policy.without_store == "raise":',
        "an outage at the claim",
        laws.no_start_under_a_live_lease,
    ),
    "rule 13: a value that is handed on is told as recorded": Mutant(
        _core,
        "complete",
        "return replace(own, trouble=failure, recorded=False)",
        "return replace(own, trouble=failure)",
        "values handed on",
        laws.one_result,
    ),
}


def mutated(function: FunctionType, old: str, new: str) -> FunctionType:
    """The function with one piece of its source replaced, living where the function lives."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{function.__qualname__} reads otherwise now: {old}"
    scratch: dict[str, object] = {}
    text = "from __future__ import annotations\n" + source.replace(old, new)
    exec(compile(text, "<mutant>", "exec"), scratch)  # noqa: S102 - our own source, one line of it changed
    made = scratch[function.__name__]
    assert isinstance(made, FunctionType)
    return FunctionType(made.__code__, function.__globals__, function.__name__, function.__defaults__)


@pytest.mark.parametrize("rule", MUTANTS)
def test_a_broken_rule_breaks_a_law(rule: str, play: Callable[..., Explored], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rule is needed: without it, the world that is named finds a run that breaks the law that is named."""
    mutant = MUTANTS[rule]
    original = vars(mutant.owner)[mutant.name]
    broken = mutated(original, mutant.old, mutant.new)
    for owner in (mutant.owner, _core):  # the core imports the record's functions by name
        if vars(owner).get(mutant.name) is original:
            monkeypatch.setattr(owner, mutant.name, broken)
    with pytest.raises(LawBroken) as caught:
        play(mutant.world, mutant.law)
    assert caught.value.law is mutant.law
