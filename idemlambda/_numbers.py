"""Numbers as ECMAScript writes them, which is how RFC 8785 does; and integers that no float equals."""

from __future__ import annotations

from typing import Final

__all__ = ["c_prints", "float_text", "int_text"]

EXACT: Final = 2**53
"""Up to here every integer is a float of its own, and C prints it as ECMAScript does (RFC 8785, appendix D)."""


def c_prints(number: float) -> bool:
    """Whether C prints a number as ECMAScript does: small integers, and fractions that need no exponent in either."""
    if isinstance(number, int):
        return -EXACT <= number <= EXACT
    return _has_short_form(number) and not number.is_integer()


def _has_short_form(number: float) -> bool:
    """Whether both Python (from 1e-4, below 1e16) and ECMAScript (from 1e-6, below 1e21) write no exponent."""
    return 1e-4 <= abs(number) < 1e16  # noqa: PLR2004 - the thresholds of CPython's float_repr_style "short"


def int_text(number: int) -> str:
    """An integer by its value: as the float that equals it, or else marked and exact."""
    if -EXACT <= number <= EXACT:
        return int.__repr__(number)
    try:
        nearest = float(number)
    except OverflowError:
        nearest = 0.0
    # ECMAScript pads the shortest digits of a float with zeros, so its text may be that of another integer.
    return float_text(nearest) if nearest == number else f'int("{hex(number)}")'


def float_text(number: float) -> str:
    """A finite float as ECMAScript's Number::toString writes it (RFC 8785, 3.2.2.3)."""
    text = float.__repr__(number)
    if _has_short_form(number):
        return text.removesuffix(".0")
    sign, text = ("-", text[1:]) if text[0] == "-" else ("", text)
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    # As in ECMA-262: the value is 0.<digits> times 10 to the power of `point`.
    point = len(whole) + int(exponent or 0)
    significant = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(significant)
    digits = significant.rstrip("0")
    if not digits:
        return "0"
    return sign + _positioned(digits, point)


def _positioned(digits: str, point: int) -> str:
    """Digits with their decimal point, or with an exponent below 1e-6 and from 1e21 on (ECMA-262)."""
    if len(digits) <= point <= 21:  # noqa: PLR2004 - ECMA-262's threshold
        return digits + "0" * (point - len(digits))
    if -6 < point <= 0:  # noqa: PLR2004 - ECMA-262's threshold
        return "0." + "0" * -point + digits
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{tail}e{point - 1:+d}"
