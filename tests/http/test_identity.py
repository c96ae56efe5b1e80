"""Laws of scopes: whose key it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from idemlambda.errors import ConfigError
from idemlambda.http._identity import ScopeMissing, identities, scope_of
from idemlambda.http._request import request_of
from idemlambda.invocation import invocation
from idemlambda.keys import record_id
from idemlambda.testing import LambdaContext

Event = dict[str, Any]
EventOf = Callable[..., Event]

NOBODY_V1: Event = {"authorizer": None, "identity": {"userArn": None, "apiKeyId": None, "cognitoIdentityId": None}}
IAM = {"userArn": "arn:u", "callerId": "AIDA", "cognitoIdentity": None}
CERTIFICATE = {"subjectDN": "CN=shop", "issuerDN": "CN=ca", "serialNumber": "1"}

CALLERS: list[tuple[str, Event, list[tuple[str, ...]]]] = [
    ("apigw-v1", {"authorizer": {"claims": {"sub": "u", "iss": "i"}}, "identity": {}}, [("jwt", "i", "u")]),
    ("apigw-v1", {"authorizer": {"principalId": "u", "integrationLatency": 3}, "identity": {}}, [("principal", "u")]),
    ("apigw-v1", {"authorizer": {"sub": "u"}, "identity": {}}, [("principal", "u")]),
    ("apigw-v1", {"authorizer": None, "identity": {"userArn": "arn:u"}}, [("iam", "arn:u")]),
    (
        "apigw-v1",
        {"authorizer": None, "identity": {"userArn": "arn:role", "cognitoIdentityId": "eu:1"}},
        [("iam", "arn:role"), ("cognito", "eu:1")],
    ),
    ("apigw-v1", {"authorizer": None, "identity": {"apiKeyId": "k", "apiKey": "secret"}}, [("api-key", "k")]),
    (
        "apigw-v1",
        {"authorizer": {"principalId": "u"}, "identity": {"apiKeyId": "k"}},
        [("principal", "u"), ("api-key", "k")],
    ),
    ("apigw-v1", {"authorizer": None, "identity": {"clientCert": CERTIFICATE}}, [("certificate", "CN=ca", "CN=shop")]),
    ("apigw-v1", NOBODY_V1, []),
    ("apigw-v1", {"authorizer": {"integrationLatency": 3}, "identity": {}}, []),
    ("apigw-v1", {"authorizer": {"claims": None, "scopes": None}, "identity": {}}, []),
    ("apigw-v2", {"authorizer": {"jwt": {"claims": {"sub": "u", "iss": "i"}}}}, [("jwt", "i", "u")]),
    ("apigw-v2", {"authorizer": {"jwt": {"claims": {"sub": "u"}}}}, [("jwt", "", "u")]),
    ("apigw-v2", {"authorizer": {"iam": IAM}}, [("iam", "arn:u")]),
    (
        "apigw-v2",
        {"authorizer": {"iam": {"userArn": "arn:role", "cognitoIdentity": {"identityId": "eu:1"}}}},
        [("iam", "arn:role"), ("cognito", "eu:1")],
    ),
    ("apigw-v2", {"authorizer": {"lambda": {"principalId": "u", "sub": "s"}}}, [("principal", "u")]),
    ("apigw-v2", {"authorizer": {"lambda": {"sub": 7}}}, [("principal", "7")]),
    ("apigw-v2", {"authorizer": {"lambda": None}}, []),
    (
        "apigw-v2",
        {"authorizer": None, "authentication": {"clientCert": CERTIFICATE}},
        [("certificate", "CN=ca", "CN=shop")],
    ),
    ("function-url", {"authorizer": {"iam": IAM}, "authentication": None}, [("iam", "arn:u")]),
    ("function-url", {"authorizer": None}, []),
]

UNNAMED = [
    ("apigw-v1", {"authorizer": {"tenant": "a"}, "identity": {}}, "claims.sub, principalId or sub"),
    ("apigw-v1", {"authorizer": {"claims": {"client_id": "c"}}, "identity": {}}, "claims.sub"),
    ("apigw-v2", {"authorizer": {"lambda": {"tenant": "a"}}}, "Lambda authorizer's answer without"),
    ("apigw-v2", {"authorizer": {"lambda": {"principalId": ""}}}, "Lambda authorizer's answer without"),
    ("apigw-v2", {"authorizer": {"jwt": {"claims": {"client_id": "c"}}}}, "without the claim sub"),
    ("apigw-v2", {"authorizer": {"iam": {"accountId": "1"}}}, "without userArn"),
]


@pytest.mark.parametrize(("source", "context", "found"), CALLERS)
def test_a_caller_is_who_the_authorizer_says(
    source: str, context: Event, found: list[tuple[str, ...]], event_of: EventOf
) -> None:
    """Each kind of identity is found where its front door puts it, and labelled with its kind."""
    assert list(identities(request_of(event_of(source, context=context), "handler"))) == found


@pytest.mark.parametrize("source", ["alb", "alb-multi-value"])
def test_a_load_balancer_names_its_caller_in_a_header(source: str, event_of: EventOf) -> None:
    """The subject that the load balancer authenticated is the caller; no other front door's header of that name is."""
    headers = {"X-Amzn-Oidc-Identity": "u"}
    assert identities(request_of(event_of(source, headers=headers), "handler")) == (("alb", "u"),)
    elsewhere = event_of("apigw-v2", headers=headers, context={"authorizer": None})
    assert identities(request_of(elsewhere, "handler")) == ()


@pytest.mark.parametrize(("source", "context", "reason"), UNNAMED)
def test_a_caller_named_in_a_form_of_ones_own_is_no_stranger(
    source: str, context: Event, reason: str, event_of: EventOf
) -> None:
    """Somebody whom an authorizer knows never shares the unknown's scope: `scope=` must say who it is."""
    with pytest.raises(ConfigError, match=rf"{reason}.*scope="):
        identities(request_of(event_of(source, context=context), "handler"))


def test_identities_of_one_text_never_meet(event_of: EventOf) -> None:
    """A token's subject, an API key, a principal and a tenant that read the same make keys of their own."""
    named = [
        event_of("apigw-v1", context={"authorizer": {"claims": {"sub": "x", "iss": ""}}, "identity": {}}),
        event_of("apigw-v1", context={"authorizer": {"principalId": "x"}, "identity": {}}),
        event_of("apigw-v1", context={"authorizer": None, "identity": {"apiKeyId": "x"}}),
        event_of("apigw-v1", context={"authorizer": None, "identity": {"userArn": "x"}}),
        event_of("apigw-v1", context={"authorizer": None, "identity": {"cognitoIdentityId": "x"}}),
        event_of("apigw-v1", context={"authorizer": None, "identity": {"clientCert": {"subjectDN": "x"}}}),
        event_of("alb", headers={"x-amzn-oidc-identity": "x"}),
    ]
    ids = {record_id("n", identities(request_of(event, "handler"))) for event in named}
    with invocation(LambdaContext(tenant_id="x")):
        ids.add(record_id("n", identities(request_of(event_of("alb"), "handler"))))
    assert len(ids) == len(named) + 1


def test_the_tenant_is_part_of_the_caller(event_of: EventOf) -> None:
    """Lambda's tenant id is an identity of its own, beside the others."""
    request = request_of(event_of("alb"), "handler")
    with invocation(LambdaContext(tenant_id="t")):
        assert identities(request) == (("tenant", "t"),)


def test_strangers_are_warned_of_once(event_of: EventOf, caplog: pytest.LogCaptureFixture) -> None:
    """Without any identity there is one scope for all, and one warning for each function."""
    request = request_of(event_of("alb"), "handler")
    scope = scope_of("auto", is_strict=False, function="place")
    with caplog.at_level(logging.WARNING, "idemlambda"):
        assert scope(request) == scope(request) == ()
    assert len(caplog.records) == 1
    assert "place was called by nobody" in caplog.text


def test_strangers_are_refused_where_that_is_asked_for(event_of: EventOf) -> None:
    """Under `strict_scope=True` a request without an identity is refused, and one with an identity is not."""
    scope = scope_of("auto", is_strict=True, function="place")
    with pytest.raises(ScopeMissing, match="strict_scope=True"):
        scope(request_of(event_of("alb"), "handler"))
    assert scope(request_of(event_of("function-url"), "handler"))


def test_a_scope_can_be_selected(event_of: EventOf) -> None:
    """A JMESPath expression or a callable sees the event; what it does not find is a missing scope."""
    request = request_of(event_of("apigw-v2"), "handler")
    by_path = scope_of("requestContext.authorizer.jwt.claims.sub", is_strict=False, function="place")
    by_call = scope_of(lambda event: event["requestContext"]["apiId"], is_strict=True, function="place")
    assert by_path(request) == ("selected", "user-1042")
    assert by_call(request) == ("selected", "ghijkl5678")
    with pytest.raises(ScopeMissing):
        scope_of("requestContext.nobody", is_strict=False, function="place")(request)
    with pytest.raises(ScopeMissing):
        scope_of("abs(rawPath)", is_strict=False, function="place")(request)


def test_one_scope_for_everybody_is_said_aloud(event_of: EventOf, caplog: pytest.LogCaptureFixture) -> None:
    """`scope=None` gives no warning, and contradicts `strict_scope=True`."""
    scope = scope_of(None, is_strict=False, function="place")
    assert scope(request_of(event_of("alb"), "handler")) is None
    assert caplog.records == []
    with pytest.raises(ConfigError, match="drop one"):
        scope_of(None, is_strict=True, function="place")
