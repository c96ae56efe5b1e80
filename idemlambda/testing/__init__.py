"""What tests of idempotent code need: a clock moved by hand, a Lambda context, deaths, and all orders of events."""

from __future__ import annotations

from idemlambda.testing.clock import FakeClock
from idemlambda.testing.context import LambdaContext
from idemlambda.testing.explore import Chooser, Explored, Unbounded, explore
from idemlambda.testing.history import History
from idemlambda.testing.laws import LAWS, LawBroken
from idemlambda.testing.stores import Killed, KillingStore, RecordedStore, kill_at_every_operation
from idemlambda.testing.worlds import Fault, Perils, interleave

__all__ = [
    "LAWS",
    "Chooser",
    "Explored",
    "FakeClock",
    "Fault",
    "History",
    "Killed",
    "KillingStore",
    "LambdaContext",
    "LawBroken",
    "Perils",
    "RecordedStore",
    "Unbounded",
    "explore",
    "interleave",
    "kill_at_every_operation",
]
