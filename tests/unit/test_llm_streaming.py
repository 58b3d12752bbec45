"""Words of a language model, cut into sentences as they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.llm.streaming import SentenceStream, plain
from bot.speech.sentences import sentences


def spoken(text: str, size: int = 3, *, cut: bool = False) -> list[str]:
    """The sentences of a text that comes in pieces of `size` characters."""
    stream = SentenceStream()
    found = [s for at in range(0, len(text), size) for s in stream.feed(text[at : at + size])]
    return found + stream.end(cut=cut)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_sentences_are_those_of_the_script(size: int) -> None:
    text = "Hello Anna. It costs 3.50 at 3 p.m. now, Mr. Smith said! Really? Yes"
    assert spoken(text, size) == sentences(text)


def test_a_sentence_comes_as_soon_as_the_next_one_begins() -> None:
    stream = SentenceStream()
    assert stream.feed("Good morning.") == []
    assert stream.feed(" How") == ["Good morning."]
    assert stream.end() == ["How"]


def test_a_long_first_sentence_is_begun_at_a_clause() -> None:
    text = (
        "I am calling about the bill of last month, which is due on Friday, as you know. And on Monday, the next one."
    )
    assert spoken(text) == [
        "I am calling about the bill of last month,",
        "which is due on Friday, as you know.",
        "And on Monday, the next one.",
    ]


def test_a_short_first_sentence_is_left_whole() -> None:
    assert spoken("Yes, of course. Bye.") == ["Yes, of course.", "Bye."]


def test_an_unfinished_end_is_left_out_when_something_was_said() -> None:
    assert spoken("All right. I will now tel", cut=True) == ["All right."]
    assert spoken("I will now tel", cut=True) == ["I will now tel"]


@pytest.mark.parametrize(
    "hidden",
    [
        "<think>They ask. Say yes.</think>",
        "<think>It goes on. And on",
        '<tool_call>{"name": "end_call"}</tool_call>',
        '\n{"name": "transfer", "arguments": {"to": "sales"}}',
    ],
)
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_thoughts_and_code_are_never_spoken(hidden: str, size: int) -> None:
    assert spoken(f"Sure. {hidden}", size) == ["Sure."]


def test_what_follows_a_thought_is_spoken() -> None:
    assert spoken("<think>Hm. Well.</think>Good morning. Is it you?") == ["Good morning.", "Is it you?"]


def test_less_than_is_no_tag() -> None:
    assert spoken("It is < 5 now. Good.") == ["It is < 5 now.", "Good."]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Of course**!", "Of course!"),
        ("- one thing", "one thing"),
        ("See [our page](https://example.com/a_b) now", "See our page now"),
        ("Great 😀!", "Great !"),
        ("snake_case and _this_", "snake_case and this"),
        ("🎉", ""),
        ("```", ""),
        ("Xin chào anh Nguyễn.", "Xin chào anh Nguyễn."),
    ],
)
def test_markup_is_not_read_out(written: str, said: str) -> None:
    assert plain(written) == said


@given(st.text(alphabet="ab .!?,\n<>{}*tool_cakhin", max_size=120), st.integers(1, 9))
def test_any_text_is_taken_and_nothing_is_made_up(text: str, size: int) -> None:
    said = "".join("".join(spoken(text, size)).split())
    rest = iter("".join(text.split()))
    assert all(letter in rest for letter in said)
