"""The in-memory call keeps time to the sample, as the contract of `telephony.call.Media` wants it."""

from __future__ import annotations

import asyncio

import pytest

from bot.loopback import LoopbackCall
from telephony.errors import MediaClosed
from telephony.outcomes import HangupBy
from tests.support_calls import LoopClock, run

SECOND = b"\x01\x00" * 8000


def call() -> LoopbackCall:
    return LoopbackCall("a", clock=LoopClock())


def test_frames_come_at_the_pace_of_time_and_hold_silence_where_nothing_is_said() -> None:
    async def main() -> tuple[list[bytes], float]:
        one = call()
        frames = [await one.media.read() for _ in range(50)]
        return frames, asyncio.get_running_loop().time()

    frames, now = run(main())
    assert set(frames) == {bytes(320)}
    assert now == pytest.approx(1.0)


def test_a_writer_is_paced_to_be_100_ms_ahead() -> None:
    async def main() -> tuple[float, int]:
        one = call()
        reader = asyncio.create_task(_read(one, 60))
        await one.media.write(SECOND)
        told = asyncio.get_running_loop().time(), one.media.ahead_ms
        await reader
        return told

    now, ahead_ms = run(main())
    assert 0.9 <= now <= 0.925
    assert 75 <= ahead_ms <= 100


def test_sound_begins_when_it_is_written_and_not_with_the_next_frame() -> None:
    async def main() -> bytes:
        one = call()
        reader = asyncio.create_task(_read(one, 10))
        await asyncio.sleep(0.05)
        one.media.say(b"\x07\x00" * 80)
        return await reader

    heard = run(main())
    assert heard.index(b"\x07") == 0.05 * 16000
    assert heard.count(b"\x07") == 80


def test_a_flush_discards_what_was_not_heard_and_tells_how_much() -> None:
    async def main() -> tuple[int, bytes]:
        one = call()
        reader = asyncio.create_task(_read(one, 30))
        one.media.say(SECOND)
        await asyncio.sleep(0.25)
        discarded_ms = one.media.flush()
        return discarded_ms, await reader

    discarded_ms, heard = run(main())
    assert discarded_ms == 750
    assert heard.count(b"\x01") == 2000


def test_keys_reach_whoever_listens() -> None:
    async def main() -> list[str]:
        one, pressed = call(), []
        one.on_dtmf(pressed.append)
        await one.far.send_dtmf("12#")
        return pressed

    assert run(main()) == ["1", "2", "#"]


@pytest.mark.parametrize("by", list(HangupBy)[:2])
def test_the_end_is_told_to_all_and_closes_both_ends(by: HangupBy) -> None:
    async def main() -> None:
        one = call()
        waiting = [asyncio.create_task(one.ended()) for _ in range(2)]
        reading = asyncio.create_task(_read(one, 1000))
        await asyncio.sleep(0.1)
        if by is HangupBy.CUSTOMER:
            one.hangup_far()
        await one.hangup()
        assert {(await end).hangup_by for end in waiting} == {by}
        with pytest.raises(MediaClosed):
            await reading
        for closed in (one.media.write(SECOND), one.media.read(), one.media.send_dtmf("1")):
            with pytest.raises(MediaClosed):
                await closed

    run(main())


async def _read(one: LoopbackCall, frames: int) -> bytes:
    return b"".join([await one.far.read() for _ in range(frames)])
