from __future__ import annotations

import base64
import gzip
import hashlib
import json
import sys
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idemlambda import keys
from idemlambda.canonical import MAX_POINTER, canonical
from idemlambda.errors import ConfigError, KeyInvalid, KeyMissing
from idemlambda.keys import (
    Selector,
    changes,
    compile_selector,
    digests,
    fingerprint,
    fingerprint_of,
    plain,
    record_id,
)

RECORD = "shop.orders.handler#" + "0" * 64
ROOM = 600

EVENT: dict[str, object] = {
    "detail": {"order": {"id": "o-1"}, "items": [{"sku": "a", "qty": 2}, {"sku": "b"}]},
    "body": '{"id": "b-7", "tags": ["x"]}',
    "packed": base64.b64encode(b"hello").decode(),
    "zipped": base64.b64encode(gzip.compress(b'{"id": 9}', mtime=0)).decode(),
    "empty": "",
    "none": None,
    "count": 3,
    "nones": [1, None],
}

GOLDEN = cast(
    "dict[str, list[dict[str, object]]]", json.loads((Path(__file__).parent / "keys/golden.json").read_text())
)

KINDS: dict[str, Callable[[str], object]] = {
    "!bytes": bytes.fromhex,
    "!date": date.fromisoformat,
    "!datetime": datetime.fromisoformat,
    "!decimal": Decimal,
    "!path": PurePosixPath,
    "!set": lambda text: set(text.split()),
    "!timedelta": lambda text: timedelta(seconds=float(text)),
    "!uuid": uuid.UUID,
}


def read(value: object) -> object:
    """A value of the golden file: JSON, with what JSON has no word for as {"!kind": text}."""
    if isinstance(value, list):
        return [read(item) for item in value]
    if isinstance(value, dict):
        for kind, make in KINDS.items():
            if kind in value:
                return make(value[kind])
        return {name: read(item) for name, item in value.items()}
    return value


@pytest.mark.parametrize("line", GOLDEN["keys"], ids=lambda line: json.dumps(line)[:60])
def test_golden_keys(line: dict[str, object]) -> None:
    """Namespace and parts give the record id that they always gave."""
    assert record_id(str(line["namespace"]), *cast("list[object]", read(line["parts"]))) == line["id"]


@pytest.mark.parametrize("line", GOLDEN["fingerprints"], ids=lambda line: json.dumps(line)[:60])
def test_golden_fingerprints(line: dict[str, object]) -> None:
    """A payload has the fingerprint that it always had."""
    assert fingerprint(read(line["payload"])) == line["fingerprint"]


@pytest.mark.parametrize("line", GOLDEN["digests"], ids=lambda line: json.dumps(line)[:60])
def test_golden_digests(line: dict[str, object]) -> None:
    """A payload has the digests that it always had, and stored ones still name what changed."""
    payload, room = read(line["payload"]), cast("int", line["room"])
    stored = bytes.fromhex(str(line["digests"]))
    assert digests(payload, RECORD, room) == stored
    assert changes(stored, read(line["changed"]), RECORD) == (tuple(cast("list[str]", line["named"])), line["missing"])


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("detail.order.id", "o-1"),
        ("detail.items[0].sku", "a"),
        ("detail.items[*].sku", ["a", "b"]),
        ("detail.items[?sku=='a'].[sku, qty]", [["a", 2]]),
        ("[count, detail.order.id]", [3, "o-1"]),
        ("{a: count, b: detail.order}", {"a": 3, "b": {"id": "o-1"}}),
        ("none || count", 3),
        ("none || [count, body]", [3, EVENT["body"]]),
        ("count && detail.order.id", "o-1"),
        ("[count, none] | [0]", 3),
        ("length(body)", 28),
        ("not_null(none, count)", 3),
        ("detail.items[::2].sku", ["a"]),
        ("nones", [1, None]),
        ("detail.order.*", ["o-1"]),
        ("powertools_json(body).id", "b-7"),
        ("powertools_base64(packed)", "hello"),
        ("powertools_json(powertools_base64_gzip(zipped)).id", 9),
        ("map(&powertools_base64(@), [packed])", ["hello"]),
        ("@", EVENT),
    ],
)
def test_expressions(expression: str, found: object) -> None:
    """A JMESPath expression selects what JMESPath says, with the functions that Powertools' users know."""
    assert compile_selector(expression, what="key")(EVENT) == found


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("detail.order.nr", "finds nothing at detail.order.nr. At the top level there is: detail, body, packed"),
        ("detail.nope.id.x", "finds nothing at detail.nope. "),
        ("detail.items[5].sku", "finds nothing at detail.items[5]. "),
        ("nope[0]", "finds nothing at nope. "),
        ("none", "finds nothing at none. "),
        ("body | none", "finds nothing. "),
        ("not_null(none)", "finds nothing. "),
        ("[count, detail.order.nr]", "finds nothing at part 2 (detail.order.nr). "),
        ("[count, detail.items[5]]", "finds nothing at part 2 (detail.items[5]). "),
        ("{a: count, b: not_null(none)}", "finds nothing at part b. "),
        ("[count, [body, none]]", "finds nothing at part 2 (none). "),
        ("detail.[order, nope]", "finds nothing at part 2 (nope). "),
        ("detail | [order, nope]", "finds nothing at part 2 (nope). "),
        ("detail.items[].[sku, qty]", "finds nothing at part 2 (qty). "),
        ("detail.items[?sku=='b'].[sku, qty]", "finds nothing at part 2 (qty). "),
        ("detail.items[*].{s: sku, q: qty}", "finds nothing at part q (qty). "),
        ("none || [count, none]", "finds nothing at part 2 (none). "),
        ("[count, none] || body", "finds nothing at part 2 (none). "),
        ("count && [count, none]", "finds nothing at part 2 (none). "),
        ("detail.order.*.[x]", "finds nothing at part 1 (x). "),
        ("powertools_json(none)", "finds nothing to give to powertools_json(). At the top level"),
        ("join('-', [body, none])", "finds nothing to give to join(). "),
        ("empty", "is empty (str), and would be the same for all calls"),
        ("detail.items[?sku=='z']", "is empty (list)"),
        ("`{}`", "is empty (dict)"),
    ],
)
def test_missing(expression: str, words: str) -> None:
    """A part that is not there is KeyMissing, which names the expression, the part, and what there is instead."""
    with pytest.raises(KeyMissing) as refused:
        compile_selector(expression, what="key")(EVENT)
    assert f"The key {expression!r} {words}" in str(refused.value)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ([1], "There is no name in it: it is of type list."),
        ({}, "At the top level there is: nothing."),
        ({f"n{at}": 1 for at in range(15)}, "n8, n9 and 5 more."),
        ({"x" * 5_000: 1}, "x" * 39 + "…."),
    ],
)
def test_what_there_is(event: object, words: str) -> None:
    """A message lists the names of the event, a few of them, each cut short."""
    with pytest.raises(KeyMissing) as refused:
        compile_selector("id", what="key")(event)
    assert str(refused.value).endswith(words)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("powertools_json(packed)", "powertools_json() cannot read the event's data: Expecting value"),
        ("powertools_base64(body)", "powertools_base64() cannot read the event's data: "),
        ("powertools_base64('aGVsbG8=!!')", "powertools_base64() cannot read the event's data: "),
        ("powertools_base64('/w==')", "powertools_base64() cannot read the event's data: 'utf-8' codec"),
        ("powertools_base64_gzip(packed)", "powertools_base64_gzip() cannot read the event's data: Not a gzipped"),
        ("powertools_json(powertools_base64(packed))", "powertools_json() cannot read"),
        ("powertools_base64(count)", "gives powertools_base64() a value of type number; it takes string."),
        ("length(count)", "gives length() a value of type number; it takes string or array or object."),
        ("contains(body, `1`)", "does not suit the event: TypeError"),
    ],
)
def test_unreadable(expression: str, words: str) -> None:
    """Data that a function cannot read is KeyInvalid, which names the function, and never the value."""
    with pytest.raises(KeyInvalid) as refused:
        compile_selector(expression, what="key")(EVENT)
    assert expression in str(refused.value)
    assert words in str(refused.value)
    assert "b-7" not in str(refused.value)


def test_base64_with_line_breaks() -> None:
    """Base64 with line breaks, as MIME writes it, is read; anything else that the decoder would skip is not."""
    select = compile_selector("powertools_base64(@)", what="key")
    assert select("aGVs\r\nbG8=\n") == "hello"
    with pytest.raises(KeyInvalid):
        select("aGVs-bG8=")


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("a-b", "The key 'a-b' is no JMESPath expression, from position 1 on: Unknown token '-'"),
        ("a-b", 'written in double quotes: "order-id".'),
        ("detail.", "from position 7 on: Expecting: "),
        ("length(a", "from position 8 on: Invalid jmespath expression."),
        ("a]", "from position 1 on: "),
        ("", "from position 0 on: Invalid JMESPath expression: cannot be empty."),
        ("nope(a)", "The key 'nope(a)' calls nope(), which JMESPath does not have."),
        ("[a, b.nope(c)]", "calls nope(), which"),
        ("length(a, b)", "calls length() with 2 arguments; it takes 1."),
        ("not_null()", "calls not_null() with 0 arguments; it takes 1."),
        (7, "key= takes a JMESPath expression or a callable, not a value of type int."),
    ],
)
def test_bad_selectors(selector: Selector, words: str) -> None:
    """An expression with an error is a ConfigError while decorating, with its place and JMESPath's own word."""
    with pytest.raises(ConfigError) as refused:
        compile_selector(selector, what="key")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("module", "expression", "extra"),
    [
        ("jmespath", "a", "idemlambda[aws]"),
        ("aws_lambda_powertools.utilities.jmespath_utils", "powertools_json(a)", "idemlambda[powertools]"),
    ],
)
def test_missing_packages(monkeypatch: pytest.MonkeyPatch, module: str, expression: str, extra: str) -> None:
    """A package that an expression needs and that is not installed is a ConfigError, which names the extra."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as refused:
        compile_selector(expression, what="payload")
    assert f"The payload {expression!r}" in str(refused.value)
    assert extra in str(refused.value)


def test_powertools_only_where_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda Powertools is taken only for an expression that names one of its functions."""
    monkeypatch.setitem(sys.modules, "aws_lambda_powertools.utilities.jmespath_utils", None)
    assert compile_selector("count", what="key")(EVENT) == 3


def test_expressions_see_plain_data() -> None:
    """An expression finds its way through mappings and tuples, and too deep an event is refused before any search."""
    assert compile_selector("a[0].b", what="key")(MappingProxyType({"a": ({"b": 7},)})) == 7
    deep: object = 1
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(KeyInvalid, match="deeper than 128 levels"):
        compile_selector("id", what="key")({"id": 1, "deep": deep})


def test_callables() -> None:
    """A callable gets the arguments as they are, and its result is what is selected."""
    event = MappingProxyType({"id": 7})
    assert compile_selector(lambda given_event: given_event, what="key")(event) is event
    assert compile_selector(lambda a, *, b: [a, b], what="key")(1, b=2) == [1, 2]


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        (lambda event: event["id"], "The key callable found no key: KeyError: 'id'"),
        (lambda event: event["ids"][3], "The key callable found no key: IndexError: list index out of range"),
        (lambda event: None, "The key callable returned None."),
        (lambda event: "", "The key callable is empty (str)"),
        (lambda event: (), "is empty (tuple)"),
        (lambda event: b"", "is empty (bytes)"),
    ],
)
def test_callables_without_result(selector: Selector, words: str) -> None:
    """A callable that finds nothing, or nothing that tells two calls apart, is KeyMissing."""
    with pytest.raises(KeyMissing) as refused:
        compile_selector(selector, what="key")({"ids": [1]})
    assert words in str(refused.value)


def test_errors_of_callables() -> None:
    """An error in a callable that is no failed look-up is the user's own, and is not dressed up."""
    with pytest.raises(ZeroDivisionError):
        compile_selector(lambda event: 1 // 0, what="key")({})


def test_async_callables() -> None:
    """An async callable is a ConfigError: nothing could await it."""

    async def select(event: object) -> object:
        return event

    with pytest.raises(ConfigError, match="The scope callable is async"):
        compile_selector(select, what="scope")({})


@pytest.mark.parametrize("empty", ["", [], {}])
def test_empty_by_purpose(empty: object) -> None:
    """A key or scope must not be empty, or it would be one for all calls; a payload may be."""
    assert compile_selector("a", what="payload")({"a": empty}) == empty
    assert compile_selector(lambda event: empty, what="payload")({}) == empty
    for what in ("key", "scope"):
        with pytest.raises(KeyMissing, match=f"The {what} 'a' is empty"):
            compile_selector("a", what=what)({"a": empty})


@pytest.mark.parametrize("value", [0, False, 0.0])
def test_falsy_is_not_empty(value: object) -> None:
    """Zero and false are keys like others."""
    assert compile_selector("a", what="key")({"a": value}) == value


def test_fingerprint() -> None:
    """A fingerprint is the sha256 of the canonical form, in hex."""
    text = '{"a":[1,"é"],"b":null}'.encode()
    assert fingerprint({"b": None, "a": [1.0, "é"]}) == hashlib.sha256(text).hexdigest()
    assert fingerprint_of(text) == hashlib.sha256(text).hexdigest()


def test_record_id() -> None:
    """A record id is the namespace and the sha256 of all parts, the namespace among them, each after its length."""
    parts = [b"shop", b'"tenant"', b"7"]
    hashed = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).hexdigest()
    assert record_id("shop", "tenant", 7) == f"shop#{hashed}"


PARTS = st.lists(st.sampled_from(["", "a", "b", "ab", "bc", "abc", 1, "1", None, [], ["a"], ["a", "b"]]), max_size=3)
SPACES = st.sampled_from(["a", "ab", "ab#", "b"])


@settings(max_examples=400, deadline=None)
@given(SPACES, PARTS, SPACES, PARTS)
def test_record_ids_meet_only_if_equal(one: str, first: list[object], other: str, second: list[object]) -> None:
    """Two tuples of namespace and parts have one record id exactly if they are equal."""
    same = one == other and canonical(first) == canonical(second)
    assert (record_id(one, *first) == record_id(other, *second)) == same


def test_parts_are_length_prefixed() -> None:
    """Where one part ends and the next begins counts."""
    assert record_id("n", "a", "bc") != record_id("n", "ab", "c")
    assert record_id("n", "a") != record_id("n", "a", None)
    assert record_id("n") != record_id("n", "")


@pytest.mark.parametrize(
    ("namespace", "words"),
    [
        ("", "must not be empty"),
        ("a\nb", "control characters"),
        ("a\x7f", "control characters"),
        ("a\x85", "control characters"),
        ("a\ud800", "no Unicode text"),
        ("é" * 257, "514 bytes long; 512 are allowed"),
    ],
)
def test_namespaces(namespace: str, words: str) -> None:
    """A namespace that is empty, too long for a partition key or not printable text is a ConfigError."""
    with pytest.raises(ConfigError, match=words) as refused:
        record_id(namespace, 1)
    str(refused.value).encode()


def test_longest_namespace_fits() -> None:
    """The longest namespace leaves room for an id and the names of its overflow items in a partition key."""
    longest = record_id("é" * 256, 1)
    assert len(longest.encode()) == 512 + 1 + 64
    assert len(f"{longest}#{'f' * 24}:{10**6}#{10**4}".encode()) < 2_048


def test_unusable_parts() -> None:
    """A part without a canonical form is KeyInvalid."""
    with pytest.raises(KeyInvalid, match="/a"):
        record_id("n", {"a": float("nan")})


LEAF_VALUES = st.sampled_from([0, 1, True, None, "", "x", 0.5, Decimal(1)])
TREES: st.SearchStrategy[object] = st.recursive(
    LEAF_VALUES | st.just([]) | st.just({}),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b/c", "~", "", "é"]), inner, min_size=1, max_size=3)
    ),
    max_leaves=10,
)


def leaves_of(value: object, path: str = "") -> list[str]:
    """The JSON pointers of all leaves, told the simple way."""
    if not value or not isinstance(value, dict | list):
        return [path]
    items = sorted(value.items()) if isinstance(value, dict) else enumerate(value)
    return [leaf for name, item in items for leaf in leaves_of(item, f"{path}/{token_of(name)}")]


def token_of(name: object) -> str:
    """A JSON pointer token, as RFC 6901 escapes it."""
    return str(name).replace("~", "~0").replace("/", "~1")


def changed_at(value: object, place: str, path: str = "") -> object:
    """The value with another leaf at this pointer."""
    if path == place:
        return "another"
    if isinstance(value, dict):
        return {name: changed_at(item, place, f"{path}/{token_of(name)}") for name, item in value.items()}
    if isinstance(value, list):
        return [changed_at(item, place, f"{path}/{at}") for at, item in enumerate(value)]
    return value


@settings(max_examples=200, deadline=None)
@given(TREES, st.integers(min_value=0))
def test_changes_name_the_changed_leaf(payload: object, pick: int) -> None:
    """One leaf changed: exactly its pointer is named and nothing is missing; none changed: nothing is named."""
    stored = digests(payload, RECORD, ROOM)
    places = leaves_of(payload)
    assert len(stored) == 1 + 8 * len(places)
    place = places[pick % len(places)]
    assert changes(stored, changed_at(payload, place), RECORD) == ((place,), 0)
    assert changes(stored, payload, RECORD) == ((), 0)


@pytest.mark.parametrize(
    ("first", "second", "changed", "missing"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, (), 1),
        ({"a": 1}, {"a": 1, "b": [1, {"c": 2}]}, ("/b/0", "/b/1/c"), 0),
        ({"a": 1}, {"a": {"b": 1}}, ("/a/b",), 1),
        ({"a": []}, {"a": {}}, ("/a",), 0),
        ({"a": [1, 2]}, {"a": [2]}, ("/a/0",), 1),
        ({"a": 1}, {"a": 1.0}, (), 0),
        ({"a": 1}, {"a": True}, ("/a",), 0),
        ({"a": (1, 2)}, {"a": [1, 2]}, (), 0),
        ({"a": {1, 2}}, {"a": {2, 3}}, ("/a",), 0),
        ("x", "y", ("",), 0),
        ("x", {}, ("",), 0),
        ({"z": 1, "a": 1}, {"z": 2, "a": 2}, ("/a", "/z"), 0),
        ({}, {f"n{at:02}": at for at in range(30)}, tuple(f"/n{at:02}" for at in range(20)), 1),
    ],
)
def test_changes(first: object, second: object, changed: tuple[str, ...], missing: int) -> None:
    """What changed or was added is named in canonical order, 20 at most; what went missing is counted."""
    assert changes(digests(first, RECORD, ROOM), second, RECORD) == (changed, missing)


def test_long_names_are_cut() -> None:
    """A pointer of a long name is cut: a conflict's message stays small."""
    ((named,), missing) = changes(digests({}, RECORD, ROOM), {"x" * 5_000: 1}, RECORD)
    assert len(named) == MAX_POINTER
    assert missing == 1


def test_modes_follow_the_room() -> None:
    """All leaves if they fit, else the top-level parts, else nothing; and never more bytes than there is room for."""
    payload = {"a": list(range(9)), "b": {"c": 1}}
    sizes = {room: len(digests(payload, RECORD, room)) for room in (81, 80, 17, 16, 9, 8, 0, -5)}
    assert sizes == {81: 81, 80: 17, 17: 17, 16: 0, 9: 0, 8: 0, 0: 0, -5: 0}


def test_changes_by_parts() -> None:
    """Digests of top-level parts name the part."""
    stored = digests({"a": list(range(100)), "b": {"c": 1}, "d": 1}, RECORD, 100)
    assert len(stored) == 1 + 3 * 8
    assert changes(stored, {"a": list(range(100)), "b": {"c": 2}, "e": 1}, RECORD) == (("/b", "/e"), 1)
    assert changes(stored, "text", RECORD) == ((), 3)


def test_digests_are_keyed() -> None:
    """Equal payloads of two records look different, and neither path nor value is in the digests."""
    payload = {"name": "secret-value"}
    one, other = digests(payload, RECORD, ROOM), digests(payload, RECORD + "1", ROOM)
    assert one[1:5] != other[1:5]
    assert one[5:] != other[5:]
    assert b"secret" not in one
    assert b"name" not in one


@pytest.mark.parametrize("stored", [b"", b"\x01", b"\x02", b"\x00" * 9, b"\x03" + b"x" * 8, b"\x01" + b"x" * 7, b"x"])
def test_malformed_digests(stored: bytes) -> None:
    """Digests that are empty, cut or of an unknown mode name nothing, and raise nothing."""
    assert changes(stored, {"a": 1}, RECORD) == ((), 0)


def test_digests_end_on_deep_payloads() -> None:
    """Digests of a payload that is too deep, or contains itself, end in the error that its fingerprint has."""
    deep: object = 1
    for _ in range(5_000):
        deep = {"a": deep}
    cycle: list[object] = []
    cycle += [cycle, cycle]
    for payload in (deep, cycle):
        with pytest.raises(KeyInvalid, match="deeper than 128 levels"):
            digests(payload, RECORD, 10_000)
        with pytest.raises(KeyInvalid, match="deeper than 128 levels"):
            changes(digests(1, RECORD, ROOM), payload, RECORD)


def test_the_face() -> None:
    """The room hands on what belongs to keys, so that its users need no other."""
    assert keys.canonical is canonical
    assert keys.plain is plain
