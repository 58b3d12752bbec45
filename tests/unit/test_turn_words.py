"""What the words of a turn tell of its end, and how much silence that end needs."""

from __future__ import annotations

import pytest

from bot.patience import Patience, Words
from bot.understanding.turns import is_back_channel, is_brief, sounds_open


@pytest.mark.parametrize(
    ("text", "language", "listening", "agreeing"),
    [
        ("Uh-huh.", "en", True, True),
        ("Mm-hmm", "en-GB", True, True),
        ("Mm.", "en", True, True),
        ("Yeah.", "en", False, True),
        ("Yeah, okay.", "en", False, True),
        ("I see.", "en", False, True),
        ("Yeah, but not today.", "en", False, False),
        ("Yes.", "en", False, False),
        ("No.", "en", False, False),
        ("Stop.", "en", False, False),
        ("", "en", False, False),
        ("Ừ.", "vi", True, True),
        ("Vâng.", "vi", False, True),
        ("Dạ vâng ạ.", "vi", False, True),
        ("Không.", "vi", False, False),
        ("Uh-huh.", "xx", False, False),
    ],
)
def test_back_channels_are_told_from_answers(text: str, language: str, listening: bool, agreeing: bool) -> None:
    assert is_back_channel(text, language, agreeing=False) is listening
    assert is_back_channel(text, language, agreeing=True) is agreeing


@pytest.mark.parametrize(
    "text",
    [
        "My number is",
        "I will pay on.",
        "Well,",
        "Yes, and",
        "Because the...",
        "I wanted to",
        "It's",
        "I-",
        "Số của tôi là",
    ],
)
def test_words_that_end_no_sentence_are_open(text: str) -> None:
    assert sounds_open(text, "vi" if "tôi" in text else "en")


@pytest.mark.parametrize(
    "text",
    ["Yes, it is.", "I do not want to.", "That is right.", "On Friday", "What is it for?", "Not now", "Vâng ạ", ""],
)
def test_words_that_may_end_a_sentence_are_not(text: str) -> None:
    assert not sounds_open(text, "vi" if "ạ" in text else "en")


def test_a_yes_alone_is_brief_and_one_with_more_is_not() -> None:
    assert is_brief("Yes.", "en")
    assert is_brief("No, sorry", "en")
    assert is_brief("Dạ không", "vi")
    assert not is_brief("Yes, on Friday.", "en")


@pytest.mark.parametrize(
    ("likelihood", "words", "step_ms", "silence_ms"),
    [
        (0.95, Words.WHOLE, None, 260),
        (0.95, Words.BRIEF, None, 300),
        (0.95, Words.UNSURE, None, 300),
        (0.95, Words.OPEN, None, 900),
        (0.8, Words.WHOLE, None, 260),
        (0.7, Words.WHOLE, None, 300),
        (0.2, Words.WHOLE, None, 500),
        (0.2, Words.BRIEF, None, 500),
        (0.2, Words.UNSURE, None, 900),
        # A step that takes a long number.
        (0.95, Words.UNSURE, 1500, 1500),
        (0.95, Words.WHOLE, 1500, 750),
        (0.95, Words.OPEN, 1500, 1500),
        # A step that takes a yes or a no.
        (0.95, Words.WHOLE, 400, 260),
        (0.1, Words.BRIEF, 400, 400),
        (0.1, Words.UNSURE, 400, 400),
        (0.95, Words.OPEN, 400, 900),
        (0.95, Words.WHOLE, 100, 260),
    ],
)
def test_the_silence_that_ends_a_turn(likelihood: float, words: Words, step_ms: int | None, silence_ms: int) -> None:
    assert Patience().silence_ms(likelihood, words, step_ms) == silence_ms
