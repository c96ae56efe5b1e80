from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def table(template: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The table's resource."""
    resource: dict[str, Any] = template("infra/table.yaml")["Resources"]["Table"]
    return resource


def test_table_is_the_one_that_the_store_describes(table: dict[str, Any]) -> None:
    """The deployed table has the keys and the billing that `idemlambda table create` gives a table."""
    from idemlambda.dynamodb import table_definition

    described: dict[str, Any] = {**table_definition("records")}
    shared = ("KeySchema", "AttributeDefinitions", "BillingMode")
    assert {name: table["Properties"][name] for name in shared} == {name: described[name] for name in shared}


def test_ttl(table: dict[str, Any]) -> None:
    """DynamoDB deletes records by the attribute that says when they expire."""
    assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "expiration", "Enabled": True}


def test_table_outlives_its_stack(table: dict[str, Any]) -> None:
    """Neither a deleted nor a changed stack takes the records with it."""
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert table["Properties"]["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}


def test_table_stands_alone(template: Callable[[str], dict[str, Any]]) -> None:
    """Every parameter has a default, protects by default, and says what it is for; so does every output."""
    table = template("infra/table.yaml")
    defaults = {name: parameter["Default"] for name, parameter in table["Parameters"].items()}
    assert defaults == {"TableName": "", "PointInTimeRecovery": "true", "DeletionProtection": "true", "KmsKeyArn": ""}
    assert table["Outputs"].keys() == {"TableName", "TableArn"}
    assert all(entry["Description"] for entry in [*table["Parameters"].values(), *table["Outputs"].values()])
