"""Stored bots by name and version: a campaign that was made has brought each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from bot.conversation import ScriptedConversation
from bot.script.language import Script
from bot.speech.recorded import Recorded
from campana.application import App
from campana.errors import CampanaError
from campana.other_bots import stored_script
from campana.sounds import stored_recordings
from campana.voicebots import Voicebots
from storage.tables import bots


class NoSuchBot(CampanaError):
    """No stored bot has this name and version."""


@dataclass(frozen=True)
class Spoken:
    """A script, and how it is said and heard: `Voicebots.scripted` takes these."""

    script: Script
    voice: str | None = None
    speed: float = 1.0
    ears: str | None = None
    #: None: recorded lines lie beside the script's file.
    recorded: Mapping[str, Recorded] | None = None

    async def conversation(self, voicebots: Voicebots) -> ScriptedConversation:
        """Opened; raises what script, voice or models are short of."""
        return await voicebots.scripted(self.script, self.voice, self.speed, ears=self.ears, recorded=self.recorded)


@dataclass(frozen=True)
class StoredBot:
    """A version of a bot, as its campaign has pinned it."""

    name: str
    version: int
    spoken: Spoken


async def versions(app: App) -> dict[str, Sequence[int]]:
    """The versions of each bot of the account, the newest first; the latest bot first."""
    newest_first = select(bots.c.name, bots.c.version).where(bots.c.account_id == app.account_id)
    found: dict[str, list[int]] = {}
    async with app.database.read() as conn:
        for name, version in (await conn.execute(newest_first.order_by(bots.c.id.desc()))).all():
            found.setdefault(name, []).append(version)
    return {name: sorted(each, reverse=True) for name, each in found.items()}


async def find_bot(app: App, name: str, version: int | None = None) -> StoredBot:
    """The version of a bot, the newest unless told; raises `NoSuchBot` with those that there are."""
    of_name = select(bots).where(bots.c.account_id == app.account_id, bots.c.name == name)
    if version is not None:
        of_name = of_name.where(bots.c.version == version)
    async with app.database.read() as conn:
        row = (await conn.execute(of_name.order_by(bots.c.version.desc()).limit(1))).mappings().first()
    if row is None:
        raise NoSuchBot(_unknown(name, version, await versions(app)))
    script = await stored_script(row["script"], row["name"])
    recorded = stored_recordings(app.settings, row["sounds"])
    return StoredBot(name, row["version"], Spoken(script, row["voice"], row["speed"], row["ears"], recorded))


def read_bot(text: str) -> tuple[str, int | None]:
    """`NAME` or `NAME@VERSION`."""
    name, at, version = text.rpartition("@")
    if at and version.isascii() and version.isdigit() and len(version) < 10:
        return name, int(version)
    return text, None


def _unknown(name: str, version: int | None, known: dict[str, Sequence[int]]) -> str:
    if version is not None and name in known:
        return f"the bot {name!r} has no version {version}; it has {', '.join(map(str, sorted(known[name])))}"
    names = ", ".join(known) or "none yet; a campaign brings one (campana campaign create)"
    return f"there is no bot {name!r} (known: {names})"
