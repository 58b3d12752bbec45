"""Cutting a text into sentences loses nothing that is spoken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.speech.sentences import MAX_CHARS, sentences, tidy

TEXTS = st.text(
    alphabet=st.sampled_from("abcAI 0123.!?,;:\n\"'()[]…–đồngTP\u00a0\t") | st.characters(codec="utf-8"), max_size=900
)


def _spoken(text: str) -> str:
    return "".join(filter(str.isalnum, text))


@given(TEXTS)
def test_every_letter_and_digit_is_spoken_once_and_in_order(text: str) -> None:
    assert _spoken("".join(sentences(text))) == _spoken(text)


@given(TEXTS)
def test_each_piece_is_short_tidy_and_has_something_to_say(text: str) -> None:
    for part in sentences(text):
        assert len(part) <= MAX_CHARS
        assert part == tidy(part)
        assert _spoken(part)


@given(TEXTS)
def test_a_piece_alone_is_cut_no_further_than_it_was(text: str) -> None:
    for part in sentences(text):
        assert "".join(sentences(part)).replace(" ", "") == part.replace(" ", "")
