"""The orders API as `idemlambda serve` runs it, in a process of its own, on a table of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest

from idemlambda.cli._embedded import embedded_dynamodb
from idemlambda.table import create
from tests import engines

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).resolve().parents[2]
API = f"{ROOT / 'examples/orders/api.py'}:handler"
TABLE = "records"

# A loaded machine takes several times what it takes to import boto3.
START_SECONDS = 60


@dataclass
class Served:
    """A running server: where it is, the table behind it, and the file with its lines."""

    url: str
    client: DynamoDBClient
    out: Path

    def orders(self) -> list[dict[str, Any]]:
        """The ledger, as the API itself lists it."""
        listed: list[dict[str, Any]] = httpx.get(f"{self.url}/orders", timeout=30).json()
        return listed

    def told(self) -> list[dict[str, Any]]:
        """What the server said of each POST."""
        lines = [json.loads(line) for line in self.out.read_text("utf-8").splitlines()]
        return [line for line in lines if line["method"] == "POST"]

    def stored(self) -> dict[str, str]:
        """The body of every answer in the table, by the order that it is about."""
        pages = self.client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
        answers = [json.loads(item["data"]["S"]) for page in pages for item in page["Items"]]
        return {json.loads(answer["body"])["order_id"]: answer["body"] for answer in answers}


@pytest.fixture
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDBClient]:
    """A table in DynamoDB Local where it is installed, else in the embedded DynamoDB; the environment leads to it."""
    if engines._dynamodb_local_lacks() is None:
        client: DynamoDBClient = request.getfixturevalue("dynamodb_local_client")
        credentials = client._request_signer._credentials  # type: ignore[attr-defined]  # botocore tells them nowhere else
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", client.meta.endpoint_url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", client.meta.region_name)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_key)
        create(client, TABLE)
        yield client
        return
    with embedded_dynamodb():
        client = boto3.client("dynamodb")
        create(client, TABLE)
        yield client
        client.close()


@contextmanager
def serving(folder: Path, client: DynamoDBClient, *options: str) -> Iterator[Served]:
    """`idemlambda serve` on the orders API, ended by Ctrl-C, which it must take with exit code 0."""
    command = [
        sys.executable,
        "-m",
        "idemlambda.cli",
        "serve",
        API,
        "--table",
        TABLE,
        "--port",
        "0",
        "--json",
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    out, err = folder / "out", folder / "err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stdout, stderr=stderr)  # noqa: S603 - this Python
    try:
        yield Served(address_in(err, process), client, out)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0, err.read_text("utf-8")
        assert "Traceback" not in err.read_text("utf-8")
    finally:
        process.kill()
        process.wait()


def address_in(err: Path, process: subprocess.Popen[bytes]) -> str:
    """The address that the server says it is at, once it is."""
    give_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        if found := re.search(r" at (http://127\.0\.0\.1:[0-9]+) ", err.read_text("utf-8")):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"the server did not start:\n{err.read_text('utf-8')}")


@pytest.fixture(params=["2.0", "1.0"])
def served(request: pytest.FixtureRequest, tmp_path: Path, table: DynamoDBClient) -> Iterator[Served]:
    """The running API, in each payload format."""
    with serving(tmp_path, table, "--payload-format", request.param) as running:
        yield running
