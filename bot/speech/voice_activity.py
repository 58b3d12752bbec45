"""When the customer's voice begins, pauses and ends: silero behind an energy gate, one ONNX session a process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from importlib import resources
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bot.speech.errors import BadAudio

#: One window of the model: 256 samples at 8 kHz, 512 at 16 kHz.
WINDOW_MS: Final = 32
_RATES: Final = (8000, 16000)
#: Below this level no voice is asked of the model: 60 dB under full scale, ten under the quietest line measured.
_GATE_RMS: Final = 32768.0 * 10 ** (-60 / 20)
_FULL_SCALE: Final = np.float32(32768.0)
#: The recurrent state goes deaf after long noise or music; it is cleared about this often, in clear non-speech only
#: (pipecat.audio.vad.silero explains the two numbers).
_RESET_WINDOWS: Final = 62
_RESET_AFTER_LOW: Final = 5
_RESET_CONFIDENCE: Final = 0.1


class Activity(Enum):
    """What changed."""

    STARTED = "started"
    #: Silence long enough to begin recognising, too short to be an end.
    PAUSED = "paused"
    #: The voice went on after a pause.
    RESUMED = "resumed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class VoiceParams:
    """Thresholds; times in ms, rounded to whole windows of 32 ms.

    Pipecat's defaults miss 3 of 180 short answers ("yes", "no"); these miss none.
    """

    confidence: float = 0.5
    start_ms: int = 100
    pause_ms: int = 64
    stop_ms: int = 200


class SileroModel:
    """The voice model that Pipecat bundles, shared by all calls of a process; each call keeps its own state."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        path = resources.files("pipecat.audio.vad.data") / "silero_vad.onnx"
        self._session = onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def score(self, samples: npt.NDArray[np.float32], state: Any, rate_hz: int) -> tuple[float, Any]:
        """Confidence that `samples` (context and one window) hold a voice, and the next state."""
        feed = {"input": samples[np.newaxis], "state": state, "sr": np.array(rate_hz, dtype=np.int64)}
        scores, following = self._session.run(None, feed)
        return float(scores[0, 0]), following


class VoiceActivity:
    """The voice of one call. Feed it every frame in order; positions count samples since the first one."""

    def __init__(self, model: SileroModel, rate_hz: int, params: VoiceParams | None = None) -> None:
        if rate_hz not in _RATES:
            raise BadAudio(f"voice activity is found at 8000 or 16000 Hz, not {rate_hz}")
        self.params = params or VoiceParams()
        self.rate_hz = rate_hz
        self._model = model
        self._window = rate_hz * WINDOW_MS // 1000
        self._buffer = np.empty(0, dtype=np.int16)
        self._context = np.zeros(self._window // 8, dtype=np.float32)
        self._state: Any = None
        self._clear()
        self._low = 0
        self._voiced = self._silent = 0
        self.speaking = False
        #: Samples judged so far.
        self.position = 0
        #: First sample of the present (or last) voice, and the one after its last voiced sample.
        self.voice_start = self.voice_end = 0

    @property
    def rising(self) -> bool:
        """Whether the last window held a voice, although it may still be too short to count."""
        return self._voiced > 0

    def feed(self, pcm: bytes) -> list[Activity]:
        """Judge 16-bit PCM of any length; what changed, in order."""
        self._buffer = np.concatenate((self._buffer, np.frombuffer(pcm, dtype="<i2")))
        changes = []
        while self._buffer.size >= self._window:
            window, self._buffer = self._buffer[: self._window], self._buffer[self._window :]
            change = self._judge(self._confidence(window) >= self.params.confidence)
            if change is not None:
                changes.append(change)
        return changes

    def restart(self) -> None:
        """Take a voice that goes on as one that begins anew."""
        self.speaking = False
        self._voiced = self._silent = 0

    def _judge(self, voiced: bool) -> Activity | None:
        self.position += self._window
        return self._judge_voice() if voiced else self._judge_silence()

    def _judge_voice(self) -> Activity | None:
        was_silent, self._silent = self._silent, 0
        self._voiced += 1
        if self.speaking:
            self.voice_end = self.position
            return Activity.RESUMED if was_silent >= self._windows(self.params.pause_ms) else None
        if self._voiced < self._windows(self.params.start_ms):
            return None
        self.speaking = True
        self.voice_start = self.position - self._voiced * self._window
        self.voice_end = self.position
        return Activity.STARTED

    def _judge_silence(self) -> Activity | None:
        self._voiced = 0
        if not self.speaking:
            return None
        self._silent += 1
        if self._silent == self._windows(self.params.stop_ms):
            self.speaking = False
            self._silent = 0
            return Activity.STOPPED
        return Activity.PAUSED if self._silent == self._windows(self.params.pause_ms) else None

    def _windows(self, duration_ms: int) -> int:
        return max(1, round(duration_ms / WINDOW_MS))

    def _confidence(self, window: npt.NDArray[np.int16]) -> float:
        samples = window.astype(np.float32)
        confidence = 0.0
        if float(np.dot(samples, samples)) >= _GATE_RMS**2 * self._window:
            samples /= _FULL_SCALE
            confidence, self._state = self._model.score(
                np.concatenate((self._context, samples)), self._state, self.rate_hz
            )
            self._context = samples[-self._context.size :]
        self._age(confidence)
        return confidence

    def _age(self, confidence: float) -> None:
        self._since_reset += 1
        self._low = self._low + 1 if confidence < _RESET_CONFIDENCE else 0
        if self._since_reset >= _RESET_WINDOWS and not self.speaking and self._low >= _RESET_AFTER_LOW:
            self._clear()

    def _clear(self) -> None:
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._context = np.zeros(self._window // 8, dtype=np.float32)
        self._since_reset = 0
