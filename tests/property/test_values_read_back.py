"""What the bot says is understood: a value spoken is the value found again, in both languages."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import phonenumbers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.reading import aloud, speak
from bot.understanding.amounts import canonical, canonical_money
from bot.understanding.forms import ValueForm, ValueKind
from bot.understanding.values import find_value

ZONES = {"en": "America/New_York", "vi": "Asia/Ho_Chi_Minh"}
LANGUAGES = st.sampled_from(["en", "vi"])
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
NUMBERS = st.one_of(st.integers(1, 120), st.integers(-(10**12), 10**12), st.integers(1, 9).map(lambda n: n * 10**6 + 5))
WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8) | st.sampled_from(["a", "at", "one", "ba", "my"])
LABELS = st.lists(st.one_of(WORDS, st.from_regex(r"[0-9]{1,4}", fullmatch=True)), min_size=1, max_size=2).map("".join)
LOCALS = st.lists(LABELS, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from("._-").map(lambda mark: mark.join(parts))
)
EMAILS = st.builds("{}@{}.{}".format, LOCALS, WORDS, st.sampled_from(["com", "vn", "com.vn", "org", "co.uk"]))


def found(said: str, form: ValueForm, language: str, now: datetime = NOW) -> str | None:
    return find_value(said, form, now=now, time_zone=ZONES[language], language=language)


@settings(max_examples=300)
@given(NUMBERS, st.integers(0, 3), LANGUAGES)
def test_numbers(number: int, places: int, language: str) -> None:
    value = canonical(Decimal(number).scaleb(-places))
    assume(value != "0")  # "không" is also "no"
    assert found(speak(value, "number", language), ValueForm(ValueKind.NUMBER), language) == value


@settings(max_examples=300)
@given(st.integers(1, 10**10), st.sampled_from(["USD", "VND", "EUR", "GBP"]), LANGUAGES)
def test_money(amount: int, currency: str, language: str) -> None:
    value = canonical_money(Decimal(amount) if currency == "VND" else Decimal(amount) / 100)
    said = speak(value, "money", language, currency=currency)
    assert found(said, ValueForm(ValueKind.MONEY, currency=currency), language) == value


@settings(max_examples=200)
@given(MOMENTS, st.integers(-2000, 4000), LANGUAGES)
def test_dates(now: datetime, days: int, language: str) -> None:
    today = now.astimezone(ZoneInfo(ZONES[language])).date()
    value = (today + timedelta(days=days)).isoformat()
    assume(days >= 0 or days < -300)  # one just past is said without its year, and understood as the next
    said = speak(value, "date", language, today=today)
    assert found(said, ValueForm(ValueKind.DATE), language, now) == value


@settings(max_examples=200)
@given(st.times(), LANGUAGES)
def test_times(moment: time, language: str) -> None:
    value = f"{moment:%H:%M}"
    assert found(speak(value, "time", language), ValueForm(ValueKind.TIME), language) == value


@settings(max_examples=150)
@given(st.from_regex(r"\+8490[1-9][0-9]{6}|\+1212[2-9](?!11)[0-9]{6}|\+4479[1-9][0-9]{7}", fullmatch=True), LANGUAGES)
def test_phone_numbers(number: str, language: str) -> None:
    assume(phonenumbers.is_valid_number(phonenumbers.parse(number)))
    assert found(speak(number, "phone", language), ValueForm(ValueKind.PHONE), language) == number


@settings(max_examples=300)
@given(EMAILS, LANGUAGES)
def test_emails(address: str, language: str) -> None:
    assume(address[0] != "0")  # "không" at the beginning is a no
    assert found(speak(address, "email", language), ValueForm(ValueKind.EMAIL), language) == address


@given(st.sampled_from(["yes", "no"]), LANGUAGES)
def test_answers(answer: str, language: str) -> None:
    assert found(speak(answer, "yes_no", language), ValueForm(ValueKind.YES_NO), language) == answer


SCRAPS = "$ € đ % / - . , : @ +84 0901 12:30 1.500.000 1,5 2026-13-45 31/02 9am 14h thứ tháng k tr"
WRITTEN = st.lists(
    st.one_of(st.text(max_size=6), st.sampled_from(SCRAPS.split()), st.integers(0, 10**20).map(str)), max_size=6
).flatmap(lambda parts: st.sampled_from(["", " "]).map(lambda mark: mark.join(parts)))


@settings(max_examples=500)
@given(WRITTEN, LANGUAGES)
def test_no_figure_is_left_to_the_voice_and_words_are_left_alone(text: str, language: str) -> None:
    said = aloud(text, language)
    assert not re.search(r"[0-9]", said)
    assert aloud(said, language) == said


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=40), WRITTEN), st.sampled_from(list(ValueKind)), st.sampled_from(["en", "vi", "de"]))
def test_anything_may_be_heard_and_what_is_found_is_canonical(said: str, kind: ValueKind, language: str) -> None:
    form = ValueForm(kind, choices={"red": ("crimson",), "blue": ()} if kind is ValueKind.CHOICE else {})
    value = find_value(said, form, now=NOW, time_zone="UTC", language=language)
    if value is None:
        return
    match kind:
        case ValueKind.NUMBER | ValueKind.MONEY:
            assert Decimal(value).is_finite()
        case ValueKind.DATE:
            assert date.fromisoformat(value)
        case ValueKind.TIME:
            assert time.fromisoformat(value)
        case ValueKind.PHONE:
            assert re.fullmatch(r"\+\d{7,15}", value)
        case _:
            assert value.strip()
