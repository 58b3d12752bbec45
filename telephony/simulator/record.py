"""What is known of a simulated call afterwards, and the log of it."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from telephony.simulator.ear import Span
from telephony.simulator.g711 import PCMU, RATE_HZ, Law
from telephony.simulator.performance import Spoken

ATTEMPT_HEADER = "X-Campana-Attempt"
#: A jump of the sender's RTP clock beyond this is a new start, not lost audio.
_LONGEST_GAP_SAMPLES = 60 * RATE_HZ


@dataclass(frozen=True)
class Invite:
    """One INVITE as it came in; its repetitions over UDP are not counted."""

    number: str
    at: datetime
    call_id: str
    #: The value of X-Campana-Attempt, None when the caller sends none.
    attempt: str | None
    #: The persona's name, None for a number that nobody has.
    persona: str | None
    caller: str
    #: Every X- header, by its name in small letters.
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """One packet of audio from the caller; `at_ms` is its arrival after the answer."""

    at_ms: float
    sequence: int
    timestamp: int
    payload: bytes


@dataclass
class CallRecord:
    """One call, from the callee's side; times are UTC, `…_ms` are ms after the answer."""

    invite: Invite
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    #: caller, callee or network; None while the call lives.
    ended_by: str | None = None
    status: int | None = None
    first_packet_ms: float | None = None
    #: The bot's first sound.
    first_audio_ms: int | None = None
    bot_speech: list[Span] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    packets_sent: int = 0
    packets_heard: int = 0
    law: Law = PCMU
    #: How late the callee itself ever was with a frame, because its process was held up.
    late_ms: int = 0
    #: Nothing of this record, its recording and its log row will change any more.
    complete: bool = False

    @property
    def heard_pcm(self) -> bytes:
        """What was heard, 8 kHz mono 16-bit, from the first packet on; lost packets are silence."""
        pieces: list[bytes] = []
        expected: int | None = None
        for packet in sorted(self.heard, key=lambda one: one.at_ms):
            gap = 0 if expected is None else (packet.timestamp - expected) & 0xFFFFFFFF
            if 0 < gap <= _LONGEST_GAP_SAMPLES:
                pieces.append(bytes(gap * 2))
            elif gap > 0x80000000:
                continue
            pieces.append(self.law.decode(packet.payload))
            expected = (packet.timestamp + len(packet.payload)) & 0xFFFFFFFF
        return b"".join(pieces)

    def save(self, folder: Path) -> Path:
        """Write what was heard as WAV, and beside it a .jsonl with the arrival of every packet; the WAV's path."""
        folder.mkdir(parents=True, exist_ok=True)
        name = "".join(char if char.isalnum() or char in "-_" else "_" for char in self.invite.call_id)
        path = folder / f"{name}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(self.heard_pcm)
        rows = ({"at_ms": round(one.at_ms, 3), "seq": one.sequence, "ts": one.timestamp} for one in self.heard)
        path.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def as_json(self) -> dict[str, object]:
        """The row of the log for this call."""
        return {
            "event": "end",
            "call_id": self.invite.call_id,
            "number": self.invite.number,
            "attempt": self.invite.attempt,
            "persona": self.invite.persona,
            "answered_at": self.answered_at.isoformat() if self.answered_at else None,
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "ended_by": self.ended_by,
            "status": self.status,
            "first_audio_ms": self.first_audio_ms,
            "bot_speech": [[span.start_ms, span.end_ms] for span in self.bot_speech],
            "spoken": [[one.text, one.start_ms, one.end_ms] for one in self.spoken],
            "keys": "".join(self.keys),
        }


def invite_row(invite: Invite) -> dict[str, object]:
    """The row of the log for an INVITE."""
    return {
        "event": "invite",
        "at": invite.at.isoformat(),
        "number": invite.number,
        "call_id": invite.call_id,
        "attempt": invite.attempt,
        "persona": invite.persona,
        "caller": invite.caller,
        "headers": dict(invite.headers),
    }


def read_log(path: Path, event: str | None = None) -> Iterator[dict[str, object]]:
    """The rows of a log that may still be written to; a last line without its end is left out."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            row: dict[str, object] = json.loads(line)
            if event is None or row["event"] == event:
                yield row
