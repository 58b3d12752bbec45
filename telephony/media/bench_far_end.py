"""`python -m telephony.media.bench_far_end HOST:PORT RATE_HZ`: Asterisk's part in `campana bench media`.

Reads a JSON list of call UUIDs from standard input, connects each, echoes what it hears, and when all calls have ended
prints the times between two frames in ms as a JSON list.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from uuid import UUID

from telephony.media.audiosocket_protocol import AUDIO_KINDS, Audio, Decoder, HungUp, Kind, encode
from telephony.media.bench import gaps_of


class _Call(asyncio.Protocol):
    def __init__(self, call_uuid: UUID, rate_hz: int) -> None:
        self.over = asyncio.Event()
        self.arrivals_ms: list[float] = []
        self._uuid = call_uuid
        self._kind = AUDIO_KINDS[rate_hz]
        self._decoder = Decoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(encode(Kind.ID, self._uuid.bytes))

    def data_received(self, data: bytes) -> None:
        now_ms = time.monotonic() * 1000
        for message in self._decoder.feed(data):
            if isinstance(message, Audio):
                self.arrivals_ms.append(now_ms)
                self._transport.write(encode(self._kind, message.pcm))
            elif isinstance(message, HungUp):
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


async def _calls(host_port: str, rate_hz: int, call_uuids: list[str]) -> list[float]:
    host, port = host_port.rsplit(":", 1)
    loop = asyncio.get_running_loop()
    calls = [_Call(UUID(one), rate_hz) for one in call_uuids]
    for number, call in enumerate(calls):
        # Spread over a frame, as calls are.
        await asyncio.sleep(0.02 * ((number * 7) % 13) / 13)
        await loop.create_connection(lambda call=call: call, host, int(port))  # type: ignore[misc]
    await asyncio.gather(*(call.over.wait() for call in calls))
    return [gap for call in calls for gap in gaps_of(call.arrivals_ms)]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_calls(sys.argv[1], int(sys.argv[2]), json.loads(sys.stdin.readline())))))
