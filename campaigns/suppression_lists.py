"""Named lists of numbers that are not called: an account's, a campaign's, and national registers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import structlog
from sqlalchemy import String, bindparam, delete, func, insert, literal, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import TableValuedAlias

from campaigns.do_not_call import note
from campaigns.errors import CampaignError, NotSuppressed
from storage.clock import Clock
from storage.database import Database
from storage.tables import accounts, campaigns, suppressed_numbers, suppression_imports, suppression_lists
from storage.types import E164

log = structlog.get_logger(__name__)

#: Numbers that are looked at in one transaction when those of a former list are deleted.
_PURGED_AT_ONCE: Final = 20_000
_NAME_LENGTH: Final = 64
_E164: Final = E164()


class ListKind(StrEnum):
    """Whose list it is."""

    ACCOUNT = "account"
    CAMPAIGN = "campaign"
    #: A national one: kept to by campaigns that advertise, unless told otherwise.
    REGISTER = "register"


class ListState(StrEnum):
    """Only a list in force keeps anybody from being called."""

    LOADING = "loading"
    IN_FORCE = "in_force"
    REPLACED = "replaced"
    REMOVED = "removed"


class AppliesTo(StrEnum):
    """Which campaigns keep to it."""

    ADVERTISING = "advertising"
    ALL = "all"


@dataclass(frozen=True)
class NewList:
    """What a list is made of."""

    name: str
    kind: ListKind = ListKind.ACCOUNT
    campaign_id: int | None = None
    #: None: advertising for a register, else all.
    applies_to: AppliesTo | None = None

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > _NAME_LENGTH:
            raise CampaignError(f"a list's name has 1 to {_NAME_LENGTH} characters, not {len(self.name)}")
        if (self.kind is ListKind.CAMPAIGN) != (self.campaign_id is not None):
            raise CampaignError(
                f"list {self.name}: a list of the kind campaign names its campaign, and no other kind does;"
                " give --kind campaign and --campaign CODE together"
            )

    def row(self, account_id: int, state: ListState, now: datetime) -> dict[str, Any]:
        """Of the table suppression_lists."""
        usual = AppliesTo.ADVERTISING if self.kind is ListKind.REGISTER else AppliesTo.ALL
        return {
            "account_id": account_id,
            "name": self.name,
            "kind": self.kind.value,
            "campaign_id": self.campaign_id,
            "applies_to": (self.applies_to or usual).value,
            "state": state.value,
            "numbers": 0,
            "created_at": now,
            "updated_at": now,
        }


@dataclass(frozen=True)
class KeptList:
    """A list in force."""

    name: str
    kind: ListKind
    #: The campaign's code.
    campaign: str | None
    applies_to: AppliesTo
    numbers: int
    updated_at: datetime
    #: The file that was read into it last.
    file_name: str | None
    #: Whether that file is read to its end.
    complete: bool


class SuppressionLists:
    """The named lists of an account; `by` is who asks for a change."""

    def __init__(self, database: Database, clock: Clock, account_id: int) -> None:
        self._database = database
        self._clock = clock
        self._account_id = account_id

    async def create(self, new: NewList, *, by: str) -> None:
        """Make an empty list; raises `CampaignError` when there is one of this name."""

        async def work(conn: AsyncConnection) -> None:
            if await find_list(conn, self._account_id, new.name, lock=True) is not None:
                raise CampaignError(f"there is a list {new.name} already; choose another name, or add numbers to it")
            await make_list(conn, self._account_id, new, ListState.IN_FORCE, by=by, now=self._clock.now())

        await self._database.transact(work)

    async def add(self, name: str, numbers: Iterable[str], *, by: str, reason: str) -> int:
        """Put E.164 numbers onto a list; how many were new. Raises `NotSuppressed` where there is no such list."""

        async def work(conn: AsyncConnection) -> int:
            row = await self._require(conn, name)
            wanted, now = sorted(set(numbers)), self._clock.now()
            added = await insert_numbers(conn, row["id"], wanted)
            await count_numbers(conn, row["id"], added, now)
            for number in wanted:
                await self._note(conn, "number_added", by, number=number, list_name=name, reason=reason)
            return added

        return await self._database.transact(work)

    async def remove(self, name: str, number: str, *, by: str, reason: str) -> None:
        """Take a number off a list; the trace keeps it. Raises `NotSuppressed`."""

        async def work(conn: AsyncConnection) -> None:
            row = await self._require(conn, name)
            of = suppressed_numbers.c
            gone = await conn.execute(delete(suppressed_numbers).where(of.number == number, of.list_id == row["id"]))
            if gone.rowcount != 1:
                raise NotSuppressed(f"{number} is not on the list {name}; see: campana dnc check {number}")
            await count_numbers(conn, row["id"], -1, self._clock.now())
            await self._note(conn, "number_removed", by, number=number, list_name=name, reason=reason)

        await self._database.transact(work)

    async def drop(self, name: str, *, by: str, reason: str) -> int:
        """Keep to the list no more; how many numbers were on it. Raises `NotSuppressed`."""

        async def work(conn: AsyncConnection) -> int:
            row = await self._require(conn, name)
            values = {"state": ListState.REMOVED.value, "updated_at": self._clock.now()}
            await conn.execute(update(suppression_lists).where(suppression_lists.c.id == row["id"]).values(values))
            detail = {"list_id": row["id"], "kind": row["kind"], "numbers": row["numbers"]}
            await self._note(conn, "list_removed", by, list_name=name, reason=reason, detail=detail)
            return int(row["numbers"])

        numbers = await self._database.transact(work)
        await purge(self._database, self._account_id)
        return numbers

    async def all(self) -> Sequence[KeptList]:
        """The lists in force, by name."""
        lists, imports = suppression_lists.c, suppression_imports.c
        wanted = (
            select(suppression_lists, campaigns.c.code)
            .outerjoin(campaigns, campaigns.c.id == lists.campaign_id)
            .where(lists.account_id == self._account_id, lists.state == ListState.IN_FORCE.value)
            .order_by(lists.name)
        )
        files = select(imports.list_id, imports.file_name, imports.finished_at).order_by(imports.id)
        async with self._database.read() as conn:
            rows = (await conn.execute(wanted)).mappings().all()
            found = await conn.execute(files.where(imports.list_id.in_([row["id"] for row in rows])))
            last = {list_id: (file_name, finished_at) for list_id, file_name, finished_at in found}
        return [_kept(row, *last.get(row["id"], (None, row["created_at"]))) for row in rows]

    async def numbers(self, name: str) -> AsyncIterator[str]:
        """The numbers of a list, in order. Raises `NotSuppressed`."""
        of = suppressed_numbers.c
        async with self._database.read() as conn:
            row = await find_list(conn, self._account_id, name)
            if row is None:
                raise _unknown(name)
            numbers = await conn.stream_scalars(select(of.number).where(of.list_id == row["id"]).order_by(of.number))
            async for number in numbers:
                yield number

    async def _require(self, conn: AsyncConnection, name: str) -> dict[str, Any]:
        row = await find_list(conn, self._account_id, name, lock=True)
        if row is None:
            raise _unknown(name)
        return row

    async def _note(self, conn: AsyncConnection, kind: str, by: str, **what: Any) -> None:
        await note(conn, self._account_id, kind, by=by, now=self._clock.now(), **what)


def _unknown(name: str) -> NotSuppressed:
    return NotSuppressed(f"there is no list {name}; see: campana dnc lists")


def _kept(row: Any, file_name: str | None, finished_at: datetime | None) -> KeptList:
    return KeptList(
        row["name"],
        ListKind(row["kind"]),
        row["code"],
        AppliesTo(row["applies_to"]),
        row["numbers"],
        row["updated_at"],
        file_name,
        complete=finished_at is not None,
    )


async def find_list(conn: AsyncConnection, account_id: int, name: str, *, lock: bool = False) -> dict[str, Any] | None:
    """The row of the list of this name that is in force; locked, nobody else makes, replaces or drops one meanwhile."""
    of = suppression_lists.c
    if lock:
        # A list that is not there yet, or not any more, has no row to lock.
        await conn.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())
    wanted = select(suppression_lists).where(
        of.account_id == account_id, of.name == name, of.state == ListState.IN_FORCE.value
    )
    found = (await conn.execute(wanted.with_for_update() if lock else wanted)).mappings().first()
    return dict(found) if found is not None else None


async def make_list(
    conn: AsyncConnection, account_id: int, new: NewList, state: ListState, *, by: str, now: datetime
) -> dict[str, Any]:
    """Insert an empty list; its row."""
    row = new.row(account_id, state, now)
    made = insert(suppression_lists).values(row).returning(suppression_lists.c.id)
    list_id = (await conn.execute(made)).scalar_one()
    if state is ListState.IN_FORCE:
        detail = {"list_id": list_id, "kind": row["kind"], "applies_to": row["applies_to"]}
        await note(conn, account_id, "list_created", by=by, now=now, list_name=new.name, detail=detail)
    return row | {"id": list_id}


async def insert_numbers(conn: AsyncConnection, list_id: int, numbers: Sequence[str]) -> int:
    """Put numbers, best in order, onto a list; how many were new. Raises ValueError for one that is not E.164."""
    checked = [_E164.process_bind_param(number, conn.dialect) for number in numbers]
    # One statement with all of them: row by row a register of millions would take several times as long.
    given = (_from_json if conn.dialect.name == "sqlite" else _from_array)(checked)
    # SQLite would take ON CONFLICT for a part of a FROM clause that no WHERE ends.
    rows = select(given.c.value, literal(list_id)).where(given.c.value.is_not(None))
    make: Any = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = make(suppressed_numbers).from_select(["number", "list_id"], rows).on_conflict_do_nothing()
    return (await conn.execute(statement, execution_options={"preserve_rowcount": True})).rowcount


def _from_json(values: Sequence[str | None]) -> TableValuedAlias:
    return func.json_each(json.dumps(values)).table_valued("value")


def _from_array(values: Sequence[str | None]) -> TableValuedAlias:
    array = bindparam("many", values, type_=postgresql.ARRAY(String))
    return func.unnest(array).table_valued("value").render_derived()


async def count_numbers(conn: AsyncConnection, list_id: int, more: int, now: datetime) -> None:
    """Note how many numbers have come onto the list."""
    of = suppression_lists.c
    await conn.execute(
        update(suppression_lists).where(of.id == list_id).values(numbers=of.numbers + more, updated_at=now)
    )


async def purge(database: Database, account_id: int) -> None:
    """Delete the numbers of lists that are in force no more, in steps between which calls go on."""
    of, lists = suppressed_numbers.c, suppression_lists.c
    former = (ListState.REPLACED.value, ListState.REMOVED.value)
    async with database.read() as conn:
        wanted = select(lists.id).where(lists.account_id == account_id, lists.state.in_(former), lists.numbers > 0)
        list_ids = (await conn.execute(wanted)).scalars().all()
    if not list_ids:
        return
    after: str | None = None
    while True:
        beyond = of.number > after if after is not None else true()
        step = select(of.number).where(beyond).order_by(of.number).offset(_PURGED_AT_ONCE).limit(1)
        async with database.read() as conn:
            after = (await conn.execute(step)).scalar()
        async with database.write() as conn:
            gone = delete(suppressed_numbers).where(of.list_id.in_(list_ids), beyond)
            await conn.execute(gone if after is None else gone.where(of.number <= after))
            if after is None:
                await conn.execute(update(suppression_lists).where(lists.id.in_(list_ids)).values(numbers=0))
                log.info("suppression_lists_purged", lists=len(list_ids))
                return
