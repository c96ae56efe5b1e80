from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stack(template: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The stack that `sam deploy` makes."""
    return template("template.yaml")


@pytest.fixture
def orders(stack: dict[str, Any]) -> dict[str, Any]:
    """The properties of the orders function."""
    properties: dict[str, Any] = stack["Resources"]["OrdersFunction"]["Properties"]
    return properties


def test_policy_is_the_least(orders: dict[str, Any]) -> None:
    """The function may put, read and delete records of its own table, and nothing else."""
    [policy] = orders["Policies"]
    [statement] = policy["Statement"]
    assert statement["Action"] == ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"]
    assert statement["Resource"] == {"Fn::GetAtt": ["Records", "Outputs.TableArn"]}
    assert statement["Effect"] == "Allow"


def test_table_is_the_nested_one(stack: dict[str, Any], template: Callable[[str], dict[str, Any]]) -> None:
    """The function finds its table in the nested stack, which exists, and is given only parameters that it has."""
    variables = stack["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["IDEMLAMBDA_TABLE"] == {"Fn::GetAtt": ["Records", "Outputs.TableName"]}
    records = stack["Resources"]["Records"]["Properties"]
    nested = template(records["TemplateURL"])
    assert nested["Outputs"].keys() >= {"TableName", "TableArn"}
    assert nested["Parameters"].keys() >= records["Parameters"].keys()


def test_handler_exists(orders: dict[str, Any]) -> None:
    """The handler that the template names is a function of the example."""
    module, _, name = orders["Handler"].rpartition(".")
    tree = ast.parse((ROOT / orders["CodeUri"] / f"{module}.py").read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_rule_matches_the_sample(orders: dict[str, Any]) -> None:
    """The rule lets the sample event through, and hands the function the order that a direct invocation passes."""
    rule = orders["Events"]["OrderPlaced"]["Properties"]
    event = json.loads((ROOT / "events/eventbridge.json").read_text(encoding="utf-8"))
    assert all(event[member] in allowed for member, allowed in rule["Pattern"].items())
    assert rule["InputPath"] == "$.detail"
    assert event["detail"] == json.loads((ROOT / "events/direct.json").read_text(encoding="utf-8"))


def test_logs_end(stack: dict[str, Any], orders: dict[str, Any]) -> None:
    """The function's logs go to a group that the stack owns and that does not keep them for ever."""
    group = orders["LoggingConfig"]["LogGroup"]["Ref"]
    assert stack["Resources"][group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_everything_is_described(stack: dict[str, Any]) -> None:
    """Every parameter and every output says what it is."""
    assert all(entry["Description"] for entry in [*stack["Parameters"].values(), *stack["Outputs"].values()])
