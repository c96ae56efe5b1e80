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


FUNCTIONS = ("OrdersFunction", "OrdersApiFunction")


def properties(stack: dict[str, Any], name: str) -> dict[str, Any]:
    """The properties of a resource."""
    found: dict[str, Any] = stack["Resources"][name]["Properties"]
    return found


def test_these_are_all_functions(stack: dict[str, Any]) -> None:
    """No function of the stack escapes the tests below."""
    found = {name for name, one in stack["Resources"].items() if one["Type"] == "AWS::Serverless::Function"}
    assert found == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_policy_is_the_least(name: str, stack: dict[str, Any]) -> None:
    """A function may put, read and delete records of its own table, and nothing else."""
    [policy] = properties(stack, name)["Policies"]
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


@pytest.mark.parametrize("name", FUNCTIONS)
def test_handler_exists(name: str, stack: dict[str, Any]) -> None:
    """The handler that the template names is a function of the example."""
    function = properties(stack, name)
    module, _, handler = function["Handler"].rpartition(".")
    tree = ast.parse((ROOT / function["CodeUri"] / f"{module}.py").read_text(encoding="utf-8"))
    assert handler in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_rule_matches_the_sample(stack: dict[str, Any]) -> None:
    """The rule lets the sample event through, and hands the function the order that a direct invocation passes."""
    rule = properties(stack, "OrdersFunction")["Events"]["OrderPlaced"]["Properties"]
    event = json.loads((ROOT / "events/eventbridge.json").read_text(encoding="utf-8"))
    assert all(event[member] in allowed for member, allowed in rule["Pattern"].items())
    assert rule["InputPath"] == "$.detail"
    assert event["detail"] == json.loads((ROOT / "events/direct.json").read_text(encoding="utf-8"))


def test_routes_match_the_sample(stack: dict[str, Any]) -> None:
    """The API has the route of the sample event, and writes the payload format that it is in."""
    event = json.loads((ROOT / "events/apigw-v2.json").read_text(encoding="utf-8"))
    routes = [one["Properties"] for one in properties(stack, "OrdersApiFunction")["Events"].values()]
    assert event["routeKey"] in {f"{route['Method']} {route['Path']}" for route in routes}
    assert {route["PayloadFormatVersion"] for route in routes} == {event["version"]}
    assert {route["ApiId"]["Ref"] for route in routes} == {"OrdersApi"}
    assert stack["Outputs"]["OrdersUrl"]["Value"]["Fn::Sub"].endswith(event["rawPath"])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_logs_end(name: str, stack: dict[str, Any]) -> None:
    """A function's logs go to a group of its own, which the stack owns and which does not keep them for ever."""
    group = properties(stack, name)["LoggingConfig"]["LogGroup"]["Ref"]
    assert properties(stack, group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert [properties(stack, other)["LoggingConfig"]["LogGroup"]["Ref"] for other in FUNCTIONS].count(group) == 1


def test_access_logs_end(stack: dict[str, Any]) -> None:
    """The API's access logs do not stay for ever either."""
    [group, _] = properties(stack, "OrdersApi")["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"]
    assert properties(stack, group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_everything_is_described(stack: dict[str, Any]) -> None:
    """Every parameter and every output says what it is."""
    assert all(entry["Description"] for entry in [*stack["Parameters"].values(), *stack["Outputs"].values()])
