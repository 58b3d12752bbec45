"""The supervisor's verdicts: from words, tones, answers and silence, with their evidence."""

from __future__ import annotations

import json

import pytest

from bot.beep import Beep
from bot.who_answered import Answerer, Source, Supervisor, verdict_of_amd


def say(supervisor: Supervisor, text: str, began: int, ended: int, *, finished: bool = True) -> Answerer:
    return supervisor.heard(text, began, ended, now_ms=ended + 300, finished=finished)


def sound(supervisor: Supervisor, hz: float, began: int, ms: int) -> list[Answerer]:
    """A tone as the detector tells it: every 20 ms from 200 ms on, and once more when it is over."""
    told = [supervisor.tone(Beep(hz, so_far, ended=False), now_ms=began + so_far) for so_far in range(200, ms + 1, 20)]
    return [*told, supervisor.tone(Beep(hz, ms, ended=True), now_ms=began + ms + 40)]


def test_a_short_hello_is_a_person_with_its_evidence() -> None:
    supervisor = Supervisor()
    assert say(supervisor, "Hello?", 700, 1100) is Answerer.HUMAN
    (verdict,) = supervisor.verdicts(9000)
    assert verdict.as_json() == {
        "answerer": "human",
        "source": "length",
        "reason": "1 words in 400 ms",
        "decided_ms": 1400,
        "words": "Hello?",
        "speech_ms": 400,
        "pause_ms": 700,
    }
    json.dumps(verdict.as_json())


def test_words_so_far_tell_a_machine_and_never_a_person_by_their_number() -> None:
    supervisor = Supervisor()
    assert say(supervisor, "Hi, this is", 300, 1200, finished=False) is Answerer.UNKNOWN
    assert supervisor.verdict is None
    told = say(supervisor, "Hi, this is the voicemail of Anna", 300, 2500, finished=False)
    assert told is Answerer.VOICEMAIL
    assert supervisor.verdict is not None
    assert supervisor.verdict.decided_ms == 2800


@pytest.mark.parametrize(
    ("text", "answerer"),
    [
        ("Please state your name and the reason for your call.", Answerer.SCREENING),
        (
            "Hi, if you record your name and reason for calling, I'll see if this person is available",
            Answerer.SCREENING,
        ),
        ("the person you are calling is using a screening service", Answerer.SCREENING),
        ("For sales press one, for support press two", Answerer.IVR),
        ("Please listen carefully as our menu options have changed", Answerer.IVR),
        ("All our agents are currently busy, please hold the line", Answerer.IVR),
        ("Hi it's Bob, leave a message.", Answerer.VOICEMAIL),
        ("Xin vui lòng cho biết tên và lý do cuộc gọi", Answerer.SCREENING),
        ("Để gặp nhân viên, vui lòng bấm phím một", Answerer.IVR),
        ("Quý khách vui lòng để lại lời nhắn sau tiếng bíp", Answerer.VOICEMAIL),
    ],
)
def test_machines_by_their_words(text: str, answerer: Answerer) -> None:
    assert say(Supervisor(), text, 300, 300 + 330 * len(text.split())) is answerer


@pytest.mark.parametrize(
    "text",
    [
        "Can I have your name and the reason for your call?",
        "Would you like to leave a message? She is not available.",
        "I pressed one, what now?",
        "Please say your name again",
        "Let me see if he is available",
        "Thank you for calling Bell Finance, how may I help you?",
        "Who is calling please?",
        "Tôi bấm phím một rồi",
        "Can you leave a message with me?",
        "You can leave a message for him",
    ],
)
def test_people_who_use_such_words_are_not_machines(text: str) -> None:
    supervisor = Supervisor()
    assert say(supervisor, text, 300, 2500) in (Answerer.HUMAN, Answerer.UNKNOWN)


def test_a_person_after_a_screener_is_a_person() -> None:
    supervisor = Supervisor()
    say(supervisor, "Please state your name and the reason for your call", 300, 3300)
    assert say(supervisor, "Hello?", 9000, 9400) is Answerer.HUMAN
    assert [verdict.answerer for verdict in supervisor.verdicts(20_000)] == [Answerer.SCREENING, Answerer.HUMAN]


def test_an_answering_machine_stays_one_whatever_it_says_next() -> None:
    supervisor = Supervisor()
    say(supervisor, "You have reached the voicemail of Anna", 300, 3300)
    assert say(supervisor, "Thank you", 3900, 4300) is Answerer.VOICEMAIL
    assert len(supervisor.verdicts(9000)) == 1


def test_a_hello_before_the_recording_is_revised() -> None:
    supervisor = Supervisor()
    say(supervisor, "Hi", 300, 500)
    say(supervisor, "Hi you have reached the voicemail of Anna", 300, 3000)
    assert [verdict.answerer for verdict in supervisor.verdicts(9000)] == [Answerer.HUMAN, Answerer.VOICEMAIL]


def test_two_answers_are_a_persons_whoever_picked_up() -> None:
    supervisor = Supervisor()
    say(supervisor, "You have reached the voicemail of Anna", 300, 3300)
    supervisor.answered("two answers", now_ms=20_000)
    assert supervisor.answerer is Answerer.HUMAN
    supervisor.answered("two answers", now_ms=21_000)
    assert len(supervisor.verdicts(30_000)) == 2


def test_a_beep_after_words_is_a_machine_at_once() -> None:
    supervisor = Supervisor()
    say(supervisor, "Hi, this is Anna", 300, 1500)
    assert sound(supervisor, 1000.0, 2000, 400)[0] is Answerer.VOICEMAIL
    verdict = supervisor.verdict
    assert verdict is not None
    assert (verdict.source, verdict.tone_hz, verdict.tone_at_ms, verdict.pause_ms) == (Source.TONE, 1000.0, 2000, 500)
    assert verdict.words == "Hi, this is Anna"


def test_a_beep_that_nobody_spoke_before_counts_once_it_is_over() -> None:
    supervisor = Supervisor()
    told = sound(supervisor, 1000.0, 1000, 500)
    assert (set(told[:-1]), told[-1]) == ({Answerer.UNKNOWN}, Answerer.VOICEMAIL)


def test_a_melody_of_pure_notes_is_no_machine() -> None:
    supervisor = Supervisor()
    supervisor.voice(100)
    for number, hz in enumerate([300.0, 523.0, 659.0, 784.0]):
        sound(supervisor, hz, 1000 + 400 * number, 380)
    assert supervisor.verdict is None


@pytest.mark.parametrize(("likely", "answerer"), [(True, Answerer.VOICEMAIL), (False, Answerer.HUMAN)])
def test_a_beep_at_ringing_frequencies_counts_after_the_words_of_a_machine_only(
    likely: bool, answerer: Answerer
) -> None:
    supervisor = Supervisor()
    say(supervisor, "I am not available right now" if likely else "Please hold", 300, 2000)
    assert sound(supervisor, 425.0, 2500, 400)[-1] is answerer


def test_a_ring_is_longer_than_any_such_beep() -> None:
    supervisor = Supervisor()
    say(supervisor, "I am not available right now", 300, 2000)
    assert sound(supervisor, 425.0, 2500, 1000)[-1] is Answerer.UNKNOWN


def test_the_answer_tone_of_a_fax_counts_in_pieces() -> None:
    supervisor = Supervisor()
    told = [answerer for piece in range(3) for answerer in sound(supervisor, 2099.0, 1000 + 450 * piece, 380)]
    assert told[0] is Answerer.UNKNOWN
    assert told[-1] is Answerer.FAX


@pytest.mark.parametrize(
    ("ms", "answerer"), [(500, Answerer.FAX), (250, Answerer.VOICEMAIL), (900, Answerer.VOICEMAIL)]
)
def test_the_calling_tone_of_a_fax_lasts_half_a_second(ms: int, answerer: Answerer) -> None:
    assert sound(Supervisor(), 1105.0, 1000, ms)[-1] is answerer


def test_a_fax_after_words_of_a_machine_is_a_fax() -> None:
    supervisor = Supervisor()
    say(supervisor, "To send a fax, press one", 300, 2500)
    assert sound(supervisor, 2100.0, 3000, 900)[-1] is Answerer.FAX


@pytest.mark.parametrize(
    ("voice_ms", "until_ms", "expected"),
    [(None, 9000, [Answerer.SILENCE]), (None, 3000, []), (2000, 9000, []), (6000, 9000, [Answerer.SILENCE])],
)
def test_silence_is_four_seconds_without_a_voice(voice_ms: int | None, until_ms: int, expected: list[Answerer]) -> None:
    supervisor = Supervisor()
    if voice_ms is not None:
        supervisor.voice(voice_ms)
    assert [verdict.answerer for verdict in supervisor.verdicts(until_ms)] == expected


def test_who_speaks_after_silence_is_told_after_it() -> None:
    supervisor = Supervisor()
    say(supervisor, "Hello?", 6000, 6400)
    told = supervisor.verdicts(9000)
    assert [(verdict.answerer, verdict.decided_ms) for verdict in told] == [
        (Answerer.SILENCE, 4000),
        (Answerer.HUMAN, 6700),
    ]


def test_a_fax_that_whistles_is_not_silent() -> None:
    supervisor = Supervisor()
    sound(supervisor, 2100.0, 1000, 2800)
    assert [verdict.answerer for verdict in supervisor.verdicts(9000)] == [Answerer.FAX]


def test_what_app_amd_found_is_the_first_verdict() -> None:
    supervisor = Supervisor(verdict_of_amd("MACHINE", "MAXWORDS-3-3"))
    assert supervisor.answerer is Answerer.VOICEMAIL
    assert supervisor.verdicts(9000)[0].reason == "app_amd: MACHINE MAXWORDS-3-3"
