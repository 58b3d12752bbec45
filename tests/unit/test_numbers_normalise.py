"""Numbers as lists hold them: repairs, refusals, zones, masking."""

from __future__ import annotations

import pytest

from campaigns.numbers import InvalidNumber, Number, mask, normalise, zones_of

MOBILE = "+84901234567"


@pytest.mark.parametrize(
    ("raw", "repaired"),
    [
        ("0901234567", ()),
        ("84901234567", ()),
        ("+84901234567", ()),
        ("090.123.4567", ()),
        ("0901-234-567", ()),
        ("  0901 234 567 ", ()),
        ("901234567", ("lost leading zero",)),
        ("901234567.0", ("trailing .0", "lost leading zero")),
        ("901234567,00", ("trailing .0", "lost leading zero")),
        ("9.01234567E8", ("scientific notation", "lost leading zero")),
        ("9,01234567E+08", ("scientific notation", "lost leading zero")),
        ("8.4901234567e10", ("scientific notation",)),
        ("0084901234567", ("00 prefix",)),
        ("00 84 901 234 567", ("00 prefix",)),
        ("+84 (0)901234567", ("(0) after the country code",)),
        ("+84 ( 0 ) 90 1234567", ("(0) after the country code",)),
        ("0901\u00a0234\u00a0567", ("invisible or wide characters",)),
        ("\u200b0901234567\ufeff", ("invisible or wide characters",)),
        ("\u202a+84901234567\u202c", ("invisible or wide characters",)),
        ("０９０１２３４５６７", ("invisible or wide characters",)),
        ("'0901234567", ("leading apostrophe",)),
        ('="0901234567"', ("text formula",)),
        ("=84901234567", ("text formula",)),
    ],
)
def test_what_spreadsheets_do_is_undone(raw: str, repaired: tuple[str, ...]) -> None:
    assert normalise(raw, "VN") == Number(MOBILE, "mobile", repaired)


RETIRED = [
    *[("120", "70"), ("121", "79"), ("122", "77"), ("126", "76"), ("128", "78"), ("123", "83"), ("124", "84")],
    *[("125", "85"), ("127", "81"), ("129", "82"), ("186", "56"), ("188", "58"), ("199", "59")],
    *[(f"16{digit}", f"3{digit}") for digit in range(2, 10)],
]


@pytest.mark.parametrize(("old", "new"), RETIRED)
@pytest.mark.parametrize("lead", ["0", "84", "+84", "0084", ""])
def test_retired_vietnamese_mobiles_are_rewritten(old: str, new: str, lead: str) -> None:
    found = normalise(f"{lead}{old}3456789", "VN")
    assert isinstance(found, Number)
    assert found.e164 == f"+84{new}3456789"
    assert "retired Vietnamese prefix" in found.repaired


def test_another_country_keeps_its_numbers_that_look_retired() -> None:
    assert normalise("0120 123 4567", "JP") != normalise("0120 123 4567", "VN")
    assert normalise("+84 120 123 4567", "US") == Number("+84701234567", "mobile", ("retired Vietnamese prefix",))


def test_a_number_that_never_was_a_mobile_is_left_to_its_country() -> None:
    assert isinstance(normalise("01301234567", "VN"), InvalidNumber)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "empty"),
        (" \u200b ", "empty"),
        ("=1+1", "a formula"),
        ('=HYPERLINK("http://example.com")', "a formula"),
        ("@SUM(A1)", "a formula"),
        ("abc", "not a telephone number"),
        ("123", "too few digits"),
        ("09012345678901", "too many digits"),
        ("0901234567 / 0912345678", "too many digits"),
        ("0901234567 Lan", "too many digits"),
        ("+999123456789", "no such country code"),
        ("0999999", "no such number range"),
        ("028 3822 1234 ext 12", "extension"),
        ("8.49E+10", "cut digits off"),
        ("9.1E8", "cut digits off"),
        ("9.0123456789E8", "cut digits off"),
        ("+", "not a telephone number"),
    ],
)
def test_what_is_no_number_says_why(raw: str, reason: str) -> None:
    found = normalise(raw, "VN")
    assert isinstance(found, InvalidNumber)
    assert reason in found.reason


def test_one_final_nought_lost_in_scientific_notation_is_put_back() -> None:
    found = normalise("9.0123456E8", "VN")
    assert isinstance(found, Number)
    assert found.e164 == "+84901234560"


@pytest.mark.parametrize(
    ("raw", "region", "e164", "kind"),
    [
        ("020 7946 0000", "GB", "+442079460000", "fixed"),
        ("(202) 555-0123", "US", "+12025550123", "fixed_or_mobile"),
        ("1900 1234", "VN", "+8419001234", "premium_rate"),
        ("0412 345 678", "AU", "+61412345678", "mobile"),
        ("+84901234567", "ZZ", MOBILE, "mobile"),
    ],
)
def test_the_region_reads_numbers_without_a_country_code(raw: str, region: str, e164: str, kind: str) -> None:
    assert normalise(raw, region) == Number(e164, kind)


def test_an_unknown_region_reads_only_international_numbers() -> None:
    assert normalise("0901234567", "ZZ") == InvalidNumber("no such country code")


def test_zones_by_prefix() -> None:
    assert zones_of(MOBILE) == ("Asia/Ho_Chi_Minh",)
    assert "Australia/Perth" in zones_of("+61412345678")
    assert zones_of("+883510000000") == ()


@pytest.mark.parametrize(
    ("number", "shown"),
    [("+84901230001", "+8490•••0001"), ("+4912345", "+49•••45"), ("+84", "•••"), ("", "•••")],
)
def test_masking_hides_three_characters_at_least(number: str, shown: str) -> None:
    assert mask(number) == shown
