"""What stands between braces in a script's texts: `{name}`, `{name|form}`, `{n|plural: invoice, invoices}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import Final

from babel import Locale, UnknownLocaleError

from bot.speech.sentences import sentences

_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_SECRET: Final = re.compile(r"secret:\s*([A-Za-z0-9_]{1,64})")
_HIDDEN: Final = re.compile("\ue000([0-9]+)\ue001")
#: The order in which the words of a plural are written (CLDR).
_PLURALS: Final = ("zero", "one", "two", "few", "many", "other")


class Reading(StrEnum):
    """How a value is read out (`bot.reading.speak`)."""

    NUMBER = "number"
    ORDINAL = "ordinal"
    MONEY = "money"
    DATE = "date"
    TIME = "time"
    DIGITS = "digits"
    PHONE = "phone"
    EMAIL = "email"
    SPELL = "spell"


@dataclass(frozen=True)
class Placeholder:
    """One place for a value; `plural` holds a word for each plural form of the language."""

    name: str
    reading: Reading | None = None
    plural: tuple[str, ...] = ()


class Malformed(ValueError):
    """A placeholder that means nothing; its text is the remedy."""


@lru_cache(maxsize=4096)
def parse_placeholder(inner: str) -> Placeholder:
    """What stands between the braces; raises `Malformed`."""
    name, bar, form = (part.strip() for part in inner.partition("|"))
    if _SECRET.fullmatch(inner.strip()):
        raise Malformed("A secret can stand only in the headers of a webhook")
    if not _NAME.fullmatch(name):
        raise Malformed("Write {name}, or {{ and }} for braces")
    kind, colon, words = (part.strip() for part in form.partition(":"))
    if kind == "plural" and colon:
        plural = tuple(word.strip() for word in words.split(","))
        if all(plural):
            return Placeholder(name, plural=plural)
        raise Malformed("Write each word: {n|plural: invoice, invoices}")
    if bar and (colon or kind not in set(Reading)):
        raise Malformed(f"The forms are {', '.join(Reading)} and plural: word, words")
    return Placeholder(name, Reading(kind) if bar else None)


def found_in(text: str) -> Iterator[Placeholder]:
    """The placeholders of `text` in order; raises `Malformed`."""
    for match in _PLACEHOLDER.finditer(text):
        if match[1] is not None:
            yield parse_placeholder(match[1])


def names_in(text: str) -> tuple[str, ...]:
    """The names between single braces, in order, whatever else is wrong with them; secrets are none."""
    inner = (match[1].strip() for match in _PLACEHOLDER.finditer(text) if match[1] is not None)
    return tuple(each.partition("|")[0].strip() for each in inner if not _SECRET.fullmatch(each))


def secrets_in(text: str) -> tuple[str, ...]:
    """The names of the secrets that `text` asks for."""
    inner = (match[1].strip() for match in _PLACEHOLDER.finditer(text) if match[1] is not None)
    return tuple(match[1] for each in inner if (match := _SECRET.fullmatch(each)))


def wrong_part(text: str, *, secrets: bool = False) -> tuple[str, str] | None:
    """The first part of `text` that means nothing, and its remedy; `secrets` are allowed where told."""
    for match in _PLACEHOLDER.finditer(text):
        if match[0] in ("{", "}"):
            return match[0], "Write {name}, or {{ and }} for braces"
        if match[1] is None or (secrets and _SECRET.fullmatch(match[1].strip())):
            continue
        try:
            parse_placeholder(match[1])
        except Malformed as error:
            return match[0], str(error)
    return None


def fill(text: str, value: Callable[[Placeholder], str]) -> str:
    """`text` with each placeholder replaced by its value, and doubled braces by single ones."""

    def replaced(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else value(parse_placeholder(match[1]))

    return _PLACEHOLDER.sub(replaced, text)


def fill_header(text: str, value: Callable[[Placeholder], str]) -> str:
    """`text` with its values, and with its secrets still to be filled in by `with_secrets`."""

    def replaced(match: re.Match[str]) -> str:
        if match[1] is None or _SECRET.fullmatch(match[1].strip()):
            return match[0]
        return value(parse_placeholder(match[1])).replace("{", "{{").replace("}", "}}")

    return _PLACEHOLDER.sub(replaced, text)


def with_secrets(header: str, secrets: Callable[[str], str]) -> str:
    """A header of `Fetch` with its secrets in place: `secrets` gives the value of a name, or raises KeyError."""

    def replaced(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        secret = _SECRET.fullmatch(match[1].strip())
        return match[0] if secret is None else secrets(secret[1])

    return _PLACEHOLDER.sub(replaced, header)


@lru_cache(maxsize=2048)
def pieces(text: str) -> tuple[str, ...]:
    """The sentences of `text`, cut so that no placeholder is."""
    kept: list[str] = []

    def hide(match: re.Match[str]) -> str:
        if match[1] is None or "|" not in match[1]:
            return match[0]
        kept.append(match[0])
        return f"\ue000{len(kept) - 1}\ue001"

    hidden = _PLACEHOLDER.sub(hide, text.replace("\ue000", ""))
    return tuple(_HIDDEN.sub(lambda match: kept[int(match[1])], piece) for piece in sentences(hidden))


@lru_cache(maxsize=64)
def locale_of(language: str) -> Locale:
    """What CLDR knows of a language, of English where it knows nothing."""
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en")


def plural_forms(language: str) -> tuple[str, ...]:
    """The plural forms of a language in the order in which their words are written, as CLDR names them."""
    used = {*locale_of(language).plural_form.tags, "other"}
    return tuple(form for form in _PLURALS if form in used)


def plural_of(value: str, words: tuple[str, ...], language: str) -> str:
    """The word that goes with a canonical number; the last one for any other text."""
    try:
        number = abs(Decimal(value))
    except InvalidOperation:
        return words[-1]
    if not number.is_finite():
        return words[-1]
    whole = number.to_integral_value()
    form = locale_of(language).plural_form(int(whole) if number == whole else number)
    forms = plural_forms(language)
    place = forms.index(form) if form in forms else len(forms) - 1
    return words[min(place, len(words) - 1)]
