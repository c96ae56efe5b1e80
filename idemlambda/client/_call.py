"""One logical request of httpx: its key, which goes into its own headers, and what its attempts came to.

So the key stays when httpx itself sends the request again (authentication, a redirect that keeps the method), and when
the caller does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import httpx

from idemlambda.client._keys import new_key
from idemlambda.client._retry import (
    Outcome,
    Patience,
    digits,
    next_pause,
    problem_code,
    retry_after,
    worth_retrying,
)
from idemlambda.errors import ConfigError

REPLAYED: Final = ("Idempotency-Replayed", "Idempotent-Replayed")
"""What marks a replay: this kit's own header, and Stripe's."""

FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name (RFC 9110, 5.6.2)."""

BARE_KEY: Final = re.compile(r"[!#-+\--:<-\[\]-~]{1,255}")
"""A key that needs no quotes: visible ASCII without quote, comma, semicolon and backslash."""

PROBLEM: Final = "application/problem+json"
"""RFC 9457, 6.1."""


def is_replay(response: httpx.Response) -> bool:
    """Whether an answer was given before, and is repeated here: the request did nothing this time."""
    return any(response.headers.get(name, "").strip().lower() == "true" for name in REPLAYED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What both transports go by; `IdempotencyTransport` describes each.

    Raises:
        ConfigError: One that makes no sense.
    """

    patience: Patience
    methods: Collection[str]
    header: str
    read_ahead: int
    clock: Callable[[], float]
    now: Callable[[], float]
    jitter: Callable[[float], float]

    def __post_init__(self) -> None:
        if isinstance(self.methods, str) or not all(isinstance(name, str) and name.isupper() for name in self.methods):
            raise ConfigError(f'methods={self.methods!r}: give a collection of names in capitals, such as ("POST",).')
        if not isinstance(self.header, str) or not FIELD_NAME.fullmatch(self.header):
            raise ConfigError(f"header={self.header!r} is no header's name.")
        if isinstance(self.read_ahead, bool) or not isinstance(self.read_ahead, int) or self.read_ahead < 0:
            raise ConfigError(f"read_ahead={self.read_ahead!r}: give a number of bytes, 0 or more.")


class Call:
    """One logical request: its key, and how often it was sent.

    Raises:
        ConfigError: The key in the request's extensions is none, or differs from the one in its headers.
    """

    def __init__(self, rules: Rules, request: httpx.Request) -> None:
        self.key = keyed(request, rules.header)
        self.attempts = 0
        self._last = Outcome(status=None)
        self._rules = rules
        self._started = rules.clock()

    def reads(self, response: httpx.Response) -> bool:
        """Whether an answer is read before it is judged: problems, and what is small enough to ask again if cut."""
        if response.is_closed:  # The inner transport has read it.
            return False
        length = digits(response.headers.get("Content-Length", ""))
        return is_problem(response) or (length is not None and length <= self._rules.read_ahead)

    def pause_after(self, response: httpx.Response | None) -> float | None:
        """Seconds to the next attempt after this answer, or after none; None if there is no next one."""
        self.attempts += 1
        self._last = Outcome(status=None) if response is None else self._outcome(response)
        return next_pause(
            self._last,
            attempt=self.attempts,
            elapsed=self._rules.clock() - self._started,
            patience=self._rules.patience,
            jitter=self._rules.jitter,
        )

    def answered(self, response: httpx.Response) -> httpx.Response:
        """The answer that stands, with what the caller may want to know of it."""
        response.extensions["idempotency"] = {
            "key": self.key,
            "attempts": self.attempts,
            "replayed": is_replay(response),
            "given_up": worth_retrying(self._last),
        }
        return response

    def note(self, error: Exception) -> None:
        """Tell the caller, on the last error, how to go on."""
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        error.add_note(
            f"Sent {times} with {self._rules.header}: {self.key}. Whether it was carried out is not known: a server "
            "that keeps keys does not do so twice if it is sent again with the same one."
        )

    def _outcome(self, response: httpx.Response) -> Outcome:
        """How an attempt ended that was answered; the body of a problem has been read."""
        return Outcome(
            status=response.status_code,
            code=code_of(response) if is_problem(response) else None,
            retry_after=retry_after(
                response.headers.get("Retry-After", ""), response.headers.get("Date", ""), self._rules.now()
            ),
        )


def keyed(request: httpx.Request, header: str) -> str:
    """The request's key, the caller's or a new one; from now on in its headers."""
    given: object = request.extensions.get("idempotency_key")
    if given is not None and not (isinstance(given, str) and BARE_KEY.fullmatch(given)):
        raise ConfigError(
            f"extensions['idempotency_key'] is {given!r}; a key is 1 to 255 visible ASCII characters without quote, "
            "comma, semicolon and backslash: derive_key() makes one."
        )
    there: str | None = request.headers.get(header)
    if given is not None and there is not None and given != there:
        raise ConfigError(f"The request has two keys: {there!r} in {header} and {given!r} in its extensions.")
    if there is not None:
        return there
    request.headers[header] = key = given or new_key()
    return key


def is_problem(response: httpx.Response) -> bool:
    """Whether an answer is an error in the form of RFC 9457."""
    media_type: str = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return response.is_error and media_type == PROBLEM


def code_of(response: httpx.Response) -> str | None:
    """The code of a problem that has been read; its bytes stay where they are for the caller."""
    if response.is_closed:
        return problem_code(response.content)
    copy = httpx.Response(response.status_code, headers=response.headers, stream=response.stream)
    try:
        return problem_code(copy.read())
    except httpx.DecodingError:
        return None
