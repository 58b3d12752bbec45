"""Values in what customers say, as recognition writes it in English and Vietnamese."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bot.understanding.forms import ValueForm, ValueKind
from bot.understanding.values import find_value

#: A Friday.
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
ZONES = {"en": "America/New_York", "vi": "Asia/Ho_Chi_Minh"}


def found(said: str, kind: str, language: str, **form: object) -> str | None:
    return find_value(
        said,
        ValueForm(ValueKind(kind), **form),  # type: ignore[arg-type]
        now=NOW,
        time_zone=ZONES[language],
        language=language,
    )


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("two hundred and fifty", "250"),
        ("two fifty", "250"),
        ("Fifteen hundred.", "1500"),
        ("a couple", "2"),
        ("half a million", "500000"),
        ("two and a half", "2.5"),
        ("three point one four", "3.14"),
        ("minus five", "-5"),
        ("-5", "-5"),
        ("one million two hundred and thirty-four thousand five hundred and sixty-seven", "1234567"),
        ("1,500", "1500"),
        ("1 500 000", "1500000"),
        ("12.5", "12.5"),
        ("I'd say about seven.", "7"),
        ("nine out of ten", "9"),
        ("9/10", "9"),
        ("on a scale of ten, eight", "8"),
        ("three dozen", "36"),
        ("hundred and fifty", "150"),
        ("thousand", "1000"),
        ("couple hundred", "200"),
        ("a couple of thousand", "2000"),
        ("a few hundred", None),
        ("twenty something", None),
        ("200, no sorry, 300", "300"),
        ("not 200, 300", "300"),
        ("6 6", "6"),
        ("two or three", None),
        ("one two three four", None),
        ("no", None),
        ("I don't know", None),
        ("", None),
    ],
)
def test_numbers_in_english(said: str, value: str | None) -> None:
    assert found(said, "number", "en") == value


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("hai trăm rưỡi", "250"),
        ("một trăm hai", "120"),
        ("hai mươi mốt", "21"),
        ("hăm lăm", "25"),
        ("ba lăm", "35"),
        ("một nghìn không trăm linh năm", "1005"),
        ("hai triệu không nghìn năm trăm", "2000500"),
        ("hai triệu năm", "2500000"),
        ("mười hai phẩy năm", "12.5"),
        ("12,5", "12.5"),
        ("1.500.000", "1500000"),
        ("1,500", "1500"),
        ("2 triệu rưỡi", "2500000"),
        ("2 triệu 5 trăm nghìn", "2500000"),
        ("triệu rưỡi", "1500000"),
        ("triệu hai", "1200000"),
        ("trăm rưỡi", "150"),
        ("trăm tư", "140"),
        ("hai triệu tư", "2400000"),
        ("một tỷ hai trăm triệu", "1200000000"),
        ("mười mấy", None),
        ("hai mươi mấy triệu", None),
        ("hàng triệu", None),
        ("âm ba", "-3"),
        ("chín trên mười", "9"),
        ("chín điểm ạ", "9"),
        ("không điểm", "0"),
        ("mười năm", "10"),
        ("Năm.", "5"),
        ("vài trăm", None),
        ("không", None),
        ("hai hoặc ba", None),
    ],
)
def test_numbers_in_vietnamese(said: str, value: str | None) -> None:
    assert found(said, "number", "vi") == value


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("two million five", "2500000"),
        ("nineteen ninety-nine", "19.99"),
        ("nineteen dollars and ninety-nine cents", "19.99"),
        ("nineteen dollars ninety nine", "19.99"),
        ("one hundred and ninety-nine ninety-nine", "199.99"),
        ("$19.99", "19.99"),
        ("$1,500", "1500"),
        ("1.5k", "1500"),
        ("fifty cents", "0.50"),
        ("a hundred bucks", "100"),
        ("I can pay fifty dollars on the 27th at 5 pm", "50"),
        ("I can pay 50 on November twenty seven", "50"),
        ("two fifty", None),
        ("two fifty dollars", "250"),
        ("twenty euros", None),
        ("200 or 300", None),
        ("I have no money", None),
    ],
)
def test_money_in_english(said: str, value: str | None) -> None:
    assert found(said, "money", "en") == value


def test_limits_decide_between_two_readings() -> None:
    assert found("two fifty", "money", "en", lowest=Decimal(100)) == "250"
    assert found("two fifty", "money", "en", highest=Decimal(10)) == "2.50"
    assert found("eleven", "number", "en", highest=Decimal(10)) is None
    assert found("twenty euros", "money", "en", currency="EUR") == "20"


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("2 triệu rưỡi", "2500000"),
        ("hai triệu năm trăm", "2500000"),
        ("2tr5", "2500000"),
        ("hai trăm", "200000"),
        ("hai trăm rưỡi", "250000"),
        ("năm trăm nghìn đồng", "500000"),
        ("năm mươi ngàn", "50000"),
        ("500k", "500000"),
        ("1.500.000 đồng", "1500000"),
        ("1,500,000 đ", "1500000"),
        ("2,5 triệu", "2500000"),
        ("ba củ", "3000000"),
        ("hai trăm đồng", "200"),
        ("ngày 15 tháng 12 tôi trả 2 triệu", "2000000"),
        ("hai", None),
        ("vài triệu", None),
        ("không có tiền", None),
        ("hai mươi đô", None),
    ],
)
def test_money_in_vietnamese(said: str, value: str | None) -> None:
    assert found(said, "money", "vi") == value


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("today", "2026-11-20"),
        ("tomorrow", "2026-11-21"),
        ("the day after tomorrow", "2026-11-22"),
        ("Friday", "2026-11-27"),
        ("next Friday", "2026-11-27"),
        ("next Monday at 5", "2026-11-23"),
        ("the 27th", "2026-11-27"),
        ("on the twenty seventh", "2026-11-27"),
        ("I get paid on the 15th, so the 15th", "2026-12-15"),
        ("Friday the 27th", "2026-11-27"),
        ("Thursday the 27th", None),
        ("27.", "2026-11-27"),
        ("Maybe twenty-seven.", "2026-11-27"),
        ("40", None),
        ("27 dollars", None),
        ("November 27", "2026-11-27"),
        ("March 3rd", "2027-03-03"),
        ("December 5th, 2027", "2027-12-05"),
        ("the fifth of December twenty twenty-seven", "2027-12-05"),
        ("12/5", "2026-12-05"),
        ("25/12/2026", "2026-12-25"),
        ("2027-01-31", "2027-01-31"),
        ("in two weeks", "2026-12-04"),
        ("3 days ago", "2026-11-17"),
        ("end of the month", "2026-11-30"),
        ("the first of next month", "2026-12-01"),
        ("not Friday, Saturday", "2026-11-21"),
        ("Friday, no sorry, Monday", "2026-11-23"),
        ("I can't pay until Friday", "2026-11-27"),
        ("I will not pay tomorrow", None),
        ("Monday or Tuesday", None),
        ("next week", None),
        ("give me a second", None),
        ("the second one", None),
        ("February 30th", None),
    ],
)
def test_dates_in_english(said: str, value: str | None) -> None:
    assert found(said, "date", "en") == value


def test_a_day_in_figures_is_read_as_its_country_writes_it_and_not_where_that_is_unknown() -> None:
    form = ValueForm(ValueKind.DATE)
    read = [
        find_value("5/12", form, now=NOW, time_zone=zone, language=language)
        for zone, language in [("Europe/London", "en"), ("UTC", "en-US"), ("UTC", "en"), ("UTC", "vi")]
    ]
    assert read == ["2026-12-05", "2027-05-12", None, "2026-12-05"]


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("mai", "2026-11-21"),
        ("sáng mai nhé", "2026-11-21"),
        ("ngày kia", "2026-11-22"),
        ("ngày mốt", "2026-11-22"),
        ("hôm qua", "2026-11-19"),
        ("thứ sáu", "2026-11-27"),
        ("thứ 6 tuần sau", "2026-11-27"),
        ("tuần sau thứ hai", "2026-11-23"),
        ("chủ nhật này", "2026-11-22"),
        ("ngày 15 tháng 12", "2026-12-15"),
        ("ngày mười lăm tháng mười hai", "2026-12-15"),
        ("mùng năm tháng tư năm hai nghìn không trăm hai mươi bảy", "2027-04-05"),
        ("mùng 5", "2026-12-05"),
        ("ngày hai lăm", "2026-11-25"),
        ("Hai mươi lăm ạ.", "2026-11-25"),
        ("25", "2026-11-25"),
        ("ngày 5 tháng sau", "2026-12-05"),
        ("15/12", "2026-12-15"),
        ("15/12/2027", "2027-12-15"),
        ("ba ngày nữa", "2026-11-23"),
        ("hai tuần nữa", "2026-12-04"),
        ("cuối tháng", "2026-11-30"),
        ("cuối tháng sau", "2026-12-31"),
        ("thứ sáu ngày 27", "2026-11-27"),
        ("không phải thứ hai mà thứ ba", "2026-11-24"),
        ("thứ hai hoặc thứ ba", None),
        ("tuần sau", None),
        ("tháng ba", None),
        ("tôi là chị Mai", None),
        ("lần thứ ba rồi", None),
    ],
)
def test_dates_in_vietnamese(said: str, value: str | None) -> None:
    assert found(said, "date", "vi") == value


@pytest.mark.parametrize(
    ("said", "language", "value"),
    [
        ("at ten", "en", "10:00"),
        ("three", "en", "15:00"),
        ("half past two", "en", "14:30"),
        ("15:30", "en", "15:30"),
        ("5 in the morning", "en", "05:00"),
        ("noon", "en", "12:00"),
        ("midnight", "en", "00:00"),
        ("November 12, 10 am", "en", "10:00"),
        ("in two hours", "en", "07:00"),
        ("ten or eleven", "en", None),
        ("on the 27th", "en", None),
        ("mười giờ rưỡi sáng", "vi", "10:30"),
        ("ba giờ chiều", "vi", "15:00"),
        ("14 giờ 30", "vi", "14:30"),
        ("15h30", "vi", "15:30"),
        ("ba giờ kém mười", "vi", "14:50"),
        ("không giờ mười lăm phút", "vi", "00:15"),
        ("ngày 12 tháng 11 lúc 9 giờ", "vi", "09:00"),
        ("hai giờ hay ba giờ", "vi", None),
        ("ba ngày nữa", "vi", None),
    ],
)
def test_times(said: str, language: str, value: str | None) -> None:
    assert found(said, "time", language) == value


@pytest.mark.parametrize(
    ("said", "language", "value"),
    [
        ("two one two double three six one two three four", "en", "+12123361234"),
        ("It's 212-336-1234.", "en", "+12123361234"),
        ("(212) 336 1234", "en", "+12123361234"),
        ("two one two, three thirty six, twelve thirty four", "en", "+12123361234"),
        ("two one two six oh six triple seven one", "en", "+12126067771"),
        ("plus eight four nine oh one two three four five six seven", "en", "+84901234567"),
        ("five five five one two", "en", None),
        ("my number is the one you called", "en", None),
        ("không chín không một hai ba bốn năm sáu bảy", "vi", "+84901234567"),
        ("0901 234 567", "vi", "+84901234567"),
        ("0901.234.567 nhé", "vi", "+84901234567"),
        ("không chín không một, hai ba bốn, năm sáu mươi bảy", "vi", "+84901234567"),
        ("cộng tám bốn chín không một hai ba bốn năm sáu bảy", "vi", "+84901234567"),
        ("không chín không một hai ba bốn", "vi", None),
    ],
)
def test_phone_numbers(said: str, language: str, value: str | None) -> None:
    assert found(said, "phone", language) == value


@pytest.mark.parametrize(
    ("said", "language", "value"),
    [
        ("My email is mary dot smith at example dot com.", "en", "mary.smith@example.com"),
        ("it's Mary.Smith@Example.com", "en", "mary.smith@example.com"),
        ("mary.smith at example.com", "en", "mary.smith@example.com"),
        ("m a r y twenty seven at gmail dot com thank you", "en", "mary27@gmail.com"),
        ("you can reach me at mary at example dot co dot uk please", "en", "mary@example.co.uk"),
        ("M as in Mike, a, r, y at example dot c o m", "en", "mary@example.com"),
        ("mary underscore double o seven at my company dot com", "en", "mary_oo7@mycompany.com"),
        ("mary smith at g mail dot com", "en", "marysmith@gmail.com"),
        ("I do not have one", "en", None),
        ("at home", "en", None),
        ("email của em là lan anh hai bảy a còng gmail chấm com ạ", "vi", "lananh27@gmail.com"),
        ("nguyễn văn a a còng gờ mail chấm com", "vi", "nguyenvana@gmail.com"),
        ("em mờ a i chấm lê a móc công ty chấm com chấm vn", "vi", "mai.le@congty.com.vn"),
        ("Không, lan a còng example chấm com.", "vi", "lan@example.com"),
        ("không có", "vi", None),
    ],
)
def test_emails(said: str, language: str, value: str | None) -> None:
    assert found(said, "email", language) == value


@pytest.mark.parametrize(
    ("said", "language", "value"),
    [
        ("yes", "en", "yes"),
        ("no I won't", "en", "no"),
        ("not really", "en", "no"),
        ("why not", "en", "yes"),
        ("hmm", "en", None),
        ("dạ vâng", "vi", "yes"),
        ("được", "vi", "yes"),
        ("dạ không", "vi", "no"),
        ("chưa được", "vi", "no"),
        ("tám giờ", "vi", None),
    ],
)
def test_yes_or_no(said: str, language: str, value: str | None) -> None:
    assert found(said, "yes_no", language) == value


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("the crimson one", "red"),
        ("dark red please", "dark_red"),
        ("not red, blue", "blue"),
        ("pink", None),
        ("emerld", "green"),
        ("red or blue", None),
        ("red, no, blue", "blue"),
        ("the second one", "dark_red"),
        ("the last one", "green"),
        ("nothing", None),
    ],
)
def test_a_choice_is_known_by_each_way_of_saying_it(said: str, name: str | None) -> None:
    choices = {"red": ("crimson",), "dark_red": (), "blue": (), "green": ("emerald",)}
    assert found(said, "choice", "en", choices=choices) == name


def test_a_vietnamese_choice_is_known_without_its_marks() -> None:
    choices = {"tien_mat": ("tiền mặt",), "chuyen_khoan": ("chuyển khoản", "qua ngân hàng")}
    assert found("em chuyển khoản ạ", "choice", "vi", choices=choices) == "chuyen_khoan"
    assert found("tien mat", "choice", "vi", choices=choices) == "tien_mat"
    assert found("không phải tiền mặt", "choice", "vi", choices=choices) is None


def test_text_is_what_was_said() -> None:
    assert found("  just   this \n", "text", "en") == "just this"
    assert found("  ", "text", "en") is None


def test_now_must_be_aware() -> None:
    with pytest.raises(ValueError, match="aware"):
        find_value("now", ValueForm(ValueKind.DATE), now=datetime(2026, 1, 1), time_zone="UTC", language="en")  # noqa: DTZ001
