"""What customers gave in calls: the values that scripts collected, by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.attempts import AttemptFilter, attempt_conditions
from reports.scope import Scope, placed
from storage.tables import attempts

#: Columns that an export may gain; a script that makes up names must not fill a sheet with them.
MOST_NAMES: Final = 100
_BATCH: Final = 1000


async def collected_names(conn: AsyncConnection, scope: Scope, wanted: AttemptFilter | None = None) -> tuple[str, ...]:
    """The names of all values that were collected in these attempts, in alphabetical order."""
    c = attempts.c
    found = select(c.collected).where(c.collected.is_not(None), *placed(scope))
    found = found.where(*attempt_conditions(wanted or AttemptFilter())).execution_options(yield_per=_BATCH)
    names: set[str] = set()
    async with conn.stream(found) as rows:
        async for (collected,) in rows:
            names.update(collected)
    return tuple(sorted(names)[:MOST_NAMES])


async def collected_of(
    conn: AsyncConnection, scope: Scope, contact_ids: Collection[int]
) -> dict[int, Mapping[str, str]]:
    """What each contact has given in its calls so far: of a name that was given twice, the later value."""
    c = attempts.c
    found = select(c.contact_id, c.collected).where(c.contact_id.in_(contact_ids), c.collected.is_not(None))
    found = found.where(*placed(scope)).order_by(c.originated_at, c.id)
    given: dict[int, dict[str, str]] = {}
    for contact_id, collected in (await conn.execute(found)).all():
        given.setdefault(contact_id, {}).update(collected)
    return dict(given)
