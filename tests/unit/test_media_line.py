"""What lies between the server's thread and the caller's: queues, keys as tones, the way back."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from telephony.media.keys import HIGH_DBM0, LOW_DBM0, PAUSE_MS, TONE_MS, key_tones
from telephony.media.leg import LineMedia
from telephony.media.line import UNREAD_FRAMES, HeardFrames, LegStatistics, PlayQueue
from telephony.media.thread import LoopThread, Pulse
from tests.support_media import keys_in
from tests.support_sip import samples


def test_frames_are_taken_whole_and_the_last_is_filled_up() -> None:
    queue = PlayQueue(8000)
    queue.push(b"\1\1" * 200)
    assert queue.take() == b"\1\1" * 160
    assert queue.take() == b"\1\1" * 40 + bytes(240)
    assert queue.take() is None


def test_keeping_the_beginning_tells_what_was_discarded() -> None:
    queue = PlayQueue(16000)
    queue.push(bytes(1000))
    assert queue.keep(640) == 360
    assert queue.keep(640) == 0
    assert queue.keep(0) == 640
    assert len(queue) == 0


def test_no_sample_is_lost_or_doubled_between_two_threads() -> None:
    queue, taken = PlayQueue(8000), bytearray()
    sent = b"".join(number.to_bytes(2, "little") for number in range(1, 32_001))
    pushed = threading.Event()

    def push() -> None:
        for at in range(0, len(sent), 320):
            queue.push(sent[at : at + 320])
        pushed.set()

    thread = threading.Thread(target=push)
    thread.start()
    while not pushed.is_set() or len(queue):
        taken += queue.take() or b""
    thread.join()
    assert bytes(taken) == sent


def test_a_reader_who_stays_away_loses_the_oldest_and_it_is_counted() -> None:
    statistics = LegStatistics()
    heard = HeardFrames(statistics)
    heard.extend(number.to_bytes(2, "little") for number in range(UNREAD_FRAMES + 7))
    assert statistics.unread_dropped == 7
    assert heard.pop() == (7).to_bytes(2, "little")
    assert len(heard) == UNREAD_FRAMES - 1


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_every_key_is_heard_as_itself(rate_hz: int) -> None:
    keys = "1234567890*#ABCD55"
    pcm = key_tones(keys, rate_hz)
    assert "".join(keys_in(pcm, rate_hz)) == keys
    assert len(pcm) == len(keys) * (TONE_MS + PAUSE_MS) * rate_hz // 1000 * 2


def test_a_key_has_its_two_frequencies_at_their_levels() -> None:
    tone = samples(key_tones("5", 8000))[: 8 * TONE_MS]
    seconds = np.arange(len(tone)) / 8000
    for hz, dbm0 in ((770, LOW_DBM0), (1336, HIGH_DBM0)):
        amplitude = abs(np.dot(tone, np.exp(-2j * np.pi * hz * seconds))) * 2 / len(tone)
        assert 20 * np.log10(amplitude / 32767) + 3.14 == pytest.approx(dbm0, abs=0.6)
    assert np.abs(tone).max() < 32767


def test_what_is_no_key_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match=r"'ex'.*0-9"):
        key_tones("1xe", 8000)


async def test_a_cancelled_write_leaves_no_more_than_what_a_finished_one_would() -> None:
    media = LineMedia(8000, Pulse(asyncio.get_running_loop()), LegStatistics())
    writing = asyncio.create_task(media.write(bytes(16_000)))
    await asyncio.sleep(0)
    assert media.ahead_ms == 1000
    writing.cancel()
    await asyncio.wait([writing])
    assert media.ahead_ms == 100


async def test_news_come_in_order_and_a_faulty_listener_stops_none() -> None:
    pulse, news = Pulse(asyncio.get_running_loop()), []
    all_told = asyncio.Event()

    def fail() -> None:
        raise ValueError("a listener's fault")

    def tell() -> None:
        for number in range(100):
            pulse.post(lambda number=number: news.append(number))  # type: ignore[misc]
            if number == 50:
                pulse.post(fail)
        pulse.post(all_told.set)

    await asyncio.to_thread(tell)
    async with asyncio.timeout(20):
        await all_told.wait()
    assert news == list(range(100))


async def test_posting_to_a_closed_loop_is_nothing() -> None:
    def closed_loop() -> Pulse:
        loop = asyncio.new_event_loop()
        loop.close()
        return Pulse(loop)

    (await asyncio.to_thread(closed_loop)).post()


async def test_a_thread_tells_when_it_is_over_and_takes_no_more_work() -> None:
    over = threading.Event()
    thread = LoopThread("test", over.set)

    async def where() -> str:
        return threading.current_thread().name

    assert await thread.run(where()) == "test"
    await thread.aclose()
    assert over.is_set()
    thread.submit(over.clear)
    assert over.is_set()
    with pytest.raises(RuntimeError):
        await thread.run(where())
