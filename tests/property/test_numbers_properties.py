"""Any text is a number that can be stored, or a refusal with a reason; never an exception."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.numbers import InvalidNumber, Number, mask, normalise

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
