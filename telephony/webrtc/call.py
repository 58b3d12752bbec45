"""A connected browser as an answered call: `telephony.call.Call`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from storage.clock import Clock
from telephony.call import CallEnd, Media
from telephony.media.leg import MediaEnd, MediaLeg
from telephony.outcomes import HangupBy

_BY = {MediaEnd.US: HangupBy.BOT, MediaEnd.PEER: HangupBy.CUSTOMER, MediaEnd.ERROR: HangupBy.NETWORK}


class BrowserCall:
    """Answered in the moment that it is made, for a leg that has connected."""

    def __init__(self, leg: MediaLeg, attempt_id: str, clock: Clock) -> None:
        self._leg = leg
        self._attempt_id = attempt_id
        self._clock = clock
        self._answered_at = clock.now()
        self._end = asyncio.get_running_loop().create_task(self._wait(), name="browser-call")

    @property
    def attempt_id(self) -> str:
        return self._attempt_id

    @property
    def answered_at(self) -> datetime:
        return self._answered_at

    @property
    def media(self) -> Media:
        return self._leg.media

    def on_dtmf(self, listener: Callable[[str], None]) -> None:
        self._leg.on_dtmf(listener)

    async def hangup(self) -> None:
        self._leg.hangup()

    async def ended(self) -> CallEnd:
        return await asyncio.shield(self._end)

    async def _wait(self) -> CallEnd:
        end = await self._leg.closed()
        return CallEnd(_BY[end], self._clock.now())
