"""Any text is a number that can be stored, or a refusal with a reason; never an exception."""

from __future__ import annotations

import re

import phonenumbers
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from campaigns.numbers import InvalidNumber, Number, mask, normalise, normalise_slowly
from campaigns.regular import regular

E164 = re.compile(r"\+[1-9]\d{4,14}\Z")
ANYTHING = st.text(max_size=40)
DIGITLIKE = st.text(alphabet="0123456789+-.,() eE='\u00a0\u200b/x", max_size=25)
SUBSCRIBER = st.from_regex(r"9[0-46-9][0-9]{7}", fullmatch=True)


@given(ANYTHING | DIGITLIKE, st.sampled_from(["VN", "US", "GB", "IT", "ZZ"]))
@example("9.9E99", "VN")
@example("\x00", "VN")
def test_the_outcome_can_be_stored(raw: str, region: str) -> None:
    found = normalise(raw, region)
    if isinstance(found, InvalidNumber):
        assert found.reason
    else:
        assert E164.match(found.e164)


@given(ANYTHING | DIGITLIKE)
def test_normalising_again_changes_nothing(raw: str) -> None:
    found = normalise(raw, "VN")
    if isinstance(found, Number):
        assert normalise(found.e164, "VN") == Number(found.e164, found.kind)


@given(SUBSCRIBER)
def test_every_spelling_of_one_number_is_one_number(subscriber: str) -> None:
    spellings = [
        f"0{subscriber}",
        subscriber,
        f"+84{subscriber}",
        f"84{subscriber}",
        f"0084{subscriber}",
        f"+84 (0){subscriber}",
        f"{subscriber}.0",
        f"{subscriber[0]}.{subscriber[1:]}E8",
        f"\u200b0{subscriber[:3]}\u00a0{subscriber[3:]}",
    ]
    found = {n.e164 if isinstance(n := normalise(s, "VN"), Number) else None for s in spellings}
    assert found in ({f"+84{subscriber}"}, {None})


@given(st.from_regex(r"\+[1-9][0-9]{4,14}", fullmatch=True))
def test_masks_hide_digits_and_keep_both_ends(number: str) -> None:
    head, tail = mask(number).split("•••")
    assert len(head) + len(tail) <= max(0, len(number) - 3)
    assert number.startswith(head)
    assert number.endswith(tail)


@given(region=st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), changes=st.data())
def test_the_library_judges_every_country_alike(region: str, changes: st.DataObject) -> None:
    """Numbers near the examples of every country: valid and written as the library's own functions say."""
    kind = changes.draw(st.sampled_from([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.VOIP]))
    sample = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    if sample is None:
        return
    digits = list(phonenumbers.national_significant_number(sample))
    at = changes.draw(st.integers(0, len(digits) - 1))
    digits[at] = changes.draw(st.sampled_from("0123456789"))
    raw = f"+{sample.country_code}{''.join(digits)}"
    found, parsed = normalise(raw, region), phonenumbers.parse(raw, region)
    if sample.country_code == 84 and isinstance(found, Number) and found.repaired:
        return  # A retired prefix is rewritten first.
    valid = phonenumbers.is_possible_number(parsed) and phonenumbers.is_valid_number(parsed)
    assert isinstance(found, Number) == valid
    if isinstance(found, Number):
        assert found.e164 == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


_REGULAR_REGIONS = ("VN", "DE", "FR", "TH", "ID", "PH", "IN", "ZA", "GB", "US", "IT", "JP", "AR")


@st.composite
def _regular_texts(draw: st.DrawFn) -> tuple[str, str]:
    """A number near a real one of its region, written with 0, with + or with neither."""
    region = draw(st.sampled_from(_REGULAR_REGIONS))
    kind = draw(st.sampled_from(range(11)))
    example = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    digits = phonenumbers.national_significant_number(example)
    kept = draw(st.integers(0, len(digits)))
    digits = digits[:kept] + draw(st.text("0123456789", min_size=len(digits) - kept, max_size=len(digits) - kept + 1))
    code = phonenumbers.country_code_for_region(region)
    return draw(st.sampled_from(["0", f"+{code}", f"+{code}0", str(code), "", "00"])) + digits, region


@given(_regular_texts())
def test_the_short_way_reads_a_number_exactly_as_libphonenumber_does(text_and_region: tuple[str, str]) -> None:
    text, region = text_and_region
    assert normalise(text, region) == normalise_slowly(text, region)


def test_every_mobile_prefix_of_a_region_is_read_the_short_way_as_the_long_way() -> None:
    taken = 0
    for lead in range(1000):
        text = f"0{lead:03d}123456"
        taken += regular(text, "VN") is not None
        assert normalise(text, "VN") == normalise_slowly(text, "VN"), text
        assert normalise(f"+84{text[1:]}", "VN") == normalise_slowly(f"+84{text[1:]}", "VN"), text
    assert taken > 100
