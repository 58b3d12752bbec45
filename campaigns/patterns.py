"""Patterns of telephone numbers: `*` stands for any digits, `?` for one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import phonenumbers

from campaigns.errors import BadPattern

#: Fewer would stop nearly every call by one slip of the keyboard.
FEWEST_DIGITS: Final = 3
_MOST_DIGITS: Final = 15
_SHAPE = re.compile(r"\+?[0-9*?]+\Z")


def parse_pattern(text: str, region: str) -> str:
    """The pattern in its international form: `0901*` and `+84 901*` are `+84901*` in Viet Nam.

    Without a plus sign it is read as a number dialled inside `region` (two letters) would be. Raises `BadPattern`.
    """
    plain = re.sub(r"[\s.()\-]", "", text)
    if not _SHAPE.match(plain):
        raise BadPattern(f"{text!r} is no pattern of numbers; write +8490* or 1900*: digits, * for any and ? for one")
    international = _international(re.sub(r"\*+", "*", plain), text, region)
    digits = sum(character.isdigit() for character in international)
    if digits < FEWEST_DIGITS:
        raise BadPattern(f"{text!r} would stop nearly every call; write at least {FEWEST_DIGITS} digits: +8490*")
    if len(international.replace("*", "")) - 1 > _MOST_DIGITS:
        raise BadPattern(f"{text!r} is longer than any number; an international number has at most {_MOST_DIGITS}")
    return international


def _international(plain: str, text: str, region: str) -> str:
    if plain.startswith("+0"):
        raise BadPattern(f"{text!r}: no country code begins with 0; write +84… or leave the plus sign out")
    if plain.startswith("+"):
        return plain
    if plain.startswith("00"):
        return f"+{plain[2:]}"
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise BadPattern(
            f"there is no country {region!r}; write two capital letters, such as VN, or the pattern with +"
        )
    country = str(phonenumbers.country_code_for_region(region))
    about = phonenumbers.PhoneMetadata.metadata_for_region(region)
    trunk_prefix = about.national_prefix if about is not None else None
    if trunk_prefix and plain.startswith(trunk_prefix):
        return f"+{country}{plain.removeprefix(trunk_prefix)}"
    if plain.startswith(country):
        raise BadPattern(f"{text!r} may be {country} the country code or the beginning of a number; write +{plain}")
    return f"+{country}{plain}"


@lru_cache(maxsize=64)
def matcher(patterns: tuple[str, ...]) -> Callable[[str], Sequence[str]]:
    """Which of the patterns (as `parse_pattern` gives them) an E.164 number matches."""
    compiled = [(pattern, _compiled(pattern)) for pattern in patterns]
    any_of_them = re.compile("|".join(f"(?:{one.pattern})" for _, one in compiled))

    def matching(number: str) -> Sequence[str]:
        if not any_of_them.match(number):
            return ()
        return [pattern for pattern, one in compiled if one.match(number)]

    return matching


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", "[0-9]*").replace(r"\?", "[0-9]") + r"\Z")
