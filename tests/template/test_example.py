from __future__ import annotations

import base64
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


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the example, imported anew under the name that it has in Lambda."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"examples/orders/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


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
    module = loaded("app", monkeypatch)
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


@pytest.fixture
def api(orders: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example's API, on the same table."""
    return loaded("api", monkeypatch)


REQUEST: dict[str, Any] = json.loads((ROOT / "events/apigw-v2.json").read_text(encoding="utf-8"))


def test_an_order_is_posted_once(api: ModuleType, orders: ModuleType) -> None:
    """A second request with a key gets the answer of the first, and nothing is placed; the list shows one order."""
    first, second = api.handler(REQUEST, None), api.handler(REQUEST, None)
    assert (first["statusCode"], second["statusCode"], second["body"]) == (201, 201, first["body"])
    assert second["headers"]["Idempotency-Replayed"] == "true"
    assert json.loads(first["body"])["total"] == "25.00"
    assert [order.order_id for order in orders.ledger] == [ORDER["order_id"]]
    get = REQUEST | {"requestContext": REQUEST["requestContext"] | {"http": {"method": "GET"}}}
    assert json.loads(api.handler(get, None)["body"]) == [ORDER]


@pytest.mark.parametrize("sample", ["apigw-v1", "apigw-v2"])
def test_both_payload_formats_place_the_order(sample: str, api: ModuleType) -> None:
    """The API reads both formats, and a body in Base64 as well."""
    event = json.loads((ROOT / f"events/{sample}.json").read_text(encoding="utf-8"))
    encoded = base64.b64encode(event["body"].encode()).decode()
    first, second = api.handler(event, None), api.handler(event | {"body": encoded, "isBase64Encoded": True}, None)
    assert (first["statusCode"], second["body"]) == (201, first["body"])


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (None, 400, "Invalid JSON"),
        ('{"order_id": ', 400, "Invalid JSON"),
        (json.dumps(ORDER | {"quantity": 0}), 422, "quantity: Input should be greater than 0"),
    ],
)
def test_a_wrong_order_is_answered_once_and_for_all(
    body: str | None, status: int, says: str, api: ModuleType, orders: ModuleType
) -> None:
    """What is no order gets a problem that says why, as an answer that a retry gets again."""
    event = REQUEST | {"body": body}
    first, second = api.handler(event, None), api.handler(event, None)
    assert (first["statusCode"], second["statusCode"]) == (status, status)
    assert first["headers"]["Content-Type"] == "application/problem+json"
    assert says in json.loads(first["body"])["detail"]
    assert second["headers"]["Idempotency-Replayed"] == "true"
    assert orders.ledger == []


def test_other_methods_are_not_served(api: ModuleType) -> None:
    """A method that the API does not have is a 405 that names those it has."""
    delete = REQUEST | {"requestContext": REQUEST["requestContext"] | {"http": {"method": "DELETE"}}}
    answer = api.handler(delete, None)
    assert (answer["statusCode"], answer["headers"]["allow"]) == (405, "GET, POST")


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


def test_the_policy_of_the_api_allows_what_is_called(
    api: ModuleType, calls: list[str], template: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first answer, a replay and a failure of the API call nothing that its function's policy does not allow."""
    [policy] = template("template.yaml")["Resources"]["OrdersApiFunction"]["Properties"]["Policies"]
    api.handler(REQUEST, None)
    api.handler(REQUEST, None)
    monkeypatch.setattr(api, "place", lambda order: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        api.handler(REQUEST | {"headers": {**REQUEST["headers"], "idempotency-key": "another"}}, None)
    assert {"dynamodb:PutItem", "dynamodb:DeleteItem"} <= set(calls) <= set(policy["Statement"][0]["Action"])
