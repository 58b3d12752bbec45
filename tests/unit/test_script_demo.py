"""The script of the demo: every customer of the rehearsal gets the right code, in text."""

from __future__ import annotations

import pytest

from bot.outcome import OptOut
from bot.script.loader import load_script
from bot.script.phrases import phrases
from bot.script.replies import CallBack
from tests.support_scripts import ANNA, DEMO, said, talk

SCRIPT = load_script(DEMO)


@pytest.mark.parametrize(
    ("turns", "code"),
    [
        (["Yes, I will pay on Friday."], "AG"),
        (["Yes. I'll pay on Friday."], "AG"),
        (["Yes, I will play on Friday."], "AG"),
        (["Yes yes, I will pay."], "AG"),
        (["Yes, yes, I'll pay."], "AG"),
        (["How much do I owe?", "Okay, I will pay it."], "AG"),
        (["How much do I owe?", "OK, I'll pay it."], "AG"),
        (["How much do I know?", "Okay."], "AG"),
        (["Hello?", "Who is this?", "What?", "Fine, I will pay."], "AG"),
        (["No, I am not going to pay."], "RF"),
        (["No. I'm not going to pay."], "RF"),
        (["I won't."], "RF"),
        (["Can you call me tomorrow at ten?"], "CB"),
        (["Can you call me tomorrow at 10?"], "CB"),
        (["I'm busy, call me later.", "Tomorrow."], "CB"),
        (["Please do not call me again."], "DNC"),
        (["Please don't call me again."], "DNC"),
        (["You have the wrong person."], "WP"),
        (["You have the wrong person, I'm not Anna."], "WP"),
        (["Blue bananas.", "Green bananas.", "Red bananas."], "NU"),
    ],
)
def test_each_customer_gets_the_code_that_was_said(turns: list[str], code: str) -> None:
    conversation = talk(SCRIPT)
    for turn in turns:
        assert not conversation.finished
        conversation.heard(turn)
    assert (conversation.code, conversation.finished) == (code, True)


def test_silence_ends_the_call_without_a_code() -> None:
    conversation = talk(SCRIPT)
    heard = [said(conversation.silent()) for _ in range(3)]
    assert heard == [
        ["Hello, are you still there?"],
        ["I cannot hear you.", "Will you pay it this week?"],
        ["I cannot hear you.", "Goodbye."],
    ]
    assert (conversation.finished, conversation.code) == (True, None)


def test_the_opt_out_and_the_call_back_carry_their_evidence() -> None:
    assert OptOut("Please do not call me again.") in talk(SCRIPT).heard("Please do not call me again.").effects
    effects = talk(SCRIPT, time_zone="Asia/Ho_Chi_Minh").heard("Can you call me tomorrow at ten?").effects
    times = [effect.at for effect in effects if isinstance(effect, CallBack)]
    assert [time.isoformat() for time in times if time] == ["2026-03-05T10:00:00+07:00"]


def test_lines_are_short_enough_to_listen_to() -> None:
    # Piper speaks about 14 characters a second.
    assert max(len(phrase) for phrase in phrases(SCRIPT, ANNA)) <= 6 * 14


def test_every_code_of_the_demo_is_declared_with_a_title() -> None:
    titles = {code.code: code.title for code in SCRIPT.codes}
    assert set(titles) == {"AG", "RF", "WP", "NU", "CB", "DNC"}
    assert all(title != code for code, title in titles.items())
