"""Keys in SIP INFO: how they are written, and which of them the stack has not taken itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.trace import InfoKeys, RefusedKey, read_key


def _info(body: str, kind: str = "application/dtmf", cseq: int = 7) -> str:
    lines = ["INFO sip:bot@1.2.3.4 SIP/2.0", "Call-ID: c-1", f"CSeq: {cseq} INFO", f"Content-Type: {kind}", "", body]
    return "RX UDP 1.2.3.5:5060 -> 1.2.3.4:5060\n" + "\r\n".join(lines)


def _answer(status: str, cseq: int = 7) -> str:
    return f"TX UDP 1.2.3.4:5060 -> 1.2.3.5:5060\nSIP/2.0 {status}\r\nCall-ID: c-1\r\nCSeq: {cseq} INFO\r\n\r\n"


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf", "5", "5"),
        ("application/dtmf", " 5\r\n", "5"),
        ("application/dtmf", "#", "#"),
        ("application/dtmf", "10", "*"),
        ("application/dtmf", "11\r\n", "#"),
        ("application/dtmf", "15", "D"),
        ("APPLICATION/DTMF;x=y", "d", "D"),
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", "Duration=160\r\nsignal= * \r\n", "*"),
        ("application/dtmf-relay", "Signal=11", "#"),
        ("application/dtmf", "16", None),
        ("application/dtmf", "", None),
        ("application/dtmf", "hello", None),
        ("application/dtmf", "\u0665", None),
        ("application/dtmf-relay", "Signal=!", None),
        ("application/dtmf-x", "5", None),
        ("text/plain", "5", None),
    ],
)
def test_a_key_is_read_from_info(kind: str, body: str, key: str | None) -> None:
    assert read_key(_info(body, kind).partition("\n")[2]) == key


@pytest.mark.parametrize("status", ["488 Not Acceptable Here", "415 Unsupported Media Type", "400 Bad Request"])
def test_a_key_that_the_stack_refuses_is_taken_once(status: str) -> None:
    keys = InfoKeys()
    assert keys.take(_info("5")) is None
    assert keys.take(_answer(status)) == RefusedKey("5", "c-1")
    assert keys.take(_info("5")) is None, "sent again over UDP"
    assert keys.take(_answer(status)) is None
    assert keys.take(_info("5", cseq=8)) is None
    assert keys.take(_answer(status, cseq=8)) == RefusedKey("5", "c-1")


@pytest.mark.parametrize("status", ["200 OK", "481 Call Does Not Exist", "500 Server Error"])
def test_a_key_that_the_stack_took_or_whose_call_is_gone_is_not_taken_again(status: str) -> None:
    keys = InfoKeys()
    keys.take(_info("Signal=5\r\nDuration=100", "application/dtmf-relay"))
    assert keys.take(_answer(status)) is None


def test_an_answer_without_its_request_says_nothing() -> None:
    assert InfoKeys().take(_answer("488 Not Acceptable Here")) is None


def test_requests_that_are_never_answered_are_forgotten() -> None:
    keys = InfoKeys()
    for cseq in range(3000):
        keys.take(_info("5", cseq=cseq))
    assert keys.take(_answer("488 No", cseq=0)) is None
    assert keys.take(_answer("488 No", cseq=2999)) == RefusedKey("5", "c-1")


@given(st.text(max_size=300))
def test_nothing_that_comes_makes_it_fail(text: str) -> None:
    keys = InfoKeys()
    for head in ("RX x\nINFO ", "TX x\nSIP/2.0 488 ", ""):
        keys.take(head + text)
        keys.take(head + f"x\r\nCall-ID: a\r\nCSeq: 1 INFO\r\nContent-Type: application/dtmf\r\n\r\n{text}")
