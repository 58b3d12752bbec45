"""Headers that may travel, settings that can work, and the reading of the stack's message trace."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from telephony.errors import InvalidHeader, InvalidTrunk
from telephony.sip.headers import check_headers
from telephony.sip.settings import SipSettings
from telephony.sip.trace import TRACE_LOGGER, Response, Trace, read_response
from telephony.trunk import TrunkConfig

TRYING = (
    "RX UDP 127.0.0.1:5060 -> 127.0.0.1:49619\n"
    "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 127.0.0.1:49619\r\nCall-ID: d915f5\r\nCSeq: 32472 INVITE\r\n\r\n"
)


def test_a_harmless_header_may_travel() -> None:
    check_headers({"X-Campaign": "Mùa hè 2026", "Privacy": "none"})


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "b\r\nRoute: <sip:evil>"},
        {"X-A": "b\nc"},
        {"X-A\r\nRoute": "b"},
        {"X A": "b"},
        {"X-A:": "b"},
        {"": "b"},
        {"X-A": "\0"},
        {"X-A": "x" * 257},
        {"From": "<sip:bank@example.com>"},
        {"call-id": "1"},
        {"v": "SIP/2.0/UDP evil"},
        {"Content-Length": "9"},
        {"x-campana-attempt": "another"},
    ],
)
def test_headers_that_could_forge_or_break_a_request_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidHeader):
        check_headers(headers)


def test_a_response_is_read_from_the_trace() -> None:
    assert read_response(TRYING) == Response(100, "INVITE", "d915f5")


def test_compact_call_id_is_read() -> None:
    assert read_response(TRYING.replace("Call-ID:", "i :")) == Response(100, "INVITE", "d915f5")


@pytest.mark.parametrize(
    "line",
    [
        "",
        TRYING.replace("RX", "TX", 1),
        TRYING.replace("SIP/2.0 100 Trying", "BYE sip:x SIP/2.0"),
        TRYING.replace("Call-ID", "X-Call"),
        TRYING.replace("CSeq", "X-CSeq"),
        TRYING.replace("100", "1oo", 1).replace("SIP/2.0 100", "SIP/2.0 1oo"),
        "some other line of the stack",
    ],
)
def test_what_is_no_received_response_is_passed_over(line: str) -> None:
    assert read_response(line) is None


def test_the_trace_is_taken_out_of_the_logs_and_put_back() -> None:
    logger, heard = logging.getLogger(TRACE_LOGGER), list[Response]()
    before = (logger.level, logger.propagate, list(logger.handlers))
    trace = Trace(heard.append, lambda _key: None)
    trace.install()
    logger.debug("%s", TRYING)
    assert logger.propagate is False
    trace.remove()
    logger.debug("%s", TRYING)
    assert heard == [Response(100, "INVITE", "d915f5")]
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


@pytest.mark.parametrize(
    ("host", "bind"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("sip.example.com", None), ("192.0.2.1", None)],
)
def test_a_loopback_trunk_is_called_from_loopback(host: str, bind: str | None) -> None:
    assert SipSettings.reaching(TrunkConfig("t", host)).bind == bind


def test_settings_become_directives_of_the_stack() -> None:
    fixed = SipSettings(bind="127.0.0.1", listen_port=5070, rtp_ports=(20000, 20100), jitter_ms=(40, 80))
    assert fixed.directives().splitlines() == [
        "rtp_ports 20000-20100",
        "audio_jitter_buffer_ms 40-80",
        "opus_samplerate 16000",
        "opus_stereo no",
        "opus_sprop_stereo no",
        "sip_listen 127.0.0.1:5070",
    ]
    assert "sip_listen 0.0.0.0:5070" in SipSettings(bind="eth0", listen_port=5070).directives()
    assert "sip_listen" not in SipSettings().directives()


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen_port": 70000},
        {"rtp_ports": (80, 90)},
        {"rtp_ports": (30000, 30000)},
        {"jitter_ms": (60, 20)},
        {"rtp_timeout_s": -1},
        {"no_response_s": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidTrunk, match="sip: "):
        SipSettings(**wrong)
