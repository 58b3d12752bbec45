"""Patterns of numbers: how they are read, what they match, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.errors import BadPattern
from campaigns.patterns import matcher, parse_pattern


@pytest.mark.parametrize(
    ("text", "region", "pattern"),
    [
        ("+8490*", "VN", "+8490*"),
        ("+84 90 *", "US", "+8490*"),
        ("0090 555*", "VN", "+90555*"),
        ("090*", "VN", "+8490*"),
        ("1900*", "VN", "+841900*"),
        ("1900*", "US", "+1900*"),
        ("*1234", "VN", "+84*1234"),
        ("+84**1234", "VN", "+84*1234"),
        ("(090) 123-45?7", "VN", "+849012345?7"),
        ("06 1234*", "IT", "+39061234*"),
    ],
)
def test_patterns_are_kept_in_their_international_form(text: str, region: str, pattern: str) -> None:
    assert parse_pattern(text, region) == pattern
    assert parse_pattern(pattern, "US") == pattern


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no pattern"),
        ("+84[0-9]*", "is no pattern"),
        ("*", "would stop nearly every call"),
        ("+84*", "would stop nearly every call"),
        ("0*", "would stop nearly every call"),
        ("+0901*", "no country code begins with 0"),
        ("84901*", "write +84901*"),
        ("+8490123456789012345", "longer than any number"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(text: str, told: str) -> None:
    with pytest.raises(BadPattern) as refused:
        parse_pattern(text, "VN")
    assert told in str(refused.value)


def test_a_country_that_there_is_not_is_refused_where_it_is_needed() -> None:
    assert parse_pattern("+8490*", "XX") == "+8490*"
    with pytest.raises(BadPattern, match="there is no country 'XX'"):
        parse_pattern("090*", "XX")


def test_a_number_matches_as_a_whole() -> None:
    matching = matcher(("+8490*", "+84*1234", "+841900??", "+84901234567"))
    assert list(matching("+84901234567")) == ["+8490*", "+84901234567"]
    assert list(matching("+84911111234")) == ["+84*1234"]
    assert list(matching("+8491234")) == ["+84*1234"]
    assert list(matching("+84190012")) == ["+841900??"]
    assert list(matching("+841900123")) == []
    assert list(matching("+849112345")) == []
    assert list(matching("+184901234567")) == []


def _matches(pattern: str, number: str) -> bool:
    """By the definition of the two signs, one character after another."""
    if not pattern or not number:
        return pattern.strip("*") == number
    sign, digit = pattern[0], number[0].isdigit()
    if sign == "*":
        return _matches(pattern[1:], number) or (digit and _matches(pattern, number[1:]))
    return (sign == number[0] or (sign == "?" and digit)) and _matches(pattern[1:], number[1:])


@settings(deadline=None, derandomize=True)
@given(st.text("129*?", min_size=1, max_size=8), st.text("129", min_size=1, max_size=10))
def test_the_signs_mean_what_is_said_of_them(pattern: str, number: str) -> None:
    assert bool(matcher((f"+{pattern}",))(f"+{number}")) == _matches(f"+{pattern}", f"+{number}")
