"""Person or machine, by the first words."""

from __future__ import annotations

import pytest

from bot.who_answered import Answerer, classify_greeting


@pytest.mark.parametrize(
    "text",
    [
        "Hi, this is Anna. Please leave a message after the tone.",
        "You have reached the voicemail of 0912 345 678.",
        "The person you are calling is not available. Please record your message after the beep.",
        "Your call has been forwarded to an automatic voice message system.",
        "The customer you are calling is currently not available.",
        "The number you have dialed is not in service.",
        "Leave your name and number and I'll get back to you.",
        "At the sound of the tone, please record your message.",
        "Sorry I can't take your call, I'll return your call as soon as possible.",
        "You've reached Bob, I'm unavailable, leave me a message",
        "Hi, you have reached the office of Bell Finance. We are closed now. "
        "Our hours are nine to five, Monday to Friday.",
        "Thuê bao quý khách vừa gọi hiện không liên lạc được, xin quý khách vui lòng gọi lại sau.",
        "Xin vui lòng để lại lời nhắn sau tiếng bíp.",
        "thue bao quy khach vua goi tam thoi khong lien lac duoc",
    ],
)
def test_machines_are_told_by_their_wording(text: str) -> None:
    greeting = classify_greeting(text, 7000)
    assert greeting.answerer is Answerer.VOICEMAIL
    assert greeting.reason.startswith('said "')


@pytest.mark.parametrize(
    "text",
    [
        "Hello. You have reached the voicemail of George. I am not",
        "Hello, this is the voicemail of Anna Bell.",
        "The person you are trying to reach is not available.",
        "Bạn đang được chuyển đến hộp thư thoại",
    ],
)
def test_machines_are_told_within_their_first_four_seconds(text: str) -> None:
    assert classify_greeting(text, 4000).answerer is Answerer.VOICEMAIL


@pytest.mark.parametrize(
    "text",
    [
        "Stop calling me. Leave my number alone.",
        "take me off your list and leave my number alone",
        "Don't leave a message on my voicemail again, do not call me",
        "Sorry I am driving, can I get back to you?",
        "I will return your call tomorrow",
        "Do you want to leave a message for him?",
        "The person you are calling is my father",
        "The person you want is busy.",
        "I got your voicemail yesterday",
        "Are you an answering machine?",
        "I have been forwarded to you by a colleague",
        "Tôi không còn là thuê bao nữa",
        "Bạn có muốn để lại lời nhắn không?",
        "Tôi đang lái xe, vui lòng gọi lại sau",
    ],
)
def test_people_may_use_the_words_of_machines(text: str) -> None:
    assert classify_greeting(text, 4000).answerer is not Answerer.VOICEMAIL


@pytest.mark.parametrize(
    ("text", "speech_ms"),
    [
        ("Hello?", 500),
        ("Yes, hello?", 900),
        ("Anna speaking.", 900),
        ("Good morning, this is Anna from Bell Finance, how may I help you?", 3500),
        ("Alô, ai đấy?", 1000),
        ("Hello, hello, who is this, I can hardly hear you", 3000),
        ("Hello, I was waiting for you. Give me a minute, I'll get a pen.", 4000),
    ],
)
def test_people_are_told_by_brevity(text: str, speech_ms: int) -> None:
    assert classify_greeting(text, speech_ms).answerer is Answerer.HUMAN


@pytest.mark.parametrize(
    ("text", "speech_ms"),
    [
        ("", 0),
        ("She is not available.", 1500),
        ("well I was thinking that we could perhaps go to the sea next summer with all the children", 9000),
    ],
)
def test_what_could_be_either_is_unknown(text: str, speech_ms: int) -> None:
    assert classify_greeting(text, speech_ms).answerer is Answerer.UNKNOWN


def test_the_reason_names_the_measure() -> None:
    assert classify_greeting("Hello?", 480).reason == "1 words in 480 ms"
