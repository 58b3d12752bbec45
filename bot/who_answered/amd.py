"""What Asterisk's AMD application found, where the user's dialplan runs it before handing the call over."""

from __future__ import annotations

from typing import Final

from bot.who_answered.verdict import Answerer, Source, Verdict

#: AMDSTATUS of apps/app_amd.c. HANGUP ends the call, and NOTSURE or an empty one says nothing: a person, then.
_STATUSES: Final = {"HUMAN": Answerer.HUMAN, "MACHINE": Answerer.VOICEMAIL}


def verdict_of_amd(status: str | None, cause: str | None = None) -> Verdict | None:
    """The verdict that `AMDSTATUS` and `AMDCAUSE` stand for; None where they decide nothing.

    The cause is written as `MAXWORDS-3-3`, `LONGGREETING-1510-1500` and the like; it is kept as the reason.
    """
    word = (status or "").strip().upper()
    answerer = _STATUSES.get(word)
    if answerer is None:
        return None
    because = (cause or "").strip()
    return Verdict(answerer, Source.APP_AMD, f"app_amd: {word} {because}".rstrip(), decided_ms=0)
