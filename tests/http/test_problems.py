"""Laws of problems: each outcome's answer, and its page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idemlambda.errors import (
    ClaimLost,
    ConfigError,
    InProgress,
    KeyInvalid,
    KeyMissing,
    KeyReused,
    NotStored,
    OutcomeUnknown,
    RecordUnreadable,
    ResultNotKept,
    StoreUnavailable,
)
from idemlambda.http._identity import ScopeMissing
from idemlambda.http._problems import KINDS, code_of, problem, statuses_of
from idemlambda.http._request import request_of

PAGES = Path(__file__).parents[2] / "docs" / "problems"
EventOf = Callable[..., dict[str, Any]]

CASES: list[tuple[Exception, str, int, str | None]] = [
    (KeyMissing("no key"), "key_missing", 400, None),
    (KeyInvalid("not valid"), "key_invalid", 400, None),
    (ScopeMissing("secret.path"), "scope_missing", 403, None),
    (KeyReused("reused", changed=("/body/a",), missing=2), "key_reused", 409, None),
    (InProgress("busy", retry_after=4.2), "in_progress", 409, "5"),
    (InProgress("busy", retry_after=0.0), "in_progress", 409, "1"),
    (StoreUnavailable("secret", retry_after=1.0), "store_unavailable", 503, "1"),
    (OutcomeUnknown("secret"), "outcome_unknown", 409, None),
    (ResultNotKept("secret"), "result_not_kept", 409, None),
    (ClaimLost("secret", value=1), "claim_lost", 409, "1"),
    (NotStored("secret", value=1), "not_stored", 503, None),
    (RecordUnreadable("secret"), "record_unreadable", 500, None),
    (ConfigError("secret"), "misconfigured", 500, None),
]


def told(error: Exception, event: dict[str, Any], base: str = "/problems/") -> Any:
    """The answer to an error under the default conventions."""
    code = code_of(error)
    assert code is not None
    return problem(error, code, request_of(event, "handler"), statuses_of("conflict"), base)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}-{case[3]}")
def test_every_outcome_is_a_problem(
    case: tuple[Exception, str, int, str | None], event_of: EventOf, problem_of: Callable[[Any], Any]
) -> None:
    """An outcome has its status, its stable code and, where waiting helps, the whole seconds to wait, rounded up."""
    error, code, status, after = case
    answer = told(error, event_of("apigw-v2"))
    members = problem_of(answer)
    assert (members["code"], members["status"]) == (code, status)
    assert members["type"] == f"/problems/{code.replace('_', '-')}"
    assert members["instance"] == "/orders"
    assert answer["headers"].get("Retry-After") == after
    assert "secret" not in answer["body"]


def test_every_code_is_shown() -> None:
    """The table above leaves no problem out."""
    assert {code for _, code, _, _ in CASES} == set(KINDS)


def test_a_reused_key_names_what_changed(event_of: EventOf, problem_of: Callable[[Any], Any]) -> None:
    """Only a reused key has `changed` and `missing`."""
    members = problem_of(told(KeyReused("reused", changed=("/body/a",), missing=2), event_of("alb")))
    assert (members["changed"], members["missing"]) == (["/body/a"], 2)
    assert "changed" not in problem_of(told(KeyMissing("x"), event_of("alb")))


@pytest.mark.parametrize("error", [ValueError("theirs"), KeyError("theirs"), RuntimeError("theirs")])
def test_a_handlers_own_error_is_no_problem(error: Exception) -> None:
    """Only outcomes of the kit have a code."""
    assert code_of(error) is None


@pytest.mark.parametrize(
    ("error", "is_logged"),
    [(RecordUnreadable("newer"), True), (ConfigError("no table"), True), (KeyMissing("x"), False)],
)
def test_the_reason_of_a_fault_of_ours_is_logged(
    error: Exception, event_of: EventOf, caplog: pytest.LogCaptureFixture, *, is_logged: bool
) -> None:
    """What the client is not told, the log is; a client's own mistakes are no errors of ours."""
    told(error, event_of("alb"))
    assert (str(error) in caplog.text) is is_logged


@pytest.mark.parametrize(
    ("base", "uri"),
    [
        ("https://docs.example.com/problems/", "https://docs.example.com/problems/key-missing"),
        ("https://example.com/{name}.html", "https://example.com/key-missing.html"),
        ("urn:example:", "urn:example:key-missing"),
    ],
)
def test_where_type_leads_can_be_chosen(
    base: str, uri: str, event_of: EventOf, problem_of: Callable[[Any], Any]
) -> None:
    """The page's name is appended to the base, or put where `{name}` stands."""
    assert problem_of(told(KeyMissing("x"), event_of("alb"), base))["type"] == uri


@pytest.mark.parametrize(
    ("path", "instance"), [("//evil.example/a", "/evil.example/a"), ("/a b/é?", "/a%20b/%C3%A9%3F")]
)
def test_instance_is_a_path_on_this_host(
    path: str, instance: str, event_of: EventOf, problem_of: Callable[[Any], Any]
) -> None:
    """Whatever was asked for, `instance` is a path of a URI, and names no other host (RFC 3986 4.2)."""
    assert problem_of(told(KeyMissing("x"), event_of("alb", path=path)))["instance"] == instance


def test_a_problem_has_its_front_doors_shape(event_of: EventOf) -> None:
    """A load balancer gets a description of the status, and multi-valued headers where it asked with them."""
    single, multi = told(KeyMissing("x"), event_of("alb")), told(KeyMissing("x"), event_of("alb-multi-value"))
    assert single["statusDescription"] == multi["statusDescription"] == "400 Bad Request"
    assert single["headers"] == {"Content-Type": "application/problem+json"}
    assert multi["multiValueHeaders"] == {"Content-Type": ["application/problem+json"]}
    assert "headers" not in multi
    assert "statusDescription" not in told(KeyMissing("x"), event_of("apigw-v1"))
    odd = problem(KeyMissing("x"), "key_missing", request_of(event_of("alb"), "h"), {"key_missing": 499}, "")
    assert odd["statusDescription"] == "499"


def test_every_code_has_its_page() -> None:
    """A page for each problem, with its title and code, and no page beside them."""
    pages = {page.stem: page.read_text() for page in PAGES.glob("*.md") if page.stem != "README"}
    assert set(pages) == {code.replace("_", "-") for code in KINDS}
    for code, kind in KINDS.items():
        page = pages[code.replace("_", "-")]
        assert page.startswith(f"# {kind.title}\n\n`code`: `{code}`\n"), code


def test_the_table_of_statuses_is_the_code() -> None:
    """The documented table of outcome, convention and status is what is answered."""
    rows = re.findall(
        r"^\| \[`(\w+)`\]\(([\w-]+)\.md\) \| (\d+) \| (\d+) \| (\d+) \|$",
        (PAGES / "README.md").read_text(),
        re.MULTILINE,
    )
    conventions = [statuses_of("conflict"), statuses_of("ietf"), statuses_of("stripe")]
    assert [code for code, *_ in rows] == list(KINDS)
    for code, page, *statuses in rows:
        assert page == code.replace("_", "-")
        assert [int(status) for status in statuses] == [convention[code] for convention in conventions]


def test_a_problem_is_json(event_of: EventOf) -> None:
    """RFC 9457's members are there, each of its type."""
    members = json.loads(told(KeyMissing("x"), event_of("alb"))["body"])
    assert {name: type(value) for name, value in members.items()} == {
        "type": str,
        "title": str,
        "status": int,
        "detail": str,
        "instance": str,
        "code": str,
    }
