"""Audio by AudioSocket: nothing to configure on the Asterisk, version 18 or later."""

from __future__ import annotations

from telephony.media.audiosocket_connection import AudioSocketConnection
from telephony.media.server import MediaServer


class AudioSocketServer(MediaServer):
    """For `Originate` with `Application: AudioSocket`, `Data: <uuid>,<host_port>`."""

    connection = AudioSocketConnection
