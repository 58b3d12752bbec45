"""A dialer whose Asterisk is a scripted manager interface."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from telephony.ami.account import AmiTimes
from telephony.ami.dialer import AsteriskDialer
from telephony.trunk import AsteriskTrunk
from tests.support_manager import HOST, SECRET, USER, ScriptedManager

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
