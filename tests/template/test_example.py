from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

ORDER: dict[str, Any] = json.loads((ROOT / "events/direct.json").read_text(encoding="utf-8"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the AWS operations that are called, as IAM writes them."""
    from botocore.client import BaseClient

    made: list[str] = []
    real = vars(BaseClient)["_make_api_call"]

    def record(client: BaseClient, operation: str, params: dict[str, Any]) -> Any:
        made.append(f"{client.meta.service_model.service_name}:{operation}")
        return real(client, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return made


@pytest.fixture
def orders(
    template: Callable[[str], dict[str, Any]], calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModuleType]:
    """The example, imported anew, on a table that is made as `infra/table.yaml` says."""
    import boto3
    from moto import mock_aws

    for name, value in (
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("IDEMLAMBDA_TABLE", "records"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("IDEMLAMBDA_DISABLED", raising=False)
    properties = template("infra/table.yaml")["Resources"]["Table"]["Properties"]
    spec = importlib.util.spec_from_file_location("orders_example", ROOT / "examples/orders/app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="records",
            **{name: properties[name] for name in ("KeySchema", "AttributeDefinitions", "BillingMode")},
        )
        calls.clear()
        yield module


def test_an_order_is_placed_once(orders: ModuleType) -> None:
    """A second delivery of an order gets the receipt of the first, and nothing is placed."""
    first = orders.handler(ORDER, None)
    assert orders.handler(dict(ORDER), None) == first
    assert [order.order_id for order in orders.ledger] == [ORDER["order_id"]]
    assert first == json.loads(json.dumps(first)) | {"order_id": ORDER["order_id"], "total": "25.00", "currency": "EUR"}


def test_another_order_under_the_same_id(orders: ModuleType) -> None:
    """An order that came with another quantity is refused, and the quantity is named."""
    from idemlambda import KeyReused

    orders.handler(ORDER, None)
    with pytest.raises(KeyReused) as refused:
        orders.handler(ORDER | {"quantity": 3}, None)
    assert refused.value.changed == ("/quantity",)
    assert len(orders.ledger) == 1


def test_the_policy_allows_what_is_called(
    orders: ModuleType, calls: list[str], template: Callable[[str], dict[str, Any]]
) -> None:
    """A first run, a replay and a failed run call nothing that the function's policy does not allow."""
    [policy] = template("template.yaml")["Resources"]["OrdersFunction"]["Properties"]["Policies"]
    orders.handler(ORDER, None)
    orders.handler(ORDER, None)
    with pytest.raises(ValueError, match="quantity"):
        orders.handler(ORDER | {"order_id": "ord-0", "quantity": 0}, None)
    assert {"dynamodb:PutItem", "dynamodb:DeleteItem"} <= set(calls) <= set(policy["Statement"][0]["Action"])
