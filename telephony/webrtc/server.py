"""Answers browsers, and keeps their audio flowing in a thread of its own, whatever the caller's event loop does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import uuid4

import structlog

from telephony.errors import MediaServerError
from telephony.media.leg import MediaEnd, MediaLeg
from telephony.media.server import RATES_HZ
from telephony.media.thread import LoopThread, Pulse
from telephony.webrtc.addresses import offer_addresses
from telephony.webrtc.peer import Peer

_log = structlog.get_logger(__name__)

_CLOSE_S = 10.0


class WebRtcServer:
    """`server = WebRtcServer.open(…)` and `aclose()`, or `async with`.

    `stun` are URLs of STUN servers, such as `stun:stun.example.net:3478`; without any only addresses of this machine
    are offered, `addresses` or else all of them.
    """

    def __init__(self, *, stun: Sequence[str] = (), addresses: Sequence[str] = ()) -> None:
        offer_addresses(addresses)
        self._stun = tuple(stun)
        self._peers: dict[MediaLeg, Peer] = {}
        self._pulses: dict[asyncio.AbstractEventLoop, Pulse] = {}
        self._thread: LoopThread | None = LoopThread("webrtc", self._thread_over)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def live_legs(self) -> int:
        """Browsers that are connected, or about to be."""
        return len(self._peers)

    async def answer(self, offer: str, rate_hz: int = 8000) -> tuple[MediaLeg, str]:
        """A leg for the browser that made the offer, and the answer it is to be given; both are SDP.

        `MediaLeg.connected` waits for the connection itself. Raises `BadOffer`, `ValueError` for a rate other than
        8000 and 16000 Hz, `MediaServerError` when the server is closed.
        """
        if rate_hz not in RATES_HZ:
            raise ValueError(f"{rate_hz} Hz; a call runs at {' or '.join(map(str, RATES_HZ))} Hz")
        if self._thread is None:
            raise MediaServerError("the WebRTC server is closed; no browser can be connected to it")
        loop = asyncio.get_running_loop()
        pulse = self._pulses.setdefault(loop, Pulse(loop))
        leg = MediaLeg(uuid4(), rate_hz, pulse, hang_up=self._hang_up, nudge=lambda _leg: None)
        try:
            return leg, await self._thread.run(self._answer(leg, offer))
        except asyncio.CancelledError:
            leg.abandon()
            raise

    async def aclose(self) -> None:
        """Hang up what is live and stop the thread. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.shield(asyncio.create_task(self._close(thread), name="webrtc-close"))

    async def _answer(self, leg: MediaLeg, offer: str) -> str:
        peer = self._peers[leg] = Peer(leg, self._stun, self._gone)
        try:
            return await peer.answer(offer)
        except BaseException:
            self._gone(peer)
            raise

    async def _close(self, thread: LoopThread) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await thread.run(self._close_peers())
        except (RuntimeError, TimeoutError):
            _log.error("webrtc.not_closed_in_order")
        finally:
            await thread.aclose()

    async def _close_peers(self) -> None:
        for peer in tuple(self._peers.values()):
            peer.hang_up()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S / 2):
                while self._peers:  # noqa: ASYNC110 - each closes in a task of its own
                    await asyncio.sleep(0.01)

    def _hang_up(self, leg: MediaLeg) -> None:
        if self._thread is not None:
            self._thread.submit(lambda: self._hang_up_peer(leg))

    def _hang_up_peer(self, leg: MediaLeg) -> None:
        peer = self._peers.get(leg)
        if peer is not None:
            peer.hang_up()

    def _gone(self, peer: Peer) -> None:
        self._peers.pop(peer.leg, None)

    def _thread_over(self) -> None:
        """Whoever still waits for a call is told."""
        for leg in tuple(self._peers):
            leg.pulse.post(lambda leg=leg: leg.ended(MediaEnd.ERROR))  # type: ignore[misc]
        self._peers.clear()
