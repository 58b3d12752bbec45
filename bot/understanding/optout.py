"""Recognises, in every script and in English and Vietnamese alike, that somebody wants no more calls.

A request that names a limit ("don't call me now", "not at work") is a wish for another time, not an opt-out.
"""

from __future__ import annotations

import re

from bot.understanding.lexicon_en import ENGLISH
from bot.understanding.lexicon_vi import VIETNAMESE
from bot.understanding.text import normalise, without_marks

_CALL = r"(?:call|calling|phone|phoning|ring|ringing|contact|contacting|bother|bothering|disturb|text|harass|harassing)"
_LIST = r"(?:list|lists|database|system|records?|books?|file)"
_NUMBER = r"(?:my|this|the|our) (?:phone |telephone )?(?:number|name|contact|details)"

#: Final whatever else is said.
_ENGLISH_FINAL = re.compile(
    rf"\b(?:take|get|remove|delete|cross|strike) (?:me|us|{_NUMBER}) (?:off|from|out of)\b"
    rf"|\b(?:remove|delete|lose|erase|forget|block) {_NUMBER}\b"
    rf"|\b(?:take|get|remove) .{{0,20}}\b(?:off|from) (?:your|the|this|that)\b.{{0,20}}\b{_LIST}\b"
    r"|\bunsubscribe\b|\bopt(?:ing|ed)?[ -]?(?:me )?out\b|\b(?:do not|no) call list\b"
    r"|\bnever (?:ever )?(?:call|phone|ring|contact)\b"
    r"|\bleave (?:me|us) alone\b"
    r"|\bno more (?:phone )?calls?\b"
    rf"|\b(?:not|never) (?:want|like|need|wish|receive|get)\b.{{0,30}}\b(?:calls?|{_CALL})\b(?! (?:me )?(?:back )?(?:now|today))"
    r".{0,20}\b(?:again|any ?more|ever)\b"
    r"|\bnot (?:want|wish|like) (?:to (?:get|receive|have) )?(?:any |your |these |more |any more )+(?:phone )?calls?\b"
)
#: An opt-out unless a limit follows.
_ENGLISH_OPEN = re.compile(
    rf"(?<!why )\b(?:do not|not to|please not|never|must not|should not|can not|may not) (?:you )?(?:ever |please |dare )?{_CALL} ?(?:me|us|here|this number|my number|again|any ?more|back)\b"
    rf"|\b(?:stop|quit|cease|enough|no more|without) (?:of )?(?:with )?(?:these |the |your |all )*{_CALL}\b"
    rf"|\bstop (?:these|the|your|all)? ?(?:phone )?calls?\b"
    rf"|\bnot want (?:you )?(?:to )?(?:be )?(?:{_CALL}|called|contacted|phoned)\b"
)
_ENGLISH_LIMIT = re.compile(
    r"^[^.!?;]{0,30}?\b(?:now|notnow|today|tonight|tomorrow|until|till|before|at work|at home|at this|at the office|this (?:week|morning|afternoon|"
    r"evening|time|early|late)|so (?:early|late)|on (?:mon|tues|wednes|thurs|fri|satur|sun)days?|on weekends?|"
    r"(?:in|during) the|at (?:night|lunch)|while|when|after|next week|right away|yet)\b"
)
_ENGLISH_INVITATION = re.compile(
    r"(?<!not )(?<!not to )(?<!never )\b(?:call|phone|ring|try) (?:me |us )?(?:back |again )?(?:later|tomorrow|on|at|in|next|after|another|this|some|tonight|monday|"
    r"tuesday|wednesday|thursday|friday|saturday|sunday)\b"
)

_VIETNAMESE_FINAL = re.compile(
    r"\b(?:xóa|xoá|bỏ|gỡ|loại) (?:giúp |cho |dùm )?(?:tôi |em |anh |chị |mình )?(?:cái )?(?:số|tên|thông tin)\b"
    r"|\b(?:đừng|không|thôi|ngừng|dừng)(?: có)? (?:bao giờ )?(?:gọi|liên hệ|làm phiền|quấy rầy)(?: \w+){0,4}? nữa\b"
    r"|\bkhông muốn (?:nhận|nghe)(?: \w+){0,3} (?:cuộc gọi|gọi|điện)\b"
    r"|\bkhông (?:được )?gọi lại\b|\bđừng (?:có )?gọi lại\b|\b(?:ngừng|dừng|thôi) gọi\b|\bhủy đăng ký\b"
)
_VIETNAMESE_OPEN = re.compile(
    r"\b(?:đừng|không được)(?: có)? (?:gọi|liên hệ|làm phiền|quấy rầy)\b|\bkhông muốn (?:bị )?(?:gọi|làm phiền)\b"
)
_VIETNAMESE_LIMIT = re.compile(
    r"\b(?:bây giờ|lúc này|giờ này|hôm nay|bữa nay|trưa nay|sáng nay|tối nay|chiều nay|buổi)\b"
)
_VIETNAMESE_INVITATION = re.compile(
    r"(?<!đừng )(?<!không )\bgọi (?:lại )?(?:cho \w+ )?(?:sau|vào|lúc|mai|ngày|chiều|sáng|tối|tuần)\b"
    r"|(?:\bmai|\btối|\bchiều|\bsáng|\bsau|\bnữa)(?: \w+)? (?:hãy |hẵng |rồi )?gọi\b"
)
_WHY_NOT = re.compile(r"\b(?:sao|tại sao|vì sao)\b[^.!?]{0,20}không gọi")


def is_opt_out(text: str) -> bool:
    """Whether `text` asks for no more calls, in English or Vietnamese, whatever the script's language."""
    return _english(normalise(text, ENGLISH)) or _vietnamese(normalise(text, VIETNAMESE))


def _english(text: str) -> bool:
    if _ENGLISH_FINAL.search(text):
        return not _limited_again(text)
    return any(not _ENGLISH_LIMIT.search(text[match.end() :]) for match in _ENGLISH_OPEN.finditer(text)) and (
        not _ENGLISH_INVITATION.search(text) or _says_again(text)
    )


def _limited_again(text: str) -> bool:
    """A final wording with a limit right behind and an invitation: "never call me at work, call me tomorrow"."""
    matches = list(_ENGLISH_FINAL.finditer(text))
    return all(_ENGLISH_LIMIT.search(text[match.end() :]) for match in matches) and bool(
        _ENGLISH_INVITATION.search(text)
    )


def _says_again(text: str) -> bool:
    return any(
        re.match(r" ?(?:again|any ?more|ever)\b", text[match.end() :]) or re.search(r"(?:again|more|back)$", match[0])
        for match in _ENGLISH_OPEN.finditer(text)
    )


def _vietnamese(text: str) -> bool:
    final, opened = (_VIETNAMESE_FINAL, _VIETNAMESE_OPEN)
    if text == without_marks(text):
        return bool(_PLAIN_FINAL.search(text))
    if _WHY_NOT.search(text):
        return False
    if _VIETNAMESE_INVITATION.search(text) and not re.search(r"\bnữa\b", text):
        return False
    if final.search(text):
        return not _VIETNAMESE_LIMIT.search(text) or bool(re.search(r"gọi[^.!?]*\bnữa\b", text))
    return bool(opened.search(text)) and not _VIETNAMESE_LIMIT.search(text)


#: Typed or recognised without diacritics: only wordings that mean nothing else.
_PLAIN_FINAL = re.compile(
    r"\b(?:dung|khong|ngung) (?:co )?goi (?:lai )?(?:cho )?(?:toi |em |anh |chi |minh )?(?:nua|lai)\b"
)
