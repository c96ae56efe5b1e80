"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from typing import Final

START_MS: Final = 1_750_000_000_000
"""Where a clock starts unless told: 15 June 2025, so that seconds and milliseconds are not taken for each other."""


class FakeClock:
    """A `Clock` whose time passes only when it is told to, or when somebody sleeps on it; safe to use from threads."""

    def __init__(self, start_ms: int = START_MS) -> None:
        self._now_ms = start_ms
        self._lock = threading.Lock()

    def now(self) -> int:
        """Milliseconds since the epoch."""
        with self._lock:
            return self._now_ms

    def advance(self, *, seconds: float = 0, ms: int = 0) -> None:
        """Let time pass, without anybody sleeping.

        Raises:
            ValueError: The clock would run backwards.
        """
        step = round(seconds * 1000) + ms
        if step < 0:
            raise ValueError(f"a clock does not run backwards: {step} ms")
        with self._lock:
            self._now_ms += step

    def sleep(self, seconds: float) -> None:
        """Let so much time pass, and return at once."""
        self.advance(seconds=seconds)

    async def asleep(self, seconds: float) -> None:
        """Let so much time pass, and give other tasks one turn."""
        import asyncio

        self.advance(seconds=seconds)
        await asyncio.sleep(0)
