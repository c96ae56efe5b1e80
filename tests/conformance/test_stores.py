"""Every store keeps the laws of `StoreConformance`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from idemlambda import DynamoDBStore, MemoryStore
from idemlambda.cache import CachedStore
from idemlambda.dynamodb import table_definition
from idemlambda.ports import Store
from idemlambda.testing.conformance import StoreConformance
from tests import engines

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class TestMemoryStore(StoreConformance):
    def make_store(self) -> Store:
        return MemoryStore()


class TestCachedStore(StoreConformance):
    def make_store(self) -> Store:
        return CachedStore(MemoryStore(), 10)


@pytest.fixture
def moto_client() -> Iterator[DynamoDBClient]:
    """A client of moto's in-process DynamoDB."""
    with mock_aws():
        yield boto3.client(
            "dynamodb",
            region_name="eu-west-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - moto asks for any
        )


def store_on(client: DynamoDBClient, layout: str) -> Store:
    """A store on a table of the given layout, which is made."""
    sort_key = None if layout == "simple" else "sort"
    client.create_table(**table_definition("records", sort_key=sort_key))
    partition_value = "all" if layout == "one partition" else None
    names = {"data": "result", "status": "state"} if layout == "composite" else None
    return DynamoDBStore("records", client=client, sort_key=sort_key, partition_value=partition_value, attributes=names)


@pytest.fixture(params=["simple", "composite", "one partition"])
def layout(request: pytest.FixtureRequest) -> str:
    """The layouts of a table."""
    return str(request.param)


class TestDynamoDBStoreOnMoto(StoreConformance):
    is_atomic = False  # moto checks a condition and writes without a lock

    @pytest.fixture(autouse=True)
    def _table(self, moto_client: DynamoDBClient, layout: str) -> None:
        self.store = store_on(moto_client, layout)

    def make_store(self) -> Store:
        return self.store


class TestDynamoDBStoreOnDynamoDBLocal(StoreConformance):
    @pytest.fixture(autouse=True)
    def _table(self, dynamodb_local_client: DynamoDBClient, layout: str) -> None:
        self.store = store_on(dynamodb_local_client, layout)

    def make_store(self) -> Store:
        return self.store


class TestDynamoDBStoreAsItConnects(StoreConformance):
    """With the client that the store makes for itself, from the environment."""

    @pytest.fixture(autouse=True)
    def _table(self, dynamodb_local: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        client = engines.account_of_its_own(dynamodb_local)
        client.create_table(**table_definition("records"))
        credentials = client._request_signer._credentials  # type: ignore[attr-defined] # the account that was made
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_local)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_key)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        self.store = DynamoDBStore("records")
        yield
        client.close()

    def make_store(self) -> Store:
        return self.store


def test_a_conformance_class_without_a_store_says_so() -> None:
    """A subclass that gives no store fails, instead of passing."""
    with pytest.raises(NotImplementedError, match="store to test"):
        StoreConformance().make_store()
