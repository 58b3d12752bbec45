"""Numbers written in the regular way, `0` and the national number or `+` and all of it, read without libphonenumber.

Its parser looks for prefixes, extensions and letters that such a number cannot have; what is left to ask are the same
patterns of the same metadata. Whatever is not plain here is left to the parser itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberType
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE

_NATIONAL = re.compile(r"0[1-9][0-9]{5,13}\Z")
#: The types in the order in which libphonenumber asks for them, before fixed lines and mobiles.
_RARE: Final = (
    ("premium_rate", PhoneNumberType.PREMIUM_RATE),
    ("toll_free", PhoneNumberType.TOLL_FREE),
    ("shared_cost", PhoneNumberType.SHARED_COST),
    ("voip", PhoneNumberType.VOIP),
    ("personal_number", PhoneNumberType.PERSONAL_NUMBER),
    ("pager", PhoneNumberType.PAGER),
    ("uan", PhoneNumberType.UAN),
    ("voicemail", PhoneNumberType.VOICEMAIL),
)


@dataclass(frozen=True)
class _Pattern:
    lengths: frozenset[int]
    pattern: re.Pattern[str]

    def fits(self, number: str) -> bool:
        return (not self.lengths or len(number) in self.lengths) and self.pattern.fullmatch(number) is not None


@dataclass(frozen=True)
class _Plan:
    """What a region's numbers look like."""

    prefix: str
    abroad: re.Pattern[str]
    general: _Pattern
    rare: tuple[tuple[_Pattern, int], ...]
    fixed: _Pattern | None
    mobile: _Pattern | None
    one_pattern: bool

    def type_of(self, number: str) -> int | None:
        for pattern, kind in self.rare:
            if pattern.fits(number):
                return kind
        mobile = not self.one_pattern and self.mobile is not None and self.mobile.fits(number)
        if self.fixed is not None and self.fixed.fits(number):
            both = self.one_pattern or mobile
            return PhoneNumberType.FIXED_LINE_OR_MOBILE if both else PhoneNumberType.FIXED_LINE
        return PhoneNumberType.MOBILE if mobile else None


def regular(text: str, region: str) -> tuple[str, int] | None:
    """The number in E.164 and its `PhoneNumberType`; None when only libphonenumber's parser can tell."""
    plan = _plan(region)
    if plan is None:
        return None
    if _NATIONAL.match(text):
        # Somewhere else the first digits may mean abroad, or belong to the number.
        if plan.abroad.match(text) or plan.general.pattern.fullmatch(text):
            return None
        number = text[1:]
    elif text.startswith(plan.prefix) and _NATIONAL.match("0" + text[len(plan.prefix) :]):
        number = text[len(plan.prefix) :]
    else:
        return None
    if not plan.general.fits(number):
        return None
    kind = plan.type_of(number)
    return None if kind is None else (plan.prefix + number, kind)


@lru_cache(maxsize=256)
def _plan(region: str) -> _Plan | None:
    """The region's plan, where its country code is its own and 0 stands before a national number, and nothing else."""
    if region not in phonenumbers.SUPPORTED_REGIONS:
        return None
    data = PhoneMetadata.metadata_for_region(region)
    if data is None or COUNTRY_CODE_TO_REGION_CODE[data.country_code or 0] != (region,):
        return None
    if data.national_prefix_for_parsing != "0" or data.national_prefix_transform_rule is not None:
        return None
    general = _pattern(data.general_desc)
    if general is None or not general.lengths or not data.international_prefix:
        return None
    rare = [(_pattern(getattr(data, name)), kind) for name, kind in _RARE]
    return _Plan(
        prefix=f"+{data.country_code}",
        abroad=re.compile(data.international_prefix),
        general=general,
        rare=tuple((pattern, kind) for pattern, kind in rare if pattern is not None),
        fixed=_pattern(data.fixed_line),
        mobile=_pattern(data.mobile),
        one_pattern=data.same_mobile_and_fixed_line_pattern,
    )


def _pattern(desc: Any) -> _Pattern | None:
    if desc is None or not desc.national_number_pattern:
        return None
    return _Pattern(frozenset(desc.possible_length), re.compile(desc.national_number_pattern))
