from __future__ import annotations

import itertools
from collections.abc import Generator
from typing import Any

import pytest

from idemlambda._attempt import Reply
from idemlambda._core import Flow, run_once
from idemlambda._ops import GONE, Call, Insert, Op, Raised, Read, Remove, Replace, Returned, Sleep
from idemlambda.errors import ClaimLost, InProgress
from idemlambda.memory import MemoryStore
from idemlambda.record import Body, Record, Status
from idemlambda.testing import (
    LAWS,
    Chooser,
    Explored,
    FakeClock,
    Fault,
    History,
    LawBroken,
    Perils,
    Unbounded,
    explore,
    interleave,
    laws,
)
from idemlambda.testing.attempts import RECORD_ID, ambient, attempt
from idemlambda.testing.history import Changed, Died, Ended, Law, Sent, Started, Told, text_of


def test_every_sequence_of_choices_is_played_once() -> None:
    """Choices that depend on earlier ones are enumerated depth first, each sequence once."""
    played: list[str] = []

    def run(chooser: Chooser) -> None:
        first = chooser.choose("ab")
        played.append(first + (chooser.choose("xyz") if first == "a" else chooser.choose("x") + chooser.choose("12")))

    assert explore(run) == Explored(runs=5, merged=0, deepest=2)
    assert played == ["ax", "ay", "az", "bx1", "bx2"]


def test_equal_states_are_gone_on_from_once() -> None:
    """Runs that meet in one state end there, but for the first; without merging all are played."""
    ends: list[int] = []

    def run(chooser: Chooser) -> None:
        total = 0
        for step in range(4):
            total += chooser.choose([0, 1])
            state = (step, total)
            chooser.visit(lambda state=state: state)  # type: ignore[misc] # bound now
        ends.append(total)

    assert explore(run, merge=False).runs == 16
    assert sorted(set(ends)) == [0, 1, 2, 3, 4]
    ends.clear()
    found = explore(run)
    assert (found.runs, sorted(ends)) == (5, [0, 1, 2, 3, 4])
    assert found.merged > 0


def test_an_error_carries_the_choices_that_led_to_it() -> None:
    """A run that raises ends the exploration, with its choices by number and by name."""

    def run(chooser: Chooser) -> None:
        if chooser.choose("ab") + chooser.choose("xy") == "by":
            raise ValueError("found")

    with pytest.raises(ValueError, match="found") as caught:
        explore(run)
    assert caught.value.__notes__ == ["choices: [1, 1]\n  b\n  y"]


def test_an_exploration_is_bounded() -> None:
    """A world with too many runs is an error that says how far it came, and so is a run that does not end."""
    with pytest.raises(Unbounded, match="4 runs were not all: 4 to their end, 0 merged"):
        explore(lambda chooser: [chooser.choose("ab") for _ in range(3)], most_runs=4)
    with pytest.raises(Unbounded, match="made 400 choices and had not ended"):
        explore(lambda chooser: [chooser.choose("ab") for _ in itertools.count()])


def test_a_chooser_needs_something_to_choose_from() -> None:
    """No options is a slip in the world."""
    with pytest.raises(ValueError, match="nothing to choose from"):
        Chooser().choose([])


def test_a_run_that_depends_on_more_than_its_choices_is_found_out() -> None:
    """Where a replay finds fewer options than before, the run is no function of its choices."""
    sizes = iter([3, 3, 2])
    with pytest.raises(RuntimeError, match="depends on more than its choices"):
        explore(lambda chooser: chooser.choose(range(next(sizes))))


def ends_of(perils: Perils, *, merge: bool) -> tuple[set[str], int]:
    """What each attempt of two can be told in a world, and how many runs it took to know."""
    ends: set[str] = set()

    def told(history: History) -> None:
        ends.update(
            f"{end.by}: {end.reply.value if end.reply else type(end.error).__name__}" for _, end in history.every(Told)
        )

    def run(chooser: Chooser) -> None:
        clock = FakeClock()
        flows = {name: run_once(attempt(name, lambda name=name: name), ambient(clock)) for name in "ab"}  # type: ignore[misc] # bound now
        interleave(flows, chooser=chooser, store=MemoryStore(), clock=clock, perils=perils, laws=[told])

    found = explore(run, merge=merge)
    return ends, found.runs + found.merged


@pytest.mark.parametrize(
    "perils",
    [
        Perils(advances=(60_001,)),
        Perils(faults=frozenset({Fault.DELAYED, Fault.CRASH}), most_faults=1),
        Perils(evictions=1, stalls=False),
    ],
)
def test_merging_runs_loses_no_outcome(perils: Perils) -> None:
    """A world explored with merging tells what it tells without, in fewer runs."""
    merged, few = ends_of(perils, merge=True)
    whole, many = ends_of(perils, merge=False)
    assert merged == whole
    assert few < many


def test_alike_flows_begin_in_order_without_loss() -> None:
    """Where flows differ by name only, beginning in order tells the same, but for who is who."""
    some, few = ends_of(Perils(advances=(60_001,), alike=True), merge=True)
    every, many = ends_of(Perils(advances=(60_001,)), merge=True)
    assert {end[3:].replace("b", "a") for end in some} == {end[3:].replace("b", "a") for end in every}
    assert few < many


def test_a_world_reaches_each_kind_of_end() -> None:
    """With a lapsing lease two attempts can both succeed with one result, or one meets the other at work."""
    ends, _ = ends_of(Perils(advances=(60_001,)), merge=True)
    assert {"a: a", "a: b", "b: a", "b: b", "a: InProgress", "b: InProgress", "a: ClaimLost"} <= ends


def test_every_fault_can_strike() -> None:
    """Each kind of fault happens in some run of a small world."""
    struck: set[str] = set()

    def run(chooser: Chooser) -> None:
        clock = FakeClock()
        flows = {name: run_once(attempt(name, lambda: 1), ambient(clock)) for name in "ab"}
        interleave(
            flows,
            chooser=chooser,
            store=MemoryStore(),
            clock=clock,
            perils=Perils(most_faults=1, advances=(60_001,)),
        )
        struck.update(fault for fault in Fault for option in chooser.taken if str(option).endswith(fault))

    explore(run)
    assert struck == set(Fault)


def only(flow: Flow[Reply]) -> History:
    """One flow in a world without perils."""
    return interleave({"a": flow}, chooser=Chooser(), store=MemoryStore(), clock=FakeClock())


def test_a_world_refuses_an_operation_it_does_not_know() -> None:
    """An operation that is none of the flows' is a slip in the flow."""

    class Dance(Op[None]):
        pass

    def flow() -> Generator[Op[Any], Any, Reply]:
        yield Dance()
        return Reply()

    with pytest.raises(TypeError, match="no world knows the operation"):
        only(flow())


def test_a_function_that_raises_ends_by_its_error() -> None:
    """The function's error is an outcome, and its claim is given back."""

    def function() -> None:
        raise ValueError("out of stock")

    clock = FakeClock()
    history = only(run_once(attempt("a", function), ambient(clock)))
    ended = [event.outcome for _, event in history.every(Ended)]
    assert [str(outcome.error) for outcome in ended if isinstance(outcome, Raised)] == ["out of stock"]
    assert [type(event.op) for _, event in history.every(Sent)] == [Insert, Remove]


def test_a_world_sleeps_without_passing_time() -> None:
    """A pause is no step: time passes when the clock moves, and not by itself."""

    def flow() -> Generator[Op[Any], Any, Reply]:
        yield Sleep(5)
        yield Read(RECORD_ID)
        yield Call(lambda: 1)
        return Reply(value=1)

    history = only(flow())
    assert [type(event) for event in history.events] == [Sent, Started, Ended, Told]


def claim(name: str, **fields: Any) -> Record:
    """A claim of an attempt."""
    usual: dict[str, Any] = {
        "id": RECORD_ID,
        "status": Status.INPROGRESS,
        "version": f"{name}:1",
        "expiration": 1_000,
        "lease_end": 100,
        "fingerprint": "payload",
    }
    return Record(**(usual | fields))


def result(name: str, value: str = '"r"', **fields: Any) -> Record:
    """A result of an attempt."""
    return claim(
        name, **({"version": f"{name}:2", "status": Status.COMPLETED, "lease_end": 0} | fields), body=Body(value)
    )


SECOND = claim("a", version="a:1", lease_end=7)
BROKEN: dict[str, tuple[Law, list[Any]]] = {
    "a result is changed": (laws.one_result, [Changed("b", result("a"), result("b"), 5)]),
    "a result goes away": (laws.one_result, [Changed("b", result("a"), GONE, 5)]),
    "a success is told that is not recorded": (laws.one_result, [Told("a", Reply(value="r"), None)]),
    "another success is told than is recorded": (
        laws.one_result,
        [Changed("a", GONE, result("a"), 5), Told("b", Reply(value="s"), None)],
    ),
    "a remembered error is told that is not recorded": (
        laws.one_result,
        [Changed("a", GONE, result("a", '["card"]'), 5), Told("b", Reply(error=ValueError("cash")), None)],
    ),
    "a start under another's claim": (laws.no_start_under_a_live_lease, [Started("b", 99, claim("a"))]),
    "a start before a lease is over": (
        laws.no_start_under_a_live_lease,
        [Started("a", 5, claim("a")), Changed("a", claim("a"), GONE, 6), Started("b", 99, claim("b"))],
    ),
    "a live claim is taken": (laws.fenced, [Changed("b", claim("a"), claim("b"), 99)]),
    "a result is taken": (laws.fenced, [Changed("b", result("a"), claim("b"), 99)]),
    "a payload is changed": (
        laws.one_payload,
        [Changed("b", claim("a"), claim("b", fingerprint="other"), 101)],
    ),
    "who ran is told that it did not": (
        laws.truth_is_told,
        [Started("a", 1, claim("a")), Told("a", None, InProgress("x", retry_after=1))],
    ),
    "who did not run is told that it did": (laws.truth_is_told, [Told("a", None, ClaimLost("x", value=1))]),
    "an own result is told as a replay": (
        laws.a_replay_is_of_another,
        [Changed("a", GONE, result("a"), 5), Told("a", Reply(value="r", replayed=True), None)],
    ),
    "who waits for itself": (
        laws.nobody_waits_for_itself,
        [Changed("a", GONE, claim("a"), 5), Told("a", None, InProgress("x", retry_after=1))],
    ),
    "two writes of one version": (laws.one_write_a_version, [Sent("a", Insert(claim("a"))), Sent("a", Insert(SECOND))]),
    "two starts": (laws.runs_once_at_a_time, [Started("a", 1, claim("a")), Started("a", 2, claim("a"))]),
}
KEPT: dict[str, list[Any]] = {
    "an expired result is replaced": [Changed("b", result("a"), claim("b"), 1_000_000)],
    "an eviction is nobody's": [Changed("", result("a"), GONE, 5)],
    "an error that is told": [Told("a", None, ValueError("no"))],
    "a value that is told as unrecorded": [Told("a", Reply(value="s", recorded=False), None)],
    "a remembered error": [
        Changed("a", GONE, result("a", '["card"]'), 5),
        Told("b", Reply(error=ValueError("card"), replayed=True), None),
    ],
    "a start after a lease": [Started("a", 5, claim("a")), Died("a"), Started("b", 100, claim("b"))],
    "a start after an error": [
        Started("a", 5, claim("a")),
        Ended("a", Raised(ValueError("no"))),
        Started("b", 6, claim("b")),
    ],
    "a start while another that was overtaken works": [Started("a", 5, GONE), Started("b", 6, claim("b"))],
    "a start after a result": [
        Started("a", 5, claim("a")),
        Ended("a", Returned("r")),
        Changed("a", claim("a"), result("a"), 6),
        Changed("", result("a"), GONE, 7),
        Started("b", 8, claim("b")),
    ],
    "who gave its claim back may wait for it": [
        Changed("a", GONE, claim("a"), 5),
        Sent("a", Remove(claim("a"))),
        Told("a", None, InProgress("x", retry_after=1)),
    ],
    "who gave its claim back with its steps may wait for it": [
        Changed("a", GONE, claim("a"), 5),
        Sent("a", Replace(claim("a", lease_end=0), expect=claim("a"))),
        Told("a", None, InProgress("x", retry_after=1)),
    ],
    "a resend": [Sent("a", Insert(claim("a"))), Sent("a", Insert(claim("a")))],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_law_is_seen(name: str) -> None:
    """Each law sees the history that breaks it, and names itself and what happened."""
    law, events = BROKEN[name]
    history = History()
    history.events += events
    with pytest.raises(LawBroken, match=law.__name__) as caught:
        law(history)
    assert caught.value.law is law
    assert str(history) in str(caught.value)


@pytest.mark.parametrize("name", KEPT)
def test_a_lawful_history_passes_every_law(name: str) -> None:
    """What is allowed breaks none of the laws."""
    history = History()
    history.events += KEPT[name]
    for law in LAWS:
        law(history)


def test_events_read_like_sentences() -> None:
    """A counterexample is for people."""
    history = History()
    history.events += [
        Sent("a", Insert(claim("a"))),
        Changed("a", GONE, claim("a"), 5),
        Changed("", claim("a"), GONE, 6),
        Started("a", 7, GONE),
    ]
    assert str(history).splitlines() == [
        "  a sends insert a:1 INPROGRESS",
        "  a changes nothing to a:1 INPROGRESS (lease to 100) at 5",
        "  the world changes a:1 INPROGRESS (lease to 100) to nothing at 6",
        "  a starts at 7 under nothing",
    ]
    assert text_of(Replace(result("a"), expect=claim("a"))) == "replace a:1 a:2 COMPLETED"
    assert text_of(Remove(claim("a"))) == "remove a:1"
    assert text_of(Read(RECORD_ID)) == "read"
