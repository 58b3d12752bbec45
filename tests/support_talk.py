"""A dashboard with a bot to talk to, and a Chromium whose microphone says one sentence again and again."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import Browser, async_playwright

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.hearing import HearingParams
from bot.recording import Recordings
from bot.script.language import Script
from bot.speech.speaking import PiperSpeaker
from campana.application import App, open_app
from campana.settings import Settings, TalkSettings
from campana.talk import Desk, open_desk
from campana.voicebots import Voicebots
from tests.support_calls import CodedListener, CodedSpeaker, LoudIsVoice, Words
from tests.support_speech import AlwaysComplete
from web.app import create_app
from web.server import Serving, serving
from web.state import WebSettings

RATE_HZ = 16000
SCRIPT = """\
script: payment
title: Payment promise
language: en
variables:
  name: required
  amount: {default: "120"}
codes:
  AG: {title: Agrees to pay, class: success, result: Completed}
silence: {after_ms: 30000, say: ["Are you there?"], goto: goodbye}
steps:
  greeting:
    - say: Hello {name}.
    - listen:
        ask: When will you pay the {amount} dollars?
        first: values
        values: {pay_date: {type: date, goto: agreed}}
        reprompt: ["Which day please?", "Just name a day please.", "Any day will do."]
        else: goodbye
  agreed:
    - code: AG
    - say: Thank you.
    - end
  goodbye:
    - end
"""
#: To be answered by keys.
MENU = """\
script: menu
title: A menu
variables: {name: required}
codes: {AG: {title: Agrees, class: success, result: Completed}}
silence: {after_ms: 60000, say: ["Hello?"], goto: bye}
steps:
  greeting:
    - say: "Hello {name}."
    - listen: {ask: "Press one.", keys: {"1": agreed, "9": never}, intents: {"yes": agreed}, else: bye}
  agreed:
    - code: AG
    - end
  never:
    - opt_out
    - end
  bye:
    - end
"""
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # A browser leaves loopback out unless told, and a machine of tests may have nothing else.
    "--allow-loopback-in-peer-connection",
]


async def saying(voice: PiperSpeaker, text: str, path: Path) -> Path:
    """A file that says a text once in seven seconds; the browser's microphone plays it over and over."""
    said = await voice.synthesise(text, rate_hz=RATE_HZ)
    silence = bytes(RATE_HZ * 2 * 3)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(silence + said + silence[: len(silence) // 3 * 4])
    return path


@dataclass
class Coded:
    """Voicebots whose speech is coded."""

    folder: Path
    begin: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.begin.set()

    async def scripted(self, script: Script, *_args: Any, **_named: Any) -> ScriptedConversation:
        await self.begin.wait()
        words = Words()
        speech = SpeechRuntime(CodedListener(words), CodedSpeaker(), AlwaysComplete(), LoudIsVoice(), HearingParams())
        return ScriptedConversation(script, speech, recordings=Recordings(self.folder))


@dataclass
class Talking:
    """The dashboard, with the script file that can be talked to."""

    app: App
    desk: Desk
    served: Serving
    script: Path


@contextlib.asynccontextmanager
async def talking(folder: Path, text: str = SCRIPT, *, coded: bool = False) -> AsyncIterator[Talking]:
    """A dashboard over an empty database, and the script to talk to; `coded` needs no speech models."""
    script = folder / "payment.yaml"
    script.write_text(text, encoding="utf-8")
    settings = Settings(data_folder=folder / "data", talk=TalkSettings(addresses=("127.0.0.1",)))
    voicebots = cast("Voicebots", Coded(settings.recordings_folder)) if coded else None
    async with open_app(settings) as app, open_desk(app, voicebots, [script]) as desk:
        pages = create_app(app.database, WebSettings(recordings_dir=settings.recordings_folder), talk_desk=desk)
        async with serving(pages, port=0) as served:
            yield Talking(app, desk, served, script)


@contextlib.asynccontextmanager
async def chromium(microphone: Path | None = None) -> AsyncIterator[Browser]:
    """A browser with a microphone that beeps, or plays this file over and over."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed: Debian package chromium")
    arguments = [*_ARGUMENTS, *([f"--use-file-for-fake-audio-capture={microphone}"] if microphone else [])]
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()
