"""Laws of the invocation: what a context tells."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from idemlambda import invocation
from idemlambda.invocation import LONGEST_REMAINING_MS, Invocation, current_invocation
from idemlambda.testing import LambdaContext


@pytest.mark.parametrize(
    ("told", "taken"),
    [(2_500, 2_500), (2_500.9, 2_500), (-5, 0), (10**9, LONGEST_REMAINING_MS), ("soon", None), (None, None)],
)
def test_a_remaining_time_is_clamped(told: object, taken: int | None) -> None:
    """A remaining time that makes no sense is cut to what a function can have (rule 3)."""
    assert Invocation(SimpleNamespace(get_remaining_time_in_millis=lambda: told)).remaining() == taken


@pytest.mark.parametrize("context", [None, object(), MagicMock(), {}])
def test_a_context_that_tells_nothing_is_outside(context: object) -> None:
    """No context, or a mock of one, gives no deadline, no request and no tenant."""
    found = Invocation(context)
    assert (found.remaining(), found.request_id, found.tenant_id) == (None, "", None)


def test_an_invocation_holds_inside_its_block() -> None:
    """The invocation is the one entered last, and gone afterwards."""
    context = LambdaContext(3, aws_request_id="r-1", tenant_id="t-1")
    with invocation(context) as entered:
        assert current_invocation() is entered
        assert (entered.request_id, entered.tenant_id) == ("r-1", "t-1")
    assert current_invocation().context is None
