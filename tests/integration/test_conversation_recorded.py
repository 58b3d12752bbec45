"""Recordings of conversations in real time, with a real disk and a full one."""

from __future__ import annotations

import asyncio
import io
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.hearing import HearingParams
from bot.loopback import LoopbackCall
from bot.outcome import ConversationResult, EndedBy, Job, OptOut
from bot.recording import Recordings
from bot.speech.voice_activity import SileroModel
from bot.wav import OpenFile, open_unbuffered
from telephony.errors import MediaClosed
from tests.support_calls import CodedListener, CodedSpeaker, LoudIsVoice, Words
from tests.support_scripts import script_of
from tests.support_speech import AlwaysComplete

SCRIPT = script_of(
    """
    script: recorded
    intents:
      agree: {like: "yes", samples: [I will pay]}
    silence: {after_ms: 3000, say: ["Are you there?"], goto: goodbye}
    steps:
      greeting:
        - say: Hello this is a greeting of some words.
        - listen:
            ask: Will you pay?
            intents: {agree: goodbye}
            else: goodbye
      goodbye:
        - say: Goodbye.
        - end
    """
)


async def ignore(_: OptOut) -> None:
    return


async def hold(folder: Path, open_file: OpenFile) -> tuple[ConversationResult, LoopbackCall, bytes]:
    """A customer talks over the greeting at 1 s; what they heard."""
    words = Words()
    speech = SpeechRuntime(CodedListener(words), CodedSpeaker(), AlwaysComplete(), LoudIsVoice(), HearingParams())
    recordings = Recordings(folder, open_file=open_file)
    call = LoopbackCall("attempt-7")
    hearing = asyncio.create_task(_listen(call, words.say("yes", 500)))
    result = await ScriptedConversation(SCRIPT, speech, recordings=recordings).run(
        call, Job("attempt-7", {}, 60.0, ignore)
    )
    heard = await hearing
    await recordings.aclose()
    return result, call, heard


async def _listen(call: LoopbackCall, answer: bytes) -> bytes:
    heard = bytearray()
    try:
        while True:
            heard += await call.far.read()
            if len(heard) == 16000 * 2:
                call.far.say(answer)
    except MediaClosed:
        return bytes(heard)


async def _worst_stall_ms(stop: asyncio.Event) -> float:
    """How late the event loop came at its latest: a busy machine delays ear and recorder by as much."""
    loop, worst = asyncio.get_running_loop(), 0.0
    while not stop.is_set():
        due = loop.time() + 0.01
        await asyncio.sleep(0.01)
        worst = max(worst, loop.time() - due)
    return worst * 1000


async def test_the_recording_is_what_both_sides_heard(tmp_path: Path) -> None:
    stop = asyncio.Event()
    watching = asyncio.create_task(_worst_stall_ms(stop))
    result, call, heard = await hold(tmp_path, open_unbuffered)
    stop.set()
    stall_ms = await watching
    recording = result.recording
    assert recording is not None
    assert recording.error is None
    talk_ms = ((await call.ended()).ended_at - call.answered_at).total_seconds() * 1000
    assert abs(recording.duration_ms - talk_ms) <= 40
    with wave.open(str(tmp_path / recording.path)) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    customer, bot = np.abs(both[0::2]), np.abs(both[1::2])
    ear = np.abs(np.frombuffer(heard, "<i2"))
    assert np.count_nonzero(customer) == 4000
    assert abs(int(np.flatnonzero(customer)[0]) - 16000) <= 8 * (60 + stall_ms)
    size = min(len(bot), len(ear))
    differing = np.count_nonzero((bot[:size] > 0) != (ear[:size] > 0))
    # Each of the edges of the bot's three sounds may lie as far apart as the loop was late.
    assert differing <= 8 * (120 + 6 * stall_ms), f"the bot's side differs from what was heard; stall {stall_ms:.0f} ms"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the kernel has no /dev/full")
async def test_a_full_disk_is_no_matter_of_the_conversation(tmp_path: Path) -> None:
    result, _, _ = await hold(tmp_path, lambda _: io.FileIO("/dev/full", "w"))
    assert (result.ended_by, result.messages, result.error) == (EndedBy.BOT, 2, None)
    assert result.recording is not None
    assert result.recording.error == "the recording could not be written: No space left on device"


async def test_nothing_is_left_running_and_the_models_load_once(tmp_path: Path) -> None:
    words = Words()
    before = set(threading.enumerate())
    async with SpeechRuntime.open(CodedListener(words), CodedSpeaker()) as speech:
        assert isinstance(speech.voice_model, SileroModel)
        other = speech.with_voice(CodedListener(words), CodedSpeaker())
        assert other.voice_model is speech.voice_model
        assert other.turn_end is speech.turn_end
    await hold(tmp_path, open_unbuffered)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not {name for name in left if name.startswith(("turns", "recording"))}
