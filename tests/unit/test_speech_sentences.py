"""Texts cut into what is spoken and cached one by one."""

from __future__ import annotations

import pytest

from bot.speech.sentences import MAX_CHARS, sentences, tidy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello. Is this Mr. Smith? Good!", ["Hello.", "Is this Mr. Smith?", "Good!"]),
        ("It costs 3.5 dollars a month.", ["It costs 3.5 dollars a month."]),
        ("We open at 8 a.m. every day. Come by.", ["We open at 8 a.m. every day.", "Come by."]),
        ('He said "yes." Then he left.', ['He said "yes."', "Then he left."]),
        ("Wait… what?! No.", ["Wait…", "what?!", "No."]),
        ("First line\nsecond line", ["First line", "second line"]),
        ("Chào anh. Em gọi từ TP. Hồ Chí Minh.", ["Chào anh.", "Em gọi từ TP. Hồ Chí Minh."]),
        ("J. R. Smith called. So did I. Bye.", ["J. R. Smith called.", "So did I.", "Bye."]),
        ("  spaces \t and\u00a0more  ", ["spaces and more"]),
        ("no end", ["no end"]),
        ("", []),
        (" ... !? ", []),
        ("- Yes. --", ["- Yes."]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_no_word_is_lost_in_a_text_without_stops() -> None:
    text = " ".join(f"word{n}," if n % 7 == 0 else f"word{n}" for n in range(200))
    parts = sentences(text)
    assert len(parts) > 1
    assert all(len(part) <= MAX_CHARS for part in parts)
    assert " ".join(parts) == text
    assert all(part.endswith(",") for part in parts[:-1])


def test_a_word_longer_than_a_piece_is_cut() -> None:
    assert sentences("x" * (MAX_CHARS + 10)) == ["x" * MAX_CHARS, "x" * 10]


def test_phoneme_escapes_of_the_voice_engine_cannot_come_in_with_a_variable() -> None:
    assert tidy("Hello [[ fəʊ ]] Anna") == "Hello fəʊ Anna"
    assert "[[" not in "".join(sentences("[[[[a]]]] b"))
