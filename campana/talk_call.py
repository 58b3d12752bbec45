"""One test call from the browser: prepared, connected, held like any other call, told of as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import structlog

from bot.conversation import ScriptedConversation
from bot.errors import BotError
from bot.outcome import ConversationResult, Job, OptOut, Turn, TurnsSoFar
from campaigns.codes import Assigned, assign
from campana.application import App
from campana.bots import Spoken
from campana.errors import CampanaError
from campana.voicebots import Voicebots
from models.errors import ModelError
from reports.wording import LATENCY_PARTS
from telephony.call import CallEnd
from telephony.errors import MediaNotConnected, TelephonyError
from telephony.media.leg import MediaLeg
from telephony.webrtc.call import BrowserCall
from web.errors import ControlRefused
from web.talking import TalkEvent, TalkWish

if TYPE_CHECKING:
    from telephony.webrtc.server import WebRtcServer

_log = structlog.get_logger(__name__)

#: From `ready` to the browser's offer: people may be asked for the microphone meanwhile.
_OFFER_S: Final = 60.0
_CONNECT_S: Final = 20.0
#: The transcript is looked at this often; a conversation tells of nothing by itself.
_LOOK_S: Final = 0.1
_QUIET_S: Final = 1.0


class BrowserTalk:
    """`web.talking.TalkCall`; `start` begins it."""

    def __init__(
        self,
        app: App,
        spoken: Spoken,
        caller: str,
        wish: TalkWish,
        *,
        opened: Callable[[], Awaitable[tuple[Voicebots, WebRtcServer]]],
    ) -> None:
        self.id = uuid4().hex
        self.caller = caller
        self.over = False
        self.recording: Path | None = None
        self._app, self._spoken, self._wish, self._opened = app, spoken, wish, opened
        self._events: list[TalkEvent] = []
        self._told = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._offer: asyncio.Future[str] = loop.create_future()
        self._answer: asyncio.Future[str] = loop.create_future()
        self._call: BrowserCall | None = None
        self._turns: tuple[dict[str, Any], ...] = ()
        self._opted_out = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to prepare the call."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="talk")
        self._task.add_done_callback(self._over_with)

    async def answer(self, offer: str) -> str:
        """See `TalkCall`."""
        if self._offer.done() or self.over:
            raise ControlRefused("this call is connected already, or over; begin another one")
        self._offer.set_result(offer)
        await asyncio.wait({self._answer})
        if self._answer.cancelled():
            raise ControlRefused("the call has ended before it was connected")
        return self._answer.result()

    async def events(self) -> AsyncGenerator[TalkEvent | None, None]:
        """See `TalkCall`."""
        at = 0
        while True:
            while at < len(self._events):
                at += 1
                yield self._events[at - 1]
            if self.over:
                return
            self._told.clear()
            try:
                await asyncio.wait_for(self._told.wait(), _QUIET_S)
            except TimeoutError:
                yield None

    async def hang_up(self) -> None:
        """See `TalkCall`."""
        if self._call is not None:
            await self._call.hangup()
        elif self._task is not None:
            self._task.cancel()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def aclose(self) -> None:
        """End at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            conversation, server = await self._prepared()
            self._tell("ready")
            async with asyncio.timeout(_OFFER_S):
                offer = await self._offer
            leg, answer = await server.answer(offer, self._wish.rate_hz)
            try:
                self._answer.set_result(answer)
                await leg.connected(_CONNECT_S)
                await self._talk(conversation, leg)
            finally:
                leg.abandon()
        except asyncio.CancelledError:
            self._tell("failed", text="the call was ended before it began")
        except (TimeoutError, MediaNotConnected):
            self._tell("failed", text="the browser did not connect; allow it the microphone and try again")
        except (BotError, ModelError, TelephonyError, CampanaError) as error:
            self._tell("failed", text=str(error))
        except Exception as error:
            _log.exception("talk.failed", call=self.id)
            self._tell("failed", text=f"{type(error).__name__}: {error}")

    def _over_with(self, _: asyncio.Task[None]) -> None:
        """Also of a task that was cancelled before its first step."""
        self.over = True
        self._answer.cancel()
        self._told.set()

    async def _prepared(self) -> tuple[ScriptedConversation, WebRtcServer]:
        self._tell("preparing", done=0, total=0)
        voicebots, server = await self._opened()
        rate_hz = self._wish.rate_hz
        conversation = await self._spoken.conversation(voicebots)
        await conversation.warm(rate_hz=rate_hz, progress=self._preparing)
        await conversation.prepare(self._wish.variables, rate_hz=rate_hz)
        return conversation, server

    def _preparing(self, done: int, total: int) -> None:
        self._tell("preparing", done=done, total=total)

    async def _talk(self, conversation: ScriptedConversation, leg: MediaLeg) -> None:
        self._call = call = BrowserCall(leg, self.id, self._app.clock)
        self._tell("talking", rate_hz=leg.rate_hz)
        watching: list[asyncio.Task[None]] = []
        job = Job(
            self.id,
            self._wish.variables,
            self._app.settings.talk.longest_s,
            self._on_opt_out,
            time_zone=self._app.settings.account.time_zone,
            watch=lambda turns: watching.append(asyncio.create_task(self._look(turns), name="talk-look")),
        )
        try:
            result = await conversation.run(call, job)
        finally:
            for task in watching:
                task.cancel()
        end = await call.ended()
        talk_ms = int((end.ended_at - call.answered_at).total_seconds() * 1000)
        self._ended(result, assign(None, end, result, talk_ms=talk_ms), end, talk_ms)

    async def _look(self, turns: TurnsSoFar) -> None:
        while True:
            self._show(turns.so_far())
            await asyncio.sleep(_LOOK_S)

    def _show(self, turns: Sequence[Turn]) -> None:
        shown = tuple(_turn(turn) for turn in turns)
        same = next((at for at, (one, other) in enumerate(zip(self._turns, shown, strict=False)) if one != other), None)
        first = min(len(self._turns), len(shown)) if same is None else same
        if first < max(len(self._turns), len(shown)):
            self._turns = shown
            self._tell("turns", **{"from": first, "turns": list(shown[first:])})

    async def _on_opt_out(self, _opt_out: OptOut) -> None:
        """Nobody was called, so no number can be put on the do-not-call list; the page tells of it."""
        self._opted_out = True

    def _ended(self, result: ConversationResult, assigned: Assigned, end: CallEnd, talk_ms: int) -> None:
        self._show(result.turns)
        made = result.recording
        if made is not None and not made.error:
            self.recording = self._app.settings.recordings_folder / made.path
        titles = {code.code: code.title for code in self._spoken.script.codes}
        self._tell(
            "ended",
            call_status=assigned.call_status.value,
            code=assigned.code,
            code_class=assigned.code_class.value,
            title=titles.get(assigned.code),
            collected=dict(result.collected),
            opted_out=self._opted_out,
            call_back_at=result.callback_at.isoformat() if result.callback_at else None,
            mails=[mail.to for mail in result.mails],
            messages=result.messages,
            first_word_ms=result.answer_to_first_word_ms,
            talk_ms=talk_ms,
            error=result.error,
            network=end.text,
            recording=self.recording is not None,
        )

    def _tell(self, name: str, **data: Any) -> None:
        self._events.append(TalkEvent(name, data))
        self._told.set()


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "speaker": turn.speaker.value,
        "start_ms": turn.start_ms,
        "text": turn.text,
        "step": turn.step,
        "intent": turn.intent,
        "confidence": turn.confidence,
        "interrupted": turn.interrupted,
        "stt_ms": turn.stt_ms,
        "voice_to_voice_ms": turn.voice_to_voice_ms,
        "barge_in_stop_ms": turn.barge_in_stop_ms,
        "collected": dict(turn.collected),
        "heard": [asdict(reading) for reading in turn.heard],
        "latency": {_part(name): ms for name, ms in asdict(turn.latency).items() if ms is not None},
    }


def _part(name: str) -> str:
    """A part of what a turn took, as people read it."""
    return LATENCY_PARTS.get(name) or name.removesuffix("_ms").replace("_", " ")
