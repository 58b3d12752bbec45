"""Opt-outs in English and Vietnamese, and what only sounds like one."""

from __future__ import annotations

import pytest

from bot.understanding.optout import is_opt_out


@pytest.mark.parametrize(
    "said",
    [
        "don't call me again",
        "Please do not call me again.",
        "Please do not call me a game.",
        "Don't call me.",
        "don't call",
        "stop calling me",
        "stop calling",
        "Please stop calling me now.",
        "remove my number",
        "take me off your list",
        "I want to be taken off your list.",
        "Can I be removed from your calling list?",
        "take my number off the list",
        "Please take me out of your system.",
        "I don't want you to call me anymore",
        "I don't want any more calls.",
        "I do not want to receive any more calls from you.",
        "I do not want to be called again",
        "I don't want to be called.",
        "do not ever contact me again",
        "never call me again",
        "Never call this number.",
        "no more calls please",
        "opt me out",
        "opt out",
        "unsubscribe",
        "Put me on the do not call list.",
        "leave me alone",
        "I asked you not to call me",
        "I told you to stop calling me!",
        "don't call here any more",
        "Don't call me again, I will call you.",
        "don't call me ever again",
        "You should not call me.",
        "Do not call back.",
        "I said don't call me.",
        "I don't want you calling me... stop the calls.",
        "Quit calling my house",
        "No. Do not call me again. Goodbye.",
        "Please don't call this number anymore",
        "đừng gọi nữa",
        "không gọi lại",
        "Đừng gọi cho tôi nữa",
        "đừng gọi lại",
        "Đừng có gọi nữa nhé",
        "xóa số tôi đi",
        "tôi không muốn nhận cuộc gọi nữa",
        "ngừng gọi cho tôi",
        "đừng làm phiền tôi nữa",
        "đừng gọi cho tôi",
        "dung goi nua",
        "khong goi lai nua",
    ],
)
def test_who_wants_no_more_calls_is_heard(said: str) -> None:
    assert is_opt_out(said)


@pytest.mark.parametrize(
    "said",
    [
        "don't call me now, call me tomorrow",
        "Don't call me now.",
        "don't call me today",
        "Don't call me at work.",
        "Don't call me before nine.",
        "don't call me tomorrow, call me on Monday",
        "Don't call me, call me next week instead",
        "Do not call me again today, call tomorrow.",
        "Why don't you call me tomorrow?",
        "why did you not call me?",
        "You did not call me yesterday.",
        "I did not get a call.",
        "If you don't call me tomorrow I will be angry.",
        "Call me again tomorrow.",
        "Call me back later",
        "I will not pay",
        "I can't call you",
        "No, I don't agree",
        "I do not know",
        "They never called",
        "I never got a call",
        "Stop, wait a moment.",
        "please do not hang up",
        "Is there a list?",
        "How can I remove the fee?",
        "Don't worry, I will pay.",
        "I don't want to pay.",
        "đừng gọi bây giờ, mai gọi lại nhé",
        "bây giờ đừng gọi, hai tiếng nữa gọi lại",
        "mai gọi lại",
        "tại sao không gọi lại cho tôi",
        "gọi lại sau",
        "tôi không trả",
        "đừng gọi hôm nay",
        "hai tiếng nữa gọi",
    ],
)
def test_a_limit_an_invitation_or_a_complaint_is_no_opt_out(said: str) -> None:
    assert not is_opt_out(said)


def test_it_does_not_matter_how_recognition_writes_it() -> None:
    assert is_opt_out("DON\u2019T CALL ME AGAIN")
    assert is_opt_out("please   don't\ncall me... again!")
    assert is_opt_out("\u0110\u1eebng g\u1ecdi n\u1eefa")
    assert is_opt_out("\u0110u\u031b\u0300ng go\u0323i nu\u031b\u0303a"), "decomposed letters"
