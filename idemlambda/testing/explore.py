"""All runs of a small world: every sequence of choices once, depth first, each replayed from the start."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

MOST_RUNS: Final = 200_000
"""A world with more runs than this is not looked at: it is waited for (at some 5,000 runs a second)."""

MOST_CHOICES: Final = 400
"""Choices in one run; a flow that is still asking by then goes round in circles."""


class Unbounded(AssertionError):
    """The world has more runs, or a run more choices, than it was allowed."""


class Seen(BaseException):
    """This run has reached a state whose every continuation an earlier run explores."""


@dataclass(frozen=True, slots=True)
class Explored:
    """How much was looked at.

    Attributes:
        runs: Runs that were played to their end.
        merged: Runs that met the state of an earlier one and ended there.
        deepest: The most choices in one run.
    """

    runs: int
    merged: int
    deepest: int


class Chooser:
    """Decides for one run: as it is told at first, then always the first option.

    Attributes:
        path: Which option was taken at each choice, by index.
        taken: What was taken.
    """

    def __init__(self, told: Sequence[int] = (), seen: set[int] | None = None) -> None:
        self._told = told
        self._seen = seen
        self._sizes: list[int] = []
        self.path: list[int] = []
        self.taken: list[object] = []

    def choose(self, options: Sequence[T]) -> T:
        """One of the options; a single one is no choice, and costs nothing.

        Raises:
            ValueError: There are no options.
            RuntimeError: The run is not a function of its choices: told to, it went another way.
            Unbounded: The run does not end.
        """
        if len(options) == 1:
            return options[0]
        if not options:
            raise ValueError("there is nothing to choose from")
        depth = len(self.path)
        if depth >= MOST_CHOICES:
            raise Unbounded(
                f"a run made {MOST_CHOICES} choices and had not ended: {[str(option) for option in self.taken[-8:]]}"
            )
        taken = self._told[depth] if depth < len(self._told) else 0
        if taken >= len(options):
            raise RuntimeError(f"choice {depth} had more options before: the run depends on more than its choices")
        self.path.append(taken)
        self._sizes.append(len(options))
        self.taken.append(options[taken])
        return options[taken]

    def visit(self, state: Callable[[], Hashable]) -> None:
        """Say where the run stands; where another run stood there before, this one ends.

        Sound only if the state holds all that the rest of the run, and the laws it is judged by, depend on.
        """
        # Along the path it was told, a run passes through what it has itself been through in its earlier replays.
        if self._seen is None or len(self.path) < len(self._told):
            return
        # Its hash alone is kept: a hundred thousand of them meet by chance once in a billion explorations, while the
        # states themselves would be walked by each garbage collection.
        here = hash(state())
        if here in self._seen:
            raise Seen
        self._seen.add(here)

    def next_path(self) -> list[int] | None:
        """The path of the next run, depth first; None after the last."""
        for depth in range(len(self.path) - 1, -1, -1):
            if self.path[depth] + 1 < self._sizes[depth]:
                return [*self.path[:depth], self.path[depth] + 1]
        return None


def explore(run: Callable[[Chooser], object], *, most_runs: int = MOST_RUNS, merge: bool = True) -> Explored:
    """Play `run` once for each sequence of choices; an error ends it and carries the choices that led there.

    Args:
        run: A world and its laws. It builds everything anew, takes every decision from the chooser, and raises where
            a law is broken.
        most_runs: How many runs there may be.
        merge: Whether a run ends where it meets the state of an earlier one.

    Raises:
        Unbounded: There are more.
    """
    seen: set[int] | None = set() if merge else None
    told: list[int] | None = []
    runs = merged = deepest = 0
    while told is not None:
        if runs + merged >= most_runs:
            raise Unbounded(f"{most_runs:,} runs were not all: {runs:,} to their end, {merged:,} merged")
        chooser = Chooser(told, seen)
        if played(run, chooser):
            runs += 1
        else:
            merged += 1
        deepest = max(deepest, len(chooser.path))
        told = chooser.next_path()
    return Explored(runs, merged, deepest)


def played(run: Callable[[Chooser], object], chooser: Chooser) -> bool:
    """Play one run; False where it ended in a state that was seen before."""
    try:
        run(chooser)
    except Seen:
        return False
    except BaseException as error:
        error.add_note(f"choices: {chooser.path}\n" + "\n".join(f"  {option}" for option in chooser.taken))
        raise
    finally:
        chooser.taken.clear()  # options know their world, and a world its chooser: a ring that nobody needs any more
    return True
