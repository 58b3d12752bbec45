"""Spoken times, read on Wednesday 4 March 2026 at 09:20 in Ho Chi Minh City."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bot.understanding.entities import parse_call_back, spoken_call_back

ZONE = "Asia/Ho_Chi_Minh"
NOW = datetime(2026, 3, 4, 9, 20, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def read(said: str, language: str = "en", now: datetime = NOW, zone: str = ZONE) -> str | None:
    at = parse_call_back(said, now, zone, language)
    return None if at is None else at.strftime("%a %d %H:%M")


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("Can you call me tomorrow at ten?", "Thu 05 10:00"),
        ("Can you call me tomorrow at 10?", "Thu 05 10:00"),
        ("call me tomorrow at 10 a.m.", "Thu 05 10:00"),
        ("tomorrow at ten thirty", "Thu 05 10:30"),
        ("in two hours", "Wed 04 11:20"),
        ("Call me in 2 hours.", "Wed 04 11:20"),
        ("in half an hour", "Wed 04 09:50"),
        ("in an hour and a half", "Wed 04 10:50"),
        ("this afternoon", "Wed 04 14:00"),
        ("this evening", "Wed 04 18:00"),
        ("tonight", "Wed 04 20:00"),
        ("after five pm", "Wed 04 17:00"),
        ("after five", "Wed 04 17:00"),
        ("after 5 p.m. tomorrow", "Thu 05 17:00"),
        ("next Monday", "Mon 09 10:00"),
        ("next Monday at nine", "Mon 09 09:00"),
        ("on Friday at half past three", "Fri 06 15:30"),
        ("Monday", "Mon 09 10:00"),
        ("call me on Wednesday", "Wed 11 10:00"),
        ("quarter to six", "Wed 04 17:45"),
        ("ten past five", "Wed 04 17:10"),
        ("at noon", "Wed 04 12:00"),
        ("tomorrow morning", "Thu 05 09:00"),
        ("tomorrow afternoon at four", "Thu 05 16:00"),
        ("next week", "Mon 09 10:00"),
        ("in three days", "Sat 07 10:00"),
        ("day after tomorrow at 3", "Fri 06 15:00"),
        ("the day after tomorrow", "Fri 06 10:00"),
        ("at eight", "Wed 04 20:00"),
        ("at nine", "Thu 05 09:00"),
        ("at nine in the evening", "Wed 04 21:00"),
        ("before noon", "Wed 04 11:00"),
        ("before ten tomorrow", "Thu 05 09:00"),
        ("Don't call me now, call me tomorrow.", "Thu 05 10:00"),
        ("Don't call me tomorrow, call me on Monday at 11.", "Mon 09 11:00"),
        ("I can't talk today, call me tomorrow at 2", "Thu 05 14:00"),
        ("I'm at work until six, call me after six", "Wed 04 18:00"),
        ("I'm not free until five.", "Wed 04 17:00"),
        ("call me back at 14:30", "Wed 04 14:30"),
        ("10:30", "Wed 04 10:30"),
        ("Ten.", "Wed 04 10:00"),
        ("tomorrow 10", "Thu 05 10:00"),
        ("later", None),
        ("call me later", None),
        ("I will be home at seven thirty this evening", "Wed 04 19:30"),
        ("ten o'clock tomorrow", "Thu 05 10:00"),
        ("call me this morning", "Wed 04 10:30"),
        ("Maybe around 4:15", "Wed 04 16:15"),
        ("at twenty five past two", "Wed 04 14:25"),
        ("in a couple of days", "Fri 06 10:00"),
        ("give me twenty minutes", "Wed 04 09:40"),
        ("call me back in ten minutes please", "Wed 04 09:30"),
        ("a week from now", "Wed 11 10:00"),
        ("two hours later", "Wed 04 11:20"),
        ("tomorrow at 10 o'clock in the morning", "Thu 05 10:00"),
        ("99 bottles", None),
        ("at 25", None),
    ],
)
def test_english_times(said: str, at: str | None) -> None:
    assert read(said) == at


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("mai gọi lại", "Thu 05 10:00"),
        ("ngày mai lúc mười giờ", "Thu 05 10:00"),
        ("10 giờ sáng mai", "Thu 05 10:00"),
        ("hai giờ chiều mai", "Thu 05 14:00"),
        ("tối nay", "Wed 04 18:00"),
        ("chiều nay", "Wed 04 14:00"),
        ("hai tiếng nữa gọi lại", "Wed 04 11:20"),
        ("30 phút nữa", "Wed 04 09:50"),
        ("nửa tiếng nữa", "Wed 04 09:50"),
        ("thứ hai tuần sau", "Mon 09 10:00"),
        ("thứ năm lúc 9 giờ", "Thu 05 09:00"),
        ("chủ nhật", "Sun 08 10:00"),
        ("tuần sau", "Mon 09 10:00"),
        ("mười giờ rưỡi", "Wed 04 10:30"),
        ("sau 5 giờ chiều", "Wed 04 17:00"),
        ("trước mười giờ sáng mai", "Thu 05 09:00"),
        ("bảy giờ tối", "Wed 04 19:00"),
        ("mười một giờ kém 15", "Wed 04 10:45"),
        ("ngày kia", "Fri 06 10:00"),
        ("gọi lại sau", None),
        ("bây giờ đừng gọi, mai gọi lại nhé", "Thu 05 10:00"),
        ("ba giờ bốn mươi lăm chiều nay", "Wed 04 15:45"),
        ("lúc 14h30", "Wed 04 14:30"),
        ("một tiếng rưỡi nữa", "Wed 04 10:50"),
    ],
)
def test_vietnamese_times(said: str, at: str | None) -> None:
    assert read(said, "vi") == at


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("this afternoon", "Wed 04 17:00"),
        ("this morning", "Thu 05 09:00"),
        ("at eight", "Wed 04 20:00"),
        ("at nine", "Thu 05 09:00"),
        ("today", "Wed 04 17:00"),
        ("at four", "Thu 05 16:00"),
        ("tonight", "Wed 04 20:00"),
    ],
)
def test_what_is_past_already_moves_on(said: str, at: str) -> None:
    afternoon = datetime(2026, 3, 4, 15, 50, tzinfo=ZoneInfo(ZONE))
    if said == "at four":
        afternoon = afternoon.replace(hour=16)
    assert read(said, now=afternoon) == at


def test_the_answer_is_in_the_contacts_zone_whatever_zone_now_is_in() -> None:
    at = parse_call_back("tomorrow at ten", NOW, "America/New_York")
    assert at is not None
    # 02:20 UTC is still the evening before in New York.
    assert at.isoformat() == "2026-03-04T10:00:00-05:00"


def test_a_time_that_the_clock_change_skips_moves_forward() -> None:
    saturday = datetime(2026, 3, 7, 12, 0, tzinfo=ZoneInfo("America/New_York"))
    at = parse_call_back("tomorrow at 2:30 am", saturday, "America/New_York")
    assert at is not None
    assert at.isoformat() == "2026-03-08T03:30:00-04:00"


def test_hours_from_now_are_real_hours_across_a_clock_change() -> None:
    before = datetime(2026, 3, 8, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    at = parse_call_back("in two hours", before, "America/New_York")
    assert at is not None
    assert at.isoformat() == "2026-03-08T04:30:00-04:00"


def test_a_naive_now_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        parse_call_back("tomorrow", datetime(2026, 3, 4), ZONE)  # noqa: DTZ001


def test_absurd_amounts_stay_within_a_year() -> None:
    at = parse_call_back("in 5000000 weeks", NOW, ZONE)
    assert at is not None
    assert (at - NOW).days <= 366


@pytest.mark.parametrize(
    ("said", "english"),
    [
        ("tomorrow at ten", "tomorrow at 10 AM"),
        ("at noon", "today at noon"),
        ("this evening at 7:05 pm", "today at 7:05 PM"),
        ("on Friday at three", "on Friday at 3 PM"),
        ("next Wednesday", "on Wednesday, March 11, at 10 AM"),
    ],
)
def test_the_time_is_said_back(said: str, english: str) -> None:
    assert spoken_call_back(parse_call_back(said, NOW, ZONE), NOW) == english


def test_the_time_is_said_back_in_vietnamese() -> None:
    assert spoken_call_back(parse_call_back("mười giờ rưỡi sáng mai", NOW, ZONE, "vi"), NOW, "vi") == (
        "lúc 10 giờ 30 ngày mai"
    )


def test_an_open_time_has_words_too() -> None:
    assert spoken_call_back(None, NOW) == "another time"
    assert spoken_call_back(None, NOW, "vi") == "vào lúc khác"
