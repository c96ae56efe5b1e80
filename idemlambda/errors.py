"""What can go wrong, grouped by what the caller may do next.

```text
IdempotencyError
|- Retryable         nothing ran here; the same call may succeed later
|  |- InProgress         another attempt holds a live claim
|  |- StoreUnavailable   the store did not answer
|- Rejected          nothing ran here, and the same call never will
|  |- KeyMissing         the event has no key
|  |- KeyInvalid         the event's key cannot be one
|  |- KeyReused          the same key came with another payload
|  |- OutcomeUnknown     an attempt crashed, and nobody may guess how far it came
|  |- ResultNotKept      it ran; its result was not stored
|  |- RecordUnreadable   the record is of a newer format, damaged, or not ours
|- Unrecorded        the function ran, but no record says so; `.value` is its result
|  |- ClaimLost          another attempt took over and has no result yet
|  |- NotStored          the store did not take the result
ConfigError          the set-up is wrong: raised while decorating, or at the first call
RecordTooLarge       said by a store to the flow, which then records the call without its result
```
"""

from __future__ import annotations

__all__ = [
    "ClaimLost",
    "ConfigError",
    "IdempotencyError",
    "InProgress",
    "KeyInvalid",
    "KeyMissing",
    "KeyReused",
    "NotStored",
    "OutcomeUnknown",
    "RecordTooLarge",
    "RecordUnreadable",
    "Rejected",
    "ResultNotKept",
    "Retryable",
    "StoreUnavailable",
    "Unrecorded",
]


class RecordTooLarge(ValueError):
    """The store will never take a record of this size; raised by a store, and answered by the flow."""


class ConfigError(ValueError):
    """The set-up is wrong, and no retry mends it: raised while decorating, or at the first call."""


class IdempotencyError(Exception):
    """An outcome of an idempotent call that is not the function's own result or error."""


class Retryable(IdempotencyError):
    """Nothing ran here; the same call may succeed later.

    Attributes:
        retry_after: Seconds after which a retry makes sense.
    """

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InProgress(Retryable):
    """Another attempt holds a live claim; `retry_after` is what is left of its lease, in seconds."""


class StoreUnavailable(Retryable):
    """The store did not answer, or is too busy; the function was not run.

    Attributes:
        in_doubt: Whether the operation may have taken effect all the same: its answer was lost.
    """

    def __init__(self, message: str, *, retry_after: float = 1.0, in_doubt: bool = True) -> None:
        super().__init__(message, retry_after=retry_after)
        self.in_doubt = in_doubt


class Rejected(IdempotencyError):
    """Nothing ran here, and the same call never will."""


class KeyMissing(Rejected):
    """A selector found no key, scope or payload in the event.

    Attributes:
        part: What is missing: `key`, `scope` or `payload`.
    """

    def __init__(self, message: str, *, part: str = "key") -> None:
        super().__init__(message)
        self.part = part


class KeyInvalid(Rejected):
    """What was selected cannot be a key: not JSON-like, too large, too deep, NaN."""


class KeyReused(Rejected):
    """The same key came with another payload.

    Attributes:
        changed: JSON pointers (RFC 6901) of what changed or was added; empty where the record holds no digests.
        missing: How many parts of the first payload are not in this one.
    """

    def __init__(self, message: str, *, changed: tuple[str, ...] = (), missing: int = 0) -> None:
        super().__init__(message)
        self.changed = changed
        self.missing = missing


class OutcomeUnknown(Rejected):
    """An attempt ended without a word, and its effects may or may not have happened."""


class ResultNotKept(Rejected):
    """The function ran and was recorded, but its result could not be, or was not to be, stored."""


class RecordUnreadable(Rejected):
    """The record is of a newer format, damaged, or not ours; it was left as it was."""


class Unrecorded(IdempotencyError):
    """The function ran, but no record says so.

    Attributes:
        value: What the function returned, or the error that it raised.
    """

    def __init__(self, message: str, *, value: object) -> None:
        super().__init__(message)
        self.value = value


class ClaimLost(Unrecorded):
    """Another attempt took over while the function ran, and has no result yet."""


class NotStored(Unrecorded):
    """The store did not take the result before time ran out; the claim stands until its lease ends."""
