"""Values and figures as a voice says them."""

from __future__ import annotations

from datetime import date

import pytest

from bot.reading import aloud, speak
from bot.reading.words_en import cardinal as english
from bot.reading.words_vi import cardinal as vietnamese


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "không"),
        (4, "bốn"),
        (5, "năm"),
        (10, "mười"),
        (14, "mười bốn"),
        (15, "mười lăm"),
        (20, "hai mươi"),
        (21, "hai mươi mốt"),
        (24, "hai mươi tư"),
        (25, "hai mươi lăm"),
        (55, "năm mươi lăm"),
        (91, "chín mươi mốt"),
        (101, "một trăm linh một"),
        (105, "một trăm linh năm"),
        (110, "một trăm mười"),
        (111, "một trăm mười một"),
        (115, "một trăm mười lăm"),
        (205, "hai trăm linh năm"),
        (1000, "một nghìn"),
        (1005, "một nghìn không trăm linh năm"),
        (1050, "một nghìn không trăm năm mươi"),
        (21_000, "hai mươi mốt nghìn"),
        (1_500_000, "một triệu năm trăm nghìn"),
        (2_000_500, "hai triệu không nghìn năm trăm"),
        (2_005_000, "hai triệu không trăm linh năm nghìn"),
        (3_000_000_000, "ba tỷ"),
        (1_000_000_000_000, "một nghìn tỷ"),
        (-15, "âm mười lăm"),
    ],
)
def test_vietnamese_numbers(number: int, words: str) -> None:
    assert vietnamese(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (21, "twenty-one"),
        (105, "one hundred and five"),
        (1_005, "one thousand and five"),
        (1_500, "one thousand five hundred"),
        (2_000_005, "two million and five"),
        (1_234_567, "one million two hundred and thirty-four thousand five hundred and sixty-seven"),
        (-5, "minus five"),
    ],
)
def test_english_numbers(number: int, words: str) -> None:
    assert english(number) == words


@pytest.mark.parametrize(
    ("value", "form", "english", "vietnamese"),
    [
        ("2.5", "number", "two point five", "hai phẩy năm"),
        ("12.05", "number", "twelve point zero five", "mười hai phẩy không năm"),
        ("1", "ordinal", "first", "thứ nhất"),
        ("4", "ordinal", "fourth", "thứ tư"),
        ("22", "ordinal", "twenty-second", "thứ hai mươi hai"),
        ("20", "ordinal", "twentieth", "thứ hai mươi"),
        ("112", "ordinal", "one hundred and twelfth", "thứ một trăm mười hai"),
        ("2026-12-05", "date", "Saturday, December fifth", "thứ bảy, ngày mùng năm tháng mười hai"),
        ("2026-04-21", "date", "Tuesday, April twenty-first", "thứ ba, ngày hai mươi mốt tháng tư"),
        ("14:30", "time", "two thirty PM", "mười bốn giờ ba mươi phút"),
        ("09:05", "time", "nine oh five AM", "chín giờ năm phút sáng"),
        ("12:00", "time", "noon", "mười hai giờ"),
        ("00:15", "time", "twelve fifteen AM", "không giờ mười lăm phút"),
        ("483920", "digits", "four eight three, nine two zero", "bốn tám ba, chín hai không"),
        ("1234", "digits", "one two three four", "một hai ba bốn"),
        ("1234567", "digits", "one two three, four five six seven", "một hai ba, bốn năm sáu bảy"),
        ("NPS", "spell", "N P S", "nờ pê ét"),
        ("A1", "spell", "A one", "a một"),
        (
            "mary.smith27@example.com",
            "email",
            "mary dot smith two seven at example dot com",
            "mary chấm smith hai bảy a còng example chấm com",
        ),
        ("yes", "yes_no", "yes", "có"),
        ("blue", "choice", "blue", "blue"),
        ("", "number", "", ""),
        ("soon", "date", "soon", "soon"),
        ("a lot", "money", "a lot", "a lot"),
    ],
)
def test_values_are_said_as_people_say_them(value: str, form: str, english: str, vietnamese: str) -> None:
    assert (speak(value, form, "en"), speak(value, form, "vi")) == (english, vietnamese)


@pytest.mark.parametrize(
    ("value", "currency", "english", "vietnamese"),
    [
        ("19.99", "USD", "nineteen dollars and ninety-nine cents", "mười chín đô la chín mươi chín xu"),
        ("1", "USD", "one dollar", "một đô la"),
        ("0.01", "GBP", "one penny", "một xu"),
        ("1500000", "VND", "one million five hundred thousand dong", "một triệu năm trăm nghìn đồng"),
        ("20", "EUR", "twenty euros", "hai mươi ơ rô"),
        ("3", "CHF", "three Swiss francs", "ba Franc Thụy sĩ"),
        ("250", None, "two hundred and fifty", "hai trăm năm mươi đồng"),
    ],
)
def test_money_has_its_unit(value: str, currency: str | None, english: str, vietnamese: str) -> None:
    said = (speak(value, "money", "en", currency=currency), speak(value, "money", "vi", currency=currency))
    assert said == (english, vietnamese)


def test_amounts_of_a_contact_list_may_be_written_with_separators() -> None:
    assert speak("2.500.000", "money", "vi", currency="VND") == "hai triệu năm trăm nghìn đồng"
    assert speak("2.500", "money", "vi", currency="VND") == "hai nghìn năm trăm đồng"
    assert speak("1,500.50", "money", "en", currency="USD") == "one thousand five hundred dollars and fifty cents"
    assert speak("NaN", "number", "en") == "NaN"


def test_phone_numbers_are_said_in_the_groups_of_their_country() -> None:
    assert speak("+84901234567", "phone", "vi") == "không chín không một, hai ba bốn, năm sáu bảy"
    assert speak("+84901234567", "phone", "en") == "plus eight four, nine zero one, two three four, five six seven"
    assert speak("+12123361234", "phone", "en") == "two one two, three three six, one two three four"


def test_a_date_far_from_today_is_said_with_its_year() -> None:
    today = date(2026, 11, 20)
    assert speak("2028-03-01", "date", "en", today=today) == "Wednesday, March first, twenty twenty-eight"
    assert speak("2026-12-01", "date", "en", today=today) == "Tuesday, December first"
    assert speak("2028-03-01", "date", "vi", today=today).endswith("tháng ba năm hai nghìn không trăm hai mươi tám")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "You owe $1,500.50, due on 11/27/2026 at 14:30.",
            "You owe one thousand five hundred dollars and fifty cents, due on November twenty-seventh, "
            "twenty twenty-six at two thirty PM.",
        ),
        ("Call (212) 555-0123.", "Call two one two, five five five, zero one two three."),
        ("Your OTP is 483920.", "Your O T P is four eight three, nine two zero."),
        ("5% off, 2.5% more", "five percent off, two point five percent more"),
        ("9:00-17:00, 9-5, 24/7", "nine o'clock to five PM, nine to five, twenty-four seven"),
        ("NPS of 9/10", "N P S of nine out of ten"),
        ("by 12/5", "by December fifth"),
        ("2026-11-27", "Friday, November twenty-seventh, twenty twenty-six"),
        (
            "November 27, 2026 or the 3rd of May",
            "November twenty-seventh, twenty twenty-six or the third of May",
        ),
        ("since 1999.", "since nineteen ninety-nine."),
        ("INV1234 in room A4", "I N V one two three four in room A four"),
        ("$1.5 million, 500k", "one point five million dollars, five hundred thousand"),
        ("mary@example.com", "mary at example dot com"),
        ("see www.example.com/pay", "see www dot example dot com slash pay"),
        ("-5 degrees", "minus five degrees"),
        ("R&D & co", "R&D and co"),
        ("WE ARE BELL FINANCE", "WE ARE BELL FINANCE"),
        ("Plain words stay.", "Plain words stay."),
    ],
)
def test_english_texts(written: str, said: str) -> None:
    assert aloud(written, "en-US") == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "Anh nợ 1.500.000đ, hạn ngày 15/12/2026 lúc 14h30.",
            "Anh nợ một triệu năm trăm nghìn đồng, hạn ngày mười lăm tháng mười hai năm "
            "hai nghìn không trăm hai mươi sáu lúc mười bốn giờ ba mươi phút.",
        ),
        ("Gọi 1900 1234", "Gọi một chín không không, một hai ba bốn"),
        ("Mã OTP là 483920", "Mã ô tê pê là bốn tám ba, chín hai không"),
        ("Giảm 12,5%", "Giảm mười hai phẩy năm phần trăm"),
        ("từ 8h-17h, 24/7", "từ tám giờ đến mười bảy giờ, hai mươi tư trên bảy"),
        ("thứ 6, tháng 4, ngày 15/12", "thứ sáu, tháng tư, ngày mười lăm tháng mười hai"),
        ("2.500.000 VND và 500k", "hai triệu năm trăm nghìn đồng và năm trăm nghìn"),
        ("1,5 triệu đồng", "một phẩy năm triệu đồng"),
        ("điểm NPS 9/10", "điểm nờ pê ét chín trên mười"),
        ("1.005 người, 21 ngày", "một nghìn không trăm linh năm người, hai mươi mốt ngày"),
        ("$19.99", "mười chín đô la chín mươi chín xu"),
    ],
)
def test_vietnamese_texts(written: str, said: str) -> None:
    assert aloud(written, "vi") == said


def test_another_language_is_left_to_its_voice() -> None:
    assert aloud("Sie schulden 12,50 €", "de") == "Sie schulden 12,50 €"
    assert speak("12.5", "number", "de") == "12.5"
