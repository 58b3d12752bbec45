"""The AudioSocket server against connections that behave, that do not, and while the caller's loop stands still."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
import uuid
from collections.abc import AsyncIterator

import pytest

from telephony.call import FRAME_MS
from telephony.errors import MediaClosed, MediaNotConnected, MediaServerError
from telephony.media import server as media_server
from telephony.media.audiosocket import AudioSocketServer
from telephony.media.leg import MediaEnd, MediaLeg
from tests.support_media import AudioSocketFarEnd
from tests.support_sip import tone

PATIENCE_S = 20


_opened: list[socket.socket] = []


@pytest.fixture
async def server() -> AsyncIterator[AudioSocketServer]:
    async with await AudioSocketServer.open() as opened:
        yield opened
        # First the far sides, or else the server waits for them.
        while _opened:
            _opened.pop().close()


@pytest.fixture
async def far_end(server: AudioSocketServer) -> AsyncIterator[AudioSocketFarEnd]:
    opened = AudioSocketFarEnd(server)
    yield opened
    for peer in opened.peers:
        peer.hang_up()


class Raw:
    """A connection that says whatever a test wants."""

    def __init__(self, server: AudioSocketServer) -> None:
        host, port = server.host_port.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        _opened.append(self.socket)

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.socket.sendall(struct.pack("!BH", kind, len(payload)) + payload)

    async def until_closed(self) -> bytes:
        """Everything that came until the server closed."""
        return await asyncio.to_thread(self._until_closed)

    def _until_closed(self) -> bytes:
        came = b""
        with contextlib.suppress(ConnectionError):
            while part := self.socket.recv(65536):
                came += part
        self.socket.close()
        return came


async def joined(server: AudioSocketServer, rate_hz: int = 8000) -> tuple[MediaLeg, Raw]:
    leg, raw = server.expect(uuid.uuid4(), rate_hz), Raw(server)
    raw.send(0x01, leg.call_uuid.bytes)
    await leg.connected(PATIENCE_S)
    return leg, raw


async def closed(leg: MediaLeg) -> MediaEnd:
    async with asyncio.timeout(PATIENCE_S):
        return await leg.closed()


async def test_a_stalled_loop_does_not_stop_the_frames(far_end: AudioSocketFarEnd) -> None:
    leg = await far_end.leg()
    (peer,) = far_end.peers
    await leg.media.write(tone(200, 8000))
    before = len(peer.arrivals)
    time.sleep(1.5)  # noqa: ASYNC251 - the stall is what is tested
    during = len(peer.arrivals) - before
    assert during >= 20, f"the far end got {during} frames of 75 while the loop stood still"
    assert peer.sizes == {320}


async def test_a_stalled_loop_still_gets_everything_that_was_heard(far_end: AudioSocketFarEnd) -> None:
    leg = await far_end.leg()
    await leg.media.read()
    time.sleep(1.0)  # noqa: ASYNC251 - the stall is what is tested
    waiting = len(leg.media.heard)
    assert waiting >= 5, f"{waiting} frames of 50 waited while the loop stood still"
    for _ in range(waiting):
        assert len(await leg.media.read()) == 320


async def test_frames_neither_burst_nor_grow(far_end: AudioSocketFarEnd) -> None:
    leg = await far_end.leg()
    (peer,) = far_end.peers
    start_s = time.monotonic()
    await leg.media.write(tone(2000, 8000))
    elapsed_ms = (time.monotonic() - start_s) * 1000
    assert peer.sizes == {320}
    assert len(peer.arrivals) <= elapsed_ms / FRAME_MS + 10
    assert leg.statistics.frames_out >= 1


async def test_silence_flows_when_nothing_is_written(far_end: AudioSocketFarEnd) -> None:
    leg = await far_end.leg()
    for _ in range(25):
        await leg.media.read()
    assert leg.statistics.silent_out == leg.statistics.frames_out
    assert leg.statistics.silent_out > 0


@pytest.mark.parametrize(("rate_hz", "kind"), [(8000, 0x10), (16000, 0x12)])
async def test_the_kind_of_audio_is_that_of_the_rate(server: AudioSocketServer, rate_hz: int, kind: int) -> None:
    far_end = AudioSocketFarEnd(server, rate_hz)
    leg = await far_end.leg()
    for _ in range(3):
        await leg.media.read()
    leg.hangup()
    await far_end.heard()
    assert set(far_end.peers[0].kinds) == {kind, 0x00}
    assert far_end.peers[0].sizes == {rate_hz // 50 * 2}


async def test_an_unknown_call_is_closed_at_once_and_logged_without_its_whole_uuid(
    server: AudioSocketServer, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, stranger = Raw(server), uuid.uuid4()
    raw.send(0x01, stranger.bytes)
    assert await raw.until_closed() == b""
    told = capsys.readouterr()
    assert str(stranger)[:8] in told.out + told.err
    assert str(stranger) not in told.out + told.err


async def test_a_call_is_admitted_once(server: AudioSocketServer) -> None:
    leg, _raw = await joined(server)
    second = Raw(server)
    second.send(0x01, leg.call_uuid.bytes)
    assert await second.until_closed() == b""
    assert server.live_legs == 1


async def test_a_call_cannot_be_expected_twice(server: AudioSocketServer) -> None:
    leg = server.expect(uuid.uuid4())
    with pytest.raises(ValueError, match="already"):
        server.expect(leg.call_uuid)


async def test_an_abandoned_call_is_not_admitted(server: AudioSocketServer) -> None:
    leg, raw = server.expect(uuid.uuid4()), Raw(server)
    leg.abandon()
    raw.send(0x01, leg.call_uuid.bytes)
    assert await raw.until_closed() == b""
    assert await closed(leg) is MediaEnd.US
    with pytest.raises(MediaNotConnected):
        await leg.connected(PATIENCE_S)
    with pytest.raises(MediaClosed):
        await leg.media.read()


async def test_a_call_that_nobody_connects_is_told(server: AudioSocketServer) -> None:
    leg = server.expect(uuid.uuid4())
    with pytest.raises(MediaNotConnected, match=r"0\.05 s.*address and port") as told:
        await leg.connected(0.05)
    assert told.value.retryable


async def test_a_connection_without_uuid_is_closed() -> None:
    async with await AudioSocketServer.open(identify_s=0.1) as server:
        assert await Raw(server).until_closed() == b""


async def test_too_many_connections_without_a_call_are_refused_and_calls_still_get_in(
    server: AudioSocketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_server, "MOST_UNIDENTIFIED", 3)
    leg, _ = await joined(server)
    idle = [Raw(server) for _ in range(3)]
    assert await Raw(server).until_closed() == b""
    idle[0].socket.close()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            late, raw = server.expect(uuid.uuid4()), Raw(server)
            with contextlib.suppress(ConnectionError):
                raw.send(0x01, late.call_uuid.bytes)
            with contextlib.suppress(MediaNotConnected):
                await late.connected(0.5)
                break
            late.abandon()
    assert server.live_legs == 2
    for one in idle[1:]:
        one.socket.close()
    leg.hangup()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param((0x12, bytes(640)), id="the other rate"),
        pytest.param((0x10, b"\0"), id="half a sample"),
        pytest.param((0x03, b"x"), id="no key"),
        pytest.param((0x01, bytes(16)), id="a second UUID"),
        pytest.param((0xFF, b"\x02"), id="an error of the far side"),
    ],
)
async def test_what_cannot_be_ends_the_call_as_an_error(server: AudioSocketServer, wrong: tuple[int, bytes]) -> None:
    leg, raw = await joined(server)
    raw.send(*wrong)
    assert await closed(leg) is MediaEnd.ERROR
    await raw.until_closed()


async def test_audio_before_the_uuid_is_refused(server: AudioSocketServer) -> None:
    raw = Raw(server)
    raw.send(0x10, bytes(320))
    assert await raw.until_closed() == b""


async def test_kinds_of_later_versions_are_passed_over(server: AudioSocketServer) -> None:
    leg, raw = await joined(server)
    raw.send(0x7F, b"whatever")
    raw.send(0x03, b"5")
    keys: asyncio.Queue[str] = asyncio.Queue()
    leg.on_dtmf(keys.put_nowait)
    raw.send(0x03, b"#")
    async with asyncio.timeout(PATIENCE_S):
        while await keys.get() != "#":
            pass


@pytest.mark.parametrize("goodbye", [b"\x00\x00\x00", b""])
async def test_the_far_side_hangs_up(server: AudioSocketServer, goodbye: bytes) -> None:
    leg, raw = await joined(server)
    raw.socket.sendall(goodbye)
    raw.socket.shutdown(socket.SHUT_WR)
    assert await closed(leg) is MediaEnd.PEER
    await raw.until_closed()
    with pytest.raises(MediaClosed):
        await leg.media.write(bytes(320))


async def test_our_hangup_reaches_a_far_side_that_is_still_talking(far_end: AudioSocketFarEnd) -> None:
    leg = await far_end.leg()
    (peer,) = far_end.peers
    leg.hangup()
    leg.hangup()
    assert await closed(leg) is MediaEnd.US
    assert await asyncio.to_thread(peer.over.wait, PATIENCE_S)
    assert (peer.ended_by, peer.kinds[-1]) == ("caller", 0x00)


async def test_a_far_side_that_takes_nothing_costs_bounded_memory(server: AudioSocketServer) -> None:
    """It reads nothing: its buffers and ours fill, then frames are counted as blocked instead of piling up."""
    leg = server.expect(uuid.uuid4(), 16000)
    host, port = server.host_port.rsplit(":", 1)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect((host, int(port)))
        deaf.sendall(struct.pack("!BH", 0x01, 16) + leg.call_uuid.bytes)
        await leg.connected(PATIENCE_S)
        async with asyncio.timeout(PATIENCE_S):
            while leg.statistics.blocked_out < 5:  # noqa: ASYNC110 - another thread counts
                await asyncio.sleep(0.02)
        writing = asyncio.create_task(leg.media.write(bytes(32_000)))
        await asyncio.sleep(0.1)
        assert not writing.done()
        leg.hangup()
        with pytest.raises(MediaClosed):
            await writing


async def test_a_flood_of_audio_is_dropped_and_counted(server: AudioSocketServer) -> None:
    leg, raw = await joined(server)
    flood = struct.pack("!BH", 0x10, 32_000) + bytes(32_000)
    for _ in range(20):
        raw.socket.sendall(flood)
    async with asyncio.timeout(PATIENCE_S):
        while leg.statistics.dropped_in_ms < 30_000:  # noqa: ASYNC110 - another thread counts
            await asyncio.sleep(0.02)
    assert len(leg.media.heard) <= 500


async def test_closing_hangs_up_every_call_and_refuses_new_ones(far_end: AudioSocketFarEnd) -> None:
    legs = [await far_end.leg() for _ in range(5)]
    waiting = far_end.server.expect(uuid.uuid4())
    await asyncio.gather(far_end.server.aclose(), far_end.server.aclose())
    await far_end.server.aclose()
    assert {await closed(leg) for leg in legs} == {MediaEnd.US}
    assert await closed(waiting) is MediaEnd.ERROR
    assert far_end.server.live_legs == 0
    for peer in far_end.peers:
        assert await asyncio.to_thread(peer.over.wait, PATIENCE_S)
    with pytest.raises(MediaServerError, match="closed"):
        far_end.server.expect(uuid.uuid4())


async def test_a_dead_thread_ends_its_calls(far_end: AudioSocketFarEnd) -> None:
    leg = await far_end.leg()
    thread = far_end.server._thread
    assert thread is not None
    thread.submit(thread._loop.stop)
    assert await closed(leg) is MediaEnd.ERROR
    with pytest.raises(MediaServerError):
        far_end.server.expect(uuid.uuid4())


async def test_an_address_in_use_is_told(server: AudioSocketServer) -> None:
    port = int(server.host_port.rsplit(":", 1)[1])
    with pytest.raises(MediaServerError, match=rf"127\.0\.0\.1 port {port}.*free port"):
        await AudioSocketServer.open(port=port)


async def test_every_address_needs_one_to_advertise() -> None:
    with pytest.raises(MediaServerError, match="advertise"):
        await AudioSocketServer.open("0.0.0.0")


@pytest.mark.parametrize(
    ("advertise", "shown"),
    [
        ("10.1.2.3", "10.1.2.3:{port}"),
        ("pbx-side.example", "pbx-side.example:{port}"),
        ("10.1.2.3:9092", "10.1.2.3:9092"),
        ("fd00::5", "[fd00::5]:{port}"),
        ("[fd00::5]", "[fd00::5]:{port}"),
        ("[fd00::5]:9092", "[fd00::5]:9092"),
    ],
)
async def test_what_is_advertised(advertise: str, shown: str) -> None:
    async with await AudioSocketServer.open(advertise=advertise) as server:
        assert server.host_port == shown.format(port=server._port)


async def test_a_rate_that_asterisk_does_not_send_is_refused(server: AudioSocketServer) -> None:
    with pytest.raises(ValueError, match="8000 or 16000"):
        server.expect(uuid.uuid4(), 44_100)


async def test_thirty_calls_come_and_go_without_a_trace(far_end: AudioSocketFarEnd) -> None:
    for _ in range(3):
        legs = await asyncio.gather(*(far_end.leg() for _ in range(10)))
        for leg in legs:
            leg.hangup()
        for leg in legs:
            assert await closed(leg) is MediaEnd.US
    for peer in far_end.peers:
        assert await asyncio.to_thread(peer.over.wait, PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        while far_end.server.live_legs:  # noqa: ASYNC110 - another thread counts
            await asyncio.sleep(0.02)
