"""E-mails that scripts want sent: checked, and put into the outbox with the settlement of their call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.outcome import Letter

#: The outbox's topic; `reports.call_mail` delivers it.
TOPIC: Final = "call_mail"
#: E-mails of one call; a script that goes round in a circle must not send more.
MOST: Final = 10
_LONGEST_ADDRESS: Final = 254
_LONGEST_SUBJECT: Final = 200
_LONGEST_BODY: Final = 20_000
# RFC 5321, without quoted names and address literals: nobody has those, and they can hide other addresses.
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)


@dataclass(frozen=True)
class Posted:
    """Rows for the outbox, (key, payload), and why the other letters are not sent."""

    works: tuple[tuple[str, Mapping[str, Any]], ...]
    refused: tuple[str, ...]


def post(attempt_id: str, letters: Sequence[Letter], *, rehearsal: bool = False) -> Posted:
    """What becomes of an attempt's letters: each is sent once, whatever is repeated, for its key tells it apart."""
    works: list[tuple[str, Mapping[str, Any]]] = []
    refused = []
    for number, letter in enumerate(letters, start=1):
        reason = _reason(letter, rehearsal=rehearsal, sent=len(works))
        if reason is not None:
            refused.append(reason)
            continue
        content = {"to": letter.to.strip(), "subject": _line(letter.subject), "body": _text(letter.body)}
        works.append((f"{TOPIC}:{attempt_id}:{number}", {"attempt_id": attempt_id, "letter": number, **content}))
    return Posted(tuple(works), tuple(refused))


def _reason(letter: Letter, *, rehearsal: bool, sent: int) -> str | None:
    if rehearsal:
        return "test calls send no e-mail"
    if sent >= MOST:
        return f"more than {MOST} e-mails in one call"
    if not is_address(letter.to.strip()):
        return "the address is none"
    return None


def is_address(text: str) -> bool:
    """Whether `text` is one e-mail address and nothing else."""
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def _line(text: str) -> str:
    """A line break in a header would begin another header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_SUBJECT]


def _text(text: str) -> str:
    return "".join(c for c in text if c.isprintable() or c in "\n\t")[:_LONGEST_BODY]
