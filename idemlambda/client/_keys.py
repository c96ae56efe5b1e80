"""Keys: one that nobody had before, and one that the same parts always have."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

__all__ = ["derive_key", "new_key"]

DERIVATION: Final = b"idemlambda.derive_key.1"
"""Hashed before the parts: no hash made elsewhere for something else is one of these keys."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


def new_key() -> str:
    """A key that nobody had before: a random UUID (RFC 9562, version 4), for one logical request."""
    return str(uuid4())


def derive_key(*parts: str | int | bytes | UUID | Decimal | date) -> str:
    """The key of these parts: the same in every process and release, and another one for any other parts.

    Args:
        *parts: What makes the request the one that it is: what it does, and to what (`derive_key("order", cart_id)`).
            `1`, `"1"` and `Decimal(1)` differ; decimals are taken by value (`1.10` is `1.1`), datetimes as the instant
            that they are in any zone, subclasses of str and int (`StrEnum`) as what they are derived from. Text is not
            normalised.

    Returns:
        64 hexadecimal digits, a sha256.

    Raises:
        TypeError: No part, or one of a type that has no single spelling, such as float, bool or None.
        ValueError: A datetime without an offset, a Decimal that is no number, or text that is no Unicode.
    """
    if not parts:
        raise TypeError('derive_key() needs a part: name what the request does, and to what ("order", cart_id).')
    digest = sha256(DERIVATION)
    for position, part in enumerate(parts, start=1):
        try:
            kind, text = _spelled(part)
        except (TypeError, ValueError) as error:
            raise type(error)(f"derive_key(): part {position} {error}") from None
        digest.update(b"%s%d:%s" % (kind, len(text), text))
    return digest.hexdigest()


def _spelled(part: object) -> tuple[bytes, bytes]:  # noqa: PLR0911 - one for each type
    """A part's kind and its one spelling."""
    if isinstance(part, str):
        return b"str", _utf8(part)
    if isinstance(part, bytes):
        return b"bytes", part
    if isinstance(part, int) and not isinstance(part, bool):
        # In hexadecimal, which Python writes at any length.
        return b"int", int.__format__(part, "x").encode()
    if isinstance(part, UUID):
        return b"uuid", part.bytes
    if isinstance(part, Decimal):
        return b"decimal", _number(part)
    if isinstance(part, datetime):
        return b"instant", _instant(part)
    if isinstance(part, date):
        return b"date", date.isoformat(part).encode()
    advice = "a float's digits are an accident: pass a Decimal or a str" if isinstance(part, float) else "pass its text"
    raise TypeError(
        f"is of type {type(part).__name__}; parts are str, int, bytes, UUID, Decimal, date and datetime ({advice})."
    )


def _utf8(text: str) -> bytes:
    """Text in UTF-8."""
    try:
        return str.encode(text)
    except UnicodeEncodeError as error:
        raise ValueError(f"is text with a lone surrogate at index {error.start}, which is no Unicode.") from None


def _number(number: Decimal) -> bytes:
    """A decimal by value: its significant digits and an exponent, where `normalize()` would round to the context."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"is {number}, which is no number.")  # noqa: TRY004 - the value is wrong, not its type
    text = "".join(map(str, digits))
    significant = text.rstrip("0")
    if not significant:
        return b"0"
    return f"{'-' * sign}{significant}e{exponent + len(text) - len(significant)}".encode()


def _instant(moment: datetime) -> bytes:
    """A moment as microseconds since 1970 in UTC."""
    if moment.utcoffset() is None:
        raise ValueError("is a datetime without an offset, another instant on each machine: give it a tzinfo.")
    return str((moment - EPOCH) // MICROSECOND).encode()
