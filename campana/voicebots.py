"""Voicebots ready to talk: the speech models of this process, shared, and one conversation object a bot."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.errands import NoModel, Outside
from bot.fetching import WebServices
from bot.llm.needs import asks_model, require_model
from bot.outcome import Conversation
from bot.recording import Recordings
from bot.script.language import Script
from bot.script.loader import load_script
from bot.speech.listening import Listener
from bot.speech.pool import WorkPool
from bot.speech.recorded import Recorded
from bot.speech.speaking import CachedSpeaker, Speaker, WarmProgress
from campaigns.claiming import Claim
from campana.application import App
from campana.language_models import open_model
from campana.local_ears import open_local_ears
from campana.machines import with_machines
from campana.other_bots import other_bots
from campana.sounds import recordings_beside, stored_recordings
from campana.speech import Speech
from storage.tables import bots, campaigns


@dataclass
class Voicebots:
    """Makes conversations for claims; `open_voicebots` opens one."""

    app: App
    pool: WorkPool
    recordings: Recordings
    outside: Outside
    speech: Speech
    _stack: contextlib.AsyncExitStack
    _runtimes: dict[tuple[Speaker, Listener], SpeechRuntime] = field(default_factory=dict)
    _conversations: dict[tuple[int, str], ScriptedConversation] = field(default_factory=dict)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

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

    async def speaker(self, voice: str | None = None, language: str = "en") -> CachedSpeaker:
        """A voice by its name, else that of a language, with the shared phrase cache."""
        return await self.speech.speaker(language, voice)

    async def _open(self, bot_id: int, machines: Mapping[str, Any] | None) -> ScriptedConversation:
        async with self.app.database.read() as conn:
            bot = (await conn.execute(select(bots).where(bots.c.id == bot_id))).mappings().one()
        script = with_machines(load_script(bot["script"], bot["name"]), machines)
        recorded = stored_recordings(self.app.settings, bot["sounds"])
        return await self.scripted(script, bot["voice"], bot["speed"], ears=bot["ears"], recorded=recorded)

    async def scripted(
        self,
        script: Script,
        voice: str | None = None,
        speed: float = 1.0,
        *,
        ears: str | None = None,
        recorded: Mapping[str, Recorded] | None = None,
    ) -> ScriptedConversation:
        """A conversation by this script; voice and ears not named are those of its language.

        `recorded` are its recorded lines; without them they are looked for beside the script's file, and what is not
        there is said by the voice.
        """
        outside = await self._outside(script)
        runtime = await self._runtime(voice, ears, script.language)
        files = await recordings_beside(script) if recorded is None else recorded
        if files:
            runtime = runtime.with_recorded(self.speech.recorded(files))
        return ScriptedConversation(
            script, runtime, recordings=self.recordings, speed=speed, clock=self.app.clock, outside=outside
        )

    async def _outside(self, script: Script) -> Outside:
        """What the script may ask; the way to language models is opened for the first that wants one."""
        if not asks_model(script):
            return self.outside
        llm = self.app.settings.llm
        require_model(script, llm.model)
        async with self._asking:
            if isinstance(self.outside.model, NoModel):
                model = await self._stack.enter_async_context(open_model(llm))
                self.outside = replace(self.outside, model=model)
        return self.outside

    async def _runtime(self, voice: str | None, ears: str | None, language: str) -> SpeechRuntime:
        """Ears and a voice, on the one set of models that judge voice and turns."""
        speaker = await self.speech.speaker(language, voice)
        listener = await self.speech.listener(language, ears)
        key = (speaker, listener)
        if key not in self._runtimes:
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
    pool = WorkPool(settings.models.workers, name="speech")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(pool.aclose)
        speech = Speech(settings, app.models, pool, stack, open_local_ears)
        await asyncio.to_thread(speech.cache.prune)
        await speech.load_usual_ears()
        recordings = Recordings(settings.recordings_folder)
        stack.push_async_callback(recordings.aclose)
        secrets = {name: secret.get_secret_value() for name, secret in settings.secrets.items()}
        services = await stack.enter_async_context(WebServices.open(secrets))
        yield Voicebots(app, pool, recordings, Outside(services), speech, stack)
