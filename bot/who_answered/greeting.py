"""Tells a person from a machine by what was said, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from re import Pattern

from bot.understanding.lexicon_en import ENGLISH
from bot.understanding.lexicon_vi import VIETNAMESE
from bot.understanding.text import normalise, without_marks, words
from bot.who_answered import wording
from bot.who_answered.verdict import Answerer, Source

#: People answer with a few words; a first turn longer than this without a pause is read out.
LONG_GREETING_MS = 6000
_LONG_GREETING_WORDS = 14
_SHORT_GREETING_MS = 2500
_SHORT_GREETING_WORDS = 5
#: So many wordings of machines, each of which a person may use, are a machine's.
_KINDS_OF_A_MACHINE = 2


@dataclass(frozen=True)
class Greeting:
    """Who spoke; `reason` names the wording or the measure that told."""

    answerer: Answerer
    reason: str
    source: Source = Source.WORDS
    #: Words of an answering machine that a person may use as well: a tone after them is a machine's.
    likely: bool = False


def classify_greeting(text: str, speech_ms: int, *, finished: bool = True) -> Greeting:
    """Who spoke first on an answered call.

    `text` is what was recognised of the first turn, `speech_ms` how long it was spoken without a pause; of a turn
    that goes on (not `finished`) only the wording is looked at. English and Vietnamese wordings are looked for
    whatever the bot's language. A tone is not looked at here: see `Supervisor`.
    """
    english, vietnamese = normalise(text, ENGLISH), normalise(text, VIETNAMESE)
    person = bool(wording.PERSON.search(english) or wording.PERSON.search(vietnamese))
    count = len(words(english))
    told = _sure(english, vietnamese, person) or _likely(english, vietnamese, person, count, speech_ms)
    if told is not None:
        return told
    if not finished:
        return Greeting(Answerer.UNKNOWN, f"{count} words in {speech_ms} ms so far")
    if count == 0:
        return Greeting(Answerer.UNKNOWN, "nothing was recognised")
    return _by_length(count, speech_ms)


def _likely(english: str, vietnamese: str, person: bool, count: int, speech_ms: int) -> Greeting | None:
    """By words that machines and people use; by those that only people use."""
    likely = [*_found(wording.LIKELY, english), *_found(wording.LIKELY_VIETNAMESE, vietnamese)]
    if likely and not person and (count >= _LONG_GREETING_WORDS or speech_ms >= LONG_GREETING_MS):
        return Greeting(Answerer.VOICEMAIL, f'said "{likely[0]}" in {speech_ms} ms of speech')
    if len(likely) >= _KINDS_OF_A_MACHINE and not person:
        return Greeting(Answerer.VOICEMAIL, f'said "{likely[0]}" and "{likely[1]}"')
    if asks := wording.ONLY_PERSON.search(english):
        return Greeting(Answerer.HUMAN, f'said "{asks[0]}"')
    return Greeting(Answerer.UNKNOWN, f'said "{likely[0]}"', likely=not person) if likely else None


def _sure(english: str, vietnamese: str, person: bool) -> Greeting | None:
    """By words that only one kind of machine uses; screening before voicemail, for both have a tone to wait for."""
    if found := wording.SCREENER.search(english):
        return Greeting(Answerer.SCREENING, f'said "{found[0]}"')
    for pattern, read in ((wording.SCREENING, english), (wording.SCREENING_VIETNAMESE, vietnamese)):
        if not person and (found := pattern.search(read)):
            return Greeting(Answerer.SCREENING, f'said "{found[0]}"')
    for pattern, read in (
        (wording.VOICEMAIL, english),
        (wording.VOICEMAIL_VIETNAMESE, vietnamese),
        (wording.VOICEMAIL_PLAIN, without_marks(vietnamese)),
    ):
        if found := pattern.search(read):
            return Greeting(Answerer.VOICEMAIL, f'said "{found[0]}"')
    if not person and (found := wording.ORDER.search(english)):
        return Greeting(Answerer.VOICEMAIL, f'said "{found[0].strip(" ,.!?;")}"')
    presses = wording.PERSON_PRESSES.search(english)
    for pattern, read in ((wording.IVR, english), (wording.IVR_VIETNAMESE, vietnamese)):
        if not person and not presses and (found := pattern.search(read)):
            return Greeting(Answerer.IVR, f'said "{found[0]}"')
    return None


def _found(patterns: Iterable[Pattern[str]], read: str) -> list[str]:
    return [found[0].strip() for pattern in patterns if (found := pattern.search(read))]


def _by_length(count: int, speech_ms: int) -> Greeting:
    measure = f"{count} words in {speech_ms} ms"
    if count <= _SHORT_GREETING_WORDS and speech_ms <= _SHORT_GREETING_MS:
        return Greeting(Answerer.HUMAN, measure, Source.LENGTH)
    if count >= _LONG_GREETING_WORDS and speech_ms >= LONG_GREETING_MS:
        return Greeting(Answerer.UNKNOWN, f"{measure}, long for a person", Source.LENGTH)
    return Greeting(Answerer.HUMAN, measure, Source.LENGTH)
