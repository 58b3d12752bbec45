"""What every leg owes: audio both ways, keys, pacing, flush and an end.

Each leg is run against our own far ends and against foreign ones (SIPp, Asterisk), so that both ends cannot share a
mistake.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest

from telephony.call import FRAME_MS, Call, Media, frame_bytes
from telephony.errors import MediaClosed
from telephony.outcomes import HangupBy
from tests.support_media import audiosocket_at, audiosocket_by_asterisk, websocket_by_asterisk
from tests.support_sip import (
    ECHO,
    HANG_UP,
    KEYS,
    SENT_KEYS,
    Listener,
    chirp,
    foreign,
    loud_ms,
    share_heard,
    simulated,
    tone,
)
from tests.support_webrtc import browser_at


class FarEnd(Protocol):
    """Whoever a leg reaches: an echo, one that hangs up, one that presses keys."""

    rate_hz: int
    heard_rate_hz: int
    #: How far off the ms told by a flush may be.
    flush_slack_ms: int

    async def call(self, number: str = ECHO) -> Call: ...
    async def heard(self, calls: int = 1) -> list[bytes]: ...
    async def until_keys(self, count: int) -> list[str]: ...


Open = Callable[[str, Path], contextlib.AbstractAsyncContextManager[FarEnd]]

#: Far ends that can be asked what they heard.
ASKED = [
    pytest.param(simulated, id="sip-simulator"),
    pytest.param(audiosocket_at(8000), id="audiosocket-8k"),
    pytest.param(audiosocket_by_asterisk, id="audiosocket-asterisk"),
    pytest.param(websocket_by_asterisk(16000), id="websocket-asterisk-16k"),
    pytest.param(browser_at(8000), id="browser-8k"),
]
#: The same legs at their other rate, for what depends on it.
OTHER_RATES = [
    pytest.param(audiosocket_at(16000), id="audiosocket-16k"),
    pytest.param(websocket_by_asterisk(8000), id="websocket-asterisk-8k"),
    pytest.param(browser_at(16000), id="browser-16k"),
]
FAR_ENDS = [*ASKED, pytest.param(foreign, id="sip-sipp", marks=pytest.mark.sipp)]


@pytest.fixture(params=FAR_ENDS)
def opening(request: pytest.FixtureRequest) -> Open:
    opened: Open = request.param
    return opened


@pytest.fixture
async def echoing(opening: Open, tmp_path: Path) -> AsyncIterator[FarEnd]:
    async with opening(ECHO, tmp_path) as far_end:
        yield far_end


@pytest.fixture(params=ASKED)
async def network(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FarEnd]:
    """A far end that can be asked what it heard."""
    opened: Open = request.param
    async with opened(ECHO, tmp_path) as far_end:
        yield far_end


#: Legs of which a campaign has many at once; browsers come one by one.
MANY = [param for param in ASKED if param.id != "browser-8k"]


@pytest.fixture(params=MANY)
async def busy_network(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FarEnd]:
    opened: Open = request.param
    async with opened(ECHO, tmp_path) as far_end:
        yield far_end


@pytest.fixture(params=[*ASKED, *OTHER_RATES])
async def at_any_rate(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FarEnd]:
    opened: Open = request.param
    async with opened(ECHO, tmp_path) as far_end:
        yield far_end


async def test_audio_goes_both_ways_undamaged(at_any_rate: FarEnd) -> None:
    await _assert_echoed(at_any_rate)


@pytest.mark.sipp
async def test_audio_goes_both_ways_to_a_foreign_sip_peer(tmp_path: Path) -> None:
    async with foreign(ECHO, tmp_path) as far_end:
        await _assert_echoed(far_end)


async def _assert_echoed(far_end: FarEnd) -> None:
    call = await far_end.call()
    sent = chirp(600, call.media.rate_hz)
    listener = Listener(call)
    await call.media.write(sent)
    assert await listener.share_heard(sent, call.media.rate_hz, 0.8) > 0.8
    await listener.stop()


async def test_the_far_end_hears_what_is_written(at_any_rate: FarEnd) -> None:
    call = await at_any_rate.call()
    sent = chirp(600, call.media.rate_hz)
    listener = Listener(call)
    await call.media.write(sent)
    await listener.until_frames(len(listener.frames) + 15)
    await call.hangup()
    (heard,) = await at_any_rate.heard()
    assert share_heard(chirp(600, at_any_rate.heard_rate_hz), heard, at_any_rate.heard_rate_hz) > 0.7


async def test_frames_are_20_ms_at_the_rate_of_the_call(at_any_rate: FarEnd) -> None:
    call = await at_any_rate.call()
    listener = Listener(call)
    await listener.until_frames(10)
    await listener.stop()
    assert call.media.rate_hz == at_any_rate.rate_hz
    assert {len(frame) for frame in listener.frames} == {frame_bytes(at_any_rate.rate_hz)}


async def test_frames_come_at_the_pace_of_the_wall_clock(echoing: FarEnd) -> None:
    call = await echoing.call()
    loop = asyncio.get_running_loop()
    await call.media.read()
    start_s = loop.time()
    for _ in range(60):
        await call.media.read()
    took_ms = (loop.time() - start_s) * 1000
    # A loaded machine may have let some frames wait for us already, and may be late itself.
    assert 60 * FRAME_MS - 400 < took_ms < 60 * FRAME_MS + 1500, took_ms


async def test_writing_is_paced_by_playing(echoing: FarEnd) -> None:
    call = await echoing.call()
    loop, rate_hz = asyncio.get_running_loop(), call.media.rate_hz
    start_s = loop.time()
    for _ in range(25):
        await call.media.write(tone(40, rate_hz))
        assert call.media.ahead_ms <= 100
    assert loop.time() - start_s >= 0.85


async def test_one_long_write_is_paced_too(echoing: FarEnd) -> None:
    call = await echoing.call()
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    await call.media.write(tone(1000, call.media.rate_hz))
    assert loop.time() - start_s >= 0.85
    assert call.media.ahead_ms <= 100


async def test_half_a_sample_is_refused(echoing: FarEnd) -> None:
    call = await echoing.call()
    with pytest.raises(ValueError, match="samples"):
        await call.media.write(b"\0" * 3)


async def test_flush_silences_at_once_and_tells_how_much(network: FarEnd) -> None:
    call = await network.call()
    writing = asyncio.create_task(call.media.write(tone(1000, call.media.rate_hz)))
    listener = Listener(call)
    await listener.until_frames(20)
    flushed_ms = call.media.flush()
    assert call.media.ahead_ms == 0
    async with asyncio.timeout(10):
        await writing
    await listener.until_frames(45)
    await call.hangup()
    (heard,) = await network.heard()
    heard_ms = loud_ms(heard, network.heard_rate_hz)
    assert flushed_ms > 100
    assert abs(heard_ms + flushed_ms - 1000) <= network.flush_slack_ms


async def test_what_is_written_right_after_a_flush_is_played_whole(network: FarEnd) -> None:
    call = await network.call()
    listener, rate_hz = Listener(call), call.media.rate_hz
    await call.media.write(tone(300, rate_hz))
    call.media.flush()
    await call.media.write(chirp(400, rate_hz))
    await listener.until_frames(len(listener.frames) + 15)
    await call.hangup()
    (heard,) = await network.heard()
    assert share_heard(chirp(400, network.heard_rate_hz), heard, network.heard_rate_hz) > 0.7


async def test_flushing_nothing_is_nothing(echoing: FarEnd) -> None:
    call = await echoing.call()
    assert call.media.flush() == 0
    assert call.media.flush() == 0


async def test_after_our_hangup_audio_is_closed(echoing: FarEnd) -> None:
    call = await echoing.call()
    await call.hangup()
    await _assert_closed(call.media)
    assert call.media.ahead_ms == 0
    assert call.media.flush() == 0
    with pytest.raises(MediaClosed):
        await call.media.send_dtmf("1")


async def test_after_a_far_end_hangup_audio_is_closed(opening: Open, tmp_path: Path) -> None:
    async with opening(HANG_UP, tmp_path) as far_end:
        call = await far_end.call(HANG_UP)
        end = await call.ended()
        await _assert_closed(call.media)
    assert end.hangup_by is HangupBy.CUSTOMER
    assert end.ended_at > call.answered_at


async def _assert_closed(media: Media) -> None:
    """No frame any more, once those that came before the end are read."""
    with pytest.raises(MediaClosed):
        await _read_all(media)
    with pytest.raises(MediaClosed):
        await media.write(bytes(320))


async def _read_all(media: Media) -> None:
    while True:
        await media.read()


async def test_a_reader_and_a_writer_are_woken_by_the_end(opening: Open, tmp_path: Path) -> None:
    async with opening(HANG_UP, tmp_path) as far_end:
        call = await far_end.call(HANG_UP)
        writing = asyncio.create_task(call.media.write(tone(20_000, call.media.rate_hz)))
        listener = Listener(call)
        async with asyncio.timeout(10):
            with pytest.raises(MediaClosed):
                await writing
        assert 0 < len(await listener.stop()) < len(tone(20_000, far_end.rate_hz))


async def test_keys_from_the_customer(network: FarEnd) -> None:
    call = await network.call(KEYS)
    pressed: list[str] = []
    done = asyncio.Event()

    def key(digit: str) -> None:
        pressed.append(digit)
        if len(pressed) == len(SENT_KEYS):
            done.set()

    call.on_dtmf(key)
    async with asyncio.timeout(10):
        await done.wait()
    assert "".join(pressed) == SENT_KEYS


async def test_keys_to_the_customer(network: FarEnd) -> None:
    call = await network.call()
    await call.media.send_dtmf("42#")
    assert await network.until_keys(3) == ["4", "2", "#"]
    await call.hangup()


async def test_hanging_up_twice_is_hanging_up_once(echoing: FarEnd) -> None:
    call = await echoing.call()
    await asyncio.gather(call.hangup(), call.hangup())
    first = await call.ended()
    await call.hangup()
    assert await call.ended() == first
    assert first.hangup_by is HangupBy.BOT


async def test_several_tasks_may_wait_for_the_end(opening: Open, tmp_path: Path) -> None:
    async with opening(HANG_UP, tmp_path) as far_end:
        call = await far_end.call(HANG_UP)
        waiting = [asyncio.create_task(call.ended()) for _ in range(3)]
        waiting[0].cancel()
        ends = await asyncio.gather(*waiting, call.ended(), return_exceptions=True)
    assert isinstance(ends[0], asyncio.CancelledError)
    assert ends[1] == ends[2] == ends[3]


async def test_twenty_calls_at_once_hear_each_their_own(busy_network: FarEnd) -> None:
    network = busy_network
    calls = await asyncio.gather(*(network.call() for _ in range(20)))
    rate_hz = calls[0].media.rate_hz
    sent = [chirp(300, rate_hz, from_hz=300 + 50 * n, to_hz=1500 + 90 * n) for n in range(20)]
    listeners = [Listener(call) for call in calls]
    await asyncio.gather(*(call.media.write(sound) for call, sound in zip(calls, sent, strict=True)))
    shares = [await listener.share_heard(own, rate_hz, 0.6) for listener, own in zip(listeners, sent, strict=True)]
    await asyncio.gather(*(listener.stop() for listener in listeners))
    await asyncio.gather(*(call.hangup() for call in calls))
    await network.heard(20)
    assert min(shares) > 0.6, shares
