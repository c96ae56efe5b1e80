"""The caller's half: stable keys, and an httpx transport that retries under one key.

```python
with httpx.Client(transport=IdempotencyTransport()) as client:
    answer = client.post(url, json=order, extensions={"idempotency_key": derive_key("order", cart_id)})
```

The transports need httpx (`idemlambda[client]`), which is loaded when one of them is asked for; the keys need nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idemlambda.client._keys import derive_key, new_key
from idemlambda.errors import ConfigError

if TYPE_CHECKING:
    from idemlambda.client._call import is_replay
    from idemlambda.client._transport import AsyncIdempotencyTransport, IdempotencyTransport

__all__ = ["AsyncIdempotencyTransport", "IdempotencyTransport", "derive_key", "is_replay", "new_key"]


def __getattr__(name: str) -> object:
    """What needs httpx, loaded at its first use.

    Raises:
        ConfigError: httpx cannot be imported.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from idemlambda.client import _call, _transport
    except ImportError as error:
        raise ConfigError(f"{name} needs httpx: install idemlambda[client].") from error
    found: object = getattr(_call if name == "is_replay" else _transport, name)
    globals()[name] = found
    return found
