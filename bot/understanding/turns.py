"""What words tell of turns: those with which people listen, and those with which nobody ends a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bot.understanding.text import words

#: A back-channel is a word or two.
_MOST_WORDS: Final = 4


@dataclass(frozen=True)
class _Words:
    """`listening` words only tell that somebody listens; `agreeing` ones do, or they say yes. A plain "yes" answers.

    Longer answers begin with both, with `negations` and with `openers`. `open` words end no sentence;
    `open_unless_negated` end one after a negation ("I do not want to"), `copulas` after a pronoun ("Yes, it is").
    """

    listening: frozenset[str]
    agreeing: frozenset[str]
    open: frozenset[str]
    open_unless_negated: frozenset[str] = frozenset()
    negations: frozenset[str] = frozenset()
    openers: frozenset[str] = frozenset()
    copulas: frozenset[str] = frozenset()
    pronouns: frozenset[str] = frozenset()


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH: Final = _Words(
    listening=_set("mm mmm mhm mhmm hm hmm hmmm uh huh ah aha oh ooh um umm uhm er"),
    agreeing=_set("yeah yep yup ok okay right i see alright"),
    open=_set(
        "and but or because the a an my your our their its if i um uh er erm well it's i'm that's "
        "there's he's she's i'd i'll i've we're they're"
    ),
    open_unless_negated=_set("to of for with at from about on than as into"),
    negations=_set("not don't can't won't doesn't didn't isn't never cannot no"),
    openers=_set("yes sure all good sorry well hello hi please maybe of course thanks thank you now"),
    copulas=_set("is are was were am"),
    pronouns=_set("i it he she that this there we they you who what where when how everything nobody"),
)
_VIETNAMESE: Final = _Words(
    listening=_set("ừ ừm ờ ờm à á ồ ơ ừa um umm hm hmm mm uh ạ"),
    agreeing=_set("vâng dạ dà vâng ok okay được rồi thế ạ à"),
    open=_set("và nhưng hoặc vì nếu là của với để thì tại bởi rằng các những mỗi ờm ừm"),
    negations=_set("không chưa chẳng"),
    openers=_set("alo xin lỗi cảm ơn có đúng phải em anh chị cô chú bác ơi"),
)
_NOTHING: Final = _Words(frozenset(), frozenset(), frozenset())
_HYPHENS: Final = re.compile(r"[-‐‑–]")


def is_back_channel(text: str, language: str, *, agreeing: bool) -> bool:
    """Whether `text` only tells that somebody listens; with `agreeing`, also when it could be a yes.

    >>> is_back_channel("Mm-hmm.", "en", agreeing=False), is_back_channel("Yeah, okay.", "en", agreeing=False)
    (True, False)
    """
    known, said = _words_of(language), words(_plain(text))
    meant = known.listening | known.agreeing if agreeing else known.listening
    return 0 < len(said) <= _MOST_WORDS and all(word in meant for word in said)


def sounds_open(text: str, language: str) -> bool:
    """Whether more must follow: the last word is one that ends no sentence, or the sentence trails off.

    >>> sounds_open("My number is", "en"), sounds_open("I do not want to.", "en"), sounds_open("I want to", "en")
    (True, False, True)
    """
    known, said = _words_of(language), words(_plain(text))
    if not said or text.rstrip().endswith("?"):
        return False
    last = said[-1]
    if text.rstrip().endswith((",", "…", "...", "-", "–")) or last in known.open:
        return True
    if last in known.copulas:
        return len(said) > 1 and said[-2] not in known.pronouns
    return last in known.open_unless_negated and not known.negations.intersection(said)


def is_brief(text: str, language: str) -> bool:
    """Whether `text` is no more than a word or two of assent or refusal, with which longer answers begin.

    >>> is_brief("Yes.", "en"), is_brief("Yes, on Friday.", "en")
    (True, False)
    """
    known = _words_of(language)
    particles = known.listening | known.agreeing | known.negations | known.openers
    return all(word in particles for word in words(_plain(text)))


def _plain(text: str) -> str:
    return " ".join(_HYPHENS.sub(" ", text.replace("’", "'")).casefold().split())


def _words_of(language: str) -> _Words:
    return {"en": _ENGLISH, "vi": _VIETNAMESE}.get(language.partition("-")[0].casefold(), _NOTHING)
