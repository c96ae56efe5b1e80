"""The Lambda invocation now running: its deadline, request id and tenant."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

LONGEST_REMAINING_MS: Final = 5_400_000
"""No function runs longer than this (90 minutes); a remaining time beyond it makes no sense and is cut."""

OUTSIDE: Final = "local"
"""The function name where there is no Lambda: on a desk and in tests."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What idempotent calls need to know of the invocation they run in; `context` is Lambda's own object, or None."""

    context: object = None

    def remaining(self) -> int | None:
        """Milliseconds until the deadline, from 0 to `LONGEST_REMAINING_MS`; None where the context tells none."""
        ask = getattr(self.context, "get_remaining_time_in_millis", None)
        left: object = ask() if callable(ask) else None
        if not isinstance(left, int | float):  # no context, or a test's mock of one
            return None
        return min(max(int(left), 0), LONGEST_REMAINING_MS)

    @property
    def request_id(self) -> str:
        """Lambda's request id, or an empty string. It names nobody: one event can arrive twice under one id."""
        found = getattr(self.context, "aws_request_id", "")
        return found if isinstance(found, str) else ""

    @property
    def tenant_id(self) -> str | None:
        """The tenant of a function in tenant isolation mode."""
        found = getattr(self.context, "tenant_id", None)
        return found if isinstance(found, str) else None


_current: ContextVar[Invocation] = ContextVar("idemlambda_invocation")
_NO_INVOCATION: Final = Invocation()


def current_invocation() -> Invocation:
    """The invocation that the running code belongs to; one without context outside of any."""
    return _current.get(_NO_INVOCATION)


def function_name() -> str:
    """The Lambda function's name, or `OUTSIDE`."""
    return os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or OUTSIDE


@contextmanager
def invocation(context: object) -> Generator[Invocation]:
    """Give an invocation's deadline to the idempotent functions called under an undecorated handler.

    A decorated handler does this by itself.

    Args:
        context: The context object that Lambda passes to the handler, or None.
    """
    entered = Invocation(context)
    token = _current.set(entered)
    try:
        yield entered
    finally:
        _current.reset(token)
