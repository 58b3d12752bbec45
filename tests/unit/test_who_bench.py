"""The bench of who answered: its figures, its sounds, its greetings, and real ears on tones."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bot.speech.pool import WorkPool
from bot.speech.sound import from_pcm
from bot.who_answered import Answerer, Source, Verdict
from campana.who_bench.figures import Share, Times, figures
from campana.who_bench.greetings import Greeting, GreetingMaker, read_lines
from campana.who_bench.running import Judge, Judged
from campana.who_bench.sounds import RATE_HZ, UNSPOKEN, line, noise, silence, strength, tone
from campana.who_bench.texts import judge_texts
from tests.support_calls import CodedListener, Words


class Hum:
    """A voice that hums 60 ms a letter."""

    fingerprint = "hum"
    rate_hz = 22050

    def __init__(self) -> None:
        self.rendered: list[tuple[str, float]] = []

    def render(self, sentence: str, speed: float) -> npt.NDArray[np.float32]:
        self.rendered.append((sentence, speed))
        samples = round(self.rate_hz * 0.06 * len(sentence) / speed)
        return np.asarray(0.3 * np.sin(np.arange(samples) / 9), np.float32)


def judged(true: Answerer, taken: Answerer | None, decided_ms: int = 1000, begins_ms: int | None = 200) -> Judged:
    verdicts = () if taken is None else (Verdict(taken, Source.WORDS, "said so", decided_ms),)
    return Judged(Greeting("one", true, b"", begins_ms), verdicts, 5)


def test_figures_count_what_matters() -> None:
    human, voicemail, fax, silent = Answerer.HUMAN, Answerer.VOICEMAIL, Answerer.FAX, Answerer.SILENCE
    found = figures(
        "a test",
        [
            judged(human, human, 900),
            judged(human, voicemail, 1900),
            judged(human, None),
            judged(voicemail, voicemail, 2200),
            judged(voicemail, fax, 2400),
            judged(silent, silent, 4000, None),
        ],
    )
    assert (found.humans, found.machines, found.humans_lost) == (Share(1, 3), Share(2, 2), 1)
    assert (found.recall(voicemail), found.precision(voicemail)) == (Share(1, 2), Share(1, 2))
    assert found.matrix[(human, Answerer.UNKNOWN)] == 1
    assert found.decision == Times(4, 1700, 2200)
    assert found.decision_human == Times(2, 700, 1700)
    data = found.as_json()
    assert data["matrix"]["human"] == {"human": 1, "voicemail": 1, "fax": 0, "silence": 0, "unknown": 1}
    assert data["humans_right"] == {"right": 1, "count": 3, "pct": 33.3}
    assert data["first_word_max_ms"] == 5


def test_nothing_has_no_share_and_no_times() -> None:
    found = figures("nothing", [])
    assert (found.humans.pct, found.decision, found.first_word_max_ms) == (None, None, None)


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize("split", ["dev", "held_out"])
def test_no_line_of_a_person_reads_like_a_machines(language: str, split: str) -> None:
    found = judge_texts("texts", read_lines()[language][split], language=language)
    assert found.humans_lost == 0
    assert found.humans.count >= 10
    assert found.machines.count >= 10


def test_no_line_is_both_tuned_on_and_measured() -> None:
    for language in read_lines().values():
        dev, held_out = ({text for texts in language[split].values() for text in texts} for split in language)
        # Everybody says "Hello?".
        assert not {text for text in dev & held_out if len(text.split()) > 1}


def test_a_line_adds_as_much_noise_as_told_and_its_codec() -> None:
    clear = tone(1000, 1000, level=0.3)
    for law in ("ulaw", "alaw"):
        clean, noisy = from_pcm(line(clear, law, 0.0, 1)), from_pcm(line(clear, law, 0.05, 1))
        assert float(np.std(clean - clear)) < 0.01
        assert 0.045 < float(np.std(noisy - clear)) < 0.055
    assert abs(strength(tone(1000, 500, level=0.3)) - 0.3 / 2**0.5) < 0.01
    assert float(np.std(noise(1000, 0.1, 3))) == pytest.approx(0.1, rel=0.01)


def test_greetings_are_labelled_and_come_from_the_cache_the_second_time(tmp_path: Path) -> None:
    voice = Hum()
    lines = {"dev": {"human": ["Hello?"], "voicemail": ["Leave a message."]}}
    first, again = (list(GreetingMaker(voice, tmp_path, takes=2).make("dev", lines)) for _ in range(2))
    assert [one.pcm for one in first] == [one.pcm for one in again]
    assert len(voice.rendered) == len(list(tmp_path.iterdir()))
    assert [one.answerer for one in first[:4]] == [Answerer.HUMAN] * 2 + [Answerer.VOICEMAIL] * 2
    assert all(one.begins_ms is not None and 100 <= one.begins_ms < 4500 for one in first[:4])
    assert {one.name.rstrip(" 0123456789") for one in first[4:]} == set(UNSPOKEN)
    other = list(GreetingMaker(voice, tmp_path, takes=2, seed=2).make("dev", lines))
    assert other[0].pcm != first[0].pcm


@pytest.mark.parametrize(
    ("name", "answerer"),
    [
        ("fax answer tone", Answerer.FAX),
        ("fax calling tone", Answerer.FAX),
        ("ringing", Answerer.SILENCE),
        ("silence", Answerer.SILENCE),
        ("line noise", Answerer.SILENCE),
        ("a beep alone", Answerer.VOICEMAIL),
    ],
)
def test_the_bots_own_ears_on_what_nobody_speaks(name: str, answerer: Answerer) -> None:
    sound = UNSPOKEN[name][1](random.Random(7))
    pool = WorkPool(1)
    try:
        found = Judge(CodedListener(Words()), pool).judge(Greeting(name, answerer, line(sound, "ulaw", 0.0, 1), 0))
    finally:
        pool.close()
    assert found.answerer is answerer
    assert found.first_word_ms == 0
    assert silence(20).size == RATE_HZ // 50
