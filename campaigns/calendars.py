"""Public holidays by country, as the library `holidays` knows them."""

from __future__ import annotations

from collections.abc import Container
from datetime import date
from functools import lru_cache

from campaigns.errors import BadSchedule


@lru_cache(maxsize=512)
def check_calendar(code: str) -> None:
    """Raise `BadSchedule` unless `code` is a country (VN) or one of its subdivisions (US-CA)."""
    # Imported where it is used: it costs a quarter of a second, and most campaigns name no calendar.
    import holidays

    known = holidays.list_supported_countries()
    country, dash, part = code.partition("-")
    if country not in known:
        raise BadSchedule(f"holidays: unknown country {country!r}; write two letters, such as VN")
    if dash and part not in known[country]:
        parts = ", ".join(known[country]) or "none"
        raise BadSchedule(f"holidays: {country} has no part {part!r} (known: {parts}); write {country} for all of it")


@lru_cache(maxsize=512)
def has_calendar(country: str) -> bool:
    """Whether the public holidays of a country (two letters) are known."""
    import holidays

    return country in holidays.list_supported_countries()


def is_holiday(code: str, day: date) -> bool:
    """Whether it is a public holiday there; substitute days off count. Raises `BadSchedule` for an unknown code."""
    return day in _holidays(code, day.year)


@lru_cache(maxsize=512)
def _holidays(code: str, year: int) -> Container[date]:
    check_calendar(code)
    import holidays

    country, _, part = code.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year, expand=False))
