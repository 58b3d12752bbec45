"""The further bots of a campaign: those that its post-conditions move contacts to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.script.language import Script
from bot.script.loader import load_script
from campana.application import App
from storage.tables import bots

_Rules = Iterable[Mapping[str, Any]] | None

#: Stored scripts that are kept as read.
_KEPT: Final = 32


async def other_scripts(app: App, rules: _Rules) -> list[Script]:
    """The scripts of the bots that these rules of a campaign file name; what no bot is called is left out."""
    names = {rule["then"]["bot"] for rule in rules or () if "bot" in rule["then"]}
    if not names:
        return []
    async with app.database.read() as conn:
        of_names = select(bots.c.name, bots.c.id).where(bots.c.account_id == app.account_id, bots.c.name.in_(names))
        newest = {row.name: row.id for row in (await conn.execute(of_names.order_by(bots.c.version))).all()}
        return await _scripts(conn, newest.values())


def other_bots(rules: _Rules) -> list[int]:
    """The ids of the bots that these rules of the table campaigns move contacts to."""
    return sorted({rule["then"]["bot_id"] for rule in rules or () if "bot_id" in rule["then"]})


async def further_variables(conn: AsyncConnection, rules: _Rules) -> set[str]:
    """The variables that a contact needs for those bots, as far as no rule sets them."""
    needed = {name for script in await _scripts(conn, other_bots(rules)) for name in script.required_variables}
    return needed - {name for rule in rules or () for name in rule["then"].get("variables", ())}


async def _scripts(conn: AsyncConnection, bot_ids: Collection[int]) -> list[Script]:
    if not bot_ids:
        return []
    found = select(bots.c.script, bots.c.name).where(bots.c.id.in_(bot_ids)).order_by(bots.c.id)
    return [await stored_script(text, name) for text, name in (await conn.execute(found)).all()]


async def stored_script(text: str, name: str) -> Script:
    """The script of a stored bot, read beside the event loop: the audio of live calls shares that one."""
    return await asyncio.to_thread(_read, text, name)


@lru_cache(maxsize=_KEPT)
def _read(text: str, name: str) -> Script:
    return load_script(text, name)
