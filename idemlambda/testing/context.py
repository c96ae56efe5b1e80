"""The context object that Lambda hands to a handler, with a countdown that counts."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Final

from idemlambda.ports import Clock, SystemClock

LONGEST_TIMEOUT: Final = 5_400
"""Seconds that a function may run at the most (DESIGN rule 3); a longer timeout is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The Amazon Cognito identity that called; both are None for every other caller."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


class LambdaContext:
    """What Lambda's Python runtime passes as `context`: same attributes, same types.

    The time is taken from `clock` where one is given, else from the machine.

    Args:
        timeout_seconds: The function's timeout, counted from now.
        clock: Whose time counts down; give the `FakeClock` that the test moves.
        function_name: The function's name.
        aws_request_id: The request's id; a retry of an asynchronous event carries the first one's. Random by default.
        memory_limit_in_mb: Megabytes; a string, as in the runtime.
        function_version: The version or `$LATEST`.
        invoked_function_arn: The function's ARN; made up from its name by default.
        tenant_id: The tenant, for functions in tenant isolation mode.
    """

    def __init__(
        self,
        timeout_seconds: float = 3,
        *,
        clock: Clock | None = None,
        function_name: str = "function",
        aws_request_id: str | None = None,
        memory_limit_in_mb: str = "128",
        function_version: str = "$LATEST",
        invoked_function_arn: str | None = None,
        tenant_id: str | None = None,
    ) -> None:
        if not 0 <= timeout_seconds <= LONGEST_TIMEOUT:
            raise ValueError(f"timeout_seconds must be from 0 to {LONGEST_TIMEOUT:,}, not {timeout_seconds}")
        self._clock = clock or SystemClock()
        self._deadline_ms = self._clock.now() + round(timeout_seconds * 1000)
        self.function_name = function_name
        self.function_version = function_version
        self.invoked_function_arn = (
            invoked_function_arn or f"arn:aws:lambda:eu-central-1:123456789012:function:{function_name}"
        )
        self.memory_limit_in_mb = memory_limit_in_mb
        self.aws_request_id = aws_request_id or str(uuid.uuid4())
        self.log_group_name = f"/aws/lambda/{function_name}"
        day = time.strftime("%Y/%m/%d", time.gmtime(self._clock.now() / 1000))
        self.log_stream_name = f"{day}/[{function_version}]{uuid.uuid4().hex}"
        self.identity = Identity()
        self.client_context: object = None
        self.tenant_id = tenant_id

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the deadline; 0 once it has passed."""
        return max(self._deadline_ms - self._clock.now(), 0)
