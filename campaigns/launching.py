"""Whether those who wait to be called have what the script says of them, before the first call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.errors import MissingVariables
from campaigns.states import WAITING
from storage.rows import words
from storage.tables import contacts

#: Names of the variables that each contact of a campaign (by its id) must bring.
RequiredVariables = Callable[[int], Awaitable[Collection[str]]]

_SHOWN: Final = 5


async def require_variables(conn: AsyncConnection, campaign: Mapping[str, Any], names: Collection[str]) -> None:
    """Raises `MissingVariables` when contacts of the campaign that wait, held ones included, lack one of these."""
    wanted = sorted(set(names) - {"phone"})
    if not wanted:
        return
    mine = and_(contacts.c.campaign_id == campaign["id"], contacts.c.state.in_(words(sorted(WAITING))))
    counted = [func.count().filter(_lacks(name)).label(f"lack_{place}") for place, name in enumerate(wanted)]
    counts = (await conn.execute(select(*counted).select_from(contacts).where(mine))).one()
    lacking = {name: int(count) for name, count in zip(wanted, counts, strict=True) if count}
    if lacking:
        told = [f"{count} lack {name} ({await _some(conn, mine, name)})" for name, count in lacking.items()]
        raise MissingVariables(
            f"campaign {campaign['code']}: contacts wait without what the script says: {'; '.join(told)};"
            " give it with `campana contact edit`, or delete them",
            lacking,
        )


def _lacks(name: str) -> ColumnElement[bool]:
    value = contacts.c.variables[name].as_string()
    lacks = or_(value.is_(None), value == "")
    # What is said for {name} is the contact's own where the list's column is empty.
    return and_(lacks, contacts.c.name.is_(None)) if name == "name" else lacks


async def _some(conn: AsyncConnection, mine: ColumnElement[bool], name: str) -> str:
    """The first of them, by the line of their list, or by their id when they came by hand."""
    first = select(contacts.c.id, contacts.c.line).where(mine, _lacks(name)).order_by(contacts.c.id).limit(_SHOWN + 1)
    rows = (await conn.execute(first)).all()
    shown = [f"line {line}" if line else f"contact {contact_id}" for contact_id, line in rows[:_SHOWN]]
    return ", ".join(shown) + (" …" if len(rows) > _SHOWN else "")
