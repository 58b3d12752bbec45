"""How the trunk's Asterisk brings us the audio of a call, and whether it does."""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum
from typing import Final
from uuid import UUID, uuid4

from telephony.ami.client import AmiClient, Subscription
from telephony.ami.protocol import Event
from telephony.errors import MediaNotConnected
from telephony.media.audiosocket import AudioSocketServer
from telephony.media.server import MediaServer
from telephony.media.websocket import WebSocketServer, dial_string
from telephony.trunk import AsteriskTrunk

NARROW_HZ, WIDE_HZ = 8000, 16000
_AUDIO_S: Final = 5.0
#: Reason of a channel that its driver does not make; that of a driver that is not there is 0.
_NOT_MADE: Final = "8"


class Brought(Enum):
    """What came of asking Asterisk for a connection to us. The middle two are told apart for WebSocket alone."""

    CONNECTED = "connected"
    NO_DRIVER = "no driver"
    NO_SECTION = "no section"
    NOT_CONNECTED = "not connected"


async def open_media_server(trunk: AsteriskTrunk, bind: str) -> MediaServer:
    """Listen as the trunk says; raises `MediaServerError`."""
    kind = WebSocketServer if trunk.media == "websocket" else AudioSocketServer
    return await kind.open(bind, trunk.media_port, trunk.media_advertise)


def rate_hz(trunk: AsteriskTrunk) -> int:
    """The rate of the audio of the trunk's calls."""
    return WIDE_HZ if trunk.wideband else NARROW_HZ


def audio_application(trunk: AsteriskTrunk, media: str, call_uuid: UUID) -> tuple[str, str]:
    """What a channel is to execute so that its audio comes to the server at `media`: application and data."""
    if not trunk.dials_media:
        return "AudioSocket", f"{call_uuid},{media}"
    if trunk.media == "websocket":
        return "Dial", dial_string(trunk.websocket_client, call_uuid, rate_hz(trunk))
    # The application has 8 kHz alone; as a channel that is dialled it has the codec named.
    return "Dial", f"AudioSocket/{media}/{call_uuid}/c(slin16)"


async def bring_audio(client: AmiClient, trunk: AsteriskTrunk, server: MediaServer, address: str) -> Brought:
    """Have Asterisk connect an audio channel to us, without any telephone; raises `AmiError`, `MediaServerError`."""
    uuid = uuid4()
    leg = server.expect(uuid)
    channel = f"AudioSocket/{address}/{uuid}"
    if trunk.media == "websocket":
        channel = dial_string(trunk.websocket_client, uuid, NARROW_HZ)
    events = client.subscribe()
    refused = asyncio.create_task(_refused(events, uuid.hex))
    fields = [("Channel", channel), ("ChannelId", uuid.hex), ("Application", "Wait"), ("Data", "1"), ("Async", "true")]
    try:
        await client.action("Originate", fields, action_id=uuid.hex)
        joined = asyncio.create_task(leg.connected(_AUDIO_S))
        await asyncio.wait({joined, refused}, return_when=asyncio.FIRST_COMPLETED)
        leg.abandon()
        with contextlib.suppress(MediaNotConnected):
            await joined
            return Brought.CONNECTED
        return refused.result() if refused.done() else Brought.NOT_CONNECTED
    finally:
        leg.abandon()
        refused.cancel()
        events.close()


async def _refused(events: Subscription, number: str) -> Brought:
    """Why Asterisk could not do it, as soon as it says so."""
    made = False
    async for event in events:
        made = made or (event.name == "Newchannel" and event.get("Uniqueid") == number)
        if tells_of(event, number) and event.get("Response") != "Success":
            if made:
                return Brought.NOT_CONNECTED
            return Brought.NO_SECTION if event.get("Reason") == _NOT_MADE else Brought.NO_DRIVER
    await asyncio.Event().wait()
    raise AssertionError("never set")


def tells_of(event: Event, number: str) -> bool:
    """Whether an event is the end of an Originate with this ActionID."""
    return event.name == "OriginateResponse" and event.action_id == number
