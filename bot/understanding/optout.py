"""Recognises, in every script and in English and Vietnamese alike, that somebody wants no more calls.

A wish that is limited ("don't call me now", "not at work") or that comes with an invitation ("call me tomorrow")
is a wish for another time, unless its wording is final ("take me off your list", "don't call me again").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.understanding.lexicon_en import ENGLISH
from bot.understanding.lexicon_vi import VIETNAMESE
from bot.understanding.text import normalise, without_marks

_NEVER = re.compile(r"(?!)")


@dataclass(frozen=True)
class _Wordings:
    """Patterns of one language.

    `final` holds whatever else is said; `firm` unless a limit follows; `weak` unless a limit follows or an
    invitation stands anywhere; `excused` parts of the text are not read at all.
    """

    final: re.Pattern[str]
    firm: re.Pattern[str]
    weak: re.Pattern[str]
    limit: re.Pattern[str]
    invitation: re.Pattern[str]
    excused: re.Pattern[str] = _NEVER

    def found_in(self, text: str) -> bool:
        """Whether normalised `text` holds an opt-out."""
        read = self.excused.sub(" ", text)
        if self.final.search(read) or self._unlimited(self.firm, read):
            return True
        return self._unlimited(self.weak, read) and not self.invitation.search(read)

    def _unlimited(self, pattern: re.Pattern[str], text: str) -> bool:
        return any(not self.limit.match(text[match.end() :]) for match in pattern.finditer(text))


_CALL = r"(?:call|phone|ring|contact|bother|disturb|text|harass|telephone)"
_CALLING = r"(?:calling|phoning|ringing|contacting|bothering|disturbing|texting|harassing|telephoning)"
_CALLED = r"(?:called|phoned|contacted|bothered|disturbed|harassed|telephoned)"
_WHOM = r"(?:me|us|here|this (?:phone )?number|my (?:phone )?number|my (?:phone|home|house))"
_OWN = r"(?:me|us|(?:my|this|our) (?:phone |telephone )?(?:number|name|contact|details))"
_NOT = r"(?:not|never|not ever|no longer)"
_EVER_AGAIN = r"(?:again|a gain|any ?more|any longer|ever)"
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"

_ENGLISH = _Wordings(
    final=re.compile(
        rf"\b(?:take|get|remove|delete|cross|strike|keep|drop) {_OWN} (?:off|from|out of)\b"
        r"|\b(?:taken|removed|deleted|crossed|struck|dropped) (?:off|from|out of) (?:your|the|this|that|any|all) "
        r"(?:\w+ )?(?:lists?|system|database|records)\b"
        rf"|\b(?:remove|delete|lose|erase|forget|block) (?:my|this|our) (?:phone |telephone )?(?:number|name|details)\b"
        rf"|\bunsubscribe\b|\bopt(?:ing|ed)? ?-?(?:{_OWN} )?out\b|\b(?:do not|no) call list\b"
        rf"|\bleave (?:me|us) alone\b|\bno more (?:phone )?calls?\b"
    ),
    firm=re.compile(
        rf"\b{_NOT} (?:\w+ ){{0,4}}?{_CALL}(?: {_WHOM})?(?: back)? {_EVER_AGAIN}\b"
        rf"|\b{_NOT} (?:\w+ ){{0,4}}?(?:be {_CALLED}|(?:get|receive|have|want|like) (?:\w+ ){{0,2}}calls?)"
        rf"(?: (?:from )?\w+)? {_EVER_AGAIN}\b"
        r"|\bnot (?:want|wish|like|need) (?:to (?:get|receive|have) )?"
        r"(?:(?:any|your|these|more|of) )+(?:phone )?calls?\b"
        rf"|\bnever (?:ever )?{_CALL}(?: {_WHOM})?\b(?! back)"
        rf"|\b(?:stop|quit|cease) (?:with )?(?:all )?(?:these |the |your )?(?:phone )?(?:{_CALLING}|calls?)\b"
        rf"(?: {_WHOM})?(?:(?: right)? now\b)?"
    ),
    weak=re.compile(
        r"(?<!why )(?<!you )(?<!i )(?<!we )\bdo not (?:you )?(?:dare )?(?:ever )?(?:please )?"
        rf"{_CALL}\b(?: {_WHOM}| back)?"
        rf"|\b(?:not to|please not|must not|should not|may not) (?:ever )?{_CALL}\b(?: {_WHOM})?"
        rf"|\bnot (?:want|like|wish) (?:you |people |anyone )?to (?:be )?(?:{_CALL}|{_CALLED})\b(?: {_WHOM})?"
        rf"|\bnot want (?:your|the|this|these) calls?\b"
    ),
    limit=re.compile(
        r"(?: \w+){0,3}? (?:now|notnow|today|tonight|tomorrow|until|till|before|while|when|after|yet|then|right away|"
        r"at (?:work|home|night|lunch|this|the|\d)|this (?:week|month|morning|afternoon|evening|time|early|late)|"
        rf"so (?:early|late)|next (?:week|month)|(?:on )?{_DAY}s?|(?:on|at) weekends?|in the|during|between|past)\b"
    ),
    invitation=re.compile(
        rf"(?<!not )(?<!not to )(?<!never )(?<!not ever )\b(?:call|phone|ring|try)(?: me| us)?(?: back| again)? "
        rf"(?:later|tomorrow|today|tonight|on|at|in|next|after|another|this|some|{_DAY})\b"
    ),
    excused=re.compile(r"\bwhy (?:do|did|would) you\b[^.?!]*|\bif (?:you|i|we)\b[^.,?!]*\b(?:not|never)\b[^.,?!]*"),
)

_ASK = r"(?:gọi|liên hệ|làm phiền|quấy rầy|phiền)"
_VIETNAMESE = _Wordings(
    final=re.compile(
        r"\b(?:xóa|xoá|bỏ|gỡ|loại) (?:\w+ ){0,2}?(?:số|tên|thông tin)\b"
        r"|\bkhông muốn (?:nhận|nghe)(?: \w+){0,3} (?:cuộc gọi|gọi|điện)\b|\b(?:hủy|huỷ) đăng ký\b"
    ),
    firm=re.compile(
        rf"\b(?:đừng|không|thôi|ngừng|dừng)(?: \w+){{0,2}}? {_ASK}(?: \w+){{0,4}}? nữa\b"
        r"|\b(?:không|đừng)(?: được| có)? gọi lại\b|\b(?:ngừng|dừng|thôi) gọi\b"
    ),
    weak=re.compile(
        rf"\b(?:đừng|không được)(?: có)? {_ASK}(?: cho)?(?: tôi| em| anh| chị| mình)?\b|\bkhông muốn bị {_ASK}\b"
    ),
    limit=re.compile(
        r"(?: \w+){0,3}? (?:bây giờ|lúc này|lúc đó|giờ này|giờ đó|hôm nay|bữa nay|(?:sáng|trưa|chiều|tối) nay|"
        r"buổi \w+|vào|trước)\b"
    ),
    invitation=re.compile(
        r"(?<!đừng )(?<!không )\bgọi (?:lại )?(?:cho \w+ )?(?:sau|vào|lúc|mai|ngày|chiều|sáng|tối|tuần)\b"
        r"|\b(?:mai|tối|chiều|sáng|sau|nữa)(?: \w+)? (?:hãy |hẵng |rồi )?gọi\b"
    ),
    excused=re.compile(r"\b(?:tại |vì )?sao\b[^.!?]*"),
)
#: Typed, or recognised, without diacritics: only wordings that mean nothing else.
_PLAIN_VIETNAMESE = re.compile(
    r"\b(?:dung|khong|ngung) (?:co )?goi (?:lai )?(?:cho )?(?:toi |em |anh |chi |minh )?(?:nua|lai)\b"
)


def is_opt_out(text: str) -> bool:
    """Whether `text` asks for no more calls, in English or Vietnamese, whatever the script's language."""
    if _ENGLISH.found_in(normalise(text, ENGLISH)):
        return True
    vietnamese = normalise(text, VIETNAMESE)
    if vietnamese == without_marks(vietnamese):
        return bool(_PLAIN_VIETNAMESE.search(vietnamese))
    return _VIETNAMESE.found_in(vietnamese)
