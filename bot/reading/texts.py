"""Figures, amounts, dates, times and acronyms in any text, as words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Final

from bot.reading.rules import NUMBER, Rule, value_of
from bot.reading.rules_en import RULES_EN
from bot.reading.rules_vi import RULES_VI
from bot.reading.speaking import address, grouped, phone, spelt, tongue_for
from bot.reading.tongue import Tongue

_LANGUAGE_RULES: Final[Mapping[str, tuple[Rule, ...]]] = {"en": RULES_EN, "vi": RULES_VI}
_ANYTHING_TO_DO: Final = re.compile(r"[\d%$€£₫&@]|[A-Z]{2}|\w\.[a-z]")
_SYMBOLS: Final = {"$": "USD", "€": "EUR", "£": "GBP", "₫": "VND", "đ": "VND", "VNĐ": "VND"}
_CODES: Final = "VND|VNĐ|USD|EUR|GBP"
_SHORT_SCALES: Final = {"en": {"k": "thousand", "m": "million", "bn": "billion"}, "vi": {"k": "nghìn", "tr": "triệu"}}
#: Scales that are written at a number which is no money.
_SUFFIX: Final = {"en": "k|bn", "vi": "k|tr"}
_SCALE: Final = {
    "en": r"thousand|million|billion|bn|k|m",
    "vi": r"nghìn|ngàn|triệu|tỷ|tỉ|tr|k",
}
#: Figures that are no number: "your code is 4839".
_CALLED_CODE: Final = {
    "en": re.compile(r"(?i)(\b(?:code|pin|otp)(?: is|:)? )(\d{4,})\b(?![.,]\d)"),
    "vi": re.compile(r"(?i)(\b(?:mã|otp|pin|số tài khoản|số thẻ)(?: [^\W\d_]+){0,2}:? )(\d{4,})\b(?![.,]\d)"),
}
#: Acronyms that could be read as words; those without a vowel are spelt anyway.
_SPELT: Final = frozenset(
    "ACB AI API ATM CEO EU FAQ HR ID IT OCB OTP UAE UK UN URL USA USB VAT VIB VIP".split()  # noqa: SIM905
)
_MARKS: Final = "-–—−"


@lru_cache(maxsize=4096)
def aloud(text: str, language: str) -> str:
    """`text` as a voice should read it: no figure is left, and acronyms are spelt.

    It is what is synthesised, never what is shown. What is words already stays as it is; a text in a language
    without words here comes back unchanged.
    """
    tongue = tongue_for(language)
    if tongue is None or not _ANYTHING_TO_DO.search(text):
        return text
    for rule in _rules(language.partition("-")[0].casefold()):
        text = rule.apply(text)
    return text


@lru_cache
def _rules(base: str) -> tuple[Rule, ...]:
    tongue = tongue_for(base)
    if tongue is None:
        return ()
    return (
        Rule(re.compile(r"\b\d{4}-\d\d-\d\d\b"), lambda match: _iso(match[0], tongue)),
        *_addresses(tongue),
        Rule(_CALLED_CODE[base], lambda match: match[1] + grouped(match[2], tongue)),
        *_phones(tongue),
        *_amounts(tongue, base),
        _ranges(tongue),
        *_LANGUAGE_RULES[base],
        *_rest(tongue, base),
    )


def _iso(written: str, tongue: Tongue) -> str | None:
    try:
        return tongue.day(date.fromisoformat(written), with_year=True)
    except ValueError:
        return None


def _addresses(tongue: Tongue) -> tuple[Rule, ...]:
    domain = r"[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|info|io|vn|edu|gov|co|uk|eu|de|example)\b"
    return (
        Rule(re.compile(rf"\b[\w.+-]+@{domain}", re.ASCII), lambda match: address(match[0], tongue)),
        Rule(
            re.compile(rf"(?:\bhttps?://)?\b({domain}(?:/[\w/-]*\w)?)", re.ASCII),
            lambda match: address(match[1], tongue),
        ),
    )


def _phones(tongue: Tongue) -> tuple[Rule, ...]:
    written = (
        r"\+\d[\d .()-]{6,}\d|\(\d{3}\) ?\d{3}[ -]\d{4}|\b\d{3}[-.]\d{3}[-.]\d{4}"
        r"|\b0\d(?:[ .-]?\d){7,9}|\b1[89]00(?:[ .-]?\d){4,6}"
    )
    return (Rule(re.compile(rf"(?<![\w.,])(?:{written})(?!\w|[.,]\d)"), lambda match: _phone(match[0], tongue)),)


def _phone(written: str, tongue: Tongue) -> str:
    """In the groups in which it is written; a number without any in those of its country."""
    groups = re.findall(r"\d+", written)
    if len(groups) == 1:
        return phone(written, tongue)
    said = ", ".join(grouped(group, tongue) for group in groups)
    return f"{tongue.plus} {said}" if written[0] == "+" else said


def _amounts(tongue: Tongue, base: str) -> tuple[Rule, ...]:
    scale = rf"(?: ?(?P<scale>{_SCALE[base]})\b)?"

    def money(match: re.Match[str]) -> str:
        code = match["code"].upper()
        return _money(match, _SYMBOLS.get(match["code"].lower(), _SYMBOLS.get(code, code)), tongue, base)

    def scaled(match: re.Match[str]) -> str:
        return f"{tongue.number(value_of(match['number'], base))} {_scale(match['scale'], base)}"

    return (
        Rule(re.compile(rf"(?P<code>[$€£₫]|\b(?:{_CODES}) )(?P<number>{NUMBER}){scale}".replace(") )", ") ?)")), money),
        Rule(re.compile(rf"(?i)\b(?P<number>{NUMBER}){scale} ?(?P<code>[$€£₫]|(?:{_CODES}|đ)\b)"), money),
        Rule(re.compile(rf"(?i)\b(?P<number>{NUMBER})(?P<scale>{_SUFFIX[base]})\b"), scaled),
        Rule(
            re.compile(rf"({NUMBER}) ?%"), lambda match: f"{tongue.number(value_of(match[1], base))} {tongue.percent}"
        ),
    )


def _scale(written: str, base: str) -> str:
    return _SHORT_SCALES[base].get(written.lower(), written)


def _money(match: re.Match[str], currency: str, tongue: Tongue, base: str) -> str:
    value = value_of(match["number"], base)
    if not match["scale"]:
        return tongue.money(value, currency)
    unit = tongue.money(value_of("2", base), currency).partition(" ")[2]
    return f"{tongue.number(value)} {_scale(match['scale'], base)} {unit}"


def _ranges(tongue: Tongue) -> Rule:
    return Rule(
        re.compile(rf"(?<=[\dhm%])(?<!\d{{4}}) ?[{_MARKS}] ?(?=\d{{1,2}}(?!\d|-\d)|\d{{1,2}}[:h])"),
        lambda _: f" {tongue.until} ",
    )


def _rest(tongue: Tongue, base: str) -> tuple[Rule, ...]:
    def number(match: re.Match[str]) -> str:
        return _number(match[0], tongue, base)

    return (
        Rule(re.compile(r"(?<=\s)&(?=\s)"), lambda _: tongue.ampersand),
        Rule(re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d_])\w+\b"), lambda match: _code(match[0], tongue)),
        Rule(re.compile(rf"(?<![\w.,])[-−]?{NUMBER}"), number),
        Rule(re.compile(r"\d+"), lambda match: f" {_number(match[0], tongue, base)} "),
        Rule(re.compile(r"\b[A-Z]{2,5}\b"), lambda match: _acronym(match, tongue)),
    )


def _number(written: str, tongue: Tongue, base: str) -> str:
    figures = written.lstrip("-−")
    if figures.isdecimal() and (len(figures) > 9 or (figures[0] == "0" and len(figures) > 2)):
        return grouped(figures, tongue)
    value = value_of(figures, base)
    return tongue.number(value if figures == written else -value)


def _code(written: str, tongue: Tongue) -> str:
    """A mixture of letters and figures: "A4", "INV1234"."""
    return " ".join(_code_piece(piece, tongue) for piece in re.findall(r"\d+|[^\W\d_]+", written))


def _code_piece(piece: str, tongue: Tongue) -> str:
    if piece.isdecimal():
        return _number(piece, tongue, "en") if len(piece) < 3 else grouped(piece, tongue)
    return spelt(piece, tongue) if piece.isupper() or len(piece) == 1 else piece


def _acronym(match: re.Match[str], tongue: Tongue) -> str | None:
    """Not spelt: words in a text that shouts, and acronyms that are said as words."""
    word, text = match[0], match.string
    if word in ("AM", "PM") or text.isupper():
        return None
    return spelt(word, tongue) if word in _SPELT or not set("AEIOUY") & set(word) else None
