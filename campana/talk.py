"""Talking to a bot from the browser: test calls outside any campaign, neither billed nor reported."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bot.errors import BotError, MissingVariables, ScriptErrors
from bot.script.interpreter import fill_variables
from bot.script.loader import load_script
from campana.application import App
from campana.bots import NoSuchBot, Spoken, find_bot, versions
from campana.speech_choice import Choice, SpeechUnavailable, voice_for
from campana.talk_call import BrowserTalk
from campana.voicebots import Voicebots, open_voicebots
from web.errors import BadFields, ControlRefused
from web.talking import TalkBot, TalkScript, TalkVariable, TalkWish

if TYPE_CHECKING:
    from telephony.webrtc.server import WebRtcServer

#: Calls that have ended are remembered for their transcripts and recordings.
_REMEMBERED: Final = 50
#: What stands in the form for variables of these names; a script's own default goes before.
_SAMPLES: Final = {
    "name": "Anna",
    "amount": "120",
    "due": "2026-12-01",
    "date": "2026-12-01",
    "time": "14:30",
    "company": "Bell Finance",
}


class Desk:
    """`web.talking.TalkDesk` over the open application; `open_desk` opens one.

    Models and the WebRTC server are opened by the first call; `shared`, when given, are the voicebots of a node.
    """

    def __init__(self, app: App, shared: Voicebots | None, scripts: Sequence[Path]) -> None:
        self._app = app
        self._scripts = {str(path): path for path in scripts}
        self._voicebots = shared
        self._server: WebRtcServer | None = None
        self._stack = contextlib.AsyncExitStack()
        self._opening = asyncio.Lock()
        self._calls: OrderedDict[str, BrowserTalk] = OrderedDict()

    async def bots(self) -> Sequence[TalkBot]:
        """See `TalkDesk`; script files come first."""
        files = [TalkBot(name, path.name) for name, path in self._scripts.items()]
        stored = await versions(self._app)
        return [*files, *(TalkBot(name, name, tuple(each)) for name, each in stored.items())]

    async def script(self, bot: str, version: int | None) -> TalkScript:
        """See `TalkDesk`."""
        found = await self._spoken(bot, version)
        voice = await asyncio.to_thread(self._voice, found)
        variables = tuple(
            TalkVariable(each.name, each.default or _SAMPLES.get(each.name, ""), each.required)
            for each in found.script.variables
        )
        return TalkScript(found.script.title, found.script.language, voice.name, variables, voice.warning)

    async def begin(self, caller: str, wish: TalkWish) -> BrowserTalk:
        """See `TalkDesk`."""
        spoken = await self._spoken(wish.bot, wish.version)
        try:
            fill_variables(spoken.script, wish.variables)
        except MissingVariables as error:
            raise BadFields([(name, "give it a value; the script needs it") for name in error.names]) from error
        for call in self._live():
            if call.caller == caller:
                await call.hang_up()
        most = self._app.settings.talk.calls
        if len(self._live()) >= most:
            raise ControlRefused(
                f"there are {most} test calls already, which is what talk.calls allows; wait until one has ended"
            )
        call = BrowserTalk(self._app, spoken, caller, wish, opened=self._open)
        self._calls[call.id] = call
        call.start()
        while len(self._calls) > _REMEMBERED:
            self._forget()
        return call

    def call(self, caller: str, call_id: str) -> BrowserTalk | None:
        """See `TalkDesk`."""
        call = self._calls.get(call_id)
        return call if call is not None and call.caller == caller else None

    async def aclose(self) -> None:
        """Hang up every call and release models and network. Idempotent."""
        await asyncio.gather(*(call.aclose() for call in self._calls.values()))
        await self._stack.aclose()

    def _live(self) -> list[BrowserTalk]:
        return [call for call in self._calls.values() if not call.over]

    def _forget(self) -> None:
        oldest = next((name for name, call in self._calls.items() if call.over), None)
        if oldest is not None:
            del self._calls[oldest]

    async def _open(self) -> tuple[Voicebots, WebRtcServer]:
        async with self._opening:
            if self._voicebots is None:
                self._voicebots = await self._stack.enter_async_context(open_voicebots(self._app))
            if self._server is None:
                talk = self._app.settings.talk
                # Its libraries take half a second to load, beside the calls that go on.
                kind = await asyncio.to_thread(_webrtc)
                opened = kind(stun=talk.stun, addresses=talk.addresses)
                self._server = await self._stack.enter_async_context(opened)
            return self._voicebots, self._server

    def _voice(self, spoken: Spoken) -> Choice:
        try:
            return voice_for(self._app.settings, self._app.models, spoken.script.language, spoken.voice)
        except SpeechUnavailable as error:
            raise BadFields([("voice", str(error))]) from error

    async def _spoken(self, bot: str, version: int | None) -> Spoken:
        try:
            if bot in self._scripts:
                # Read anew for each call, so that it can be edited and tried again.
                return Spoken(await asyncio.to_thread(load_script, self._scripts[bot]))
            return (await find_bot(self._app, bot, version)).spoken
        except ScriptErrors as error:
            raise BadFields([("script", str(problem)) for problem in error.problems]) from error
        except (BotError, NoSuchBot) as error:
            raise BadFields([("bot", str(error))]) from error


def _webrtc() -> type[WebRtcServer]:
    from telephony.webrtc.server import WebRtcServer

    return WebRtcServer


@contextlib.asynccontextmanager
async def open_desk(app: App, shared: Voicebots | None = None, scripts: Sequence[Path] = ()) -> AsyncIterator[Desk]:
    """A desk whose calls end with the block; `scripts` can be talked to beside the stored bots."""
    desk = Desk(app, shared, scripts)
    try:
        yield desk
    finally:
        await desk.aclose()
