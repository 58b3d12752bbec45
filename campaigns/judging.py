"""What the campaign and the lists of suppressed numbers say of checked rows: which are there already, which may not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import suppression
from campaigns.packing import Packed
from campaigns.rows import RowStatus
from campaigns.states import ContactState
from storage.rows import among, words
from storage.tables import contacts

_ELSEWHERE = "a contact that the campaign has already"
_REFUSED = words([ContactState.INVALID, ContactState.DUPLICATE])


async def judge(
    conn: AsyncConnection, campaign: RowMapping | Mapping[str, Any], batch: Collection[Packed], *, import_id: int | None
) -> list[Packed]:
    """The batch with duplicates and suppressed numbers marked."""
    good = [row for row in batch if row.status is RowStatus.ACCEPTED]
    wanted = {str(row.number) for row in good}
    numbers = await _known(conn, campaign["id"], "number", wanted, import_id)
    given = {row.external_key for row in good if row.external_key}
    keys = await _known(conn, campaign["id"], "external_key", given, import_id)
    barred = await suppression.listed(conn, campaign, wanted)
    judged = []
    for row in batch:
        if row.status is not RowStatus.ACCEPTED:
            judged.append(row)
            continue
        number, key = str(row.number), row.external_key
        if key in keys:
            judged.append(row.turned(RowStatus.DUPLICATE, f"the same external_key as {keys[key]}"))
        elif number in numbers:
            judged.append(row.turned(RowStatus.DUPLICATE, f"the same number as {numbers[number]}"))
        else:
            numbers[number] = f"line {row.line}"
            if key:
                keys[key] = numbers[number]
            judged.append(row.turned(RowStatus.DNC, barred[number].text) if number in barred else row)
    return judged


async def _known(
    conn: AsyncConnection, campaign_id: int, column: str, wanted: Collection[str], import_id: int | None
) -> dict[str | None, str]:
    """Which of the values the campaign has already, and where."""
    if not wanted:
        return {}
    found = await conn.execute(holders(campaign_id, column, wanted, conn.dialect.name))
    return {
        value: f"line {line}" if import_id is not None and held_by == import_id else _ELSEWHERE
        for value, line, held_by in found
    }


def holders(campaign_id: int, column: str, values: Collection[str], dialect: str) -> Select[Any]:
    """Contacts of the campaign that hold one of the numbers or keys: the value, its line and its import."""
    of, campaign = contacts.c[column], contacts.c.campaign_id
    found = select(of, contacts.c.line, contacts.c.import_id).where(among(of, values, dialect))
    if column == "external_key":
        # A refused row gave its key up; a number that turned out invalid when it was dialled keeps it.
        return found.where(campaign == campaign_id)
    # Without statistics SQLite would read the whole campaign for each batch: only the key is indexed together with it.
    return found.where(campaign + 0 == campaign_id, contacts.c.state.not_in(_REFUSED))
