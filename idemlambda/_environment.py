"""What the process's environment says of the kit: whether it is switched off, and whether this is Lambda."""

from __future__ import annotations

import os
from typing import Final

from idemlambda.errors import ConfigError

OFF_SWITCH: Final = "IDEMLAMBDA_DISABLED"
"""The environment variable that switches the kit off, for a test run."""

RUNTIME: Final = "AWS_LAMBDA_RUNTIME_API"
"""The environment variable that only the Lambda runtime has (AWS: Defined runtime environment variables)."""


def is_disabled() -> bool:
    """Whether `IDEMLAMBDA_DISABLED` switches the kit off.

    Raises:
        ConfigError: Its value is none of 1, true, yes, on, 0, false, no, off.
    """
    value = os.environ.get(OFF_SWITCH, "").strip().lower()
    if value in {"", "0", "false", "no", "off"}:
        return False
    if value in {"1", "true", "yes", "on"}:
        return True
    raise ConfigError(f"{OFF_SWITCH}={value!r} is neither on (1, true, yes, on) nor off (0, false, no, off).")


def connects_at_once() -> bool:
    """Whether a store connects in its constructor: inside Lambda that is INIT, which runs at full speed."""
    return RUNTIME in os.environ and not is_disabled()
