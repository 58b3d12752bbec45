"""What a simulated customer is and does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from telephony.simulator.settings import acts, choice, flag, keys, number, text, whole

HOUR_MS = 3_600_000
_KEYS_BY = "rtp; info (application/dtmf-relay); info_alone (application/dtmf)"
_REFER = (
    "accepted: the number is called; busy, no_answer: NOTIFY says so; refused (603), unsupported (405): the REFER is"
)


@dataclass(frozen=True)
class Say:
    """Say a line. The act lasts until it is said, or broken off."""

    text: str = text("what to say")
    cut_after_ms: int | None = whole(None, 20, HOUR_MS, "break off after so many ms, in mid-sentence")


@dataclass(frozen=True)
class Wait:
    """Let time pass, quietly."""

    ms: int = whole(1000, 0, HOUR_MS, "how long")


@dataclass(frozen=True)
class WaitForBot:
    """Wait until the bot has begun to speak, before or after this act began, and then been silent."""

    silence_ms: int = whole(700, 40, 60_000, "how long the bot must have been silent")
    max_ms: int = whole(20_000, 100, HOUR_MS, "go on after so long in any case")


@dataclass(frozen=True)
class BargeIn:
    """Talk over the bot: begin to say a line so many ms after it began to speak."""

    text: str = text("what to say")
    after_ms: int = whole(600, 0, 60_000, "ms from the bot's first sound to ours")
    max_ms: int = whole(20_000, 100, HOUR_MS, "speak after so long even if the bot stays silent")


@dataclass(frozen=True)
class HangUp:
    """End the call."""

    after_ms: int = whole(0, 0, HOUR_MS, "so many ms after this act began, whatever the bot is doing")
    after_bot_ms: int | None = whole(None, 0, 60_000, "instead: so many ms after the bot began to speak")
    max_ms: int = whole(20_000, 100, HOUR_MS, "with after_bot_ms: hang up after so long even if the bot stays silent")


@dataclass(frozen=True)
class Beep:
    """A pure tone, as of an answering machine."""

    hz: int = whole(1000, 50, 3800, "frequency")
    ms: int = whole(500, 20, 60_000, "length")
    level_db: float = number(-12.0, -60.0, 0.0, "level against full scale")


@dataclass(frozen=True)
class Chirp:
    """A rising or falling tone, sharp to find by correlation."""

    from_hz: int = whole(300, 50, 3800, "first frequency")
    to_hz: int = whole(3400, 50, 3800, "last frequency")
    ms: int = whole(500, 20, 60_000, "length")
    level_db: float = number(-12.0, -60.0, 0.0, "level against full scale")


@dataclass(frozen=True)
class Keys:
    """Press keys: RFC 4733 telephone events, or SIP INFO."""

    digits: str = keys("the keys, in order")
    ms: int = whole(100, 40, 5000, "how long each key is held")
    pause_ms: int = whole(100, 60, 5000, "pause after each key")
    by: str = choice("rtp", ("rtp", "info", "info_alone"), _KEYS_BY)


@dataclass(frozen=True)
class Silent:
    """Stay silent, for a time or for good; without RTP, as a telephone that suppresses silence."""

    ms: int | None = whole(None, 20, HOUR_MS, "how long; for the rest of the call when left out")
    rtp: bool = flag(True, "whether packets of silence are sent")


@dataclass(frozen=True)
class Noise:
    """From here on fill pauses with faint noise instead of digital silence. Takes no time."""

    level_db: float = number(-60.0, -80.0, -20.0, "level against full scale")


@dataclass(frozen=True)
class Echo:
    """Send back what is heard, frame by frame."""

    ms: int | None = whole(None, 20, HOUR_MS, "how long; for the rest of the call when left out")


@dataclass(frozen=True)
class Repeat:
    """Do a list of acts again and again."""

    play: tuple[Act, ...] = acts("the acts")
    times: int | None = whole(None, 1, 10_000, "how often; until the call ends when left out")


Act: TypeAlias = Say | Wait | WaitForBot | BargeIn | HangUp | Beep | Chirp | Keys | Silent | Noise | Echo | Repeat


@dataclass(frozen=True)
class Answer:
    """Take the call."""

    after_ms: int = whole(400, 0, 600_000, "how long it rings")


@dataclass(frozen=True)
class Reject:
    """Refuse the call."""

    status: int = whole(603, 400, 699, "SIP status")
    after_ms: int = whole(0, 0, 600_000, "how long it rings; 0: refused without ringing")
    q850: int | None = whole(None, 1, 127, "cause to send in a Reason header (RFC 3326)")


@dataclass(frozen=True)
class RingOut:
    """Ring until the caller gives up."""


@dataclass(frozen=True)
class Unreachable:
    """Do not react at all, as a dead line."""


Reception: TypeAlias = Answer | Reject | RingOut | Unreachable


@dataclass(frozen=True)
class Refer:
    """What becomes of a REFER, with which the caller hands the call over."""

    answer: str = choice("accepted", ("accepted", "busy", "no_answer", "refused", "unsupported"), _REFER)
    after_ms: int = whole(500, 0, 600_000, "with busy and no_answer: how long until that is told")


@dataclass(frozen=True)
class Voice:
    """How lines are spoken."""

    speed: float = number(1.0, 0.5, 2.0, "against the voice's own pace; 2.0 is twice as fast")


@dataclass(frozen=True)
class Persona:
    """One simulated customer, or several who behave alike.

    `contact` is handed through for whoever makes a contact list from personas; the network does not read it.
    """

    numbers: tuple[str, ...]
    name: str
    reception: Reception = Answer()
    play: tuple[Act, ...] = ()
    voice: Voice = Voice()
    #: Action codes that a campaign should assign, one for each call to a number, in order.
    expected_codes: tuple[str, ...] = ()
    max_call_ms: int = 120_000
    contact: Mapping[str, str] = field(default_factory=dict)
    #: How the first calls to each number are received, before `reception` holds.
    first: tuple[Reception, ...] = ()
    #: What happens on later calls to a number, when that is not `play` again.
    play_again: tuple[Act, ...] | None = None
    refer: Refer = Refer()
    path: Path | None = None
    line: int = 1

    @property
    def expected_code(self) -> str | None:
        """The code of the last call, which is the contact's."""
        return self.expected_codes[-1] if self.expected_codes else None

    def at_call(self, earlier_calls: int) -> Persona:
        """The persona as it plays a call when so many calls to the same number went before."""
        return self if earlier_calls == 0 or self.play_again is None else replace(self, play=self.play_again)

    def receive(self, earlier_calls: int) -> Reception:
        """How a call is received that so many calls to the same number went before."""
        return self.first[earlier_calls] if earlier_calls < len(self.first) else self.reception

    def lines(self) -> Iterator[str]:
        """Every text that this persona may say, in order; one that is said twice comes twice."""
        yield from _lines((*self.play, *(self.play_again or ())))


def _lines(play: Sequence[Act]) -> Iterator[str]:
    for act in play:
        if isinstance(act, Say | BargeIn):
            yield act.text
        elif isinstance(act, Repeat):
            yield from _lines(act.play)
