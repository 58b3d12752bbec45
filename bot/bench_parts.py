"""What the parts of an answer cost, by the bot's own notes of the conversation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from bot.outcome import ConversationResult, Speaker, Turn


@dataclass(frozen=True)
class Parts:
    """Medians in ms of what lies between a customer's last sound and the bot's first one, in order of time.

    `recognition_wait` and `recognition_work` mostly pass within the silence; `recognition_late` is what did not.
    What is left beside the parts is `pipeline`; `transport` is what the callee waits beyond the bot's own account.
    """

    endpointing: int | None = None
    recognition_wait: int | None = None
    recognition_work: int | None = None
    recognition_late: int | None = None
    understanding: int | None = None
    voice: int | None = None
    pipeline: int | None = None
    transport: int | None = None


@dataclass
class PartsNoted:
    """Gathers the parts of all turns that were answered."""

    _ms: dict[str, list[int]] = field(default_factory=dict)
    _whole: list[int] = field(default_factory=list)
    _heard: Counter[str] = field(default_factory=Counter)

    def note(self, result: ConversationResult) -> None:
        """The turns of one conversation."""
        said: Turn | None = None
        for turn in result.turns:
            if turn.speaker is Speaker.CUSTOMER:
                said = turn
                self._heard.update(one.model for one in turn.heard[:1] if one.model)
            elif said is not None and turn.voice_to_voice_ms is not None:
                self._note_answer(said, turn, turn.voice_to_voice_ms)
                said = None

    def parts(self, voice_to_voice_ms: Iterable[float]) -> Parts:
        """Medians; `voice_to_voice_ms` is what the callees measured."""
        heard = list(voice_to_voice_ms)
        found = {name: round(median(values)) for name, values in self._ms.items()}
        if heard and self._whole:
            found["transport"] = round(median(heard) - median(self._whole))
        return Parts(**found)

    @property
    def heard_by(self) -> Mapping[str, int]:
        """Turns by the model that heard them."""
        return dict(self._heard)

    def _note_answer(self, said: Turn, answer: Turn, whole_ms: int) -> None:
        known = said.latency
        serial = {
            "endpointing": known.endpointing_ms,
            "recognition_late": known.stt_late_ms,
            "understanding": known.understanding_ms,
            "voice": answer.latency.tts_first_byte_ms,
        }
        beside = {"recognition_wait": known.stt_wait_ms, "recognition_work": known.stt_work_ms}
        rest = whole_ms - sum(ms or 0 for ms in serial.values())
        for name, ms in {**serial, **beside, "pipeline": rest}.items():
            if ms is not None:
                self._ms.setdefault(name, []).append(ms)
        self._whole.append(whole_ms)
