"""Recognises the wish for another call: a request to be called together with a time, or with "later" or "back"."""

from __future__ import annotations

import re

from bot.understanding import times_en, times_vi
from bot.understanding.lexicon_en import ENGLISH
from bot.understanding.lexicon_vi import VIETNAMESE
from bot.understanding.text import normalise

_ENGLISH_REQUEST = re.compile(
    r"(?<!not )(?<!not to )(?<!never )(?<!i )(?<!will )"
    r"\b(?:(?:call|ring|phone|try|reach|contact|telephone) (?:me|us|back|again|later)"
    r"|(?:call|ring|phone) (?=on|at|in|after|next)"
    r"|give (?:me|us) (?:a|another) (?:call|ring|buzz)|(?:talk|speak|chat)(?: (?:to|with) (?:me|you))?)\b"
)
_ENGLISH_LATER = re.compile(r"\b(?:call|ring|phone|try|talk|speak)\b[^.?!]*\b(?:later|back|another|again|some other)\b")
_VIETNAMESE_REQUEST = re.compile(
    r"(?<!đừng )(?<!không )(?<!ai )\bgọi (?:lại|cho|sau|vào|lúc|điện)\b|\b(?:mai|sau|nữa|tối|chiều) gọi\b"
)
_VIETNAMESE_LATER = re.compile(r"(?<!đừng )(?<!không )\bgọi (?:lại|sau)\b")


def asks_call_back(text: str, language: str = "en") -> bool:
    """Whether `text` asks for a call at another time. Opt-outs are to be looked for before."""
    if language.partition("-")[0] == "vi":
        normal = normalise(text, VIETNAMESE)
        return bool(
            _VIETNAMESE_LATER.search(normal) or (_VIETNAMESE_REQUEST.search(normal) and not times_vi.find(text).empty)
        )
    normal = normalise(text, ENGLISH)
    request = _ENGLISH_REQUEST.search(normal)
    return bool(request and (_ENGLISH_LATER.search(normal[request.start() :]) or not times_en.find(text).empty))
