"""From an event or arguments to key, scope, fingerprint and digests: hashing, and what it is done to.

Within a major version no release changes a key, since that would run handlers again for calls that are done.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from hashlib import blake2b, sha256
from itertools import islice
from typing import Final, cast

from idemlambda._selectors import Selector, compile_selector, short
from idemlambda.canonical import MAX_DEPTH, canonical, members, plain, pointer, shown
from idemlambda.errors import ConfigError

__all__ = [
    "Selector",
    "canonical",
    "changes",
    "compile_selector",
    "digests",
    "fingerprint",
    "fingerprint_of",
    "plain",
    "record_id",
]

NAMESPACE_BYTES: Final = 512
"""A partition key takes 2,048 bytes (DynamoDB: quotas); id and overflow items add some 150 to the namespace."""

LENGTH_BYTES: Final = 8
"""Bytes of the length that stands before each part of a key: more than any memory needs."""

LEAVES: Final = b"\x01"
PARTS: Final = b"\x02"
"""The first byte of digests: whether they are of all leaves, or of the top-level parts."""

HALF: Final = 4
"""Bytes for a path, and for a path with its value: two in 2**32 are alike, and then a message names one field less."""

DIGEST: Final = 2 * HALF

CHANGES_NAMED: Final = 20
"""Pointers that a conflict names; a payload that differs in more is another payload altogether."""

CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def fingerprint(payload: object) -> str:
    """sha256 of the payload's canonical form, in hex: two payloads are one if their fingerprints are.

    Raises:
        KeyInvalid: The payload has no canonical form.
    """
    return fingerprint_of(canonical(payload))


def fingerprint_of(canonical_bytes: bytes) -> str:
    """The fingerprint of a payload that is in canonical form already."""
    return sha256(canonical_bytes).hexdigest()


def record_id(namespace: str, *parts: object) -> str:
    """`{namespace}#{sha256 hex}` of the namespace and the parts of a key, in this order.

    The length of each stands before it, so that no two different tuples meet.

    Raises:
        ConfigError: The namespace is empty, longer than 512 bytes of UTF-8, or holds control characters.
        KeyInvalid: A part has no canonical form.
    """
    hashed = sha256()
    for part in (_checked_namespace(namespace), *map(canonical, parts)):
        hashed.update(len(part).to_bytes(LENGTH_BYTES, "big"))
        hashed.update(part)
    return f"{namespace}#{hashed.hexdigest()}"


def digests(payload: object, record_id: str, room: int) -> bytes:
    """What later names the fields in which another payload differs, without storing path or value.

    One byte that tells the mode, then 8 bytes each: of all leaves if they fit, else of the top-level parts if those
    fit, else nothing at all. Each is keyed by the record id: equal fields of two records look different.

    Args:
        payload: What the fingerprint covers.
        record_id: The record that will hold the digests.
        room: Bytes that there is room for.

    Raises:
        KeyInvalid: The payload has no canonical form.
    """
    limit = (room - len(LEAVES)) // DIGEST
    if limit < 1:
        return b""
    if _has_more_leaves(payload, limit):
        mode, found = PARTS, list(islice(_parts(payload), limit + 1))
    else:
        mode, found = LEAVES, list(_leaves(payload))
    if len(found) > limit:
        return b""
    digest = _Digest(record_id)
    return mode + b"".join(digest.pair(path, value) for path, value in found)


def changes(digests: bytes, payload: object, record_id: str) -> tuple[tuple[str, ...], int]:
    """How a payload differs from the one that the digests were made of.

    Returns:
        The JSON pointers (RFC 6901, each cut at 200 characters) of what changed or was added, 20 at most, in canonical
        order; and how many parts of the first payload are missing in this one. Nothing of digests that are empty or
        malformed.

    Raises:
        KeyInvalid: The payload has no canonical form.
    """
    listed = {LEAVES: _leaves, PARTS: _parts}.get(digests[:1])
    pairs = [digests[at : at + DIGEST] for at in range(1, len(digests), DIGEST)]
    if listed is None or not pairs or len(digests) % DIGEST != 1:
        return (), 0
    first = {pair[:HALF]: pair for pair in pairs}
    digest = _Digest(record_id)
    changed: list[str] = []
    present: set[bytes] = set()
    for path, value in listed(payload):
        hashed = digest.path(path)
        present.add(hashed)
        if len(changed) < CHANGES_NAMED and first.get(hashed) != digest.pair(path, value):
            changed.append(shown(path))
    return tuple(changed), len(first.keys() - present)


@lru_cache(maxsize=256)  # one per decorated function, and checked at every call
def _checked_namespace(namespace: str) -> bytes:
    if not isinstance(namespace, str):
        raise ConfigError(f"A namespace is a text, not {namespace!r}.")
    if not namespace:
        raise ConfigError("A namespace must not be empty: it keeps functions from sharing keys.")
    if CONTROL.search(namespace):
        raise ConfigError(f"The namespace {short(namespace)!r} holds control characters.")
    try:
        encoded = namespace.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"The namespace {short(namespace)!r} is no Unicode text.") from None
    if len(encoded) > NAMESPACE_BYTES:
        raise ConfigError(
            f"The namespace {short(namespace)!r} is {len(encoded)} bytes long; {NAMESPACE_BYTES} are allowed."
        )
    return encoded


Part = tuple[str, object]
"""A part of a payload: its JSON pointer (RFC 6901), and its value."""


def _leaves(payload: object) -> Iterator[Part]:
    """What has no parts of its own, in canonical order; an empty container is a leaf."""
    pending: list[tuple[int, str, object]] = [(0, "", payload)]
    while pending:
        depth, path, value = pending.pop()
        if depth > MAX_DEPTH:
            canonical(payload)  # It is too deep, and this says so.
        parts = members(value)
        if parts:
            pending += [(depth + 1, path + pointer([token]), item) for token, item in reversed(parts)]
        else:
            yield path, value


def _has_more_leaves(payload: object, limit: int) -> bool:
    """Whether there are more leaves than this: of a large payload, long before all of them were walked."""
    count = 1
    pending: list[tuple[int, object]] = [(1, payload)]
    while pending:
        depth, value = pending.pop()
        items = _items_of(value)
        if items and depth <= MAX_DEPTH:
            count += len(items) - 1  # A container in its place is one already.
            if count > limit:
                return True
            pending += [(depth + 1, item) for item in items]
    return False


def _items_of(value: object) -> Collection[object]:
    if type(value) is dict:
        return cast("dict[object, object]", value).values()
    return [item for _, item in members(value) or []]


def _parts(payload: object) -> Iterator[Part]:
    """The top-level parts, in canonical order; a payload that is no container has none."""
    for token, item in members(payload) or []:
        yield pointer([token]), item


class _Digest:
    """Hashes paths and values, keyed by the record id."""

    def __init__(self, record_id: str) -> None:
        # BLAKE2b takes a key of 64 bytes at most (RFC 7693), and a record id is longer.
        self._keyed = blake2b(digest_size=HALF, key=sha256(record_id.encode()).digest())

    def path(self, path: str) -> bytes:
        return self._of_path(path).digest()

    def pair(self, path: str, value: object) -> bytes:
        hashed = self._of_path(path)
        head = hashed.digest()
        # No canonical form holds a zero byte, so that the last one is always this.
        hashed.update(b"\x00" + canonical(value))
        return head + hashed.digest()

    def _of_path(self, path: str) -> blake2b:
        hashed = self._keyed.copy()
        hashed.update(path.encode("utf-8", "surrogatepass"))
        return hashed
