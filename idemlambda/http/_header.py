"""The `Idempotency-Key` field: from its value to the client's key.

A value is a structured field's String without parameters (RFC 9651 section 3.3.3, before it RFC 8941), as the IETF
draft asks (draft-ietf-httpapi-idempotency-key-header, section 2.1), or the same characters bare, as most clients send
them today. Both forms are one key. Whatever is neither is refused: a key that was half understood would be another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from idemlambda.errors import KeyInvalid, KeyMissing

LONGEST_KEY: Final = 255
"""Characters of a key after unescaping, as Stripe's API allows; a UUID has 36, a hash in hex 64."""

ESCAPABLE: Final = frozenset({'"', "\\"})
"""What may follow a backslash in a String (RFC 9651 section 4.2.5)."""

NOT_BARE: Final = {
    '"': "a quote inside it",
    ",": "a comma: one key is sent, not a list",
    ";": "a semicolon: a key has no parameters",
    "\\": "a backslash, which only a quoted key may escape with",
    " ": "a space, which only a quoted key may have",
}
"""Visible or blank, yet not part of a bare key: each has a meaning in structured fields."""


def client_key(values: Sequence[str], header: str) -> str:
    """The key that a request's field holds.

    Args:
        values: The field's values, one for each time that it was sent.
        header: The field's name, for messages.

    Raises:
        KeyMissing: The field was not sent.
        KeyInvalid: It was sent twice, or its value is no key; says why.
    """
    if not values:
        raise KeyMissing(f"The request has no {header} header: send a new key, and the same one with every retry.")
    if len(values) > 1:
        raise KeyInvalid(f"The {header} header came {len(values)} times: send it once.")
    text = values[0].strip(" \t")  # RFC 9110 section 5.5: blanks around a field's value are no part of it
    if not text:
        raise refused(header, "is empty")
    key = quoted_key(text, header) if text.startswith('"') else bare_key(text, header)
    if not key:
        raise refused(header, "is an empty string")
    if len(key) > LONGEST_KEY:
        raise refused(header, f"has {len(key)} characters, and {LONGEST_KEY} are allowed")
    return key


def quoted_key(text: str, header: str) -> str:
    """The content of a String, unescaped (RFC 9651 section 4.2.5)."""
    key: list[str] = []
    at = 1
    while at < len(text):
        char = text[at]
        if char == '"':
            refuse_rest(text[at + 1 :].lstrip(" \t"), header)
            return "".join(key)
        if char == "\\":
            at += 1
            char = text[at : at + 1]
            if char not in ESCAPABLE:
                raise refused(header, 'has a backslash before something else than " or \\')
        elif not " " <= char <= "~":
            raise refused(header, f"has {described(char)} at character {at + 1}: only printable ASCII is allowed")
        key.append(char)
        at += 1
    raise refused(header, "has no closing quote")


def refuse_rest(rest: str, header: str) -> None:
    """Refuse anything after the closing quote."""
    if rest.startswith(","):
        raise refused(header, "is a list: send one key")
    if rest.startswith(";"):
        raise refused(header, "has parameters: send the key alone")
    if rest:
        raise refused(header, "goes on after its closing quote")


def bare_key(text: str, header: str) -> str:
    """The text itself, if it is visible ASCII without what structured fields give a meaning to."""
    for at, char in enumerate(text, start=1):
        if char in NOT_BARE:
            raise refused(header, f"has {NOT_BARE[char]} (character {at})")
        if not "!" <= char <= "~":
            raise refused(header, f"has {described(char)} at character {at}: only visible ASCII is allowed")
    return text


def described(char: str) -> str:
    """A character that must not stand in a message itself."""
    return f"U+{ord(char):04X}"


def refused(header: str, reason: str) -> KeyInvalid:
    """The error that refuses a field's value."""
    return KeyInvalid(f"The {header} header {reason}.")
