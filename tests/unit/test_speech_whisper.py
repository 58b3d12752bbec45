"""What is around the recognition model: the loop guard, caps, pieces, silence. The model itself is stood in for."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from bot.speech.errors import BadAudio, BadLanguage
from bot.speech.listening import CannedListener, FastModel, WhisperListener
from bot.speech.pool import WorkPool
from bot.speech.relief import Relief, ReliefParams
from bot.speech.whisper import FULL_WINDOW_S, RATE_HZ, Whisper, pieces, repeats, token_cap, windows

VOCABULARY = ["<|startoftranscript|>", "<|en|>", "<|vi|>", "<|transcribe|>", "<|notimestamps|>", "yes", "no", "agree"]
VOCABULARY += [f"w{n}" for n in range(30)]


class Words:
    """A tokenizer of whole words."""

    def token_to_id(self, name: str) -> int | None:
        return VOCABULARY.index(name) if name in VOCABULARY else None

    def decode(self, tokens: list[int], *, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return " ".join(VOCABULARY[token] for token in tokens)


@dataclass
class Scripted:
    """A model that answers what it is told, by window in frames."""

    answers: dict[int, str]
    is_multilingual: bool = True
    score: float = -0.3
    no_speech_prob: float = 0.1
    windows: list[int] = field(default_factory=list)
    prompts: list[list[int]] = field(default_factory=list)
    max_lengths: list[int] = field(default_factory=list)

    def encode(self, features: object) -> int:
        return int(np.asarray(features).shape[2])

    def generate(self, window: int, prompts: list[list[int]], *, max_length: int, **_: object) -> list[object]:
        self.windows.append(window)
        self.prompts.extend(prompts)
        self.max_lengths.append(max_length)
        tokens = [VOCABULARY.index(word) for word in self.answers.get(window, self.answers.get(0, "")).split()]
        tokens = tokens[: max_length // 2]
        return [SimpleNamespace(sequences_ids=[tokens], scores=[self.score], no_speech_prob=self.no_speech_prob)]


def _mel(samples: np.ndarray) -> np.ndarray:
    return np.ones((80, samples.size // 160), np.float32)


def _sound(duration_s: float) -> np.ndarray:
    return np.full(int(RATE_HZ * duration_s), 0.1, np.float32)


@pytest.mark.parametrize(
    ("text", "tokens", "loop"),
    [
        ("Yes.", [1, 2], False),
        ("No, thank you.", [1, 2, 3, 4, 5], False),
        ("Yes? Yes? Yes? Yes?", [1, 2, 1, 2, 1, 2, 1, 2], True),
        ("no no no", [1, 1, 1], False),
        ("I am not interested, thank you very much, goodbye.", list(range(11)), False),
        ("my number is four five five one two three", list(range(9)), False),
        ("and so it goes " * 12, list(range(40)), True),
    ],
)
def test_repetition_is_told_from_speech(text: str, tokens: list[int], loop: bool) -> None:
    assert repeats(text, tokens) is loop


def test_the_cap_grows_with_duration_up_to_the_decoders_half() -> None:
    assert token_cap(0.5, dense=False) == 16
    assert token_cap(5.0, dense=False) < token_cap(5.0, dense=True)
    assert token_cap(60.0, dense=True) == 224


def test_an_ordinary_answer_is_asked_for_once_on_six_seconds() -> None:
    model = Scripted({0: "yes agree"})
    reading = Whisper(model, Words(), _mel).read(_sound(1.0), "en")
    assert (reading.text, reading.retried) == ("yes agree", False)
    assert model.windows == [600]
    assert model.prompts == [[0, 1, 3, 4]]
    assert model.max_lengths == [2 * token_cap(1.0, dense=False)]


def test_a_long_utterance_gets_a_second_more_than_it_lasts() -> None:
    model = Scripted({0: "yes"})
    Whisper(model, Words(), _mel).read(_sound(14.0), "en")
    assert model.windows == [1500]


@pytest.mark.parametrize(
    ("duration_s", "shortest", "tried"),
    [
        (1.0, True, [6.0, 10.0, 30.0]),
        (5.0, True, [6.0, 10.0, 30.0]),
        (5.1, True, [10.0, 30.0]),
        (1.0, False, [10.0, 30.0]),
        (9.5, True, [10.5, 30.0]),
        (28.0, True, [29.0, 30.0]),
    ],
)
def test_windows_grow_from_the_shortest_that_leaves_a_second(
    duration_s: float, shortest: bool, tried: list[float]
) -> None:
    assert windows(duration_s, shortest=shortest) == tried


@pytest.mark.parametrize(
    ("multilingual", "language", "window"), [(True, "en", 600), (True, "vi", 1000), (False, "en", 1000)]
)
def test_the_shortest_window_is_for_english_on_the_larger_models(
    multilingual: bool, language: str, window: int
) -> None:
    model = Scripted({0: "yes"}, is_multilingual=multilingual)
    Whisper(model, Words(), _mel).read(_sound(1.0), language)
    assert model.windows == [window]


def test_a_loop_is_asked_for_on_the_next_longer_windows() -> None:
    model = Scripted({600: "yes " * 8, 1000: "yes " * 6, 3000: "yes"})
    reading = Whisper(model, Words(), _mel).read(_sound(1.0), "en")
    assert (reading.text, reading.retried) == ("yes", True)
    assert model.windows == [600, 1000, int(FULL_WINDOW_S * 100)]
    model = Scripted({600: "yes " * 8, 1000: "yes"})
    assert Whisper(model, Words(), _mel).read(_sound(1.0), "en").text == "yes"
    assert model.windows == [600, 1000]


def test_an_answer_that_reached_the_cap_is_a_loop() -> None:
    words = [f"w{n}" for n in range(token_cap(0.1, dense=False) + 1)]
    model = Scripted({600: " ".join(words[:-2]), 1000: "agree"})
    assert Whisper(model, Words(), _mel).read(_sound(0.1), "en").text == " ".join(words[:-2])
    model = Scripted({600: " ".join(words), 1000: "agree"})
    assert Whisper(model, Words(), _mel).read(_sound(0.1), "en").text == "agree"


def test_whoever_says_it_over_and_over_is_heard_in_the_end() -> None:
    model = Scripted({0: "no " * 8})
    assert Whisper(model, Words(), _mel).read(_sound(3.0), "en").text == ("no " * 8).strip()
    assert len(model.windows) == 3


@pytest.mark.parametrize(
    ("multilingual", "no_speech_prob", "score", "text"),
    [
        (True, 0.7, -1.5, ""),
        (True, 0.7, -0.5, "yes"),
        (True, 0.5, -1.5, "yes"),
        (False, 0.7, -1.5, "yes"),
        (False, 0.85, -1.5, ""),
    ],
)
def test_nothing_was_said_needs_doubt_and_a_low_score(
    multilingual: bool, no_speech_prob: float, score: float, text: str
) -> None:
    model = Scripted({0: "yes"}, is_multilingual=multilingual, no_speech_prob=no_speech_prob, score=score)
    reading = Whisper(model, Words(), _mel).read(_sound(1.0), "en")
    assert (reading.text, reading.no_speech_prob, reading.score) == (text, no_speech_prob, score)


def test_too_short_for_any_word_is_not_given_to_the_model() -> None:
    model = Scripted({0: "yes"})
    assert Whisper(model, Words(), _mel).read(_sound(0.04), "en").text == ""
    assert model.windows == []


def test_a_monologue_is_cut_at_its_quietest_places_and_nothing_is_lost() -> None:
    sound = np.full(70 * RATE_HZ, 0.5, np.float32)
    for second in (25, 50):
        sound[second * RATE_HZ : second * RATE_HZ + RATE_HZ // 5] = 0.0
    parts = pieces(sound)
    assert [round(part.size / RATE_HZ) for part in parts] == [25, 25, 20]
    assert np.array_equal(np.concatenate(parts), sound)
    model = Scripted({0: "agree"})
    reading = Whisper(model, Words(), _mel).read(sound, "en")
    assert reading.text == "agree agree agree"
    assert max(model.windows) <= 3000


def test_a_language_is_refused_where_the_model_does_not_know_it() -> None:
    with pytest.raises(BadLanguage, match="does not know the language 'xx'"):
        Whisper(Scripted({}), Words(), _mel).prompt("xx")
    english = Whisper(Scripted({}, is_multilingual=False), Words(), _mel)
    assert english.prompt("en") == [0, 4]
    with pytest.raises(BadLanguage, match="knows English only, not 'vi'; choose stt-base"):
        english.prompt("vi")


async def test_a_listener_tells_durations_and_speaks_other_languages_on_the_same_threads() -> None:
    model, pool = Scripted({0: "yes"}), WorkPool(1)
    listener = WhisperListener(Whisper(model, Words(), _mel), pool, "en")
    heard = await listener.transcribe(b"\x00\x10" * 8000, 8000)
    assert (heard.text, heard.audio_ms) == ("yes", 1000)
    await listener.in_language("vi").transcribe(b"\x00\x10" * 16000, 16000)
    assert model.prompts == [[0, 1, 3, 4], [0, 2, 3, 4]]
    assert listener.stats().pool.done == 2
    with pytest.raises(BadAudio):
        await listener.transcribe(b"abc", 8000)
    await listener.aclose()
    assert (await pool.run(lambda: 1)).value == 1
    await pool.aclose()


@dataclass
class Told:
    """The clock of `Relief`, moved by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_recognition_leaves_for_the_fast_model_and_comes_back_with_calm() -> None:
    clock = Told()
    relief = Relief(ReliefParams(above_ms=150, below_ms=50, calm_s=5.0), clock=clock)
    assert [relief.wanted(wait_ms) for wait_ms in (0, 150, 151, 0)] == [False, False, True, True]
    clock.now = 4.0
    assert relief.wanted(60), "not calm yet: the five seconds begin anew"
    clock.now = 8.9
    assert relief.wanted(50)
    clock.now = 9.0
    assert not relief.wanted(50)
    assert not relief.wanted(100), "as before, only more than 150 ms count"
    assert relief.wanted(200)


class Stuck(Scripted):
    """Each reading takes time on the clock that `Relief` reads, so that whoever queues behind it waits."""

    clock: Told
    takes_s: float = 0.4

    def encode(self, features: object) -> int:
        self.clock.now += self.takes_s
        return super().encode(features)


@pytest.mark.parametrize(("language", "names"), [("en", ["usual", "fast", "fast"]), ("vi", ["usual"] * 3)])
async def test_who_waits_behind_others_is_heard_by_the_fast_model(language: str, names: list[str]) -> None:
    clock, pool, begun, go_on = Told(), WorkPool(1), threading.Event(), threading.Event()
    usual, quick = Stuck({0: "yes"}), Stuck({0: "no"}, is_multilingual=False)
    usual.clock = quick.clock = clock
    fast = FastModel("fast", Whisper(quick, Words(), _mel), Relief(clock=clock))
    listener = WhisperListener(Whisper(usual, Words(), _mel), pool, "en", name="usual", fast=fast)
    heard = listener.in_language(language)

    def occupied() -> None:
        begun.set()
        go_on.wait(60)

    first = asyncio.create_task(pool.run(occupied))
    await asyncio.to_thread(begun.wait, 60)
    waiting = [asyncio.create_task(heard.transcribe(b"\x00\x10" * 8000, 8000)) for _ in range(3)]
    await asyncio.sleep(0)
    assert pool.stats().waiting_now == 3
    go_on.set()
    await first
    said = [await task for task in waiting]
    assert [one.model for one in said] == names
    assert [one.text for one in said] == ["yes" if name == "usual" else "no" for name in names]
    assert listener.stats().heard == {name: names.count(name) for name in names}
    assert listener.stats().relieved is (language == "en")
    await pool.aclose()


async def test_the_benchs_stand_in_gives_its_texts_in_turn() -> None:
    listener = CannedListener(["yes", "no"])
    assert [(await listener.transcribe(bytes(320), 8000)).text for _ in range(3)] == ["yes", "no", "no"]
    assert (await CannedListener([]).transcribe(bytes(320), 8000)).audio_ms == 20
    await listener.aclose()
