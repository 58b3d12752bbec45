"""Campana as an extension of a PBX: what remains for versions of Asterisk without AudioSocket."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from telephony.call import Call, DialRequest, NotAnswered
from telephony.outcomes import DialStatus
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, Persona, Reject, RingOut
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.trunk import TrunkConfig
from tests.support_asterisk import Asterisk
from tests.support_asterisk_config import HOST
from tests.support_echo import hear_echo

ECHO, BUSY, UNKNOWN, RING = "+84900000001", "+84900000002", "+84900000003", "+84900000004"
PASSWORD = "of-the-extension"
_PERSONAS = (
    Persona((ECHO,), "echo", Answer(0), (Echo(),)),
    Persona((BUSY,), "busy", Reject(486)),
    Persona((UNKNOWN,), "unknown", Reject(404)),
    Persona((RING,), "lets it ring", RingOut()),
)
_PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "connect-asterisk.md").read_text(encoding="utf-8")
#: The trunk of the test bed has the callers' address too.
_ORDER = "\n[global]\ntype = global\nendpoint_identifier_order = username,ip,anonymous\n"


def _printed(file: str) -> str:
    """What the page gives as the content of a file."""
    (block,) = re.findall(rf"```ini\n; {re.escape(file)}\n(.*?)```", _PAGE, flags=re.S)
    return "\n" + block.replace("password = …", f"password = {PASSWORD}")


@contextlib.asynccontextmanager
async def _extension(folder: Path, *, password: str = PASSWORD, register: bool = True) -> AsyncIterator[SipDialer]:
    extra = {"pjsip.conf": _printed("pjsip.conf") + _ORDER, "extensions.conf": _printed("extensions.conf")}
    async with (
        SimulatedNetwork(_PERSONAS) as network,
        Asterisk.start(folder, network.port, extra=extra) as pbx,
    ):
        trunk = TrunkConfig("pbx", HOST, pbx.sip_port, user="campana", password=password)
        async with SipDialer(replace(trunk, register=register), SipSettings(bind=HOST)) as dialer:
            yield dialer


async def _dial(dialer: SipDialer, number: str, ring_timeout_s: float = 30.0) -> Call | NotAnswered:
    return await dialer.dial(DialRequest("attempt", number, ring_timeout_s=ring_timeout_s), lambda _phase, _at: None)


async def test_audio_passes_through_the_pbx_both_ways(tmp_path: Path) -> None:
    async with _extension(tmp_path) as dialer:
        call = await _dial(dialer, ECHO)
        assert not isinstance(call, NotAnswered), call
        await hear_echo(call)
        await call.hangup()


@pytest.mark.parametrize(
    ("number", "expected"),
    [(BUSY, DialStatus.BUSY), (UNKNOWN, DialStatus.INVALID), (RING, DialStatus.NOANSWER)],
)
async def test_the_pbx_hands_the_outcome_on(tmp_path: Path, number: str, expected: DialStatus) -> None:
    async with _extension(tmp_path, register=False) as dialer:
        result = await _dial(dialer, number, ring_timeout_s=3.0 if number == RING else 30.0)
        assert isinstance(result, NotAnswered)
        assert result.dial_status is expected, result


async def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    async with _extension(tmp_path, password="wrong", register=False) as dialer:
        result = await _dial(dialer, ECHO)
        assert isinstance(result, NotAnswered)
        assert result.dial_status is DialStatus.CHANUNAVAIL
        assert result.sip_code == 401
