"""Saying the bot's turns, and stopping them when the customer speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from pipecat.frames.frames import VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameProcessor

from bot.events import Event, Quiet, StillSpeaking
from bot.floor import Floor
from bot.frames import HoldFrame, LineFrame, SpeechStartedFrame
from bot.script.replies import Line
from bot.timings import BotTurn, TurnLog

#: A voice that begins this early is mostly the "Hello?" of picking up: it stops the greeting only when it lasts.
_PICK_UP_MS: Final = 1500
_PICK_UP_LASTS_MS: Final = 600


class Saying:
    """The bot's side of the floor; pushes its lines out of `processor` and tells what happens as events."""

    def __init__(self, processor: FrameProcessor, log: TurnLog, tell: Callable[[Event], None]) -> None:
        self.floor = Floor(lambda: tell(Quiet()))
        self._processor = processor
        self._log = log
        self._tell = tell
        self._voice_on = False
        self._pick_up_until: float | None = None

    @property
    def greeting(self) -> BotTurn | None:
        """The first turn, while it is being said."""
        turn = self.floor.turn
        return turn if turn is not None and turn is self._log.bot[0] else None

    async def speech_started(self, frame: SpeechStartedFrame) -> None:
        """The customer speaks: stop, unless this must be heard or may be no more than a "Hello?"."""
        self.floor.speech_at = frame.at
        turn = self.floor.turn
        if turn is None or (turn.final and not frame.continues):
            return
        if turn is self.greeting and self._log.time.ms(frame.at) <= _PICK_UP_MS:
            self._pick_up_until = frame.at + _PICK_UP_LASTS_MS / 1000
            asyncio.get_running_loop().call_at(self._pick_up_until, self._tell, StillSpeaking())
            return
        await (self.interrupt() if frame.continues else self.stop())

    def speech_over(self) -> None:
        """What the customer said is known."""
        self.floor.speech_at = self._pick_up_until = None
        self.floor.quiet_since = max(self.floor.quiet_since, self._log.time.now())

    async def voice(self, frame: VADUserStartedSpeakingFrame | VADUserStoppedSpeakingFrame) -> None:
        """The customer's voice is on or off."""
        self._voice_on = isinstance(frame, VADUserStartedSpeakingFrame)
        await self.check_pick_up()

    async def check_pick_up(self) -> None:
        """Stop the greeting once the voice that began with it is more than a "Hello?"."""
        until = self._pick_up_until
        if until is None or not self._voice_on or self._log.time.now() < until:
            return
        self._pick_up_until = None
        if self.greeting is not None:
            await self.stop()

    async def stop(self) -> None:
        """Fall silent for what the customer says: in the middle, to go on from there if it was nothing."""
        turn = self.floor.turn
        if turn is None or turn.began_at is None or not turn.interruptible:
            await self.interrupt()
        elif self.floor.held_turn is None:
            self.floor.hold(turn)
            await self._processor.push_frame(HoldFrame())

    async def interrupt(self) -> None:
        """Stop what may be stopped of the present turn; a line that must be heard goes on, those behind it do not."""
        turn = self.floor.turn
        if turn is None:
            await self._release()
            return
        self.floor.interrupt(turn)
        await self._processor.broadcast_interruption()  # type: ignore[no-untyped-call]
        self.floor.dropped(turn, self._log.time.now())

    async def say(self, turn: BotTurn) -> None:
        """Say a turn, unless the customer is speaking: what they say decides, or its lack brings the turn back."""
        self._log.bot.append(turn)
        if self.floor.speech_at is not None and not turn.final:
            self.floor.interrupt(turn)
            return
        await self._play(turn, 0)

    async def add(self, turn: BotTurn, line: Line) -> None:
        """Say one more line of a turn that is open; of one that the customer cuts off, once it goes on."""
        turn.lines = [*turn.lines, line]
        if not turn.interrupted:
            turn.ended_at = None
            await self._play(turn, len(turn.lines) - 1)

    def finish(self, turn: BotTurn) -> None:
        """No more lines of this turn follow. Idempotent."""
        self.floor.finished(turn)

    async def go_on(self) -> None:
        """Nothing was said after all: say what the sound had cut off."""
        rest = self.floor.rest()
        await self._release()
        if rest is not None:
            await self._play(*rest)

    async def _release(self) -> None:
        if self.floor.held_turn is not None:
            self.floor.release()
            await self._processor.push_frame(HoldFrame(holds=False))

    async def _play(self, turn: BotTurn, first: int) -> None:
        self.floor.take(turn)
        for at in range(first, len(turn.lines)):
            line = turn.lines[at]
            frame = LineFrame(text=line.text, turn=turn, line=at, last=at == len(turn.lines) - 1 and not turn.open)
            frame.interruptible, frame.audio = line.interruptible, line.audio
            await self._processor.push_frame(frame)
