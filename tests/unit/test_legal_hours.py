"""The table of legal hours, and the place of a number's owner."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from campaigns.calendars import has_calendar, is_holiday
from campaigns.errors import BadLegalHours
from campaigns.legal import ELSEWHERE, Purpose, load_legal_hours, preset
from campaigns.zones import UnknownZone, contact_zone, one_zone_prefix, whereabouts

ADVERTISING, SERVICE = Purpose.ADVERTISING, Purpose.SERVICE
HANOI, NEW_YORK = "Asia/Ho_Chi_Minh", "America/New_York"


def _file(folder: Path, text: str) -> Path:
    path = folder / "legal.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_preset_keeps_the_decree_and_the_american_rules() -> None:
    vietnam = preset().rule("VN", ADVERTISING)
    assert (vietnam.windows, vietnam.per_24h) == (((480, 1020),), 1)
    assert preset().rule("VN", SERVICE).per_24h is None
    for purpose in Purpose:
        assert preset().rule("US", purpose).windows == ((480, 1260),)
    assert all(rule.source for rule in preset().rules.values())


def test_a_country_without_an_entry_and_a_number_of_no_country_keep_to_the_default() -> None:
    default = preset().rules[ELSEWHERE, ADVERTISING]
    assert preset().rule("FR", ADVERTISING) is default
    assert preset().rule(None, ADVERTISING) is default


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        # 08:00 in New York is 13:00 UTC before the clocks go forward on 8 March 2026, and 12:00 UTC after.
        ("2026-03-07 12:59", False),
        ("2026-03-07 13:00", True),
        ("2026-03-08 11:59", False),
        ("2026-03-08 12:00", True),
        ("2026-03-09 00:59", True),
        ("2026-03-09 01:00", False),
        # They go back on 1 November.
        ("2026-10-31 12:00", True),
        ("2026-11-01 12:59", False),
        ("2026-11-01 13:00", True),
        ("2026-11-02 01:59", True),
        ("2026-11-02 02:00", False),
    ],
)
def test_legal_hours_are_on_the_clock_of_the_contacts_zone_when_clocks_change(at: str, *, is_open: bool) -> None:
    assert preset().schedule("US", SERVICE, NEW_YORK).is_open(_at(at)) is is_open


def test_the_next_opening_is_right_on_the_nights_when_clocks_change() -> None:
    schedule = preset().schedule("US", ADVERTISING, NEW_YORK)
    assert schedule.next_opening(_at("2026-03-08 02:00")) == _at("2026-03-08 12:00")
    assert schedule.next_opening(_at("2026-11-01 02:00")) == _at("2026-11-01 13:00")


def test_a_file_replaces_entries_and_leaves_the_others(tmp_path: Path) -> None:
    table = load_legal_hours(
        _file(
            tmp_path,
            """
VN:
  advertising: {hours: ["09:00-11:30", "13:30-16:00"], weekdays: [mon, fri], holidays: closed, per_24h: 2}
NO:
  service: {}
""",
        )
    )
    rule = table.rule("VN", ADVERTISING)
    assert (rule.windows, rule.weekdays, rule.per_24h) == (((540, 690), (810, 960)), {1, 5}, 2)
    schedule = table.schedule("VN", ADVERTISING, HANOI)
    # Friday 1 May is a holiday in Vietnam; the next of these weekdays is Monday.
    assert schedule.next_opening(_at("2026-04-30 12:00")) == _at("2026-05-04 02:00")
    # Norway, which YAML would take for "false"; an entry without fields is open all day.
    assert table.schedule("NO", SERVICE, "Europe/Oslo").is_open(_at("2026-03-02 02:00"))
    assert table.rule("NO", ADVERTISING) is preset().rules[ELSEWHERE, ADVERTISING]
    assert table.rule("US", ADVERTISING) == preset().rule("US", ADVERTISING)
    assert table.rule("VN", SERVICE) == preset().rule("VN", SERVICE)


def test_a_country_whose_calendar_nobody_knows_has_no_holidays(tmp_path: Path) -> None:
    table = load_legal_hours(_file(tmp_path, "default: {service: {holidays: closed}}"))
    assert not has_calendar("XZ")
    assert table.schedule("XZ", SERVICE, "UTC").is_open(_at("2026-12-25 12:00"))
    assert not table.schedule("FR", SERVICE, "UTC").is_open(_at("2026-12-25 12:00"))
    assert is_holiday("FR", date(2026, 7, 14))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Vietnam: {service: {}}", "Vietnam: no country"),
        ("VN: {marketing: {}}", r"VN\.marketing: unknown purpose; known are advertising, service"),
        ("VN: {service: {hour: x}}", r"service\.hour: unknown field"),
        ("VN: {service: {hours: '08:00-17:00'}}", r"hours: expected a list"),
        ("VN: {service: {hours: ['8-17']}}", r"hours: .*write HH:MM.* 08:00-17:00"),
        ("VN: {service: {hours: ['08:00']}}", r"written 08:00-17:00"),
        ("VN: {service: {hours: ['08:00-08:00']}}", r"hours: closes when it opens"),
        ("VN: {service: {hours: []}}", r"hours: an empty list"),
        ("VN: {service: {weekdays: [monday]}}", r"unknown weekday 'monday'"),
        ("VN: {service: {holidays: open}}", r"holidays: write closed"),
        ("VN: {service: {per_24h: 0}}", r"per_24h: '0' is no count"),
        ("VN: {service: {per_24h: [1]}}", r"per_24h: .* is no count"),
        ("VN: all day", "VN: expected `name: value` lines"),
        ("- VN", "expected `name: value` lines"),
        ("VN: {", "not readable as YAML"),
        ("[" * 20_000, "nested too deeply"),
    ],
)
def test_a_mistake_in_the_file_names_entry_and_remedy(tmp_path: Path, text: str, words: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(BadLegalHours, match=words) as told:
        load_legal_hours(path)
    assert str(path) in str(told.value)


def test_a_file_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(BadLegalHours, match=r"calling\.legal_hours"):
        load_legal_hours(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("number", "country", "zones"),
    [
        ("+84912345678", "VN", ("Asia/Ho_Chi_Minh",)),
        ("+12125550123", "US", ("America/New_York",)),
        # An area code of Canada, and one of Arizona, where clocks do not change.
        ("+16045550123", "CA", ("America/Vancouver",)),
        ("+16025550123", "US", ("America/Phoenix",)),
        ("+99900000001", None, ()),
        # A number of every country (ITU-T E.164, 3.3).
        ("+80012345678", None, ()),
    ],
)
def test_a_number_tells_its_country_and_zones(number: str, country: str | None, zones: tuple[str, ...]) -> None:
    found = whereabouts(number)
    assert found.country == country
    assert zones == () or found.zones == zones


def test_a_zone_comes_from_the_list_then_from_the_number_then_from_the_campaign() -> None:
    now = _at("2026-03-02 09:00")
    assert contact_zone("+84912345678", "Europe/Paris", "UTC", now) == "Europe/Paris"
    assert contact_zone("+84912345678", None, "UTC", now) == HANOI
    assert contact_zone("+99900000001", None, "UTC", now) == "UTC"
    assert contact_zone("+18005550123", None, NEW_YORK, now) == NEW_YORK


def test_several_zones_are_ambiguous_only_while_their_clocks_differ() -> None:
    # A British mobile may be on the islands, where clocks agree with London's.
    assert contact_zone("+447911123456", None, None, _at("2026-07-01 09:00")) == "Europe/Guernsey"
    told = contact_zone("+61412345678", None, None, _at("2026-03-02 09:00"))
    assert isinstance(told, UnknownZone)
    assert "time zones that differ now" in told.reason


@pytest.mark.parametrize(
    ("number", "stated", "reason"),
    [("+99900000001", None, "nothing tells"), ("+84912345678", "Mars/Olympus", "no time zone")],
)
def test_an_unknown_zone_says_why(number: str, stated: str | None, reason: str) -> None:
    told = contact_zone(number, stated, None, _at("2026-03-02 09:00"))
    assert isinstance(told, UnknownZone)
    assert reason in told.reason


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        ("+84912345678", "+84"),
        ("+33612345678", "+33"),
        # Several zones, several countries, a service of no country, an unknown code, and no number at all.
        ("+61412345678", None),
        ("+447911123456", None),
        ("+12125550123", None),
        ("+80012345678", None),
        ("+99900000001", None),
        ("+", None),
    ],
)
def test_the_prefix_of_a_country_with_one_zone(number: str, prefix: str | None) -> None:
    assert one_zone_prefix(number) == prefix
