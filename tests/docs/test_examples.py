"""What the documents show runs, and what they list is there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import boto3
import click
import pytest
from moto import mock_aws
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from idemlambda.cli._commands import commands
from idemlambda.table import create
from idemlambda.testing import LambdaContext

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass
class Order:
    """What the examples call an order."""

    id: str


@dataclass
class Receipt:
    """What they call a receipt."""

    id: str


def place(event: dict[str, object]) -> dict[str, object]:
    """What they call placing an order."""
    return {"receipt": f"receipt of {event['order_id']}"}


@pytest.fixture(autouse=True)
def _on_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("IDEMLAMBDA_TABLE", "records")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@mock_aws
@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in PAGES])
def test_the_code_of_a_page_runs(page: str) -> None:
    """Every Python block of a document runs, in order, on an embedded table."""
    create(boto3.client("dynamodb"), "records")
    document = Sybil([PythonCodeBlockParser()], path=str(ROOT), pattern=page).parse(ROOT / page)
    document.namespace.update({"Order": Order, "Receipt": Receipt, "place": place, "__name__": "example"})
    for example in document.examples():
        example.evaluate()
    if page == "README.md":
        handler = document.namespace["handler"]
        first = handler({"order_id": "o-1"}, LambdaContext(3))
        assert first == handler({"order_id": "o-1"}, LambdaContext(3)) == {"receipt": "receipt of o-1"}
        request = json.loads((ROOT / "events" / "apigw-v2.json").read_text(encoding="utf-8"))
        answers = [document.namespace["api"](request, LambdaContext(3)) for _ in range(2)]
        assert [answer["statusCode"] for answer in answers] == [201, 201]
        assert answers[1]["headers"]["Idempotency-Replayed"] == "true"


def names(group: click.Group, prefix: str = "idemlambda") -> list[str]:
    """The full names of all commands."""
    found: list[str] = []
    for name, command in group.commands.items():
        found += names(command, f"{prefix} {name}") if isinstance(command, click.Group) else [f"{prefix} {name}"]
    return found


def test_every_command_is_in_the_readme() -> None:
    """A command that is there is documented, and one that is documented is there."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(idemlambda (?:[a-z]+ ?)+)", readme, re.MULTILINE)
    assert sorted(row.strip() for row in rows) == sorted(names(commands))


def test_relative_links_lead_somewhere() -> None:
    """No document links to a file that is not there."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_guarantee_names_a_test_that_is_there() -> None:
    """Each test that the guarantees name exists, and each row names one or says that nothing is promised."""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    named = set(re.findall(r"`(test_\w+)`", text))
    assert named <= there
    rows = [line for line in text.splitlines() if line.startswith("|") and line.count("|") == 5]
    assert len(rows) > 20
    assert all("test" in row or "not promised" in row or set(row) <= set("|-") for row in rows)
