"""Where the owner of a number is: its country, and the time zone that its calls keep to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import phonenumbers

from campaigns.errors import BadSchedule
from campaigns.numbers import zones_of
from campaigns.windows import zone_of


@dataclass(frozen=True)
class Whereabouts:
    """What a number tells of the place of its owner."""

    #: Two letters (ISO 3166-1); None for a number of no country.
    country: str | None
    #: IANA zones in which it may be; none when nothing is known.
    zones: tuple[str, ...]


@dataclass(frozen=True)
class UnknownZone:
    """The time of day at the contact's place cannot be told, and why."""

    reason: str


@lru_cache(maxsize=16384)
def whereabouts(number: str) -> Whereabouts:
    """Country and zones of an E.164 number, by its prefix."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return Whereabouts(None, ())
    # Several countries share +1 and +44: by its area code, else the largest of them.
    country = phonenumbers.region_code_for_number(parsed) or phonenumbers.region_code_for_country_code(
        parsed.country_code or 0
    )
    # 001 stands for services of no country, ZZ for an unknown code.
    return Whereabouts(country if country.isalpha() and country != "ZZ" else None, zones_of(number))


def one_zone_prefix(number: str) -> str | None:
    """`+84` for an E.164 number whose country code is that of one country with one zone; None for any other."""
    try:
        code = phonenumbers.parse(number).country_code
    except phonenumbers.NumberParseException:
        return None
    return f"+{code}" if code is not None and _has_one_zone(code) else None


@lru_cache(maxsize=512)
def _has_one_zone(code: int) -> bool:
    # Its prefix table takes a moment and some megabytes to load.
    from phonenumbers.tzdata import TIMEZONE_DATA

    regions = phonenumbers.region_codes_for_country_code(code)
    zones = {zones for prefix, zones in TIMEZONE_DATA.items() if prefix.startswith(str(code))}
    return len(regions) == 1 and regions[0].isalpha() and len(zones) == 1 and len(next(iter(zones))) == 1


def contact_zone(number: str, stated: str | None, otherwise: str | None, now: datetime) -> str | UnknownZone:
    """The contact's zone: as its list states it, else by its number, else the one that the campaign names."""
    if stated is not None:
        return stated if _is_zone(stated) else UnknownZone(f"{stated!r} is no time zone")
    zones = [zone for zone in whereabouts(number).zones if _is_zone(zone)]
    # Several names that show the same time now are as good as one.
    if zones and len({now.astimezone(zone_of(zone)).utcoffset() for zone in zones}) == 1:
        return zones[0]
    if otherwise is not None:
        return otherwise
    if not zones:
        return UnknownZone("nothing tells the number's time zone")
    return UnknownZone(f"the number may be in {len(zones)} time zones that differ now")


def _is_zone(name: str) -> bool:
    try:
        zone_of(name)
    except BadSchedule:
        return False
    return True
