"""What app_amd found, where the user's dialplan ran it."""

from __future__ import annotations

import pytest

from bot.who_answered import Answerer, Source, verdict_of_amd


@pytest.mark.parametrize(
    ("status", "cause", "answerer"),
    [
        ("HUMAN", "HUMAN-800-800", Answerer.HUMAN),
        ("MACHINE", "INITIALSILENCE-2500-2500", Answerer.VOICEMAIL),
        ("MACHINE", "LONGGREETING-1510-1500", Answerer.VOICEMAIL),
        ("MACHINE", "MAXWORDS-3-3", Answerer.VOICEMAIL),
        ("MACHINE", "MAXWORDLENGTH-5000", Answerer.VOICEMAIL),
        (" machine ", None, Answerer.VOICEMAIL),
    ],
)
def test_what_decides(status: str, cause: str | None, answerer: Answerer) -> None:
    verdict = verdict_of_amd(status, cause)
    assert verdict is not None
    assert (verdict.answerer, verdict.source, verdict.decided_ms) == (answerer, Source.APP_AMD, 0)
    assert verdict.reason == f"app_amd: {status.strip().upper()} {cause or ''}".strip()


@pytest.mark.parametrize("status", [None, "", "NOTSURE", "HANGUP", "SOMETHING"])
def test_what_decides_nothing_leaves_it_to_the_conversation(status: str | None) -> None:
    assert verdict_of_amd(status, "TOOLONG-5000") is None
