"""Laws of the `Idempotency-Key` field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idemlambda.errors import KeyInvalid, KeyMissing
from idemlambda.http._header import client_key

UUID = "8e03978e-40d5-43e8-bc93-6894a57f9324"
SF = "RFC 9651 3.3.3"  # what a String is made of
PARSE = "RFC 9651 4.2.5"  # how a String is parsed
ITEM = "RFC 9651 4.2.3"  # an Item is one value and its parameters, and nothing after it
LIST = "RFC 9651 4.2.1"
PARAMETERS = "RFC 9651 4.2.3.2"
DRAFT = "draft-ietf-httpapi-idempotency-key-header 2.1"  # the value is a String
BARE = "DESIGN 7, bare form"
OWS = "RFC 9110 5.5"
ONCE = "RFC 9110 5.3"  # a field that is no list is sent once
LENGTH = "DESIGN 7, 1 to 255 characters"

VALID = [
    (f'"{UUID}"', UUID, DRAFT),
    (UUID, UUID, BARE),
    ('"a"', "a", SF),
    ("a", "a", BARE),
    ('" "', " ", SF),
    ('" a "', " a ", SF),
    ('"a b"', "a b", SF),
    ('"a,b"', "a,b", SF),
    ('"a;b=c"', "a;b=c", SF),
    (r'"a\"b"', 'a"b', PARSE),
    (r'"a\\b"', r"a\b", PARSE),
    (r'"\"\""', '""', PARSE),
    (r'"\\\\"', r"\\", PARSE),
    (r'"\\\""', r"\"", PARSE),
    ('"it\'s"', "it's", SF),
    ("it's", "it's", BARE),
    ('"~!#$%&()*+-./:<=>?@[]^_`{|}"', "~!#$%&()*+-./:<=>?@[]^_`{|}", SF),
    ("~!#$%&()*+-./:<=>?@[]^_`{|}", "~!#$%&()*+-./:<=>?@[]^_`{|}", BARE),
    ("42", "42", BARE),
    ("-1.5", "-1.5", BARE),
    ("*token", "*token", BARE),
    ("?1", "?1", BARE),
    ("@1659578233", "@1659578233", BARE),
    (":cHJldGVuZA==:", ":cHJldGVuZA==:", BARE),
    ("key=value", "key=value", BARE),
    ("(a)", "(a)", BARE),
    ("null", "null", BARE),
    ('  "a"  ', "a", OWS),
    ('\t"a"\t', "a", OWS),
    ("  a\t", "a", OWS),
    ('"' + "x" * 255 + '"', "x" * 255, LENGTH),
    ("x" * 255, "x" * 255, LENGTH),
    ('"' + r"\"" * 255 + '"', '"' * 255, LENGTH),
]

INVALID = [
    ("", "is empty", DRAFT),
    (" \t ", "is empty", OWS),
    ('""', "empty string", LENGTH),
    ('"', "no closing quote", PARSE),
    ('"abc', "no closing quote", PARSE),
    (r'"abc\"', "no closing quote", PARSE),
    ('"abc\\', "backslash before", PARSE),
    (r'"a\b"', "backslash before", PARSE),
    (r'"a\ "', "backslash before", PARSE),
    (r'"a\u0041"', "backslash before", PARSE),
    ('"a";b', "parameters", PARAMETERS),
    ('"a";b=1', "parameters", PARAMETERS),
    ('"a" ; b', "parameters", ITEM),
    ('"a";', "parameters", PARAMETERS),
    ('"a", "b"', "a list", LIST),
    ('"a","a"', "a list", LIST),
    ('"a",', "a list", LIST),
    ('"a"b', "goes on", ITEM),
    ('"a" b', "goes on", ITEM),
    ('"a""b"', "goes on", ITEM),
    ('a"b"', "a quote inside", BARE),
    ('abc"', "a quote inside", BARE),
    ("a,b", "a comma", BARE),
    ("a, b", "a comma", BARE),
    (",", "a comma", BARE),
    ("a;b=c", "a semicolon", BARE),
    (";", "a semicolon", BARE),
    ("a\\b", "a backslash", BARE),
    ("a b", "a space", BARE),
    ('%"f%c3%bc"', "a quote inside", "RFC 9651 3.3.8, a Display String"),
    ('("a" "b")', "a quote inside", "RFC 9651 3.1.1, an Inner List"),
    ("'a b'", "a space", BARE),
    ('"a\tb"', r"U\+0009 at character 3", SF),
    ("a\tb", r"U\+0009 at character 2", BARE),
    ('"a\x00b"', r"U\+0000", SF),
    ("a\x00b", r"U\+0000", BARE),
    ('"a\r\nb"', r"U\+000D", SF),
    ("a\nb", r"U\+000A", BARE),
    ('"a\x1fb"', r"U\+001F", SF),
    ('"a\x7fb"', r"U\+007F", SF),
    ("a\x7fb", r"U\+007F", BARE),
    ('"é"', r"U\+00E9 at character 2", SF),
    ("é", r"U\+00E9 at character 1", BARE),
    ('"🔑"', r"U\+1F511", SF),
    ("🔑", r"U\+1F511", BARE),
    ("a\u00a0b", r"U\+00A0", BARE),
    ("\u201cabc\u201d", r"U\+201C", BARE),
    ('"' + "x" * 256 + '"', "256 characters, and 255", LENGTH),
    ("x" * 256, "256 characters, and 255", LENGTH),
    ('"' + r"\\" * 256 + '"', "256 characters, and 255", LENGTH),
]


@pytest.mark.parametrize(("value", "key", "section"), VALID)
def test_a_valid_value_is_its_key(value: str, key: str, section: str) -> None:
    """A String without parameters, or the same characters bare, is a key; quotes and escapes are no part of it."""
    assert client_key([value], "Idempotency-Key") == key, section


@pytest.mark.parametrize(("value", "reason", "section"), INVALID)
def test_any_other_value_is_refused_with_its_reason(value: str, reason: str, section: str) -> None:
    """Nothing half-parsed is a key: the message says what is wrong, and does not repeat the value."""
    with pytest.raises(KeyInvalid, match=reason) as refused:
        client_key([value], "Idempotency-Key")
    assert str(refused.value).isascii(), section


def test_the_table_is_long() -> None:
    """Verdicts are shown for more than 60 values."""
    assert len(VALID) + len(INVALID) > 60


@pytest.mark.parametrize("values", [["a", "b"], ["a", "a"], ['"a"', "a"], ["a", ""], ["a", "b", "c"]])
def test_two_headers_are_refused_even_if_they_agree(values: list[str]) -> None:
    """A field that is no list is sent once (RFC 9110 5.3)."""
    with pytest.raises(KeyInvalid, match=f"{len(values)} times"):
        client_key(values, "Idempotency-Key")


def test_no_header_is_a_missing_key() -> None:
    """Absent is not invalid: the two have problems of their own."""
    with pytest.raises(KeyMissing, match="no X-Key header"):
        client_key([], "X-Key")


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255))
def test_every_printable_text_can_be_sent_quoted(key: str) -> None:
    """Quoting and parsing are inverse to each other, for every key there is."""
    quoted = '"' + key.replace("\\", r"\\").replace('"', r"\"") + '"'
    assert client_key([quoted], "Idempotency-Key") == key


@given(st.text(max_size=300))
def test_whatever_is_accepted_can_be_a_key(value: str) -> None:
    """Any text is either refused, or a key of 1 to 255 printable ASCII characters that was in it."""
    try:
        key = client_key([value], "Idempotency-Key")
    except KeyInvalid:
        return
    assert 1 <= len(key) <= 255
    assert key.isascii()
    assert key.isprintable()
