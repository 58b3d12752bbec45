"""An answered call through Asterisk: `telephony.call.Call`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from telephony.ami.leg import Leg
from telephony.call import CallEnd, Media
from telephony.media.leg import MediaLeg
from telephony.transfer import HandOver, Target


class AsteriskCall:
    """Built when the answer and the audio are there."""

    def __init__(
        self,
        leg: Leg,
        audio: MediaLeg,
        hang_up: Callable[[], Awaitable[None]],
        hand_over: Callable[[Target], Awaitable[HandOver]],
        amd: tuple[str, str] | None = None,
    ) -> None:
        assert leg.answered_at is not None
        self._leg, self._audio = leg, audio
        self._answered_at = leg.answered_at
        self._amd = amd
        self._hang_up, self._hand_over = hang_up, hand_over

    @property
    def attempt_id(self) -> str:
        return self._leg.attempt_id

    @property
    def answered_at(self) -> datetime:
        return self._answered_at

    @property
    def media(self) -> Media:
        return self._audio.media

    @property
    def channel(self) -> str | None:
        """The channel's name in Asterisk, to find the call in its logs."""
        return self._leg.channel

    @property
    def amd(self) -> tuple[str, str] | None:
        """See `telephony.call.HasAmd`."""
        return self._amd

    def on_dtmf(self, listener: Callable[[str], None]) -> None:
        self._audio.on_dtmf(listener)

    async def hangup(self) -> None:
        await self._hang_up()

    async def hand_over(self, target: Target) -> HandOver:
        """See `telephony.transfer.HandsOver`: the customer goes to the PBX's dialplan, and is not `kept` after that.

        Kept is a customer whom Asterisk could not redirect (no such extension, no right, no connection), and with audio
        that is a channel of its own (16 kHz, chan_websocket) also one whose agent did not pick up.
        """
        return await self._hand_over(target)

    async def ended(self) -> CallEnd:
        await self._leg.closed.wait()
        return self._leg.end()
