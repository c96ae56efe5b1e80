"""Recognises AWS's event envelopes and finds their business part.

An envelope differs at every delivery (`requestId`, `receiptHandle`, `ApproximateReceiveCount`), its business part does
not: that is what a fingerprint covers where nothing else is named. Shapes are those of the AWS Lambda Developer Guide,
one page per event source. An event that only resembles an envelope is its sender's own, and is taken as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeGuard

__all__ = ["BATCH_SOURCES", "HTTP_SOURCES", "Source", "business_part", "record_part", "source_of"]

Source = Literal[
    "apigw-v1",
    "apigw-v2",
    "function-url",
    "alb",
    "sqs",
    "sns",
    "eventbridge",
    "kinesis",
    "dynamodb-stream",
    "s3",
    "kafka",
]

HTTP_SOURCES: Final[frozenset[Source]] = frozenset({"apigw-v1", "apigw-v2", "function-url", "alb"})

# Many records in one invocation, each to be taken once. SNS and S3 write `Records` too, but are none: SNS puts one
# notification into an event, and S3 puts several into one so rarely that its event is one delivery, retried as a whole.
BATCH_SOURCES: Final[frozenset[Source]] = frozenset({"sqs", "kinesis", "dynamodb-stream", "kafka"})

# What a record says of its origin (`eventSource`; SNS alone writes `EventSource`): the source, and where a record of
# it keeps what cannot be missing. A record without that is no such record, whatever it says.
_RECORD_MARKS: Final[Mapping[str, tuple[Source, tuple[str, ...]]]] = {
    "aws:sqs": ("sqs", ("body",)),
    "aws:sns": ("sns", ("Sns", "Message")),
    "aws:kinesis": ("kinesis", ("kinesis", "data")),
    "aws:dynamodb": ("dynamodb-stream", ("dynamodb", "Keys")),
    "aws:s3": ("s3", ("s3", "object", "key")),
}

# Managed Streaming for Apache Kafka, and a cluster of one's own.
_KAFKA_MARKS: Final = frozenset({"aws:kafka", "SelfManagedKafka"})

# A Lambda authorizer is asked with the request's envelope and one of these (REST, HTTP API). It answers whether a
# caller may come in; it is not the request.
_AUTHORIZER_MARKS: Final = ("methodArn", "routeArn")

# What every event of EventBridge has, and no other envelope.
_EVENTBRIDGE_MEMBERS: Final = frozenset({"version", "id", "detail-type", "source", "account", "region", "detail"})


def source_of(event: object) -> Source | None:
    """Which AWS service wrote this event's envelope.

    Returns:
        The source, or None for an event without an envelope, with one unknown here, or with records that are not all
        of one source.
    """
    if not _is_mapping(event):
        return None
    if "requestContext" in event:
        return _http_source(event)
    if "Records" in event:
        return _source_of_records(event["Records"])
    if event.get("eventSource") in _KAFKA_MARKS:
        return "kafka" if _is_kafka(event.get("records")) else None
    return "eventbridge" if event.keys() >= _EVENTBRIDGE_MEMBERS else None


def business_part(event: object, source: Source | None) -> object:
    """What of the event is the sender's own, and the same at every delivery.

    The body of a request and the text of a message are as they came, not parsed.

    Args:
        event: An event as Lambda hands it to a handler.
        source: What `source_of` says of this event.

    Returns:
        Of a request its query and body, of EventBridge its `detail`, of a source with records the list of their parts
        (`record_part`), of Kafka such a list for each partition; without a source, the event itself.
    """
    if source is None or not _is_mapping(event):
        return event
    if source in HTTP_SOURCES:
        return {
            "query": event["rawQueryString"] if "rawQueryString" in event else _query(event),
            "body": event.get("body"),
            "isBase64Encoded": event.get("isBase64Encoded", False),
        }
    if source == "eventbridge":
        return event["detail"]
    if source == "kafka":
        return {name: _parts(batch, source) for name, batch in _mapping(event["records"]).items()}
    return _parts(event["Records"], source)


def record_part(record: Mapping[str, object], source: Source) -> object:
    """The business part of one record of `Records`, or of one partition of Kafka's `records`.

    Returns:
        SQS: the body. SNS: the message. Kinesis: the data, in Base64. DynamoDB Streams: what happened, to which key,
        and the images that the stream's view holds. S3: what happened, to which version of which object. Kafka: key
        and value, both in Base64; a tombstone has no value, so the key says what is deleted.

    Raises:
        ValueError: The source has no records.
    """
    if source == "sqs":
        return record["body"]
    if source == "sns":
        return _at(record, "Sns", "Message")
    if source == "kinesis":
        return _at(record, "kinesis", "data")
    if source == "kafka":
        return {"key": record.get("key"), "value": record.get("value")}
    if source == "dynamodb-stream":
        # In a view of keys only, `eventName` alone tells an item's end from its beginning.
        images = ("Keys", "NewImage", "OldImage")
        return {"eventName": record.get("eventName")} | {name: _at(record, "dynamodb", name) for name in images}
    if source == "s3":
        return {
            "eventName": record.get("eventName"),
            "bucket": _at(record, "s3", "bucket", "name"),
            "key": _at(record, "s3", "object", "key"),
            "versionId": _at(record, "s3", "object", "versionId"),
            # Grows with every write to the key: it tells two writes apart in a bucket without versions.
            "sequencer": _at(record, "s3", "object", "sequencer"),
        }
    raise ValueError(f"an event of {source!r} has no records: ask business_part for its part")


def _http_source(event: Mapping[str, object]) -> Source | None:
    """Which front door wrote this request."""
    if any(mark in event for mark in _AUTHORIZER_MARKS):
        return None
    context = event["requestContext"]
    if event.get("version") == "2.0":
        if "rawPath" not in event or _at(context, "http", "method") is None:
            return None
        # Both write payload format 2.0; a function URL is always called by its own name, `ID.lambda-url.REGION.on.aws`.
        return "function-url" if ".lambda-url." in str(_at(context, "domainName")) else "apigw-v2"
    if "httpMethod" not in event or "path" not in event:
        return None
    if _at(context, "elb", "targetGroupArn") is not None:
        return "alb"
    # REST APIs, and HTTP APIs with payload format 1.0.
    return "apigw-v1" if _at(context, "httpMethod") is not None else None


def _source_of_records(records: object) -> Source | None:
    """The one source that all records name, if each has what records of that source have."""
    sources: set[Source | None] = {_source_of_record(record) for record in _list(records)}
    return sources.pop() if len(sources) == 1 else None


def _source_of_record(record: object) -> Source | None:
    mark = _at(record, "eventSource") or _at(record, "EventSource")
    known = _RECORD_MARKS.get(str(mark))
    if known is None:
        return None
    source, essential = known
    return source if _at(record, *essential) is not None else None


def _is_kafka(batches: object) -> bool:
    """Whether these are lists of records by the name of their partition."""
    lists = list(_mapping(batches).values())
    return bool(lists) and all(_at(record, "topic") is not None for batch in lists for record in _list(batch) or [None])


def _parts(records: object, source: Source) -> list[object]:
    return [record_part(_mapping(record), source) for record in _list(records)]


def _query(event: Mapping[str, object]) -> Mapping[str, object]:
    """Every value of every query parameter; a load balancer sends single values unless it is told otherwise."""
    many = event.get("multiValueQueryStringParameters")
    if many is not None:
        return _mapping(many)
    return {name: [value] for name, value in _mapping(event.get("queryStringParameters")).items()}


def _at(value: object, *path: str) -> object:
    """What is at the end of a path of names, or None where it ends early."""
    for name in path:
        value = _mapping(value).get(name)
    return value


def _mapping(value: object) -> Mapping[str, object]:
    return value if _is_mapping(value) else {}


def _list(value: object) -> list[object]:
    return value if _is_list(value) else []


def _is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)
