"""Whose key it is: who made a request, as the front door that let it in says.

Only what an authorizer has verified counts, never what a caller says of itself. Each identity is labelled with its
kind, so that a token's subject and an API key of the same text never meet. A caller known in several ways is all of
them together: two callers share an answer only if nothing tells them apart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from idemlambda.errors import ConfigError, KeyInvalid, KeyMissing, Rejected
from idemlambda.http._request import FORMAT_2, Request, mapping
from idemlambda.invocation import current_invocation
from idemlambda.keys import Selector, compile_selector

LOGGER: Final = logging.getLogger("idemlambda")

AUTO: Final = "auto"
"""The scope that is found by itself. A member of that name in the event is `@.auto` in JMESPath."""

Identity = tuple[str, ...]
"""A kind of identity, and what names it within its kind."""

ScopeOf = Callable[[Request], object]
"""From a request to the scope of its key."""

NOT_THE_CALLER: Final = frozenset({"integrationLatency", "scopes"})
"""Members of a REST API's authorizer object that say nothing about who called."""


class ScopeMissing(Rejected):
    """The request names nobody that its key could belong to."""


def scope_of(scope: Selector | None, *, is_strict: bool, function: str) -> ScopeOf:
    """How a request's scope is found.

    Args:
        scope: "auto", a JMESPath expression or a callable that sees the event, or None for one scope for everybody.
        is_strict: Whether a request without an identity is refused.
        function: The function's name, for messages.

    Raises:
        ConfigError: The expression has an error, or the two options contradict each other.
    """
    if scope is None:
        if is_strict:
            raise ConfigError("scope=None is one scope for everybody, and strict_scope=True refuses that: drop one.")
        return _everybody
    if scope == AUTO:
        return AutoScope(function, is_strict=is_strict)
    select = compile_selector(scope, what="scope")

    def selected(request: Request) -> object:
        try:
            return ("selected", select(request.event))
        except (KeyMissing, KeyInvalid) as error:
            raise ScopeMissing(str(error)) from error

    return selected


class AutoScope:
    """The caller's identities; without any, one scope for all who are unknown, and one warning."""

    def __init__(self, function: str, *, is_strict: bool) -> None:
        self._function = function
        self._is_strict = is_strict
        self._has_warned = False

    def __call__(self, request: Request) -> object:
        """The identities of the caller, in a fixed order.

        Raises:
            ScopeMissing: There is none, under `strict_scope=True`.
            ConfigError: There is one in a form of the user's own.
        """
        found = identities(request)
        if found and not (self._is_strict and request.source == "alb"):
            return found
        if self._is_strict:  # behind a load balancer nobody is known for sure: see `identities`
            raise ScopeMissing(f"{self._function} was called by nobody whom an authorizer knows (strict_scope=True).")
        if not self._has_warned:
            self._has_warned = True
            LOGGER.warning(
                "%s was called by nobody whom an authorizer knows: all such callers share one scope, and one of them "
                "can read another's answer by its key. Name the caller with scope=, refuse such requests with "
                "strict_scope=True, or say scope=None.",
                self._function,
            )
        return found


def identities(request: Request) -> tuple[Identity, ...]:
    """All that is known of the caller, and of the tenant whose function this is.

    Raises:
        ConfigError: An authorizer let the caller in and named it in a form of the user's own.
    """
    context = mapping(request.event.get("requestContext"))
    found: list[Identity]
    if request.source in FORMAT_2:
        found = _of_format_2(context)
    elif request.source == "alb":
        # Where a listener rule authenticates, the load balancer overwrites what a caller sends under this name. Where
        # none does, a caller can choose it, as it can choose its key: it is a stranger among strangers either way.
        found = [("alb", value) for value in request.headers.get("x-amzn-oidc-identity", ())]
    else:
        found = _of_format_1(context)
    tenant = current_invocation().tenant_id
    return (*found, ("tenant", tenant)) if tenant else tuple(found)


def _of_format_2(context: Mapping[str, object]) -> list[Identity]:
    """HTTP APIs (JWT, IAM and Lambda authorizers, client certificates) and function URLs (IAM)."""
    authorizer = mapping(context.get("authorizer"))
    found: list[Identity] = []
    if claims := mapping(mapping(authorizer.get("jwt")).get("claims")):
        found += _required(_token(claims), "a token without the claim sub")
    if iam := mapping(authorizer.get("iam")):
        found += _required(_named("iam", iam, "userArn"), "an IAM principal without userArn")
        found += _named("cognito", mapping(iam.get("cognitoIdentity")), "identityId")
    if answer := mapping(authorizer.get("lambda")):
        found += _required(_principal(answer), "a Lambda authorizer's answer without principalId or sub")
    return found + _certificate(mapping(context.get("authentication")))


def _of_format_1(context: Mapping[str, object]) -> list[Identity]:
    """REST APIs (Cognito, IAM and Lambda authorizers, API keys, client certificates), and HTTP APIs of format 1.0."""
    authorizer = mapping(context.get("authorizer"))
    identity = mapping(context.get("identity"))
    found = _token(mapping(authorizer.get("claims"))) or _principal(authorizer)
    if any(value is not None for name, value in authorizer.items() if name not in NOT_THE_CALLER):
        found = _required(found, "an authorizer's answer without claims.sub, principalId or sub")
    return [
        *found,
        *_named("iam", identity, "userArn"),
        # One role serves all users of an identity pool: its ARN alone would be everybody's.
        *_named("cognito", identity, "cognitoIdentityId"),
        *_named("api-key", identity, "apiKeyId"),
        *_certificate(identity),
    ]


def _token(claims: Mapping[str, object]) -> list[Identity]:
    """A subject is unique within its issuer only (RFC 7519 section 4.1.2)."""
    return _named("jwt", claims, "sub", within="iss")


def _principal(answer: Mapping[str, object]) -> list[Identity]:
    return _named("principal", answer, "principalId") or _named("principal", answer, "sub")


def _certificate(holder: Mapping[str, object]) -> list[Identity]:
    """A client certificate by its subject, which outlives a renewal; its serial number does not."""
    certificate = mapping(holder.get("clientCert"))
    return _named("certificate", certificate, "subjectDN", within="issuerDN")


def _named(kind: str, holder: Mapping[str, object], member: str, *, within: str | None = None) -> list[Identity]:
    value = holder.get(member)
    if not isinstance(value, str | int) or value == "":
        return []
    return [(kind, str(value)) if within is None else (kind, str(holder.get(within, "")), str(value))]


def _required(found: list[Identity], what: str) -> list[Identity]:
    if not found:
        raise ConfigError(
            f"The request came with {what}: say who the caller is with scope=, for instance "
            'scope="requestContext.authorizer.lambda.user", or scope=None for one scope for everybody.'
        )
    return found


def _everybody(_: Request) -> None:
    return None
