"""Telephone numbers as people and spreadsheets write them, made E.164 (VOCABULARY: Contact lists)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, ValidationResult

from campaigns.regular import regular
from storage.masking import mask

__all__ = ["InvalidNumber", "Number", "caller_id", "mask", "normalise", "zones_of"]

_KINDS: Final = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "fixed",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium_rate",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.VOIP: "voip",
}
_IMPOSSIBLE: Final = {
    ValidationResult.TOO_SHORT: "too few digits for its country",
    ValidationResult.TOO_LONG: "too many digits for its country",
    ValidationResult.INVALID_LENGTH: "no number of its country has this many digits",
    ValidationResult.INVALID_COUNTRY_CODE: "no such country code",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
}
_UNPARSED: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: "no such country code",
    NumberParseException.TOO_LONG: "too many digits for any country",
    NumberParseException.TOO_SHORT_NSN: "too few digits",
    NumberParseException.TOO_SHORT_AFTER_IDD: "too few digits",
}
_CALLER_ID = re.compile(r"\+?[0-9]{3,15}\Z")
_TEXT_FORMULA = re.compile(r'=(?:"([^"]*)"|(\+?\d[\d ]*))\Z')
_SCIENTIFIC = re.compile(r"\+?(\d)(?:[.,](\d+))?[eE]\+?(\d{1,2})\Z")
_FRACTION = re.compile(r"(\+?\d{6,15})[.,]0{1,2}\Z")
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")
_LEGACY_VN = re.compile(r"(1[2689]\d)(\d{7})\Z")
#: The 11-digit mobile prefixes that Viet Nam retired in 2018, without the leading 0; 16x becomes 3x.
_LEGACY_VN_PREFIXES: Final = {
    **{"120": "70", "121": "79", "122": "77", "126": "76", "128": "78"},
    **{"123": "83", "124": "84", "125": "85", "127": "81", "129": "82"},
    **{f"16{x}": f"3{x}" for x in range(10)},
    **{"186": "56", "188": "58", "199": "59"},
}


@dataclass(frozen=True)
class Number:
    """A number that may be dialled."""

    e164: str
    #: mobile, fixed, fixed_or_mobile, toll_free, premium_rate, shared_cost, voip or other.
    kind: str
    #: What was put right, in the order it was done.
    repaired: tuple[str, ...] = ()


@dataclass(frozen=True)
class InvalidNumber:
    """Not a telephone number; the reason is for the owner of the list."""

    reason: str


def caller_id(text: str) -> str | InvalidNumber:
    """A number to be shown to customers, without blanks, points and dashes."""
    plain = re.sub(r"[\s.\-]", "", text)
    if not _CALLER_ID.match(plain):
        return InvalidNumber(f"{text[:40]!r} is no telephone number; write 3 to 15 digits, with or without +")
    return plain


def normalise(raw: str, region: str) -> Number | InvalidNumber:
    """The number in E.164, after undoing what spreadsheets do to numbers.

    `region` (two letters) reads numbers without a country code.
    """
    plain = raw.strip(" ")
    if (known := regular(plain, region)) is not None and not _LEGACY_VN.match(known[0].removeprefix("+84")):
        return Number(known[0], _KINDS.get(known[1], "other"))
    return normalise_slowly(raw, region)


def normalise_slowly(raw: str, region: str) -> Number | InvalidNumber:
    """`normalise` by way of libphonenumber's parser for every number."""
    done: list[str] = []
    text = _cleaned(raw, done)
    if not text:
        return InvalidNumber("empty")
    if text[0] in "=@":
        return InvalidNumber("a formula, not a number; save the list with values only")
    plain = _unscientific(text, done)
    if isinstance(plain, InvalidNumber):
        return plain
    plain = _international(_FRACTION.sub(r"\1", plain), done)
    if plain is not text and _FRACTION.match(text):
        done.append("trailing .0")
    return _parsed(_renumbered(plain, region, done), region, done)


def zones_of(e164: str) -> tuple[str, ...]:
    """IANA time zones in which the number may be, by its prefix; empty when nothing is known."""
    # Its prefix table takes a moment and some megabytes to load.
    from phonenumbers import timezone

    zones = timezone.time_zones_for_number(phonenumbers.parse(e164))
    return tuple(zone for zone in zones if zone != "Etc/Unknown")


def _cleaned(raw: str, done: list[str]) -> str:
    """Without invisible characters, with ordinary digits, out of a spreadsheet's text wrapping."""
    plain = unicodedata.normalize("NFKC", raw)
    plain = "".join(c for c in plain if unicodedata.category(c) not in {"Cf", "Cc"})
    plain = " ".join(plain.split())
    if plain != " ".join(raw.split(" ")).strip():
        done.append("invisible or wide characters")
    if wrapped := _TEXT_FORMULA.match(plain):
        plain = (wrapped[1] or wrapped[2] or "").strip()
        done.append("text formula")
    if plain.startswith("'"):
        plain = plain[1:].strip()
        done.append("leading apostrophe")
    return plain


def _unscientific(text: str, done: list[str]) -> str | InvalidNumber:
    match = _SCIENTIFIC.match(text.replace(" ", ""))
    if match is None:
        return text
    first, fraction, exponent = match[1], match[2] or "", int(match[3])
    # One final nought may have been dropped; more missing digits were rounded away, and are somebody else's number.
    if len(fraction) < exponent - 1 or len(fraction) > exponent:
        return InvalidNumber("a spreadsheet cut digits off; format the column as text and enter the number again")
    done.append("scientific notation")
    return str(int(Decimal(f"{first}.{fraction or '0'}").scaleb(exponent)))


def _international(text: str, done: list[str]) -> str:
    """A plus sign for 00, and no (0) behind the country code."""
    if text.replace(" ", "").startswith("00"):
        text = "+" + text.replace(" ", "")[2:]
        done.append("00 prefix")
    if text.startswith("+") and _TRUNK_ZERO.search(text):
        text = _TRUNK_ZERO.sub(" ", text, count=1)
        done.append("(0) after the country code")
    return text


def _renumbered(text: str, region: str, done: list[str]) -> str:
    """Viet Nam's retired 11-digit mobiles in their present form."""
    digits = re.sub(r"[\s().\-]", "", text)
    for lead in ("+84", "84", "0", ""):
        if not digits.startswith(lead) or (lead != "+84" and region != "VN"):
            continue
        match = _LEGACY_VN.match(digits[len(lead) :])
        if match and match[1] in _LEGACY_VN_PREFIXES:
            done.append("retired Vietnamese prefix")
            return f"+84{_LEGACY_VN_PREFIXES[match[1]]}{match[2]}"
    return text


def _parsed(text: str, region: str, done: list[str]) -> Number | InvalidNumber:
    try:
        parsed = phonenumbers.parse(text, region)
    except NumberParseException as error:
        return InvalidNumber(_UNPARSED.get(error.error_type, "not a telephone number"))
    if parsed.extension:
        return InvalidNumber("an extension cannot be dialled")
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    if possible != ValidationResult.IS_POSSIBLE:
        return InvalidNumber(_IMPOSSIBLE.get(possible, "not a telephone number"))
    # A number is valid when it is of some type: asked once, for this is most of the time that a row takes.
    kind = phonenumbers.number_type(parsed)
    if kind == PhoneNumberType.UNKNOWN:
        return InvalidNumber("no such number range in its country")
    if text[0] not in "+0" and _lost_zero(text, parsed):
        done.append("lost leading zero")
    e164 = f"+{parsed.country_code}{phonenumbers.national_significant_number(parsed)}"
    return Number(e164, _KINDS.get(kind, "other"), tuple(done))


def _lost_zero(text: str, parsed: phonenumbers.PhoneNumber) -> bool:
    as_dialled = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return re.sub(r"\D", "", as_dialled) == "0" + re.sub(r"\D", "", text)
