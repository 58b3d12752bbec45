"""Audio by Asterisk's chan_websocket (22.8, 20.18, 23.2 and later), which paces by itself and tells what it played."""

from __future__ import annotations

from uuid import UUID

from telephony.media.server import MediaServer
from telephony.media.websocket_connection import PATH, WebSocketConnection


class WebSocketServer(MediaServer):
    """For `Dial(<dial_string>)`, with `uri` in the Asterisk's websocket_client.conf."""

    connection = WebSocketConnection

    @property
    def uri(self) -> str:
        """What stands in websocket_client.conf, with `protocols = media` and `connection_type = per_call_config`."""
        return f"ws://{self.host_port}{PATH}"


def dial_string(name: str, call_uuid: UUID, rate_hz: int) -> str:
    """The channel that connects a call to us; `name` is the section of websocket_client.conf."""
    codec = "slin16" if rate_hz == 16000 else "slin"
    return f"WebSocket/{name}/c({codec})f(json)v(call_id={call_uuid})"
