"""What stands in an address: period, filters, sorting and page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from reports.attempts import AttemptFilter
from reports.contacts import ContactFilter
from reports.errors import BadFilter
from reports.paging import Paging
from reports.scope import Scope

Query = Mapping[str, str]


def scope_of(query: Query, campaign_id: int | None, time_zone: str) -> Scope:
    """The scope that `from` and `to` (days in the zone, both included) choose; raises `BadFilter`."""
    first, last = _day(query, "from"), _day(query, "to")
    if first and last and last < first:
        raise BadFilter("the period ends before it begins; exchange From and To")
    return Scope(
        campaign_id,
        from_=_midnight(first, time_zone) if first else None,
        to=_midnight(last + timedelta(days=1), time_zone) if last else None,
        include_test=query.get("test") == "1",
    )


def _day(query: Query, name: str) -> date | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise BadFilter(f"{name}: {text!r} is no day; write it like 2026-03-02") from error
    if not MINYEAR < day.year < MAXYEAR:
        raise BadFilter(f"{name}: {text!r} lies at the edge of the calendar; write a day like 2026-03-02")
    return day


def _midnight(day: date, time_zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(time_zone))


def _text(query: Query, name: str) -> str | None:
    # PostgreSQL has no NUL in text.
    return query.get(name, "").replace("\0", "").strip() or None


def _number(query: Query, name: str) -> int | None:
    text = _text(query, name)
    if text is not None and not (text.isascii() and text.isdigit() and len(text) < 18):
        raise BadFilter(f"{name}: {text!r} is no number")
    return int(text) if text else None


def attempt_filter(query: Query) -> AttemptFilter:
    """The filters of the calls view; raises `BadFilter`."""
    return AttemptFilter(
        phone=_text(query, "phone"),
        code=_text(query, "code"),
        status=_text(query, "status"),
        code_class=_text(query, "class"),
        contact_id=_number(query, "contact"),
    )


def contact_filter(query: Query) -> ContactFilter:
    """The filters of the contacts view."""
    return ContactFilter(phone=_text(query, "phone"), code=_text(query, "code"), state=_text(query, "state"))


def paging_of(query: Query, default_sort: str) -> Paging:
    """The page that `sort` and `after` choose."""
    return Paging(_text(query, "sort") or default_sort, after=_text(query, "after"))


@dataclass(frozen=True)
class Address:
    """Addresses of the same page with something changed."""

    path: str
    query: Query
    default_sort: str

    def with_(self, **changes: str | None) -> str:
        """This address with some names set anew, or left out when None."""
        kept = {name: value for name, value in self.query.items() if value and name not in changes}
        kept |= {name: value for name, value in changes.items() if value}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def sorted_by(self, column: str) -> str:
        """This list sorted by the column; the other way round when it is already."""
        ascending = (self.query.get("sort") or self.default_sort) == column
        return self.with_(sort=f"-{column}" if ascending else column, after=None)

    def direction(self, column: str) -> str:
        """The column's aria-sort."""
        sort = self.query.get("sort") or self.default_sort
        if sort.removeprefix("-") != column:
            return "none"
        return "descending" if sort.startswith("-") else "ascending"

    def export(self, path: str) -> str:
        """The address of an export with the same filters."""
        return Address(path, self.query, self.default_sort).with_(after=None)
