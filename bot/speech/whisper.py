"""Whisper on a short window, by CTranslate2 directly.

Whisper is trained on windows of 30 s and pads every utterance to that; the encoder takes any shorter length, in a
quarter of the time on 10 s, and a larger model in a sixth on 6 s, with the same errors. Short windows sometimes make
the decoder repeat itself: the guard finds that and asks again on the next longer window.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from bot.speech.errors import BadLanguage
from bot.speech.sound import Samples

RATE_HZ: Final = 16000
_FRAMES_A_SECOND: Final = 100
#: Tried in this order, as far as they leave `_SPARE_S` after the utterance.
WINDOWS_S: Final = (6.0, 10.0, 30.0)
FULL_WINDOW_S: Final = WINDOWS_S[-1]
_SPARE_S: Final = 1.0
#: Longest stretch given to the model at once: a second of the full window stays free.
MAX_PIECE_S: Final = 28.0
_MIN_SAMPLES: Final = RATE_HZ // 20

_MAX_ZLIB_RATIO: Final = 2.0
_MIN_UNIQUE_RATIO: Final = 0.55
#: Half of the decoder's positions; the other half is for text before the prompt.
_MAX_NEW_TOKENS: Final = 224
_NO_SPEECH_SCORE: Final = -1.0


@dataclass(frozen=True)
class Reading:
    """What the model made of one piece of sound; `score` is the mean log probability of a token."""

    text: str
    score: float
    no_speech_prob: float
    tokens: tuple[int, ...] = ()
    capped: bool = False
    #: Whether the guard asked again on the full window.
    retried: bool = False

    @property
    def loops(self) -> bool:
        """Whether the decoder seems to repeat itself."""
        return self.capped or repeats(self.text, self.tokens)


#: The smallest step of µ-law (ITU-T G.711), of a full scale of 1: what stays below it is no sound on a telephone.
_SILENT: Final = 2**-12
NOTHING: Final = Reading(text="", score=0.0, no_speech_prob=1.0)


def repeats(text: str, tokens: Sequence[int]) -> bool:
    """Whether a text is so repetitive that a decoder's loop is likelier than a person."""
    raw = text.encode()
    if len(raw) / max(1, len(zlib.compress(raw))) > _MAX_ZLIB_RATIO:
        return True
    return len(tokens) >= 5 and len(set(tokens)) / len(tokens) < _MIN_UNIQUE_RATIO


def token_cap(duration_s: float, *, dense: bool) -> int:
    """Most tokens that `duration_s` of speech can hold; `dense` for languages that the vocabulary spells in bits."""
    a_second, spare = (16, 24) if dense else (8, 12)
    return min(_MAX_NEW_TOKENS, spare + int(duration_s * a_second))


def windows(duration_s: float, *, shortest: bool) -> list[float]:
    """Windows on which to read an utterance in turn, in s: each one after the guard has found a loop on those before.

    One that fits none but the full one gets a second more than it lasts. Without `shortest` the first is left out.
    """
    needed = duration_s + _SPARE_S
    fitting = [window_s for window_s in WINDOWS_S[0 if shortest else 1 :] if window_s >= needed]
    return fitting if len(fitting) > 1 else [needed, FULL_WINDOW_S]


def pieces(samples: Samples) -> list[Samples]:
    """Sound at 16 kHz cut into stretches that fit the window, at the quietest places."""
    limit, search = int(MAX_PIECE_S * RATE_HZ), 6 * RATE_HZ
    found: list[Samples] = []
    while samples.size > limit:
        block = RATE_HZ // 10
        tail = samples[limit - search : limit].reshape(-1, block)
        cut = limit - search + int(np.argmin(np.mean(tail**2, axis=1))) * block + block // 2
        found.append(samples[:cut])
        samples = samples[cut:]
    return [*found, samples]


class Whisper:
    """One model, loaded once a process and used by several threads; CTranslate2 releases the GIL."""

    def __init__(self, model: Any, tokenizer: Any, features: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._features = features
        self.multilingual = bool(model.is_multilingual)
        #: Larger models are surer of nothing: the English tiny one says "no speech" of quiet people.
        self._no_speech = 0.6 if self.multilingual else 0.8

    @classmethod
    def load(cls, folder: Path, *, workers: int = 2) -> Whisper:
        """Read a CTranslate2 model from `folder`, int8, one thread for each of `workers` utterances at once."""
        import ctranslate2
        from faster_whisper.feature_extractor import FeatureExtractor
        from tokenizers import Tokenizer

        model = ctranslate2.models.Whisper(
            str(folder), device="cpu", compute_type="int8", intra_threads=1, inter_threads=workers
        )
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        return cls(model, tokenizer, FeatureExtractor(feature_size=model.n_mels))

    def prompt(self, language: str) -> list[int]:
        """The start-of-transcript sequence for a language. Raises `BadLanguage`."""
        if not self.multilingual and language != "en":
            raise BadLanguage(f"this model knows English only, not {language!r}; choose stt-base for it")
        names = ["<|startoftranscript|>"]
        if self.multilingual:
            names += [f"<|{language}|>", "<|transcribe|>"]
        ids = [self._tokenizer.token_to_id(name) for name in [*names, "<|notimestamps|>"]]
        if None in ids:
            raise BadLanguage(f"the recognition model does not know the language {language!r} (ISO 639-1 is expected)")
        return ids

    def knows(self, language: str) -> bool:
        """Whether the model has been taught a language (ISO 639-1)."""
        try:
            self.prompt(language)
        except BadLanguage:
            return False
        return True

    def read(self, samples: Samples, language: str) -> Reading:
        """Recognise sound at 16 kHz of any length. Blocking; 0.2 s of one core for an ordinary utterance (base)."""
        if samples.size < _MIN_SAMPLES:
            return NOTHING
        readings = [self._read_piece(piece, language) for piece in pieces(samples)]
        if len(readings) == 1:
            return readings[0]
        return Reading(
            text=" ".join(reading.text for reading in readings if reading.text),
            score=min(reading.score for reading in readings),
            no_speech_prob=min(reading.no_speech_prob for reading in readings),
            retried=any(reading.retried for reading in readings),
        )

    def _read_piece(self, samples: Samples, language: str) -> Reading:
        if np.abs(samples).max(initial=0.0) < _SILENT:
            # The decoder would have to say that there is nothing, and on some processors says "You".
            return NOTHING
        mel = self._features(samples)
        duration_s = samples.size / RATE_HZ
        # On 6 s the English tiny model errs more (5.5 % of words, not 4.3 %); other languages were not measured.
        first, *longer = windows(duration_s, shortest=self.multilingual and language == "en")
        reading = self._decode(mel, first, duration_s, language)
        for window_s in longer:
            if not reading.loops or self._is_nothing(reading):
                break
            reading = replace(self._decode(mel, window_s, duration_s, language), retried=True)
        return replace(reading, text="", tokens=()) if self._is_nothing(reading) else reading

    def _decode(self, mel: Any, window_s: float, duration_s: float, language: str) -> Reading:
        import ctranslate2

        cap = token_cap(duration_s, dense=language != "en")
        frames = ctranslate2.StorageView.from_array(_window(mel, int(window_s * _FRAMES_A_SECOND)))
        result = self._model.generate(
            self._model.encode(frames),
            [self.prompt(language)],
            beam_size=1,
            # CTranslate2 halves it, to leave room for text before the prompt.
            max_length=2 * cap,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        tokens = tuple(result.sequences_ids[0])
        text = self._tokenizer.decode(list(tokens), skip_special_tokens=True).strip()
        return Reading(text, result.scores[0], result.no_speech_prob, tokens, capped=len(tokens) >= cap)

    def _is_nothing(self, reading: Reading) -> bool:
        return reading.no_speech_prob >= self._no_speech and reading.score < _NO_SPEECH_SCORE


def _window(mel: Any, frames: int) -> Any:
    cut = mel[:, :frames]
    padded = np.pad(cut, ((0, 0), (0, frames - cut.shape[1])))
    return np.ascontiguousarray(padded[np.newaxis], dtype=np.float32)
