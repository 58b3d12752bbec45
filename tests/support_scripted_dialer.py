"""A dialer, or an answered call, whose Asterisk is a scripted manager interface."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from telephony.ami.account import AmiTimes
from telephony.ami.dialer import AsteriskDialer
from telephony.ami.originate import call_uuid
from telephony.call import Call, DialRequest, NotAnswered
from telephony.trunk import AsteriskTrunk
from tests.support_dialer_asterisk import Phases
from tests.support_manager import HOST, SECRET, USER, ScriptedManager
from tests.support_media import AudioSocketPeer

TIMES = AmiTimes(ping_every_s=60.0, first_wait_s=0.01, longest_wait_s=0.05)


@contextlib.asynccontextmanager
async def opened(
    value: str = "", dial_string: str = "PJSIP/{number}@t", **changes: Any
) -> AsyncIterator[tuple[ScriptedManager, AsteriskDialer]]:
    async with ScriptedManager.open(value=value) as peer:
        trunk = AsteriskTrunk("pbx", HOST, dial_string, USER, SECRET, port=peer.port, **changes)
        peer.knows_events = True
        async with AsteriskDialer(trunk, times=TIMES) as dialer:
            peer.actions.clear()
            yield peer, dialer


@contextlib.asynccontextmanager
async def talking(
    *, value: str = "", silent: Iterable[str] = (), **changes: Any
) -> AsyncIterator[tuple[ScriptedManager, Call, AudioSocketPeer]]:
    """An answered call with the attempt's id "a1"; `value` is what Getvar answers, `silent` what gets no answer."""
    async with opened(**changes) as (peer, dialer), asyncio.timeout(60):
        peer.value = value
        peer.silent.update(silent)
        task = asyncio.create_task(dialer.dial(DialRequest("a1", "100"), Phases()))
        await peer.until_received("Originate")
        peer.event("Newchannel", Uniqueid="a1", Linkedid="a1", Channel="PJSIP/t-1")
        audio = await asyncio.to_thread(AudioSocketPeer, dialer.media_address, call_uuid("a1"))
        call = await task
        assert not isinstance(call, NotAnswered)
        try:
            yield peer, call, audio
        finally:
            peer.event("Hangup", Uniqueid="a1", Linkedid="a1", Channel="PJSIP/t-1", Cause="16")
            await call.ended()
            audio.hang_up()
