"""Engines that turn one sentence into sound: Piper in this process, espeak-ng as a program."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from bot.speech.errors import SynthesisFailed, VoiceUnavailable
from bot.speech.sound import Samples, from_pcm

_ESPEAK: Final = "espeak-ng"
_ESPEAK_TIMEOUT_S: Final = 15.0
_ESPEAK_WORDS_A_MINUTE: Final = 165
_WAV_HEADER_BYTES: Final = 44


class Voice(Protocol):
    """One voice. `render` blocks and may run in several threads at once."""

    @property
    def fingerprint(self) -> str:
        """Equal for voices that sound the same; part of every cache key."""
        ...

    @property
    def rate_hz(self) -> int:
        """Sample rate of what `render` returns."""
        ...

    def render(self, sentence: str, speed: float) -> Samples:
        """Sound of one sentence; `speed` 1.0 is the voice's own. Raises `SynthesisFailed`."""
        ...


class PiperVoice:
    """A Piper voice over an onnxruntime session of our own: Piper's loader would take every core for one sentence."""

    def __init__(self, voice: Any, fingerprint: str) -> None:
        self._voice = voice
        self.fingerprint = fingerprint
        self.rate_hz = int(voice.config.sample_rate)
        #: Tag of the language that the voice speaks.
        self.language = str(voice.config.espeak_voice)

    @classmethod
    def load(cls, model_dir: Path, *, sha256: str | None = None) -> PiperVoice:
        """Load the one `.onnx` in `model_dir` with its `.onnx.json`; `sha256` of the former if it is known already.

        Raises `VoiceUnavailable` when the folder does not hold exactly one voice.
        """
        import piper

        onnx = _only_voice(model_dir)
        config = json.loads(Path(f"{onnx}.json").read_text(encoding="utf-8"))
        voice = piper.PiperVoice(session=_session(onnx), config=piper.config.PiperConfig.from_dict(config))
        return cls(voice, f"piper:{sha256 or _sha256(onnx)}")

    def render(self, sentence: str, speed: float) -> Samples:
        """See `Voice`."""
        import piper

        # Scaling every sentence to full scale would undo the level that `sound.level` sets.
        wanted = piper.SynthesisConfig(length_scale=self._voice.config.length_scale / speed, normalize_audio=False)
        chunks = [chunk.audio_float_array for chunk in self._voice.synthesize(sentence, wanted)]
        if not chunks:
            raise SynthesisFailed(f"the voice has no sound for a text of {len(sentence)} characters")
        return np.concatenate(chunks).astype(np.float32, copy=False)


class EspeakVoice:
    """espeak-ng run once a sentence: understandable to people, plain, in very many languages."""

    rate_hz = 22050

    def __init__(self, language: str) -> None:
        program = shutil.which(_ESPEAK)
        if program is None:
            raise VoiceUnavailable(
                f"{_ESPEAK} is not installed (not on PATH); install Debian's package espeak-ng, or fetch a Piper voice"
            )
        self._program = program
        self._language = language
        self.fingerprint = f"espeak:{language}"

    def render(self, sentence: str, speed: float) -> Samples:
        """See `Voice`."""
        pace = str(round(_ESPEAK_WORDS_A_MINUTE * speed))
        command = [self._program, "-v", self._language, "-s", pace, "--stdin", "--stdout"]
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program; the text goes in by stdin
                command, input=sentence.encode(), capture_output=True, timeout=_ESPEAK_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SynthesisFailed(f"{_ESPEAK} took more than {_ESPEAK_TIMEOUT_S:.0f} s", retryable=True) from error
        if done.returncode or len(done.stdout) <= _WAV_HEADER_BYTES:
            raise SynthesisFailed(f"{_ESPEAK} failed for voice {self._language!r}: {done.stderr.decode().strip()}")
        return _wav_samples(done.stdout)


def _wav_samples(wav: bytes) -> Samples:
    # On a pipe espeak-ng cannot go back to fill in the length, so the header's is not true.
    sound = wav[_WAV_HEADER_BYTES:]
    return from_pcm(sound[: len(sound) // 2 * 2])


def _only_voice(model_dir: Path) -> Path:
    found = sorted(model_dir.glob("*.onnx"))
    if len(found) != 1:
        raise VoiceUnavailable(f"{model_dir} should hold one .onnx voice and holds {len(found)}")
    return found[0]


def _session(onnx: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
