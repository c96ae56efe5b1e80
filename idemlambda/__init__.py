"""Idempotency for AWS Lambda handlers and the functions they call.

```python
from idemlambda import Idempotency

idem = Idempotency()  # the table that IDEMLAMBDA_TABLE names


@idem.handler(key="order_id")
def handler(event, context):
    return {"receipt": place(event)}
```
"""

from __future__ import annotations

from idemlambda.app import Idempotency
from idemlambda.dynamodb import DynamoDBStore
from idemlambda.errors import (
    ClaimLost,
    ConfigError,
    IdempotencyError,
    InProgress,
    KeyInvalid,
    KeyMissing,
    KeyReused,
    NotStored,
    OutcomeUnknown,
    RecordUnreadable,
    Rejected,
    ResultNotKept,
    Retryable,
    StoreUnavailable,
    Unrecorded,
)
from idemlambda.invocation import invocation
from idemlambda.memory import MemoryStore

__all__ = [
    "ClaimLost",
    "ConfigError",
    "DynamoDBStore",
    "Idempotency",
    "IdempotencyError",
    "InProgress",
    "KeyInvalid",
    "KeyMissing",
    "KeyReused",
    "MemoryStore",
    "NotStored",
    "OutcomeUnknown",
    "RecordUnreadable",
    "Rejected",
    "ResultNotKept",
    "Retryable",
    "StoreUnavailable",
    "Unrecorded",
    "invocation",
]

__version__ = "0.1.0"
