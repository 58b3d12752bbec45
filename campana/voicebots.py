"""Voicebots ready to talk: the speech models of this process, shared, and one conversation object a bot."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.outcome import Conversation
from bot.recording import Recordings
from bot.script.language import Script
from bot.script.loader import load_script
from bot.speech.listening import WhisperListener
from bot.speech.pool import WorkPool
from bot.speech.speaking import CachedSpeaker, WarmProgress, open_speaker
from campaigns.claiming import Claim
from campana.application import App
from campana.machines import with_machines
from campana.other_bots import other_bots
from storage.tables import bots, campaigns


@dataclass
class Voicebots:
    """Makes conversations for claims; `open_voicebots` opens one."""

    app: App
    pool: WorkPool
    recordings: Recordings
    _listener: WhisperListener
    _stack: contextlib.AsyncExitStack
    _runtimes: dict[tuple[str, str], SpeechRuntime] = field(default_factory=dict)
    _conversations: dict[tuple[int, str], ScriptedConversation] = field(default_factory=dict)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, claim: Claim) -> Conversation:
        """The conversation for a claim, this contact's own lines spoken into the phrase cache."""
        conversation = await self.conversation(claim.bot_id, claim.machines)
        await conversation.prepare(claim.script_variables)
        return conversation

    async def warm(self, campaign_id: int, progress: WarmProgress | None = None) -> None:
        """Speak the lines that are the same for every contact of a campaign."""
        async with self.app.database.read() as conn:
            chosen = select(campaigns.c.bot_id, campaigns.c.machines, campaigns.c.post_conditions)
            bot_id, machines, rules = (await conn.execute(chosen.where(campaigns.c.id == campaign_id))).one()
        for each in (bot_id, *other_bots(rules)):
            await (await self.conversation(each, machines)).warm(progress=progress)

    async def conversation(self, bot_id: int, machines: Mapping[str, Any] | None = None) -> ScriptedConversation:
        """The conversation of a bot, opened at its first use; `machines` as its campaign has them.

        Raises what its script, voice or models are short of.
        """
        key = (bot_id, json.dumps(machines, sort_keys=True))
        async with self._opening:
            if key not in self._conversations:
                self._conversations[key] = await self._open(bot_id, machines)
            return self._conversations[key]

    async def speaker(self, voice: str) -> CachedSpeaker:
        """A voice of the catalogue with the shared phrase cache."""
        folder = self.app.settings.phrase_folder
        speaker = await asyncio.to_thread(open_speaker, self.app.models, voice, cache_dir=folder, pool=self.pool)
        self._stack.push_async_callback(speaker.aclose)
        return speaker

    async def _open(self, bot_id: int, machines: Mapping[str, Any] | None) -> ScriptedConversation:
        async with self.app.database.read() as conn:
            bot = (await conn.execute(select(bots).where(bots.c.id == bot_id))).mappings().one()
        script = with_machines(load_script(bot["script"], bot["name"]), machines)
        return await self.scripted(script, bot["voice"], bot["speed"])

    async def scripted(self, script: Script, voice: str, speed: float = 1.0) -> ScriptedConversation:
        """A conversation by this script in this voice; ears listen in the script's language."""
        runtime = await self._runtime(voice, script.language)
        return ScriptedConversation(script, runtime, recordings=self.recordings, speed=speed, clock=self.app.clock)

    async def _runtime(self, voice: str, language: str) -> SpeechRuntime:
        """Ears in a language and a voice, on the one set of models that judge voice and turns."""
        key = (voice, language)
        if key not in self._runtimes:
            speaker = await self.speaker(voice)
            listener = self._listener.in_language(language)
            first = next(iter(self._runtimes.values()), None)
            if first is not None:
                self._runtimes[key] = first.with_voice(listener, speaker)
            else:
                opened = SpeechRuntime.open(listener, speaker, pool=self.pool)
                self._runtimes[key] = await self._stack.enter_async_context(opened)
        return self._runtimes[key]


@contextlib.asynccontextmanager
async def open_voicebots(app: App) -> AsyncIterator[Voicebots]:
    """Load the ears; voices follow with the bots that use them. Raises `ModelError` when a model is missing."""
    settings = app.settings
    folder = await asyncio.to_thread(app.models.path, settings.models.listening)
    pool = WorkPool(settings.models.workers, name="speech")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(pool.aclose)
        listener = await asyncio.to_thread(WhisperListener.load, folder, pool=pool)
        recordings = Recordings(settings.recordings_folder)
        stack.push_async_callback(recordings.aclose)
        yield Voicebots(app, pool, recordings, listener, stack)
