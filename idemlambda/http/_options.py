"""What `@idem.http` takes, and its checks while decorating."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypedDict, cast, get_args

from idemlambda._functions import refuse_unknown
from idemlambda.app import Idempotency, Overrides
from idemlambda.errors import ConfigError
from idemlambda.http._problems import PROBLEM_BASE, Conventions, statuses_of
from idemlambda.http._response import NotKept
from idemlambda.keys import Selector

HEADER: Final = "Idempotency-Key"
"""draft-ietf-httpapi-idempotency-key-header."""

METHODS: Final = ("POST", "PATCH")
"""The methods that are not idempotent by themselves (RFC 9110 section 9.2.2, RFC 5789 section 2)."""

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""What a method and a header's name are made of (RFC 9110 section 5.6.2)."""

ERRORS: Final = range(400, 600)
"""The statuses that a problem can have (RFC 9457 section 3.1.2)."""


class Terms(TypedDict, total=False):
    """What belongs to one HTTP handler.

    Attributes:
        scope: Whose key it is: "auto" (the identities that the authorizer verified), a JMESPath expression or a
            callable that sees the event, or None for one scope for everybody.
        strict_scope: Under "auto", a request of an unknown caller is refused instead of sharing the unknown's scope.
        required: A request without the key is refused; otherwise it runs unprotected.
        methods: The methods that the contract applies to; others pass through.
        conventions: The statuses of problems: "conflict" (409 for a reused key), "ietf" (422) or "stripe" (400).
        statuses: The status of single problems, by code.
        problem_base: Where the pages of problems are; `{name}` in it stands for a page's name.
        replay_cookies: Store and replay `Set-Cookie`, too.
        header: The name of the header that carries the key.
        namespace: Replaces the whole namespace, which is the Lambda function's name, module and qualified name.
    """

    scope: Selector | None
    strict_scope: bool
    required: bool
    methods: tuple[str, ...]
    conventions: Conventions
    statuses: Mapping[str, int]
    problem_base: str
    replay_cookies: bool
    header: str
    namespace: str | None


class HttpOptions(Terms, Overrides, total=False):
    """What `@idem.http` takes: the terms of the contract, and what differs from its `Idempotency`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked terms of a contract; `replayed` is the header that marks a replay."""

    header: str
    methods: frozenset[str]
    is_required: bool
    statuses: Mapping[str, int]
    problem_base: str
    has_cookies: bool
    replayed: str


def config_of(idem: Idempotency, options: HttpOptions) -> Idempotency:
    """The configuration of one handler: what its decorator says otherwise.

    Raises:
        ConfigError: A value makes no sense.
    """
    refuse_unknown(options, HttpOptions.__annotations__, of="@idem.http")
    own = Terms.__annotations__
    config = idem.but(**cast("Overrides", {name: value for name, value in options.items() if name not in own}))
    if any(issubclass(NotKept, error) for error in config.remember):
        raise ConfigError(
            "remember=(Exception,) would keep every crash as the answer: name the errors that are answers."
        )
    return config


def settings_of(options: HttpOptions) -> Settings:
    """The checked terms.

    Raises:
        ConfigError: A value makes no sense.
    """
    header = options.get("header", HEADER)
    conventions = options.get("conventions", "conflict")
    if not TOKEN.fullmatch(header):
        raise ConfigError(f"header={header!r} is no name of a header.")
    if conventions not in get_args(Conventions):
        raise ConfigError(f"conventions={conventions!r} is none of {', '.join(get_args(Conventions))}.")
    return Settings(
        header=header,
        methods=checked_methods(options.get("methods", METHODS)),
        is_required=options.get("required", True),
        statuses=checked_statuses(conventions, options.get("statuses", {})),
        problem_base=options.get("problem_base", PROBLEM_BASE),
        has_cookies=options.get("replay_cookies", False),
        replayed="Idempotent-Replayed" if conventions == "stripe" else "Idempotency-Replayed",
    )


def checked_methods(methods: tuple[str, ...]) -> frozenset[str]:
    """The methods that the contract applies to.

    Raises:
        ConfigError: There are none, or one is no method.
    """
    if isinstance(methods, str):
        raise ConfigError(f'methods={methods!r} is one string: write methods=("{methods}",).')
    wrong = [method for method in methods if not TOKEN.fullmatch(method) or method != method.upper()]
    if wrong or not methods:
        raise ConfigError(f"methods={methods!r} are no methods: write them as they are sent, in capitals.")
    return frozenset(methods)


def checked_statuses(conventions: Conventions, changed: Mapping[str, int]) -> Mapping[str, int]:
    """The status of each problem.

    Raises:
        ConfigError: A code is unknown, or a status is no error's.
    """
    statuses = statuses_of(conventions)
    for code, status in changed.items():
        if code not in statuses:
            raise ConfigError(f"statuses: {code!r} is no code of a problem; those are {', '.join(statuses)}.")
        if isinstance(status, bool) or not isinstance(status, int) or status not in ERRORS:
            raise ConfigError(f"statuses: {code} has {status!r}, and a problem's status is from 400 to 599.")
    return {**statuses, **{code: int(status) for code, status in changed.items()}}
