"""Vietnamese numbers in words, as the north says and schools teach them: mốt, tư, lăm, linh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

DIGITS: Final = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
_AFTER_TENS: Final = {1: "mốt", 4: "tư", 5: "lăm"}
_BILLION: Final = 10**9


def cardinal(number: int) -> str:
    """105 is "một trăm linh năm", 2005000 "hai triệu không trăm linh năm nghìn"."""
    if number < 0:
        return f"âm {cardinal(-number)}"
    billions, rest = divmod(number, _BILLION)
    said = [*([cardinal(billions), "tỷ"] if billions else []), *_below_billion(rest, inner=billions > 0)]
    return " ".join(said) or DIGITS[0]


def _below_billion(number: int, *, inner: bool) -> Iterator[str]:
    """Groups of three digits; those between the first and the last are named even when empty."""
    for size, name in ((10**6, "triệu"), (10**3, "nghìn"), (1, "")):
        group = number // size % 1000
        if group:
            yield _group(group, inner=inner)
        elif inner and number % size:
            yield DIGITS[0]
        if name and (group or (inner and number % size)):
            yield name
        inner = inner or group > 0


def _group(number: int, *, inner: bool) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds and not inner:
        return _tens(rest)
    said = f"{DIGITS[hundreds]} trăm"
    if not rest:
        return said
    return f"{said} linh {DIGITS[rest]}" if rest < 10 else f"{said} {_tens(rest)}"


def _tens(number: int) -> str:
    tens, unit = divmod(number, 10)
    if tens == 0:
        return DIGITS[unit]
    if tens == 1:
        return f"mười {'lăm' if unit == 5 else DIGITS[unit]}" if unit else "mười"
    return f"{DIGITS[tens]} mươi" + (f" {_AFTER_TENS.get(unit, DIGITS[unit])}" if unit else "")


def ordinal(number: int) -> str:
    """Thứ nhất, thứ hai, thứ ba, thứ tư."""
    return f"thứ {({1: 'nhất', 4: 'tư'}).get(number, cardinal(number))}"
