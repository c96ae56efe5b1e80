"""The worlds that `test_worlds.py` explores, and that `test_mutants.py` explores again with one rule broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import pytest

from idemlambda import _core
from idemlambda._attempt import Attempt, Policy
from idemlambda._drivers import Driver
from idemlambda._ops import Found, Insert, Read, Remove, Replace, StoreOp
from idemlambda.memory import MemoryStore
from idemlambda.record import Body, Record, Status
from idemlambda.testing import Chooser, Explored, FakeClock, Fault, History, LawBroken, Perils, explore, interleave
from idemlambda.testing.attempts import POLICY, RECORD_ID, Declined, ambient, attempt, policy_but
from idemlambda.testing.history import Law
from idemlambda.testing.laws import LAWS, content, is_result, no_start_under_a_live_lease, one_result

LAPSE: Final = 60_001
"""Past the lease of 60 s, whenever it began before."""

MARGIN: Final = 58_001
"""Past the last moment to start, and before the lease is over: the skew is 2 s."""

OUTAGE: Final = 3_001
"""Longer than a claim or a release is patient."""

NOT_START = tuple(law for law in LAWS if law is not no_start_under_a_live_lease)
"""Where the record may vanish, or work begins without a store, leases promise nothing."""


class VersionsOnly(MemoryStore):
    """A store that compares versions alone, as rule 8 says it must not: rule 7 then stands alone."""

    def send(self, op: StoreOp) -> Found:
        """Carry out one operation, comparing too little."""
        there = super().send(Read(op.id))
        if isinstance(op, Replace | Remove) and isinstance(there, Record) and there.version == op.expect.version:
            super().send(Remove(there))
            return None if isinstance(op, Remove) else super().send(Insert(op.record))
        return super().send(op)


@dataclass(frozen=True)
class Scene:
    """One world: who plays, what may happen, and which laws hold.

    Attributes:
        payloads: One attempt each, named a, b, c.
        raises: How many functions may raise, each or not; they raise `error`.
        seed: What the store holds at first, made from the time.
    """

    perils: Perils
    payloads: tuple[str, ...] = ("payload", "payload")
    skews: tuple[int, ...] = (0, 0, 0)
    policy: Policy = POLICY
    raises: int = 0
    error: Exception = ValueError("out of stock")  # noqa: RUF009 - never changed
    seed: Callable[[int], Record] | None = None
    store: type[MemoryStore] = MemoryStore
    laws: tuple[Law, ...] = tuple(LAWS)

    def play(self, chooser: Chooser) -> None:
        """One run: all flows to their ends, then one attempt more."""
        clock, store = FakeClock(), self.store()
        if self.seed is not None:
            store.send(Insert(self.seed(clock.now())))
        names = dict(zip("abc", self.payloads, strict=False))
        skews = dict(zip(names, self.skews, strict=False))
        left = [self.raises]

        def function(name: str) -> Callable[[], object]:
            def run() -> object:
                if left[0] and chooser.choose([f"{name} returns", f"{name} raises"]).endswith("raises"):
                    left[0] -= 1
                    raise self.error
                return f"{name}'s result"

            return run

        attempts = {
            name: attempt(name, function(name), fingerprint=payload, policy=self.policy)
            for name, payload in names.items()
        }
        flows = {name: _core.run_once(made, ambient(clock, skew=skews[name])) for name, made in attempts.items()}
        history = interleave(
            flows, chooser=chooser, store=store, clock=clock, perils=self.perils, skews=skews, laws=self.laws
        )
        clock.advance(ms=LAPSE + 2 * self.policy.skew)
        last(store, clock, attempts["a"], history)


def last(store: MemoryStore, clock: FakeClock, first: Attempt, history: History) -> None:
    """After everything, one more attempt with the record's payload finishes: with what is recorded, or by running."""
    there = store.send(Read(RECORD_ID))
    payload = there.fingerprint if isinstance(there, Record) else first.fingerprint
    name = "z"
    again = replace(first, token=name, fingerprint=payload, function=lambda: "z's result")
    reply = Driver(store, clock).run(_core.run_once(again, ambient(clock)))
    expired = isinstance(there, Record) and there.expiration * 1000 <= clock.now()
    if isinstance(there, Record) and is_result(there) and not expired:
        said = reply.value if reply.error is None else list(reply.error.args)
        if not reply.replayed or said != content(there):
            raise LawBroken(one_result, "a recorded result was not replayed", history)
    elif reply.value != "z's result":
        raise LawBroken(one_result, "a last attempt could not finish", history)


def claim_of_another(now: int, *, lease_end: int, expiration: int, steps: bool = False) -> Record:
    """An unfinished record that an attempt `x` left behind."""
    return Record(
        id=RECORD_ID,
        status=Status.INPROGRESS,
        version="x:1",
        expiration=expiration,
        lease_end=lease_end,
        fingerprint="payload",
        steps={"reserve": Body(data='"held"')} if steps else {},
        started=now,
    )


DOUBT = frozenset({Fault.LOST_ANSWER, Fault.LOST_REQUEST, Fault.DELAYED, Fault.STUTTER, Fault.HIDDEN})

SCENES: Final = {
    "two attempts, one fault": Scene(Perils(advances=(LAPSE,), most_faults=1, alike=True), raises=2),
    "two attempts, two faults": Scene(Perils(advances=(LAPSE,), most_faults=2, alike=True)),
    "three attempts": Scene(Perils(advances=(LAPSE, LAPSE), alike=True), payloads=("payload",) * 3),
    "three attempts, one fault": Scene(
        Perils(
            faults=frozenset({Fault.CRASH, Fault.DELAYED}),
            most_faults=1,
            advances=(LAPSE,),
            stalls=False,
            alike=True,
        ),
        payloads=("payload",) * 3,
        raises=1,
    ),
    "skewed clocks": Scene(
        Perils(faults=frozenset({Fault.LATE_ANSWER, Fault.DELAYED}), most_faults=1, advances=(MARGIN, 2_000)),
        skews=(-1_000, 1_000),
    ),
    "two payloads": Scene(Perils(advances=(LAPSE,), most_faults=1), payloads=("apples", "pears"), raises=1),
    "remembered errors": Scene(
        Perils(advances=(LAPSE,), most_faults=1, alike=True),
        policy=policy_but(remember=(Declined,)),
        raises=2,
        error=Declined("card"),
    ),
    "kept steps": Scene(
        Perils(advances=(LAPSE,), most_faults=1, alike=True),
        seed=lambda now: claim_of_another(now, lease_end=now - 1, expiration=now // 1000 + 9_999, steps=True),
        raises=1,
    ),
    "short-lived results": Scene(
        Perils(advances=(11_000, LAPSE), most_faults=1, alike=True), policy=policy_but(ttl=10_000)
    ),
    "a vanishing record": Scene(
        Perils(faults=DOUBT, advances=(LAPSE,), most_faults=1, evictions=1, alike=True), laws=NOT_START
    ),
    "an outage at the claim": Scene(
        Perils(faults=DOUBT | {Fault.REFUSED}, advances=(OUTAGE,), most_faults=2, alike=True), raises=1
    ),
    "an outage at the completion": Scene(
        Perils(faults=DOUBT | {Fault.REFUSED}, advances=(MARGIN,), most_faults=2, alike=True)
    ),
    "values handed on": Scene(
        Perils(faults=DOUBT | {Fault.REFUSED}, advances=(MARGIN,), most_faults=1, alike=True),
        policy=policy_but(unrecorded="return"),
    ),
    "running without a store": Scene(
        Perils(faults=DOUBT | {Fault.REFUSED}, advances=(OUTAGE,), most_faults=2, alike=True),
        policy=policy_but(without_store="run"),
        raises=1,
        laws=NOT_START,
    ),
    "a live claim past its expiry": Scene(
        Perils(advances=(MARGIN,), alike=True),
        seed=lambda now: claim_of_another(now, lease_end=now + 60_000, expiration=now // 1000 - 1),
    ),
    "versions alone": Scene(Perils(advances=(LAPSE,), most_faults=1, alike=True), store=VersionsOnly, raises=1),
}


@pytest.fixture
def scenes() -> list[str]:
    """The names of all worlds."""
    return list(SCENES)


@pytest.fixture
def play() -> Callable[..., Explored]:
    """Explore a world by its name, under all its laws or those that are given; a broken law is raised."""

    def explored(name: str, *laws: Law) -> Explored:
        scene = SCENES[name]
        return explore((replace(scene, laws=laws) if laws else scene).play)

    return explored
