from __future__ import annotations

from collections.abc import Callable

import pytest

from idemlambda.testing import Explored

# What each world is about, and the least that must have been looked at: a world that shrinks proves less.
WORLDS = {
    "two attempts, one fault": 5_000,
    "two attempts, two faults": 40_000,
    "three attempts": 15_000,
    "three attempts, one fault": 40_000,
    "skewed clocks": 5_000,
    "two payloads": 3_000,
    "remembered errors": 5_000,
    "kept steps": 20_000,
    "short-lived results": 10_000,
    "a vanishing record": 10_000,
    "an outage at the claim": 30_000,
    "an outage at the completion": 10_000,
    "values handed on": 1_000,
    "running without a store": 50_000,
    "a live claim past its expiry": 10,
    "versions alone": 5_000,
}


def explored(play: Callable[[str], Explored], name: str) -> None:
    """Explore a world, whose laws are checked in every run, and see that it was not a smaller one."""
    found = play(name)
    print(f"{name}: {found}")  # noqa: T201 - shown by pytest -rP: the figures that docs/guarantees.md quotes
    assert found.runs + found.merged >= WORLDS[name]


def test_every_world_is_explored(scenes: list[str]) -> None:
    """No world is described and then forgotten."""
    assert scenes == list(WORLDS)


@pytest.mark.parametrize("name", ["two attempts, one fault", "two attempts, two faults"])
def test_two_attempts_never_show_two_results(name: str, play: Callable[[str], Explored]) -> None:
    """In all orders of two attempts, with every fault and a lapsing lease, one result is recorded and told."""
    explored(play, name)


@pytest.mark.parametrize("name", ["three attempts", "three attempts, one fault"])
def test_three_attempts_never_show_two_results(name: str, play: Callable[[str], Explored]) -> None:
    """In all orders of three attempts whose leases lapse, one result is recorded and told."""
    explored(play, name)


def test_skewed_clocks_never_let_two_run_under_live_leases(play: Callable[[str], Explored]) -> None:
    """With clocks apart by the whole skew and late answers, no attempt starts while another's lease is live."""
    explored(play, "skewed clocks")


def test_a_record_keeps_its_payload(play: Callable[[str], Explored]) -> None:
    """An attempt with another payload never takes a record over, not after a crash either."""
    explored(play, "two payloads")


def test_a_remembered_error_is_one_result_too(play: Callable[[str], Explored]) -> None:
    """Where errors are remembered, values and errors are one answer for all attempts."""
    explored(play, "remembered errors")


def test_a_release_that_keeps_steps_is_fenced(play: Callable[[str], Explored]) -> None:
    """An attempt that resumes from steps and raises gives back its own claim only."""
    explored(play, "kept steps")


def test_a_result_holds_until_it_expires(play: Callable[[str], Explored]) -> None:
    """A result that expires while others claim is never changed before that."""
    explored(play, "short-lived results")


def test_a_vanished_record_costs_no_success(play: Callable[[str], Explored]) -> None:
    """Where a record is deleted behind everybody's back, each success that is told was recorded all the same."""
    explored(play, "a vanishing record")


def test_an_outage_at_the_claim_runs_nothing_and_blocks_for_a_lease_at_most(play: Callable[[str], Explored]) -> None:
    """Who is told that the store did not answer did not run, and a later attempt finishes."""
    explored(play, "an outage at the claim")


@pytest.mark.parametrize("name", ["an outage at the completion", "values handed on"])
def test_an_outage_at_the_completion_keeps_the_claim(name: str, play: Callable[[str], Explored]) -> None:
    """Work whose result could not be recorded does not run again before its lease is over."""
    explored(play, name)


def test_running_without_a_store_still_records_one_result(play: Callable[[str], Explored]) -> None:
    """Attempts that run through an outage tell a success as recorded only if the record says so."""
    explored(play, "running without a store")


def test_a_live_claim_is_honoured_past_its_expiry(play: Callable[[str], Explored]) -> None:
    """A claim whose record seems expired still keeps others out until its lease is over."""
    explored(play, "a live claim past its expiry")


def test_versions_alone_fence_every_write(play: Callable[[str], Explored]) -> None:
    """Since each write has a version of its own, comparing versions alone is enough for all laws."""
    explored(play, "versions alone")
