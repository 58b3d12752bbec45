"""What the real voice says and real recognition writes is understood, at telephone rate; voices are no beeps."""

from __future__ import annotations

import pytest

from bot.beep import BeepDetector
from bot.script.loader import load_script
from bot.speech.listening import WhisperListener
from bot.speech.speaking import PiperSpeaker
from bot.who_answered import Answerer, classify_greeting
from tests.support_scripts import DEMO, talk

pytestmark = pytest.mark.speech

RATE = 8000
FRAME = 320
SAID = {
    "agree": (
        "Yes, I will pay on Friday.",
        "Okay, I will pay it.",
        "Yes yes, I will pay.",
        "Yes, of course. I will pay it today.",
        "Okay, no problem. I will pay it tomorrow morning.",
        "Yes.",
    ),
    "refuse": ("No, I am not going to pay.", "No, I will not pay it. I refuse.", "No."),
    "call_back": ("Can you call me tomorrow at ten?", "I am busy now. Please call me tomorrow at ten."),
    "opt_out": ("Please do not call me again.", "Stop calling me."),
    "wrong_person": ("You have the wrong person.", "Sorry, you have the wrong person."),
    "how_much": ("How much do I owe?",),
    "when_due": ("When is it due?",),
    "who": ("Who are you?",),
}
EXPECTED = [(intent, sentence) for intent, sentences in SAID.items() for sentence in sentences]
MACHINES = (
    "Hello. You have reached the voicemail of George. I am not available right now.",
    "The person you are calling is not available. Please record your message after the tone.",
)


async def _heard(sentence: str, voice: PiperSpeaker, ears: WhisperListener) -> str:
    return (await ears.transcribe(await voice.synthesise(sentence, rate_hz=RATE), RATE)).text


async def test_customers_of_the_demo_are_understood_through_voice_and_recognition(
    joe_voice: PiperSpeaker, base_listener: WhisperListener
) -> None:
    script = load_script(DEMO)
    wrong = []
    for intent, sentence in EXPECTED:
        heard = await _heard(sentence, joe_voice, base_listener)
        understood = talk(script).heard(heard).understood
        if understood is None or understood.intent != intent:
            wrong.append((intent, sentence, heard, understood))
    assert wrong == []


async def test_machines_and_people_are_told_apart_through_recognition(
    joe_voice: PiperSpeaker, base_listener: WhisperListener
) -> None:
    for sentence in MACHINES:
        assert classify_greeting(await _heard(sentence, joe_voice, base_listener), 5000).answerer is Answerer.VOICEMAIL
    for sentence in ("Hello?", "Hello, who is this?"):
        assert classify_greeting(await _heard(sentence, joe_voice, base_listener), 1000).answerer is Answerer.HUMAN


async def test_no_sentence_of_a_real_voice_is_a_beep(joe_voice: PiperSpeaker) -> None:
    for sentence in (*MACHINES, *(sentence for _, sentence in EXPECTED), "Mmmmm. Ooooh, you too, soon at noon."):
        detector = BeepDetector(RATE)
        pcm = await joe_voice.synthesise(sentence, rate_hz=RATE)
        assert [beep for at in range(0, len(pcm) - FRAME, FRAME) if (beep := detector.feed(pcm[at : at + FRAME]))] == []
