"""Tells a person from an answering machine by what was said at the answer, how long, and the beep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.beep import Beep, BeepDetector
from bot.understanding.lexicon_en import ENGLISH
from bot.understanding.lexicon_vi import VIETNAMESE
from bot.understanding.text import normalise, without_marks, words

__all__ = ["Answerer", "Beep", "BeepDetector", "Greeting", "classify_greeting"]

#: People answer with a few words; a first turn longer than this without a pause is read out.
LONG_GREETING_MS = 6000
_LONG_GREETING_WORDS = 14
_SHORT_GREETING_MS = 2500
_SHORT_GREETING_WORDS = 5


class Answerer(StrEnum):
    """Who or what took the call."""

    HUMAN = "human"
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Greeting:
    """Who answered; `reason` names the wording or the measure that told."""

    answerer: Answerer
    reason: str


_MACHINE = r"(?:voice ?mail|mail ?box|answering machine|answering service|voice message)"
#: Wordings that only machines use.
_SURE = re.compile(
    rf"\b(?:reached|forwarded to|transferred to) (?:\w+ ){{0,4}}?{_MACHINE}"
    rf"|\bthis is (?:the|my|our|\w+'?s) (?:\w+ )?{_MACHINE}|\brecord (?:your|a) (?:message|name)\b"
    r"|\b(?:after|at|following) the (?:tone|beep|signal)\b|\bat the sound of the (?:tone|beep)\b"
    r"|\b(?:customer|subscriber|number|user|(?:person|party) you (?:are|have|were) (?:\w+ ){1,3}?)"
    r" ?(?:\w+ ){0,4}?(?:is|are|can) (?:currently |now )?"
    r"(?:not (?:available|reachable|be reached|in service|answering|able)|unavailable|switched off|busy)\b"
    r"|\bcall (?:has been|is being) forwarded\b|\bwhen you (?:have|are) (?:finished|done) recording\b"
    r"|\b(?:you have|you've) reached\b.*\b(?:leave|message|tone|beep|not available|unavailable|can not)\b"
    r"|\bpress (?:\w+ )?(?:for|to) (?:more|leave|send)\b"
)
#: Wordings of machines that people use as well.
_LIKELY = re.compile(
    rf"\b{_MACHINE}|\byou have reached\b|\bis not available\b|\bnot available right now\b"
    r"|\bleave (?!my\b)(?:\w+ ){0,3}?(?:message|name|number|voice message)\b"
    r"|\bthe (?:person|number|customer|subscriber) you (?:are|have|were) (?:calling|dialed|dialled|called|trying)\b"
    r"|\b(?:has been|been|being) forwarded to\b|\bget back to you\b|\breturn your call\b"
    r"|\bcan not (?:take|come to|answer)\b.*\bphone"
    r"|\bcan not (?:take|answer) (?:your|the) call\b|\bunavailable\b|\bplease try (?:again|your call) later\b"
)
_SURE_VIETNAMESE = re.compile(
    r"\bthuê bao quý khách\b|\bthuê bao (?:\w+ ){0,5}?(?:vừa gọi|tạm thời|không liên lạc|ngoài vùng)"
    r"|\b(?:xin|vui lòng|hãy) (?:quý khách )?(?:vui lòng )?để lại (?:lời nhắn|tin nhắn|lời thoại)\b"
    r"|\b(?:đây là|đến|tới|vào) hộp thư thoại\b|\bsau tiếng (?:bíp|bip|tít|tút)\b"
    r"|\btạm thời không liên lạc được\b|\bsố máy quý khách vừa gọi\b"
    r"|\bquý khách vui lòng gọi lại sau\b|\bhiện không liên lạc được\b"
)
_LIKELY_VIETNAMESE = re.compile(
    r"\bđể lại (?:lời nhắn|tin nhắn|lời thoại)\b|\bhộp thư thoại\b|\bvui lòng gọi lại sau\b"
)
_SURE_PLAIN = re.compile(
    r"\bthue bao quy khach\b|\b(?:xin|vui long|hay) de lai (?:loi nhan|tin nhan)\b"
    r"|\bden hop thu thoai\b|\bso may quy khach\b"
)


def classify_greeting(text: str, speech_ms: int) -> Greeting:
    """Who spoke first on an answered call.

    `text` is what was recognised of the first turn, `speech_ms` how long it was spoken without a pause.
    English and Vietnamese wordings are looked for whatever the bot's language. A beep outweighs this: see
    `BeepDetector`.
    """
    english, vietnamese = normalise(text, ENGLISH), normalise(text, VIETNAMESE)
    for pattern, read in ((_SURE, english), (_SURE_VIETNAMESE, vietnamese), (_SURE_PLAIN, without_marks(vietnamese))):
        found = pattern.search(read)
        if found:
            return Greeting(Answerer.VOICEMAIL, f'said "{found[0]}"')
    count = len(words(english))
    likely = _LIKELY.search(english) or _LIKELY_VIETNAMESE.search(vietnamese)
    if likely and (count >= _LONG_GREETING_WORDS or speech_ms >= LONG_GREETING_MS):
        return Greeting(Answerer.VOICEMAIL, f'said "{likely[0]}" in {speech_ms} ms of speech')
    if likely or count == 0:
        return Greeting(Answerer.UNKNOWN, f'said "{likely[0]}"' if likely else "nothing was recognised")
    return _by_length(count, speech_ms)


def _by_length(count: int, speech_ms: int) -> Greeting:
    measure = f"{count} words in {speech_ms} ms"
    if count <= _SHORT_GREETING_WORDS and speech_ms <= _SHORT_GREETING_MS:
        return Greeting(Answerer.HUMAN, measure)
    if count >= _LONG_GREETING_WORDS and speech_ms >= LONG_GREETING_MS:
        return Greeting(Answerer.UNKNOWN, f"{measure}, long for a person")
    return Greeting(Answerer.HUMAN, measure)
