"""The `collect` block: asks for a value until it is given, and has it confirmed where the script wants that."""

from __future__ import annotations

import re
from typing import Final

from bot.script.hearing import model_of
from bot.script.language import BuiltIn, Collect
from bot.script.progress import Asked, Progress
from bot.script.replies import Line
from bot.script.typed import KEYS, typed_value, whole
from bot.understanding.forms import ValueForm, ValueKind
from bot.understanding.lexicon import lexicon_for
from bot.understanding.text import normalise, split_particles, words
from bot.understanding.values import find_value

#: How often a value may be put to the customer for confirmation without a yes or a no.
CONFIRMS: Final = 2
#: That a value is wrong, in words that elsewhere say more than no.
_DENIALS: Final = {
    "en": re.compile(r"\b(?:wrong|incorrect|not (?:right|correct|true|quite|what i said))\b"),
    "vi": re.compile(r"\b(?:sai|nhầm|không (?:đúng|phải|chính xác)|chưa đúng)\b"),
}
#: What no other value can be told from: a bare word says little about either of them.
VAGUE: Final = frozenset({ValueKind.TEXT, ValueKind.YES_NO})


def find(progress: Progress, text: str, form: ValueForm) -> str | None:
    """The value of a form in what was said."""
    return find_value(text, form, now=progress.now, time_zone=progress.time_zone, language=progress.language)


def begin(progress: Progress, block: Collect) -> None:
    """Ask for the value."""
    progress.say(block.ask)


def hear(progress: Progress, block: Collect, text: str) -> bool | None:
    """Take what was said: whether the script goes on at once, None when it holds no answer."""
    if progress.asked.candidate is not None:
        return _hear_confirmation(progress, block, progress.asked.candidate, text)
    if _declines(progress, block, text):
        progress.pass_on()
        return True
    value = find(progress, text, block.form)
    return None if value is None else _give(progress, block, value)


def _declines(progress: Progress, block: Collect, text: str) -> bool:
    """Whether a no leaves out a value that is not required."""
    if block.required or block.form.kind is ValueKind.YES_NO or _polarity(progress, text) is not BuiltIn.NO:
        return False
    if block.form.kind is ValueKind.TEXT:
        return not _after_no(text, progress.language)
    return find(progress, text, block.form) is None


def press(progress: Progress, block: Collect, digit: str) -> bool:
    """Take a key: `#` ends the value or confirms it, `*` begins it anew or refuses it; A to D mean nothing."""
    asked = progress.asked
    if digit not in KEYS:
        return False
    if digit == "#":
        return _end_typing(progress, block)
    if digit == "*":
        if asked.candidate is not None and not asked.typed:
            return _again(progress, block)
        asked.typed = ""
        return False
    asked.typed += digit
    return _end_typing(progress, block) if whole(asked.typed, block.form) else False


def stop_typing(progress: Progress, block: Collect) -> bool:
    """Take the keys pressed so far for the whole value: none has followed for long."""
    return _end_typing(progress, block)


def missed(progress: Progress, block: Collect) -> bool:
    """Go on after something that is no answer: whether the script goes on at once."""
    asked = progress.asked
    if asked.candidate is not None and asked.doubts < CONFIRMS:
        asked.doubts += 1
        progress.lines.extend(confirmation(progress, block))
        return False
    return _again(progress, block)


def confirmation(progress: Progress, block: Collect) -> tuple[Line, ...]:
    """The question whether the candidate is right."""
    candidate = progress.asked.candidate
    if block.confirm is None or candidate is None:
        return ()
    variables = progress.variables.with_value(block.into, candidate, block.form)
    return tuple(Line(sentence) for sentence in variables.spoken(block.confirm))


def question(progress: Progress, block: Collect) -> tuple[Line, ...]:
    """What is asked for now."""
    return confirmation(progress, block) or progress.rendered(block.ask)


def _end_typing(progress: Progress, block: Collect) -> bool:
    asked, keys = progress.asked, progress.asked.typed
    asked.typed = ""
    if asked.candidate is not None and not keys:
        return _accept(progress, block, asked.candidate)
    value = typed_value(keys, block.form, now=progress.now, time_zone=progress.time_zone, language=progress.language)
    return _again(progress, block) if value is None else _give(progress, block, value)


def _give(progress: Progress, block: Collect, value: str) -> bool:
    if block.confirm is None:
        return _accept(progress, block, value)
    progress.asked.candidate, progress.asked.doubts = value, 0
    progress.prompt = confirmation(progress, block)
    progress.lines.extend(progress.prompt)
    return False


def _accept(progress: Progress, block: Collect, value: str) -> bool:
    progress.keep(block.into, value, block.form)
    progress.pass_on()
    return True


def _again(progress: Progress, block: Collect) -> bool:
    """Ask once more; after the last line the value is not given."""
    misses = progress.asked.misses
    progress.asked = Asked(misses=misses + 1)
    if misses < len(block.ask_again):
        progress.prompt = progress.rendered(block.ask_again[misses])
        progress.lines.extend(progress.prompt)
        return False
    if not block.required:
        progress.pass_on()
        return True
    progress.leave(None if block.otherwise is None else block.otherwise.step)
    return True


def _hear_confirmation(progress: Progress, block: Collect, candidate: str, text: str) -> bool | None:
    """A yes counts, another value replaces the first one, a no alone has it asked for again."""
    polarity = _polarity(progress, text)
    other = _correction(progress, block, text, polarity)
    if other is not None and other != candidate:
        return _give(progress, block, other)
    if polarity is BuiltIn.NO:
        return _again(progress, block)
    if polarity is BuiltIn.YES or other is not None:
        return _accept(progress, block, candidate)
    return None


def _polarity(progress: Progress, text: str) -> BuiltIn | None:
    both = (BuiltIn.YES.value, BuiltIn.NO.value)
    if _denies(text, progress.language):
        return BuiltIn.NO
    understood = model_of(progress.script).classify(text, both, threshold=progress.script.min_confidence)
    return None if understood.intent is None else BuiltIn(understood.intent)


def _correction(progress: Progress, block: Collect, text: str, polarity: BuiltIn | None) -> str | None:
    if block.form.kind is ValueKind.YES_NO:
        return None
    if block.form.kind is not ValueKind.TEXT:
        return find(progress, text, block.form)
    rest = _after_no(text, progress.language) if polarity is BuiltIn.NO else ""
    return find(progress, rest, block.form) if rest and not _denies(rest, progress.language) else None


def _denies(text: str, language: str) -> bool:
    denial = _DENIALS.get(language.partition("-")[0])
    return denial is not None and denial.search(normalise(text, lexicon_for(language))) is not None


def _after_no(text: str, language: str) -> str:
    """What follows the words of refusal that `text` begins with, as it was said."""
    lexicon = lexicon_for(language)
    lead, _ = split_particles(words(normalise(text, lexicon)), lexicon)
    if not any(word in lexicon.no for word in lead):
        return ""
    return " ".join(text.split()[len(lead) :])
