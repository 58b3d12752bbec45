"""Decides who answered while the conversation goes on: told of words, tones and answers, it keeps every verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bot.who_answered.greeting import Greeting, classify_greeting
from bot.who_answered.verdict import MACHINES, Answerer, Source, Verdict

if TYPE_CHECKING:
    from bot.beep import Beep

#: Without a voice or a machine's tone for so long after the answer, nobody is there yet.
SILENCE_MS: Final = 4000
#: The range that a supervisor wants to hear tones of, Hz: ringing tones to the fax answer tone.
LOWEST_HZ: Final = 380
HIGHEST_HZ: Final = 2200
#: Below it lie the ringing, busy and dial tones of one frequency (ITU-T E.180); a beep there counts only after words.
_RINGING_HZ: Final = 480
#: Fax and modem answer tone, ITU-T T.30 and V.25: 2100 Hz ± 15, for 2.6 to 4 s, its phase reversed every 450 ms.
_CED_HZ: Final = (2070, 2130)
_CED_MS: Final = 400
#: Fax calling tone, T.30: 1100 Hz ± 38 for 0.5 s ± 15 %, every 3 s.
_CNG_HZ: Final = (1062, 1138)
_CNG_MS: Final = (400, 600)
_BEEP_HZ: Final = (480, 2020)
#: The longest beep at ringing frequencies; a ring lasts 1 s.
_LOW_BEEP_MS: Final = 900
#: Notes follow each other so closely.
_MELODY_MS: Final = 700


@dataclass
class _Spoken:
    """The last turn that was judged."""

    text: str
    started_ms: int
    ended_ms: int
    likely: bool
    machine: bool


class Supervisor:
    """Who answered one call. Times are ms after the answer; the last verdict stands.

    A verdict for a machine outlasts what follows, except that people come after a menu or a screener, and that two
    answers to the bot's questions are a person's. `given` is the verdict of somebody who listened before.
    """

    def __init__(self, given: Verdict | None = None) -> None:
        self._verdicts: list[Verdict] = [] if given is None else [given]
        self._last: _Spoken | None = None
        self._voice_ms: int | None = None
        self._ced_ms = 0
        self._sounding = self._melodic = False
        self._tone_ended_ms: int | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that stands, None before the first."""
        return self._verdicts[-1] if self._verdicts else None

    @property
    def answerer(self) -> Answerer:
        """Who answered, as far as known."""
        return self._verdicts[-1].answerer if self._verdicts else Answerer.UNKNOWN

    def verdicts(self, until_ms: int) -> tuple[Verdict, ...]:
        """Every verdict in order, for a call that lasted `until_ms`; silence is told from what was not heard."""
        silent_until = until_ms if self._voice_ms is None else min(self._voice_ms, until_ms)
        silence = Verdict(Answerer.SILENCE, Source.SILENCE, f"no voice for {SILENCE_MS} ms", SILENCE_MS)
        before = [verdict for verdict in self._verdicts if verdict.decided_ms <= SILENCE_MS]
        if silent_until < SILENCE_MS or any(verdict.source is not Source.SILENCE for verdict in before):
            return tuple(self._verdicts)
        return (*before, silence, *self._verdicts[len(before) :])

    @property
    def spoke_as_machine(self) -> bool:
        """Whether the last words were a machine's, whoever the verdict says it is."""
        return self._last is not None and self._last.machine

    def voice(self, at_ms: int) -> None:
        """A voice began."""
        if self._voice_ms is None:
            self._voice_ms = at_ms

    def heard(self, text: str, started_ms: int, ended_ms: int, *, now_ms: int, finished: bool) -> Answerer:
        """Words of a turn that is `finished` or goes on; who answered, as far as known by now.

        Words of a machine decide at once, words of a person when the turn is finished.
        """
        self.voice(started_ms)
        speech_ms = ended_ms - started_ms
        found = classify_greeting(text, speech_ms, finished=finished)
        before = self._last
        self._last = _Spoken(text, started_ms, ended_ms, found.likely, found.answerer in MACHINES)
        goes_on = before is not None and before.started_ms == started_ms
        if self._changes(found, finished=finished, goes_on=goes_on):
            self._decide(
                Verdict(
                    found.answerer,
                    found.source,
                    found.reason,
                    now_ms,
                    words=text or None,
                    speech_ms=speech_ms,
                    pause_ms=max(0, started_ms - (before.ended_ms if before is not None and not goes_on else 0)),
                )
            )
        return self.answerer

    def answered(self, reason: str, *, now_ms: int) -> None:
        """The customer has answered the bot as only people do: whoever picked up, a person is there now."""
        if self.answerer is not Answerer.HUMAN:
            self._decide(Verdict(Answerer.HUMAN, Source.ANSWERS, reason, now_ms))

    def tone(self, tone: Beep, *, now_ms: int) -> Answerer:
        """A tone of at least 200 ms that sounds, or has just ended; who answered, as far as known by now."""
        if not self._sounding:
            self._melodic = self._follows_a_tone(now_ms - tone.duration_ms)
        found = self._of_tone(tone)
        self._sounding = not tone.ended
        if tone.ended:
            self._tone_ended_ms = now_ms
        standing = self.answerer
        if found is not None and not (standing is Answerer.FAX or (self._is_machine and found is not Answerer.FAX)):
            self._decide(self._tone_verdict(found, tone, now_ms))
        return self.answerer

    def is_beep(self, tone: Beep) -> bool:
        """Whether a machine that is known to take messages has given the sign to speak with this tone."""
        low = tone.frequency_hz < _RINGING_HZ
        return tone.ended and (tone.duration_ms <= _LOW_BEEP_MS if low else _within(tone, _BEEP_HZ))

    @property
    def _is_machine(self) -> bool:
        return self.verdict is not None and self.verdict.machine

    def _changes(self, found: Greeting, *, finished: bool, goes_on: bool) -> bool:
        """Whether these words make another verdict; `goes_on` tells that they are more of the turn judged before."""
        standing = self.verdict
        match found.answerer:
            case Answerer.UNKNOWN:
                return finished and standing is None
            case Answerer.HUMAN:
                if standing is None or standing.answerer is Answerer.UNKNOWN:
                    return True
                # A menu and a screener put through; the rest of their own sentence is no person's.
                return standing.answerer in (Answerer.SCREENING, Answerer.IVR) and not goes_on
            case Answerer.SCREENING | Answerer.IVR:
                return standing is None or not standing.machine
            case _:
                return standing is None or standing.answerer not in (Answerer.VOICEMAIL, Answerer.FAX)

    def _of_tone(self, tone: Beep) -> Answerer | None:
        if _within(tone, _CED_HZ):
            return self._answer_tone(tone)
        if self._melodic or not self._tells(tone):
            return None
        called = self._last is None and _within(tone, _CNG_HZ) and _CNG_MS[0] <= tone.duration_ms <= _CNG_MS[1]
        return Answerer.FAX if called else Answerer.VOICEMAIL

    def _tells(self, tone: Beep) -> bool:
        """Whether a tone that is no part of a melody is a machine's; without words before it, only once it is over."""
        if tone.frequency_hz < _RINGING_HZ:
            return self._last is not None and self._last.likely and self.is_beep(tone)
        return _within(tone, _BEEP_HZ) and not tone.followed and (tone.ended or self._last is not None)

    def _answer_tone(self, tone: Beep) -> Answerer | None:
        # A reversal of the phase ends the tone for the detector: its pieces count together.
        if tone.ended:
            self._ced_ms += tone.duration_ms
        sounded_ms = self._ced_ms + (0 if tone.ended else tone.duration_ms)
        return Answerer.FAX if sounded_ms >= _CED_MS else None

    def _follows_a_tone(self, began_ms: int) -> bool:
        """Whether this is a note of a melody: another tone ended just before."""
        return self._tone_ended_ms is not None and began_ms - self._tone_ended_ms < _MELODY_MS

    def _tone_verdict(self, answerer: Answerer, tone: Beep, now_ms: int) -> Verdict:
        began_ms = max(0, now_ms - tone.duration_ms)
        verdict = Verdict(
            answerer,
            Source.TONE,
            f"{tone.frequency_hz:.0f} Hz for {tone.duration_ms} ms",
            now_ms,
            tone_hz=tone.frequency_hz,
            tone_ms=tone.duration_ms,
            tone_at_ms=began_ms,
        )
        if self._last is None:
            return verdict
        return replace(
            verdict,
            words=self._last.text or None,
            speech_ms=self._last.ended_ms - self._last.started_ms,
            pause_ms=max(0, began_ms - self._last.ended_ms),
        )

    def _decide(self, verdict: Verdict) -> None:
        self._verdicts.append(verdict)


def _within(tone: Beep, band: tuple[int, int]) -> bool:
    return band[0] <= tone.frequency_hz <= band[1]
