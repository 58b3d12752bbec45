"""The words of a language model as they come, cut into sentences that can be spoken while it still writes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from bot.speech.sentences import sentences

#: A letter-only word that ends no sentence: whatever stands before it is whole.
_PROBE: Final = "Xx"
#: The first words must come soon: from this length on a first sentence is cut at a clause.
_FIRST_CHARS: Final = 48
_CLAUSE: Final = re.compile(r"[,;:] | [–-] ")
_SHORTEST_CLAUSE: Final = 24
#: Thoughts and calls that a model, or its server, writes as text.
_HIDDEN: Final = re.compile(r"<(think|thinking|reasoning|tool_call|function)\b.*?(</\1>|\Z)", re.DOTALL)
_TAG_BEGUN: Final = re.compile(r"<[a-z_]{0,16}\Z")
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
_MARKS: Final = re.compile(r"[*`#]+|\b_+|_+\b")
_BULLET: Final = re.compile(r"^\s*[-•–]\s+")
#: Pictures, lone modifiers and invisible characters.
_UNSPOKEN: Final = frozenset({"So", "Sk", "Cs", "Co", "Cf"})
_CODE: Final = re.compile(r"^\s*[{\[<]")


class SentenceStream:
    """Takes text in pieces, gives whole sentences; the first one early, cut at a clause when it is long."""

    def __init__(self) -> None:
        self._rest = ""
        #: Whether any sentence was given.
        self.begun = False

    def feed(self, text: str) -> list[str]:
        """The sentences that are whole now."""
        self._rest += text
        shown = self._shown()
        if shown is None:
            return []
        *whole, last = sentences(shown + _PROBE) or [_PROBE]
        self._rest = last.removesuffix(_PROBE)
        if not whole and not self.begun:
            whole = self._first_clause()
        return self._given(whole)

    def end(self, *, cut: bool = False) -> list[str]:
        """The last words; with `cut` the model was stopped, and an unfinished sentence behind others is left out."""
        rest, self._rest = _HIDDEN.sub(" ", self._rest), ""
        return [] if cut and self.begun else self._given(sentences(rest))

    def _shown(self) -> str | None:
        """The text without what is hidden; None while something hidden, or a tag, may still go on."""
        begun = _TAG_BEGUN.search(self._rest)
        open_at = next((m.start() for m in _HIDDEN.finditer(self._rest) if not m[2]), None)
        if open_at is not None or begun is not None:
            return None
        return _HIDDEN.sub(" ", self._rest)

    def _first_clause(self) -> list[str]:
        if len(self._rest) < _FIRST_CHARS:
            return []
        marks = [mark for mark in _CLAUSE.finditer(self._rest) if mark.start() >= _SHORTEST_CLAUSE]
        if not marks:
            return []
        clause, self._rest = self._rest[: marks[0].end()], self._rest[marks[0].end() :]
        return [clause.strip()]

    def _given(self, found: list[str]) -> list[str]:
        spoken = list(_spoken(found))
        self.begun = self.begun or bool(spoken)
        return spoken


def _spoken(found: list[str]) -> Iterator[str]:
    for sentence in found:
        text = plain(sentence)
        if text:
            yield text


def plain(text: str) -> str:
    """`text` as it is read out: no markup, pictures or code; empty when nothing is left to say."""
    if _CODE.match(text) and not _LINK.match(text):
        return ""
    text = _MARKS.sub("", _LINK.sub(r"\1", text))
    shown = "".join(c for c in text if unicodedata.category(c) not in _UNSPOKEN and c != "\ufe0f")
    words = " ".join(_BULLET.sub("", shown).split())
    return words if any(map(str.isalnum, words)) else ""
