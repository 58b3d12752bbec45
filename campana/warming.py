"""Speaking a campaign's lines before it starts, so that no call waits for the voice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from bot.errors import MissingVariables
from bot.speech.phrases import PhraseCache
from campaigns.states import ContactState, is_terminal
from campana.application import App
from campana.voicebots import Voicebots
from storage.tables import campaigns, contacts

#: Told after each contact: done, in all.
ContactProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Warmed:
    """What the phrase cache holds for a campaign now; `memory_mb` and `disk_mb` are of all its lines.

    `lacking` contacts have no value for a variable of the script.
    """

    contacts: int
    lacking: int
    memory_mb: float
    disk_mb: float

    @classmethod
    def of(cls, cache: PhraseCache, prepared: int, lacking: int) -> Warmed:
        return cls(prepared, lacking, round(cache.held_bytes / 1e6, 1), round(cache.disk_bytes() / 1e6, 1))


async def warm_contacts(
    app: App, voicebots: Voicebots, campaign_id: int, most: int, progress: ContactProgress
) -> tuple[int, int]:
    """Speak the own lines of the first `most` contacts that wait; how many were prepared, and how many lack a value."""
    async with app.database.read() as conn:
        chosen = select(campaigns.c.bot_id, campaigns.c.machines).where(campaigns.c.id == campaign_id)
        usual, machines = (await conn.execute(chosen)).one()
        rows = (await conn.execute(_waiting(campaign_id, most))).all()
    lacking = 0
    for done, row in enumerate(rows, 1):
        conversation = await voicebots.conversation(row.bot_id or usual, machines)
        try:
            await conversation.prepare(_variables(row.name, row.number, row.variables))
        except MissingVariables:
            lacking += 1
        progress(done, len(rows))
    return len(rows) - lacking, lacking


def _waiting(campaign_id: int, most: int) -> Any:
    waiting = [state.value for state in ContactState if not is_terminal(state)]
    columns = (contacts.c.name, contacts.c.number, contacts.c.variables, contacts.c.bot_id)
    mine = (contacts.c.campaign_id == campaign_id) & contacts.c.state.in_(waiting)
    return select(*columns).where(mine).order_by(contacts.c.id).limit(most)


def _variables(name: str | None, number: str, variables: Mapping[str, str]) -> dict[str, str]:
    """As `Claim.script_variables` gives them to the call."""
    return {"name": name or "", "phone": number} | dict(variables)
