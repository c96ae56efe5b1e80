"""Small worlds: several flows over one store, with everything that may come between two of their operations.

A world is driven one step at a time. What comes next is the chooser's: whose operation arrives, how it fails, when the
clock moves, when a write that was given up lands after all. Under `explore` each order is played once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from idemlambda._attempt import Reply
from idemlambda._core import Flow
from idemlambda._ops import GONE, Call, Found, Gone, Insert, Op, Raised, Read, Remove, Returned, Sleep, StoreOp
from idemlambda.errors import StoreUnavailable
from idemlambda.ports import Store
from idemlambda.record import Record
from idemlambda.testing.clock import FakeClock
from idemlambda.testing.explore import Chooser, Seen
from idemlambda.testing.history import Changed, Died, Ended, History, Law, Sent, Started, Told, text_of


class Fault(StrEnum):
    """What may go wrong with one operation of one attempt."""

    LOST_REQUEST = "is lost, and nobody knows"
    LOST_ANSWER = "arrives, and its answer is lost"
    REFUSED = "is throttled, and known not to have arrived"
    STUTTER = "arrives, and will arrive once more before it is answered"
    DELAYED = "is given up, and will land later"
    HIDDEN = "arrives, and its answer does not show the record in the way"
    LATE_ANSWER = "arrives, and its answer takes its time"
    CRASH = "is never sent: the attempt dies"
    CRASH_AFTER = "arrives, and the attempt dies"


NOT_FOR_READS: Final = {Fault.LOST_REQUEST, Fault.LOST_ANSWER, Fault.STUTTER, Fault.DELAYED, Fault.CRASH_AFTER}
"""A read that fails changes nothing, however it fails: one way of failing, `REFUSED`, stands for all."""


@dataclass(frozen=True, slots=True)
class Perils:
    """What may happen in one run. All of it is bounded, so that the world is.

    Attributes:
        faults: The kinds of faults; each strikes once at most.
        most_faults: How many strike in one run, all kinds together.
        advances: Steps of the clock in milliseconds, taken in this order, each at any time or never.
        evictions: How often the record may vanish behind everybody's back.
        stalls: Whether a function may be overtaken while it runs: its end is a step of its own.
        alike: Whether the flows differ by name only; then they begin in the order given, which stands for every other.
    """

    faults: frozenset[Fault] = frozenset(Fault)
    most_faults: int = 0
    advances: tuple[int, ...] = ()
    evictions: int = 0
    stalls: bool = True
    alike: bool = False


class _Actor:
    """One flow, and what it waits for."""

    __slots__ = ("answer", "ended", "flow", "log", "name", "op", "skew", "started", "stuttered")

    def __init__(self, name: str, flow: Flow[Reply], skew: int) -> None:
        self.name = name
        self.flow = flow
        self.skew = skew
        self.op: StoreOp | Call | None = None
        self.answer: list[Found] = []
        """The late answer, while it is on its way."""
        self.ended = False
        self.stuttered = False
        self.log: list[Hashable] = []
        self.started: list[Hashable] = []

    def standing(self) -> Hashable:
        """What its future, and that of others, depends on: a flow is a function of what it was answered, and when."""
        waits = None if self.ended else (tuple(self.log), self.stuttered, len(self.answer))
        return (waits, tuple(self.started))


class _Move:
    """One thing that may come next. Its text is made when somebody asks: thousands are offered, few are read."""

    __slots__ = ("_act", "_args", "_op", "_what", "_who")

    def __init__(self, who: str, what: str, act: Callable[..., None], *args: object, op: Op[Any] | None = None) -> None:
        self._who = who
        self._what = what
        self._act = act
        self._args = args
        self._op = op

    def play(self) -> None:
        self._act(*self._args)

    def __str__(self) -> str:
        return f"{self._who}: {self._what}" if self._op is None else f"{self._who}: {text_of(self._op)} {self._what}"


def interleave(
    flows: Mapping[str, Flow[Reply]],
    *,
    chooser: Chooser,
    store: Store,
    clock: FakeClock,
    perils: Perils = Perils(),
    skews: Mapping[str, int] | None = None,
    laws: Sequence[Law] = (),
) -> History:
    """Drive flows over one store to their ends, one step at a time, as the chooser decides.

    Args:
        flows: The flows by name. The name is the attempt's token, by which the laws know whose write a record is.
        chooser: Decides what comes next.
        store: Where all of them write. It is given anew for each run, as is the clock.
        clock: The true time; nothing but `perils.advances` moves it.
        perils: What may happen.
        skews: Milliseconds by which a flow's own clock is off. The flow must read it so: this tells the laws.
        laws: What must hold, also where the run ends early because another run goes on from the same state.

    Returns:
        What happened.
    """
    offs = skews or {}
    actors = [_Actor(name, flow, offs.get(name, 0)) for name, flow in flows.items()]
    world = _World(actors, chooser, store, clock, perils)
    try:
        world.run()
    except Seen:
        check(world.history, laws)
        raise
    finally:
        world.close()
    return check(world.history, laws)


def check(history: History, laws: Sequence[Law]) -> History:
    """The history, if no law is broken."""
    for law in laws:
        law(history)
    return history


class _World:
    """One run."""

    def __init__(self, actors: list[_Actor], chooser: Chooser, store: Store, clock: FakeClock, perils: Perils) -> None:
        self.history = History()
        self._actors = actors
        self._chooser = chooser
        self._store = store
        self._clock = clock
        self._perils = perils
        self._kinds = sorted(perils.faults)
        self._struck: list[Fault] = []
        self._advanced = 0
        self._evicted = 0
        self._network: list[tuple[_Actor, StoreOp]] = []
        self._there: dict[str, Record | Gone] = {}
        self._recorded: set[Hashable] = set()

    def run(self) -> None:
        while not all(actor.ended for actor in self._actors):
            self._chooser.visit(self._state)
            self._chooser.choose(self._moves()).play()
        while self._network:
            self._land(0)

    def close(self) -> None:
        """Let go of what refers to itself: the flows, and the frames that errors remember."""
        for actor in self._actors:
            actor.flow.close()
        for _, told in self.history.every(Told):
            forget_frames(told.error)
            if told.reply is not None:
                forget_frames(told.reply.trouble)
                forget_frames(told.reply.error)

    def _state(self) -> Hashable:
        """All that the rest of the run, and the laws over it, depend on."""
        return (
            tuple(mark(record) for record in self._there.values()),
            tuple(actor.standing() for actor in self._actors),
            tuple(str(op) for _, op in self._network),
            frozenset(self._recorded),
            frozenset(self._struck),
            self._advanced,
            self._evicted,
        )

    def _moves(self) -> list[_Move]:
        moves = [move for actor in self._actors if not actor.ended for move in self._moves_of(actor)]
        for place, (actor, op) in enumerate(self._network):
            moves.append(_Move(actor.name, "lands late", self._land, place, op=op))
        if self._advanced < len(self._perils.advances):
            moves.append(_Move("clock", f"{self._perils.advances[self._advanced]} ms pass", self._advance))
        if self._evicted < self._perils.evictions:
            there = [record for record in self._there.values() if isinstance(record, Record)]
            moves += [_Move("store", f"{record.version} vanishes", self._evict, record) for record in there]
        return moves

    def _moves_of(self, actor: _Actor) -> list[_Move]:
        name, op = actor.name, actor.op
        if actor.answer:
            return [_Move(name, "the late answer comes", self._answer, actor, actor.answer[0])]
        if op is None:
            waits = self._perils.alike and any(a.op is None for a in self._actors[: self._actors.index(actor)])
            return [] if waits else [_Move(name, "begins", self._begin, actor)]
        if isinstance(op, Call):
            moves = [_Move(name, "ends", self._call, actor, op, op=op)]
        else:
            moves = [_Move(name, "arrives", self._deliver, actor, op, op=op)]
        if len(self._struck) < self._perils.most_faults and not actor.stuttered:
            faults = [fault for fault in self._kinds if fault not in self._struck and self._matters(fault, op)]
            moves += [_Move(name, fault, self._strike, actor, op, fault, op=op) for fault in faults]
        return moves

    def _matters(self, fault: Fault, op: StoreOp | Call) -> bool:
        """Whether a fault makes a difference here that no other makes."""
        if isinstance(op, Call):
            return fault is Fault.CRASH
        if fault is Fault.HIDDEN:
            return isinstance(op, Insert)
        if fault is Fault.LATE_ANSWER:  # late matters only if time passes
            return self._advanced < len(self._perils.advances)
        return not (isinstance(op, Read) and fault in NOT_FOR_READS)

    def _strike(self, actor: _Actor, op: StoreOp | Call, fault: Fault) -> None:
        self._struck.append(fault)
        if fault is Fault.CRASH or isinstance(op, Call):
            self._die(actor)
            return
        if fault is Fault.DELAYED:
            self._network.append((actor, op))
        if fault in {Fault.LOST_REQUEST, Fault.DELAYED, Fault.REFUSED}:
            self._fail(actor, in_doubt=fault is not Fault.REFUSED)
            return
        found = self._arrive(actor, op)
        if fault is Fault.LOST_ANSWER:
            self._fail(actor, in_doubt=True)
        elif fault is Fault.STUTTER:
            actor.stuttered = True
        elif fault is Fault.CRASH_AFTER:
            self._die(actor)
        elif fault is Fault.HIDDEN:
            self._answer(actor, GONE if isinstance(found, Record) else found)
        else:
            actor.log.append(mark(found))
            actor.answer.append(found)

    def _begin(self, actor: _Actor) -> None:
        self._step(actor, "begins", lambda: next(actor.flow))

    def _deliver(self, actor: _Actor, op: StoreOp) -> None:
        actor.stuttered = False
        self._answer(actor, self._arrive(actor, op))

    def _answer(self, actor: _Actor, found: Found) -> None:
        actor.answer.clear()
        self._step(actor, mark(found), lambda: actor.flow.send(found))

    def _fail(self, actor: _Actor, *, in_doubt: bool) -> None:
        error = StoreUnavailable("the world is like this", in_doubt=in_doubt)
        self._step(actor, f"fails, in doubt: {in_doubt}", lambda: actor.flow.throw(error))

    def _die(self, actor: _Actor) -> None:
        actor.ended = True
        actor.flow.close()
        self.history.events.append(Died(actor.name))

    def _call(self, actor: _Actor, op: Call) -> None:
        outcome: Returned | Raised
        try:
            outcome = Returned(op.function())
        except Exception as error:  # noqa: BLE001 - the function's error is a reply
            outcome = Raised(error)
        actor.started.append(isinstance(outcome, Raised))
        self.history.events.append(Ended(actor.name, outcome))
        self._step(actor, repr(outcome), lambda: actor.flow.send(outcome))

    def _step(self, actor: _Actor, reply: Hashable, advance: Callable[[], Op[Any]]) -> None:
        """Let a flow go on to the next point where another could come between."""
        actor.log.append((self._clock.now(), reply))
        try:
            op = advance()
            while isinstance(op, Sleep):  # no time passes: that is the clock's own move
                op = actor.flow.send(None)
        except StopIteration as end:
            self._end(actor, end.value, None)
        except Exception as error:  # noqa: BLE001 - it is what the caller is told
            self._end(actor, None, error)
        else:
            self._ask(actor, op)

    def _ask(self, actor: _Actor, op: Op[Any]) -> None:
        if isinstance(op, StoreOp):
            self.history.events.append(Sent(actor.name, op))
            actor.op = op
        elif isinstance(op, Call):
            asked = actor.op
            assert isinstance(asked, StoreOp), "a flow calls its function under a claim"  # noqa: S101 - narrows
            there = self._peek(asked.id)
            self.history.events.append(Started(actor.name, self._now(actor), there))
            actor.started += [self._now(actor), mark(there)]
            actor.op = op
            if not self._perils.stalls:
                self._call(actor, op)
        else:
            raise TypeError(f"no world knows the operation {op!r}")

    def _end(self, actor: _Actor, reply: Reply | None, error: Exception | None) -> None:
        actor.ended = True
        self.history.events.append(Told(actor.name, reply, error))

    def _arrive(self, actor: _Actor, op: StoreOp) -> Found:
        """The store carries an operation out."""
        before = self._peek(op.id)
        found = self._store.send(op)
        after = self._peek(op.id)
        self._there[op.id] = after
        if before != after:
            self.history.events.append(Changed(actor.name, before, after, self._now(actor)))
            if isinstance(after, Record) and after.body is not None:
                self._recorded.add(mark(after))
        return found

    def _land(self, place: int) -> None:
        self._arrive(*self._network.pop(place))

    def _advance(self) -> None:
        self._clock.advance(ms=self._perils.advances[self._advanced])
        self._advanced += 1

    def _evict(self, there: Record) -> None:
        self._evicted += 1
        self._store.send(Remove(there))
        self._there[there.id] = GONE
        self.history.events.append(Changed("", there, GONE, self._clock.now()))

    def _peek(self, record_id: str) -> Record | Gone:
        there = self._store.send(Read(record_id))
        assert there is not None, "a read answers a record or GONE"  # noqa: S101 - narrows
        return there

    def _now(self, actor: _Actor) -> int:
        return self._clock.now() + actor.skew


def forget_frames(error: BaseException | None) -> None:
    """Drop the traceback of an error, and of those that led to it: frames hold the world that holds the error."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def mark(found: Found) -> Hashable:
    """A store's answer, as something that can be compared cheaply."""
    if not isinstance(found, Record):
        return found
    data = None if found.body is None else found.body.data
    return (found.version, found.status, found.lease_end, found.expiration, found.fingerprint, found.attempt, data)
