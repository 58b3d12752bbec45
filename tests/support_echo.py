"""Whether an echoing far end is heard, however late a loaded machine brings it."""

from __future__ import annotations

import asyncio

from telephony.call import Call
from tests.support_sip import Listener, chirp, share_heard


async def hear_echo(call: Call, timeout_s: float = 30.0) -> None:
    """Say a chirp, again and again, until half of its pieces come back undamaged."""
    rate_hz = call.media.rate_hz
    said, listener = chirp(600, rate_hz), Listener(call)
    async with asyncio.timeout(timeout_s):
        while True:
            until = len(listener.frames) + 75
            await call.media.write(said)
            await listener.until_frames(until, timeout_s)
            if share_heard(said, listener.pcm, rate_hz) >= 0.5:
                return
