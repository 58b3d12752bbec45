"""The wish for another call, as against talk about calls."""

from __future__ import annotations

import pytest

from bot.understanding.callback import asks_call_back


@pytest.mark.parametrize(
    "said",
    [
        "Can you call me tomorrow at ten?",
        "Call me back.",
        "Yes, call me next Monday.",
        "Please ring me in two hours",
        "Don't call me now, call me tomorrow",
        "Give me a call this evening.",
        "Could we talk tomorrow?",
        "call again later",
    ],
)
def test_english_wishes(said: str) -> None:
    assert asks_call_back(said)


@pytest.mark.parametrize(
    "said",
    [
        "I will pay on Friday.",
        "I will call you tomorrow.",
        "You can call me Bob.",
        "Do not call me tomorrow",
        "Who did you call?",
        "Tomorrow at ten I will pay",
    ],
)
def test_english_talk_that_is_none(said: str) -> None:
    assert not asks_call_back(said)


@pytest.mark.parametrize(
    ("said", "wish"),
    [
        ("Mai gọi lại nhé.", True),
        ("Gọi cho tôi lúc mười giờ sáng mai.", True),
        ("Hai tiếng nữa gọi lại cho tôi.", True),
        ("Tôi sẽ trả vào ngày mai.", False),
        ("Ai gọi cho tôi đấy?", False),
    ],
)
def test_vietnamese(said: str, wish: bool) -> None:
    assert asks_call_back(said, "vi") is wish
