"""Laws of the DynamoDB store in trouble: damaged answers and records, other kits' records, failures of every kind."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from moto import mock_aws

from idemlambda.dynamodb import (
    DynamoDBStore,
    Layout,
    failure,
    item_from,
    new_client,
    record_from,
    table_definition,
)
from idemlambda.errors import ConfigError, RecordUnreadable, StoreUnavailable
from idemlambda.ports import Body, Insert, Read, Record, Remove, Replace, Status
from idemlambda.record import Verdict, judge

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ID = "shop.orders.place#" + "0" * 64
SIMPLE = Layout("records")
CLAIM = Record(
    id=ID,
    status=Status.INPROGRESS,
    version="aa:1",
    expiration=1_750_086_400,
    lease_end=1_750_000_012_000,
    fingerprint="f" * 64,
    started=1_750_000_000_000,
)
CLAIM_ITEM: dict[str, Any] = {
    "id": {"S": ID},
    "status": {"S": "INPROGRESS"},
    "version": {"S": "aa:1"},
    "expiration": {"N": "1750086400"},
    "in_progress_expiration": {"N": "1750000012000"},
    "validation": {"S": "f" * 64},
    "attempt": {"N": "1"},
    "started": {"N": "1750000000000"},
    "format": {"N": "1"},
}
POWERTOOLS: dict[str, Any] = {
    "id": {"S": "place#abc"},
    "status": {"S": "INPROGRESS"},
    "expiration": {"N": "1750086400"},
    "validation": {"S": "d41d8cd98f00b204e9800998ecf8427e"},
}


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region and credentials in the environment, and no session that another test made."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


def test_a_claim_of_powertools_without_a_lease_is_held_until_it_expires() -> None:
    """Neither version nor format: not free before its expiration, and its hash is not compared with ours."""
    found = record_from(POWERTOOLS, SIMPLE)
    assert (found.version, found.fingerprint) == ("", "")
    assert judge(found, "ours", 1_750_086_399_999) is Verdict.BUSY
    assert judge(found, "ours", 1_750_086_400_000) is Verdict.VACANT


POISONED: list[tuple[dict[str, Any], str]] = [
    ({"id": None}, "id is nothing, expected is a value of type S"),
    ({"id": {"N": "1"}}, "id is of type N, expected is a value of type S"),
    ({"status": None}, "status is nothing"),
    ({"status": {"N": "1"}}, "status is of type N"),
    ({"status": {"S": ""}}, "status is '', expected is one of INPROGRESS, COMPLETED, FAILED"),
    ({"status": {"S": "EXPIRED"}}, "status is 'EXPIRED', expected is one of"),
    ({"status": {"S": "completed"}}, "status is 'completed'"),
    ({"status": {"S": "x" * 400}}, "status is '" + "x" * 40 + "', expected"),
    ({"status": {"NULL": True}}, "status is of type NULL"),
    ({"expiration": None}, "expiration is nothing, expected is a value of type N"),
    ({"expiration": {"S": "1750086400"}}, "expiration is of type S, expected is a value of type N"),
    ({"expiration": {"N": "1750086400000"}}, "expiration is '1750086400000', expected is a whole number from 0 to"),
    ({"expiration": {"N": "1.5"}}, "expiration is '1.5'"),
    ({"expiration": {"N": "-1"}}, "expiration is '-1'"),
    ({"expiration": {"N": "1E+9"}}, r"expiration is '1E\+9'"),
    ({"expiration": {"N": "NaN"}}, "expiration is 'NaN'"),
    ({"expiration": {"N": ""}}, "expiration is ''"),
    ({"expiration": {"N": "١٢"}}, "expiration is"),
    ({"expiration": {"N": "9" * 10_000}}, "expiration is '" + "9" * 40 + "'"),
    ({"expiration": {"N": 1750086400}}, "expiration is of type N"),
    ({"expiration": 1750086400}, "expiration is a int, expected is an attribute value"),
    ({"expiration": {}}, "expiration is of type none"),
    ({"expiration": {"N": "1", "S": "1"}}, "expiration is of type N, S, expected is an attribute value of one type"),
    ({"in_progress_expiration": None}, "in_progress_expiration is nothing"),
    ({"in_progress_expiration": {"N": "0.5"}}, "in_progress_expiration is '0.5'"),
    ({"in_progress_expiration": {"N": "1" * 17}}, "in_progress_expiration is '1"),
    ({"version": None}, "version is nothing"),
    ({"version": {"S": ""}}, "version is empty"),
    ({"version": {"B": b"aa:1"}}, "version is of type B"),
    ({"validation": {"B": b"f"}}, "validation is of type B"),
    ({"digests": {"S": "AQAB"}}, "digests is of type S, expected is a value of type B"),
    ({"data": {"M": {}}}, "data is of type M, expected is a value of type S or B"),
    ({"data": {"NULL": True}}, "data is of type NULL"),
    ({"data": "text"}, "data is a str"),
    ({"encoding": {"N": "1"}}, "encoding is of type N"),
    ({"encoding": {"B": b"x"}}, "encoding is of type B, expected is a value of type S"),
    ({"steps": {"L": []}}, "steps is of type L, expected is a value of type M"),
    ({"steps": {"M": {"a": {"S": "1"}}}}, "steps.a is of type S, expected is a value of type M"),
    ({"steps": {"M": {"a": {"M": {"data": {"N": "1"}}}}}}, "steps.a.data is of type N"),
    ({"steps": {"M": {"a": {"M": {"encoding": {"N": "1"}}}}}}, "steps.a.encoding is of type N"),
    ({"attempt": {"N": "-1"}}, "attempt is '-1', expected is a whole number from 0"),
    ({"started": {"S": "now"}}, "started is of type S"),
    ({"completed": {"N": "x"}}, "completed is 'x'"),
    ({"origin": {"L": []}}, "origin is of type L"),
    ({"error": {"BOOL": True}}, "error is of type BOOL"),
    ({"format": None}, "format is nothing, expected is a value of type N beside a version"),
    ({"format": {"S": "1"}}, "format is of type S"),
    ({"format": {"N": "0"}}, "format is '0'"),
    ({"format": {"N": "2"}, "status": {"N": "7"}}, "is of format 2, and this release reads formats up to 1: upgrade"),
]


@pytest.mark.parametrize(("change", "match"), POISONED)
def test_a_damaged_record_is_refused(change: dict[str, Any], match: str) -> None:
    """Each damage is named by attribute, with what was found and expected, and the record is left as it was."""
    item = {name: value for name, value in (CLAIM_ITEM | change).items() if value is not None}
    with pytest.raises(RecordUnreadable, match=match) as caught:
        record_from(item, SIMPLE)
    assert "in table records" in str(caught.value)
    assert str(caught.value).endswith("was left as it was.")


def test_a_damage_is_told_by_the_tables_own_name() -> None:
    """Where an attribute has another name in the table, that one is named."""
    layout = Layout("t", names={"expiration": "ttl"})
    item = item_from(CLAIM, layout) | {"ttl": {"S": "x"}}
    with pytest.raises(RecordUnreadable, match="ttl is of type S"):
        record_from(item, layout)


@pytest.mark.parametrize(
    "options", [{"partition_key": ""}, {"sort_key": "sk", "partition_value": ""}, {"attributes": {"data": ""}}]
)
def test_an_empty_name_is_refused(options: dict[str, Any]) -> None:
    """A key or an attribute without a name is a `ConfigError` where the store is made, not at its first call."""
    with pytest.raises(ConfigError, match="are not empty"):
        DynamoDBStore("records", **options)


# The store


def store_on_a_new_table(client: DynamoDBClient) -> DynamoDBStore:
    """A store with a table of its own."""
    client.create_table(**table_definition("records"))
    return DynamoDBStore("records", client=client)


@pytest.mark.usefixtures("region")
@pytest.mark.parametrize("leased", [False, True])
@pytest.mark.parametrize("done", [False, True])
def test_a_record_of_powertools_is_replaced_only_as_it_was_read(*, leased: bool, done: bool) -> None:
    """Without a version, every field that Powertools writes is compared: an unchanged one yields, a changed one not."""
    theirs: dict[str, Any] = POWERTOOLS | ({"in_progress_expiration": {"N": "1750000012000"}} if leased else {})
    if done:
        theirs |= {"status": {"S": "COMPLETED"}, "data": {"S": "1"}}
    mine = Record(id="place#abc", status=Status.INPROGRESS, version="aa:1", expiration=1)
    with mock_aws():
        client = boto3.client("dynamodb")
        store = store_on_a_new_table(client)
        client.put_item(TableName="records", Item=theirs)
        found = store.send(Read("place#abc"))
        assert isinstance(found, Record)
        for now in (theirs | {"expiration": {"N": "2"}}, theirs | {"data": {"S": "2"}}, item_from(mine, SIMPLE)):
            client.put_item(TableName="records", Item=cast("dict[str, Any]", now))
            assert isinstance(store.send(Replace(mine, expect=found)), Record)
            assert isinstance(store.send(Remove(expect=found)), Record)
        client.put_item(TableName="records", Item=theirs)
        assert store.send(Replace(mine, expect=found)) is None
        assert store.send(Read("place#abc")) == mine


@pytest.mark.usefixtures("region")
def test_moto_may_start_after_the_store_is_made() -> None:
    """Outside Lambda nothing connects before the first use, which the mock then serves; a later mock serves it too."""
    store = DynamoDBStore("records")
    for _ in range(2):
        with mock_aws():
            boto3.client("dynamodb").create_table(**table_definition("records"))
            assert store.send(Insert(CLAIM)) is None
            assert store.send(Insert(CLAIM)) == CLAIM


def test_inside_lambda_the_store_connects_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the Lambda runtime the constructor makes the client, so that INIT pays for it; switched off, it does not."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    with pytest.raises(ConfigError, match="No region"):
        DynamoDBStore("records")
    monkeypatch.setenv("IDEMLAMBDA_DISABLED", "1")
    DynamoDBStore("records")


@pytest.mark.usefixtures("region")
def test_a_malformed_endpoint_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that is no URL is told before anything runs."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "nonsense")
    with pytest.raises(ConfigError, match="No client for table records: ValueError: Invalid endpoint: nonsense"):
        DynamoDBStore("records").connect()


@pytest.mark.usefixtures("region")
def test_stores_in_many_threads_make_one_client_each() -> None:
    """A store makes one client, whichever threads ask at once, and stores do not make theirs at the same time."""
    stores = [DynamoDBStore("records"), DynamoDBStore("others")]
    with ThreadPoolExecutor(8) as pool:
        clients = set(pool.map(lambda number: stores[number % 2].connect(), range(16)))
    assert clients == {store.connect() for store in stores}
    assert len(clients) == 2


# What goes wrong


def refused(code: str, message: str = "said so", status: int = 400) -> boto.ClientError:
    """An error answer of DynamoDB."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, "PutItem")


URL = {"endpoint_url": "http://127.0.0.1:1"}
UNAVAILABLE: list[tuple[Exception, bool]] = [
    (refused("ThrottlingException"), False),
    (refused("ProvisionedThroughputExceededException"), False),
    (refused("RequestLimitExceeded"), False),
    (refused("TransactionConflictException"), False),
    (refused("ReplicatedWriteConflictException"), False),
    (refused("LimitExceededException"), False),
    (refused("429", status=429), False),
    (refused("InternalServerError", status=500), True),
    (refused("ServiceUnavailable", status=503), True),
    (refused("502", status=502), True),
    (refused("RequestTimeoutException"), True),
    (boto.EndpointConnectionError(**URL), False),
    (boto.ConnectTimeoutError(**URL), False),
    (boto.ProxyConnectionError(proxy_url="http://127.0.0.1:1"), False),
    (boto.CredentialRetrievalError(provider="container-role", error_msg="timed out"), False),
    (boto.MetadataRetrievalError(error_msg="timed out"), False),
    (boto.ReadTimeoutError(**URL), True),
    (boto.ConnectionClosedError(**URL), True),
    (boto.HTTPClientError(error="reset"), True),
    (boto.ResponseStreamingError(error="reset"), True),
    (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
    (boto.SSLError(**URL, error=OSError("UNEXPECTED_EOF_WHILE_READING")), True),
    (ResponseParserError("no JSON"), True),
    (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), True),
]


@pytest.mark.parametrize(("error", "in_doubt"), UNAVAILABLE, ids=lambda value: str(value)[:40])
def test_a_store_that_is_down_may_be_asked_again(error: Exception, *, in_doubt: bool) -> None:
    """What a retry may mend is `StoreUnavailable`, in doubt exactly where the request may have been carried out."""
    told = failure(error, SIMPLE)
    assert isinstance(told, StoreUnavailable)
    assert told.in_doubt is in_doubt
    assert "records" in str(told)


MISCONFIGURED: list[tuple[Exception, str]] = [
    (refused("ResourceNotFoundException"), "look at AWS_REGION and the table's name"),
    (refused("AccessDeniedException"), "needs dynamodb:PutItem, dynamodb:GetItem and dynamodb:DeleteItem"),
    (refused("UnrecognizedClientException"), "credentials for table records are not accepted: renew them"),
    (refused("InvalidSignatureException"), "look at the clock"),
    (refused("ExpiredTokenException"), "renew them"),
    (refused("ValidationException", "no such key"), r"The key in use is id \(S\); check it with: idemlambda table"),
    (refused("SomethingNew"), "idemlambda table describe records. SomethingNew: said so"),
    (boto.NoCredentialsError(), "give the function a role, or set AWS_PROFILE"),
    (boto.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "AWS_SECRET_ACCESS_KEY"),
    (boto.ProfileNotFound(profile="other"), "cannot be asked: ProfileNotFound: .*other"),
    (boto.SSLError(**URL, error=OSError("CERTIFICATE_VERIFY_FAILED")), "look at AWS_CA_BUNDLE"),
    (boto.ParamValidationError(report="value: secret"), "is its name one. ParamValidationError$"),
]


@pytest.mark.parametrize(("error", "match"), MISCONFIGURED, ids=lambda value: str(value)[:40])
def test_a_wrong_set_up_is_loud(error: Exception, match: str) -> None:
    """What no retry mends is a `ConfigError` that names the table, the cause and what to do, and no payload."""
    told = failure(error, SIMPLE)
    assert isinstance(told, ConfigError)
    with pytest.raises(ConfigError, match=match):
        raise told
    assert "records" in str(told)
    assert "secret" not in str(told)


def test_a_record_too_large_is_no_set_up_error() -> None:
    """An item beyond 400 KB is an error of that one record, which the flow tells as a result not stored."""
    told = failure(refused("ValidationException", "Item size has exceeded the maximum allowed size"), SIMPLE)
    assert isinstance(told, ValueError)
    assert not isinstance(told, ConfigError)


class BrokenClient:
    """A user's own client with an error of its own."""

    def put_item(self, **params: Any) -> Mapping[str, Any]:
        raise LookupError("mine")

    get_item = delete_item = put_item


def test_an_error_that_is_not_botos_stays_itself() -> None:
    """The error of a user's own client is raised as it is."""
    with pytest.raises(LookupError, match="mine") as caught:
        DynamoDBStore("records", client=BrokenClient()).send(Read(ID))
    assert caught.value.__cause__ is None


def test_a_record_beyond_400_kb_on_dynamodb_local(dynamodb_local_client: DynamoDBClient) -> None:
    """DynamoDB refuses the item, and the error says so."""
    big = Record(id=ID, status=Status.COMPLETED, version="aa:2", expiration=1, body=Body("x" * 410_000))
    with pytest.raises(ValueError, match="larger than an item of table records may be"):
        store_on_a_new_table(dynamodb_local_client).send(Insert(big))


# The wire


class Answers(BaseHTTPRequestHandler):
    """Answers each request as the server was told, and counts them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = cast("Engine", self.server)
        server.requests += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if server.answer is None:
            server.over.wait(5)
            self.close_connection = True
            return
        body, checksum = server.answer
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amz-crc32", str(checksum))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Says nothing."""


class Engine(ThreadingHTTPServer):
    """A DynamoDB that answers what it is told: a body and its checksum, or nothing."""

    daemon_threads = True
    answer: tuple[bytes, int] | None = None
    requests = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.over = threading.Event()


@pytest.fixture
def engine(region: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The endpoint of the store's own client."""
    server = Engine()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.over.set()
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def own_store(region: None) -> Iterator[DynamoDBStore]:
    """A store that makes its own client."""
    store = DynamoDBStore("records")
    yield store
    cast("DynamoDBClient", store.connect()).close()


@pytest.mark.parametrize("cut", [0, 1, 12])
def test_an_answer_cut_off_is_not_an_absent_record(engine: Engine, own_store: DynamoDBStore, cut: int) -> None:
    """An answer that is not what its checksum says is no answer: it never reads as `GONE`."""
    whole = json.dumps({"Item": CLAIM_ITEM}).encode()
    engine.answer = whole, zlib.crc32(whole)
    assert own_store.send(Read(ID)) == CLAIM
    engine.answer = whole[:cut], zlib.crc32(whole)
    with pytest.raises(StoreUnavailable, match="answer of table records arrived damaged") as caught:
        own_store.send(Read(ID))
    assert caught.value.in_doubt
    assert engine.requests == 2


def test_bytes_that_are_no_text_are_no_answer(engine: Engine, own_store: DynamoDBStore) -> None:
    """An answer that is not even text leaves the write in doubt."""
    engine.answer = b"\xff\xfe", 0
    with pytest.raises(StoreUnavailable) as caught:
        own_store.send(Insert(CLAIM))
    assert caught.value.in_doubt


def test_a_silent_engine_is_asked_once_and_for_a_second(engine: Engine, own_store: DynamoDBStore) -> None:
    """`send` is one request with short time-outs, left in doubt: the flow decides whether to send again."""
    own_store.connect()
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match="ReadTimeoutError") as caught:
        own_store.send(Insert(CLAIM))
    assert time.monotonic() - begun < 2
    assert caught.value.in_doubt
    assert engine.requests == 1


@pytest.mark.usefixtures("region")
def test_the_client_sends_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's own retry settings do not multiply the flow's."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "9")
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    client = cast("DynamoDBClient", new_client("records"))
    config = cast("Any", client.meta.config)
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert (config.connect_timeout, config.read_timeout) == (1, 1)
    client.close()
