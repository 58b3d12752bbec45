"""Keys that come by SIP INFO, from SIPp: every way of writing them reaches the conversation, each key once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from telephony.call import DialRequest, NotAnswered
from telephony.sip.call import SipCall
from telephony.sip.dialer import SipDialer
from telephony.sip.settings import SipSettings
from telephony.transfer import Target, TransferBy
from telephony.trunk import TrunkConfig
from tests.support_sipp import HOST, refer, request, sipp, talk

pytestmark = pytest.mark.sipp

_RELAY, _ALONE = ["Content-Type: application/dtmf-relay"], ["Content-Type: application/dtmf"]


def _info(cseq: int, kind: list[str], body: str, answered: str) -> str:
    return request("INFO", cseq, body, headers=kind, answered=answered)


@pytest.mark.parametrize(
    ("presses", "keys"),
    [
        # The duration of one runs into the next: the stack would lose the first.
        ([(_RELAY, f"Signal={key}\nDuration=2000", "200") for key in "55#*A"], list("55#*A")),
        ([(_ALONE, key, "488") for key in ("5", "5", "#", "10", "11")], list("55#*#")),
        ([(_RELAY, f"Signal={key}", "400") for key in "19"], list("19")),
    ],
    ids=["dtmf-relay", "dtmf", "dtmf-relay without a duration"],
)
async def test_keys_by_info(presses: list[tuple[list[str], str, str]], keys: list[str], tmp_path: Path) -> None:
    infos = [_info(cseq, *press) for cseq, press in enumerate(presses, 1)]
    heard: list[str] = []
    async with (
        # The refused REFER tells SIPp that somebody listens for keys now.
        sipp(talk(refer("603 Decline"), *infos), tmp_path) as peer,
        SipDialer(TrunkConfig("carrier", HOST, peer.port), SipSettings(bind=HOST)) as dialer,
    ):
        call = await dialer.dial(DialRequest("keys", "+84900000001"), lambda *_: None)
        assert not isinstance(call, NotAnswered)
        assert isinstance(call, SipCall)
        call.on_dtmf(heard.append)
        async with asyncio.timeout(60):
            await call.hand_over(Target("go", "100", TransferBy.HAND_OVER, ring_s=60.0))
            while len(heard) < len(keys):  # noqa: ASYNC110 - the keys are counted by a listener
                await asyncio.sleep(0.02)
        await call.hangup()
        await peer.until_received("BYE", 1, 60)
    assert heard == keys
