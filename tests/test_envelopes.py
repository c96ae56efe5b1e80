from __future__ import annotations

import ast
import base64
import copy
import hashlib
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from idemlambda import envelopes
from idemlambda.envelopes import BATCH_SOURCES, HTTP_SOURCES, Source, business_part, record_part, source_of

EVENTS = Path(__file__).parents[1] / "events"
FILES = sorted(EVENTS.glob("*.json"))

# Files named for a kind of a source; every other file is named for its source.
KINDS: dict[str, Source | None] = {"sqs-fifo": "sqs", "alb-multi-value": "alb", "direct": None}

KAFKA: dict[str, Any] = {
    "eventSource": "aws:kafka",
    "eventSourceArn": "arn:aws:kafka:eu-central-1:123456789012:cluster/orders/6d0ecf83-1eec-4f09-9b2a-1f0c3d5e7a91-4",
    "bootstrapServers": "b-1.orders.example.com:9092,b-2.orders.example.com:9092",
    "records": {
        "orders-0": [
            {
                "topic": "orders",
                "partition": 0,
                "offset": 15,
                "timestamp": 1764009008412,
                "timestampType": "CREATE_TIME",
                "key": "b3JkLTE=",
                "value": "eyJxdWFudGl0eSI6Mn0=",
                "headers": [{"channel": [119, 101, 98]}],
            }
        ],
        "orders-1": [
            {
                "topic": "orders",
                "partition": 1,
                "offset": 3,
                "timestamp": 1764009008413,
                "timestampType": "CREATE_TIME",
                "key": "b3JkLTI=",
                "headers": [],
            }
        ],
    },
}

# The least that each source's record is recognised by, to be spoiled below.
RECORDS: dict[str, dict[str, Any]] = {
    "sqs": {"eventSource": "aws:sqs", "body": "{}"},
    "sns": {"EventSource": "aws:sns", "Sns": {"Message": "{}"}},
    "kinesis": {"eventSource": "aws:kinesis", "kinesis": {"data": "e30="}},
    "dynamodb-stream": {"eventSource": "aws:dynamodb", "dynamodb": {"Keys": {"id": {"S": "1"}}}},
    "s3": {"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}},
}

REST = {"httpMethod": "POST", "path": "/orders", "requestContext": {"httpMethod": "POST"}}
HTTP = {"version": "2.0", "rawPath": "/orders", "rawQueryString": "", "requestContext": {"http": {"method": "POST"}}}
BRIDGE = {
    "version": "0",
    "id": "1",
    "detail-type": "order.placed",
    "source": "com.example.shop",
    "account": "123456789012",
    "region": "eu-central-1",
    "detail": {},
}


def load(name: str) -> Any:
    """A sample event, parsed."""
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def order_id(text: str) -> str:
    """Which order a JSON text is about."""
    return str(json.loads(text)["order_id"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sample_events(path: Path) -> None:
    """A sample event is recognised as the source that its file is named for."""
    assert source_of(load(path.stem)) == KINDS.get(path.stem, path.stem)


def test_samples_of_every_source() -> None:
    """Every source has a sample event, or one in this file."""
    assert {source_of(load(path.stem)) for path in FILES} | {source_of(KAFKA)} == {*get_args(Source), None}


@pytest.mark.parametrize(
    ("event", "source"),
    [
        (REST, "apigw-v1"),
        (REST | {"version": "1.0", "resource": "/orders"}, "apigw-v1"),
        (HTTP, "apigw-v2"),
        ({**HTTP, "requestContext": {"http": {"method": "GET"}, "domainName": "lambda-url.example.com"}}, "apigw-v2"),
        (
            {**HTTP, "requestContext": {"http": {"method": "GET"}, "domainName": "a.lambda-url.cn-north-1.on.aws"}},
            "function-url",
        ),
        (KAFKA, "kafka"),
        (KAFKA | {"eventSource": "SelfManagedKafka"}, "kafka"),
        (BRIDGE, "eventbridge"),
        *(({"Records": [record, record]}, source) for source, record in RECORDS.items()),
        ({"Records": [RECORDS["kinesis"]], "window": {}, "state": {}}, "kinesis"),
    ],
)
def test_recognised(event: object, source: str) -> None:
    """An envelope is recognised by the members that AWS always writes, and by no others."""
    assert source_of(event) == source


@pytest.mark.parametrize(
    "event",
    [
        None,
        "Records",
        [RECORDS["sqs"]],
        {},
        # A user's own records.
        {"Records": [{"artist": "somebody", "title": "an album"}]},
        {"Records": []},
        {"Records": "aws:sqs"},
        {"Records": {"0": RECORDS["sqs"]}},
        {"Records": ["aws:sqs"]},
        {"records": [RECORDS["sqs"]]},
        {"eventSource": "aws:sqs", "body": "{}"},
        # Records of another service, or of two.
        {"Records": [{"eventSource": "aws:ses", "ses": {}}]},
        {"Records": [{"eventSource": ["aws:sqs"], "body": "{}"}]},
        {"Records": [RECORDS["sqs"], RECORDS["kinesis"]]},
        {"Records": [RECORDS["sqs"], {"title": "an album"}]},
        # The mark without what such a record holds.
        *(
            {"Records": [{key: value for key, value in record.items() if "ource" in key}]}
            for record in RECORDS.values()
        ),
        {"Records": [{"EventSource": "aws:sns", "Sns": "a string"}]},
        # Requests that are none.
        {"requestContext": {}},
        {"requestContext": "POST", "httpMethod": "POST", "path": "/orders"},
        {"requestContext": {"connectionId": "a", "routeKey": "$connect"}},
        {"version": "2.0", "requestContext": {"http": {"method": "POST"}}},
        {"version": "2.0", "rawPath": "/", "requestContext": {}},
        {"httpMethod": "POST", "requestContext": {"httpMethod": "POST"}},
        {"httpMethod": "POST", "path": "/", "requestContext": {"elb": {}}},
        {"version": "2.0", "path": "/", "method": "GET", "requestContext": {"serviceNetworkArn": "arn"}},
        # A Lambda authorizer's question.
        REST | {"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:a/prod/POST/orders"},
        HTTP | {"type": "REQUEST", "routeArn": "arn:aws:execute-api:eu-central-1:123456789012:a/$default/POST/orders"},
        # Almost Kafka, almost EventBridge.
        KAFKA | {"records": []},
        KAFKA | {"records": {}},
        KAFKA | {"records": {"orders-0": {}}},
        KAFKA | {"records": {"orders-0": ["text"]}},
        {"eventSource": "aws:mq", "messages": []},
        *({name: value for name, value in BRIDGE.items() if name != missing} for missing in BRIDGE),
    ],
)
def test_look_alikes(event: object) -> None:
    """An event that only resembles an envelope has no source, and its business part is the whole event."""
    assert source_of(event) is None
    assert business_part(event, None) is event


def test_kinds_of_sources() -> None:
    """HTTP and batch sources are sources, and none is both."""
    assert set(get_args(Source)) >= HTTP_SOURCES | BATCH_SOURCES
    assert not HTTP_SOURCES & BATCH_SOURCES


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("apigw-v1", {"channel": ["web"]}),
        ("apigw-v2", "channel=web&tag=gift&tag=rush"),
        ("function-url", "channel=partner"),
        ("alb", {"channel": ["web"]}),
        ("alb-multi-value", {"channel": ["web"], "tag": ["gift", "rush"]}),
    ],
)
def test_part_of_a_request(name: str, query: object) -> None:
    """The business part of a request is its query with every value, and its body as it came."""
    event = load(name)
    assert business_part(event, source_of(event)) == {"query": query, "body": event["body"], "isBase64Encoded": False}


@pytest.mark.parametrize("nothing", [{}, {"queryStringParameters": None, "multiValueQueryStringParameters": None}])
def test_request_without_query_and_body(nothing: dict[str, object]) -> None:
    """A member that is absent and one that is null are the same request."""
    parts = [business_part(REST | nothing, "apigw-v1"), business_part(REST | nothing | {"body": None}, "apigw-v1")]
    assert parts == [{"query": {}, "body": None, "isBase64Encoded": False}] * 2


def test_binary_body() -> None:
    """A body in Base64 is not the same as a text that reads like it."""
    text, binary = REST | {"body": "AAAA"}, REST | {"body": "AAAA", "isBase64Encoded": True}
    assert business_part(text, "apigw-v1") != business_part(binary, "apigw-v1")


def test_part_of_eventbridge() -> None:
    """The business part of an EventBridge event is its detail."""
    event = load("eventbridge")
    assert business_part(event, "eventbridge") == load("direct")


@pytest.mark.parametrize("name", ["sqs", "sqs-fifo"])
def test_part_of_a_queue(name: str) -> None:
    """The business part of a batch is a list of the bodies, in order."""
    parts: Any = business_part(load(name), "sqs")
    assert [order_id(part) for part in parts] == ["ord-7Q2M4X", "ord-9T5K1B"]


def test_part_of_a_notification() -> None:
    """The business part of an SNS event is its message, as it was published."""
    parts: Any = business_part(load("sns"), "sns")
    assert [order_id(part) for part in parts] == ["ord-7Q2M4X"]


def test_part_of_kinesis() -> None:
    """The business part of a Kinesis record is its data."""
    parts: Any = business_part(load("kinesis"), "kinesis")
    assert [order_id(base64.b64decode(part).decode()) for part in parts] == ["ord-7Q2M4X", "ord-9T5K1B"]


def test_part_of_a_stream() -> None:
    """The business part of a stream record is what happened, the key, and the images there are."""
    event = load("dynamodb-stream")
    parts: Any = business_part(event, "dynamodb-stream")
    assert [part["eventName"] for part in parts] == ["INSERT", "MODIFY", "REMOVE"]
    assert parts[0]["OldImage"] is None
    assert parts[1] == {"eventName": "MODIFY"} | {
        name: event["Records"][1]["dynamodb"][name] for name in ("Keys", "NewImage", "OldImage")
    }
    assert parts[2]["NewImage"] is None


def test_stream_of_keys_only() -> None:
    """An item's end is told from its beginning, even where the stream holds keys only."""
    record = {"eventSource": "aws:dynamodb", "dynamodb": {"Keys": {"id": {"S": "1"}}}}
    parts = [record_part(record | {"eventName": name}, "dynamodb-stream") for name in ("INSERT", "REMOVE")]
    assert parts[0] != parts[1]


def test_part_of_s3() -> None:
    """The business part of an S3 event is what happened, to which version of which object."""
    event = load("s3")
    stored = event["Records"][0]["s3"]["object"]
    assert business_part(event, "s3") == [
        {
            "eventName": "ObjectCreated:Put",
            "bucket": "amzn-s3-demo-bucket",
            "key": stored["key"],
            "versionId": stored["versionId"],
            "sequencer": stored["sequencer"],
        }
    ]


def test_part_of_kafka() -> None:
    """The business part of a Kafka event is key and value of each record, by partition; a tombstone has no value."""
    assert business_part(KAFKA, "kafka") == {
        "orders-0": [{"key": "b3JkLTE=", "value": "eyJxdWFudGl0eSI6Mn0="}],
        "orders-1": [{"key": "b3JkLTI=", "value": None}],
    }


def test_record_of_a_source_without_records() -> None:
    """Asking for the record of a source that has none is an error that says what to ask for."""
    with pytest.raises(ValueError, match=r"'alb' has no records: ask business_part"):
        record_part({}, "alb")


# Where an envelope differs when its event comes again.
REDELIVERED: dict[str, list[tuple[str | int, ...]]] = {
    "sqs": [("Records", 0, "receiptHandle"), ("Records", 0, "attributes", "ApproximateReceiveCount")],
    "sqs-fifo": [("Records", 1, "receiptHandle"), ("Records", 1, "attributes", "ApproximateFirstReceiveTimestamp")],
    "sns": [("Records", 0, "Sns", "Signature"), ("Records", 0, "Sns", "SigningCertUrl")],
    "kinesis": [("Records", 0, "eventID")],
    "dynamodb-stream": [("Records", 0, "eventID"), ("Records", 0, "dynamodb", "ApproximateCreationDateTime")],
    "s3": [("Records", 0, "responseElements", "x-amz-request-id")],
    "eventbridge": [("time",), ("id",)],
    "apigw-v1": [("requestContext", "requestId"), ("headers", "Idempotency-Key"), ("headers", "X-Amzn-Trace-Id")],
    "apigw-v2": [("requestContext", "timeEpoch"), ("headers", "idempotency-key"), ("headers", "x-amzn-trace-id")],
    "function-url": [("requestContext", "requestId"), ("headers", "x-amz-date")],
    "alb": [("headers", "x-amzn-trace-id")],
    "alb-multi-value": [("multiValueHeaders", "x-amzn-trace-id")],
}


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "direct"], ids=lambda path: path.stem)
def test_a_retry_is_the_same(path: Path) -> None:
    """What differs between two deliveries of one event is not in its business part."""
    event = load(path.stem)
    again = copy.deepcopy(event)
    for *way, last in REDELIVERED[path.stem]:
        place = again
        for name in way:
            place = place[name]
        assert place[last] != "changed"
        place[last] = "changed"
    assert again != event
    assert business_part(again, source_of(again)) == business_part(event, source_of(event))


@pytest.mark.parametrize("name", ["apigw-v1", "apigw-v2", "function-url", "alb", "alb-multi-value"])
def test_sample_requests_carry_a_key(name: str) -> None:
    """A sample request has a quoted Idempotency-Key, as RFC 8941 writes a string, and the order as its body."""
    event = load(name)
    headers = event.get("headers") or {field: values[0] for field, values in event["multiValueHeaders"].items()}
    key = {field.lower(): value for field, value in headers.items()}["idempotency-key"]
    assert (key[0], key[-1]) == ('"', '"')
    assert json.loads(event["body"]) == load("direct")


def test_sample_sums() -> None:
    """The MD5 of a sample message's body is that of its body."""
    records = load("sqs")["Records"] + load("sqs-fifo")["Records"]
    sums = [hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest() for record in records]
    assert sums == [record["md5OfBody"] for record in records]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_samples_name_nobody(path: Path) -> None:
    """A sample event names no account but AWS's example, and no address but those kept for documentation (RFC 5737)."""
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r":(\d{12})[:/\"]|\"accountId\": \"([^\"]*)", text)) <= {
        ("123456789012", ""),
        ("", "123456789012"),
    }
    assert all(address.startswith(("203.0.113.", "198.51.100.")) for address in re.findall(r"\d+(?:\.\d+){3}", text))


def test_imports_nothing() -> None:
    """The module imports nothing of the package, and nothing that takes time to load."""
    tree = ast.parse(Path(envelopes.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {getattr(node, "module", None) for node in imports} == {"__future__", "collections.abc", "typing"}
