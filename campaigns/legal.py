"""When the law of a contact's country lets it be called: an editable table, by country and purpose of the campaign."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from campaigns.calendars import has_calendar
from campaigns.errors import BadLegalHours, BadSchedule
from campaigns.windows import Schedule, Span, windows_of, zone_of

PRESET: Final = Path(__file__).parent / "legal_hours.yaml"
#: The entry for countries that have none of their own.
ELSEWHERE: Final = "default"
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
_FIELDS: Final = ("hours", "weekdays", "holidays", "per_24h", "source")


class Purpose(StrEnum):
    """What a campaign calls people for."""

    ADVERTISING = "advertising"
    SERVICE = "service"


@dataclass(frozen=True)
class LegalRule:
    """One entry of the table; without windows the whole day is open, without weekdays every day."""

    windows: tuple[Span, ...] = ()
    weekdays: frozenset[int] = frozenset()
    closed_on_holidays: bool = False
    #: Calls to one number within 24 hours, of all campaigns of the purpose; None: as many as one likes.
    per_24h: int | None = None
    source: str = ""


@dataclass(frozen=True)
class LegalHours:
    """The table: by country (two letters, or `default`) and purpose."""

    rules: Mapping[tuple[str, Purpose], LegalRule]
    _schedules: dict[tuple[str | None, Purpose, str], Schedule] = field(default_factory=dict, compare=False, repr=False)

    def rule(self, country: str | None, purpose: Purpose) -> LegalRule:
        """The rule for numbers of a country; for a number of none, and for a country without one, the default."""
        return self.rules.get((country or ELSEWHERE, purpose)) or self.rules[ELSEWHERE, purpose]

    def schedule(self, country: str | None, purpose: Purpose, zone: str) -> Schedule:
        """When somebody of that country may be called in that zone; raises `BadSchedule` for an unknown zone."""
        key = (country, purpose, zone)
        if key not in self._schedules:
            rule = self.rule(country, purpose)
            calendar = country if rule.closed_on_holidays and country and has_calendar(country) else None
            self._schedules[key] = Schedule(zone_of(zone), rule.windows, rule.weekdays, holidays=calendar)
        return self._schedules[key]


@lru_cache(maxsize=1)
def preset() -> LegalHours:
    """The table that comes with the program."""
    return LegalHours(_read(PRESET))


def load_legal_hours(path: Path) -> LegalHours:
    """The preset with the entries of a file laid over it; raises `BadLegalHours` naming file, entry and remedy."""
    return LegalHours({**preset().rules, **_read(path)})


def _read(path: Path) -> dict[tuple[str, Purpose], LegalRule]:
    try:
        # As text throughout: YAML would read the country NO as false.
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - builds text only
    except OSError as error:
        raise BadLegalHours(f"{path}: cannot be read: {error.strerror}; set calling.legal_hours to the file") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadLegalHours(f"{path}: not readable as YAML: {error}") from error
    except RecursionError as error:
        raise BadLegalHours(f"{path}: nested too deeply to be read; take out surplus brackets and levels") from error
    rules: dict[tuple[str, Purpose], LegalRule] = {}
    for country, purposes in _mapping(data, str(path)).items():
        where = f"{path}: {country}"
        if country != ELSEWHERE and not _COUNTRY.match(country):
            raise BadLegalHours(f"{where}: no country; write two capital letters, such as VN, or default")
        for name, entry in _mapping(purposes, where).items():
            if name not in set(Purpose):
                raise BadLegalHours(f"{where}.{name}: unknown purpose; known are {', '.join(Purpose)}")
            rules[country, Purpose(name)] = _rule(_mapping(entry or {}, f"{where}.{name}"), f"{where}.{name}")
    return rules


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadLegalHours(f"{where}: expected `name: value` lines; see docs/how-to/keep-legal-hours.md")
    return value


def _rule(entry: Mapping[str, Any], where: str) -> LegalRule:
    for name in entry:
        if name not in _FIELDS:
            raise BadLegalHours(f"{where}.{name}: unknown field; known are {', '.join(_FIELDS)}")
    if entry.get("holidays", "closed") != "closed":
        raise BadLegalHours(f"{where}.holidays: write closed, or leave it out")
    return LegalRule(
        windows=_windows(_list(entry, "hours", where), f"{where}.hours"),
        weekdays=_weekdays(_list(entry, "weekdays", where), f"{where}.weekdays"),
        closed_on_holidays="holidays" in entry,
        per_24h=_count(entry["per_24h"], f"{where}.per_24h") if "per_24h" in entry else None,
        source=str(entry.get("source", "")),
    )


def _list(entry: Mapping[str, Any], name: str, where: str) -> list[str]:
    found = entry.get(name, [])
    if not (isinstance(found, list) and all(isinstance(one, str) for one in found)):
        raise BadLegalHours(f"{where}.{name}: expected a list, such as {_EXAMPLES[name]}")
    if name in entry and not found:
        raise BadLegalHours(f"{where}.{name}: an empty list; leave the field out for no limit")
    return found


_EXAMPLES: Final = {"hours": '["08:00-17:00"]', "weekdays": "[mon, tue]"}


def _windows(texts: list[str], where: str) -> tuple[Span, ...]:
    pairs = [(opens.strip(), closes.strip()) for opens, _, closes in (text.partition("-") for text in texts)]
    if not all(opens and closes for opens, closes in pairs):
        raise BadLegalHours(f"{where}: {texts}: a window is written 08:00-17:00")
    try:
        found = windows_of(pairs)
    except BadSchedule as error:
        raise BadLegalHours(f"{where}: {error}; a window is written 08:00-17:00") from error
    if texts and not found:
        raise BadLegalHours(f"{where}: closes when it opens; a window is written 08:00-17:00")
    return found


def _weekdays(names: list[str], where: str) -> frozenset[int]:
    for name in names:
        if name not in _WEEKDAYS:
            raise BadLegalHours(f"{where}: unknown weekday {name!r}; known are {', '.join(_WEEKDAYS)}")
    return frozenset(_WEEKDAYS.index(name) + 1 for name in names)


def _count(text: Any, where: str) -> int:
    if not (isinstance(text, str) and text.isdecimal() and int(text) > 0):
        raise BadLegalHours(f"{where}: {text!r} is no count; write a whole number of calls, 1 or more")
    return int(text)
