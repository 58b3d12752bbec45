"""Reading files of numbers that may not be called: into the account's own list, a named list, or a national register.

A bad row never aborts an import. Rows are stored batch by batch, so that one that was broken off goes on where it
stopped when the same file is imported again. A newer file of a list replaces the former one at once when it is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.do_not_call import note
from campaigns.errors import CampaignError
from campaigns.listfile import ListError, Source, inspect
from campaigns.resultfile import ResultFile, result_file
from campaigns.rows import Row, RowStatus
from campaigns.suppression import Source as Entered
from campaigns.suppression_file import Batch, Cell, Refused, numbers_of, open_numbers
from campaigns.suppression_lists import (
    AppliesTo,
    ListKind,
    ListState,
    NewList,
    count_numbers,
    find_list,
    insert_numbers,
    make_list,
    purge,
)
from storage.clock import Clock
from storage.database import Database
from storage.rows import insert_new
from storage.tables import do_not_call, suppression_imports, suppression_lists

log = structlog.get_logger(__name__)

BATCH_ROWS: Final = 5000
#: Batches that are sorted together: stored in order they touch few pages of the index at a time, not all in each step.
_SORTED_BATCHES: Final = 20
_LISTED, _DUPLICATE, _INVALID = "listed", "duplicate", "invalid"
_NO_ROWS: Final[Mapping[str, int]] = {_LISTED: 0, _DUPLICATE: 0, _INVALID: 0}


@dataclass(frozen=True)
class NumberFile:
    """A file of numbers, and how it is read."""

    path: Path
    #: Two letters; reads numbers without a country code.
    region: str
    #: Header of the column with the numbers; None finds it.
    column: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    #: None: the account's own list.
    list_name: str | None
    file_name: str
    #: Rows of the file, without its header; Σ counts.
    rows: int
    #: Rows by result: listed, duplicate (or on the list already), invalid.
    counts: Mapping[str, int]
    #: Rows that this run stored or refused: fewer than `rows` after an interruption.
    done_now: int
    #: Numbers on the former edition of the list, where this file replaced it.
    replaced: int | None
    #: Rows that are no numbers; None when there was none.
    result_path: Path | None


@dataclass
class _Job:
    """An import under way; `rows` and `counts` are what is stored of it."""

    list_row: dict[str, Any] | None
    rows: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict(_NO_ROWS))
    import_id: int | None = None
    fence: int = 1
    replaces: bool = False


class NumberImports:
    """Imports into the lists of an account; `by` is who asks for them."""

    def __init__(
        self, database: Database, clock: Clock, account_id: int, *, by: str, batch_rows: int = BATCH_ROWS
    ) -> None:
        self._database = database
        self._clock = clock
        self._account_id = account_id
        self._by = by[:64]
        self._batch_rows = batch_rows

    async def run(
        self,
        file: NumberFile,
        into: NewList | None = None,
        *,
        add: bool = False,
        result_path: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Imported:
        """Read the file into the list, which is made when there is none of its name; None: the account's own.

        A list that has numbers already is replaced, unless the file shall be added to it; the account's own, with
        what customers asked for, is only ever added to. `progress` is told the rows done and the lines of the file.
        Raises `ListError` for a file that cannot be read, before anything is stored.
        """
        how = {"encoding": file.encoding, "delimiter": file.delimiter, "sheet": file.sheet}
        source = await asyncio.to_thread(lambda: inspect(file.path, **how))
        cells = await asyncio.to_thread(open_numbers, source, file.region, file.column)
        job = _Job(None) if into is None else await self._begin(into, source, add=add)
        target = result_path or file.path.with_name(f"{file.path.stem}.refused.csv")
        before = job.rows
        with result_file(target) as results:
            refused = await self._read(job, source, cells, region=file.region, results=results, progress=progress)
        replaced = await self._finish(job, source)
        if not refused:
            target.unlink()
        done = Imported(
            into.name if into else None,
            file.path.name,
            job.rows,
            job.counts,
            job.rows - before,
            replaced,
            target if refused else None,
        )
        log.info("numbers_imported", list=done.list_name, rows=done.rows, by=self._by, **done.counts)
        return done

    async def _read(
        self,
        job: _Job,
        source: Source,
        cells: Iterator[Cell],
        *,
        region: str,
        results: ResultFile,
        progress: Callable[[int, int], None] | None,
    ) -> int:
        """Store the file's rows; how many were refused."""
        refused = seen = 0
        # What an earlier run stored is passed over, and what it refused told again.
        parts = ((islice(cells, job.rows), False), (cells, True)) if job.rows else ((cells, True),)
        for part, is_new in parts:
            together: list[Batch] = []
            async with contextlib.aclosing(numbers_of(part, region, self._batch_rows, lines=source.lines)) as batches:
                async for batch in batches:
                    results.write(_told(row) for row in batch.refused)
                    refused, seen = refused + len(batch.refused), seen + batch.rows
                    if progress is not None:
                        progress(seen, source.lines)
                    together += [batch] if is_new else []
                    if len(together) == _SORTED_BATCHES:
                        await self._store(job, source, together)
                        together = []
            if together:
                await self._store(job, source, together)
        return refused

    async def _begin(self, into: NewList, source: Source, *, add: bool) -> _Job:
        """The import of this very file that was broken off, else a new one."""

        async def work(conn: AsyncConnection) -> _Job:
            current = await find_list(conn, self._account_id, into.name, lock=True)
            if add and current is not None:
                _require_same(current, into)
            unfinished = await self._unfinished(conn, into.name, source)
            if unfinished is not None:
                return unfinished
            now, replaces = self._clock.now(), current is not None and not add
            if replaces:
                await self._give_up_others(conn, into.name)
            if current is None or replaces:
                new = into if current is None else _like(current, into)
                state = ListState.LOADING if replaces else ListState.IN_FORCE
                current = await make_list(conn, self._account_id, new, state, by=self._by, now=now)
            values = {
                "list_id": current["id"],
                "mode": "replace" if replaces else "add",
                "file_name": source.path.name[-255:],
                "sha256": source.sha256,
                "rows": 0,
                "counts": dict(_NO_ROWS),
                "by": self._by,
                "created_at": now,
            }
            made = insert(suppression_imports).values(values).returning(suppression_imports.c.id)
            import_id = (await conn.execute(made)).scalar_one()
            return _Job(current, import_id=import_id, replaces=replaces)

        return await self._database.transact(work)

    async def _unfinished(self, conn: AsyncConnection, name: str, source: Source) -> _Job | None:
        of, lists = suppression_imports.c, suppression_lists.c
        alive = [ListState.IN_FORCE.value, ListState.LOADING.value]
        wanted = (
            select(suppression_lists, of.id.label("import_id"), of.rows, of.counts, of.mode, of.fence)
            .join(suppression_imports, of.list_id == lists.id)
            .where(lists.account_id == self._account_id, lists.name == name, lists.state.in_(alive))
            .where(of.sha256 == source.sha256, of.finished_at.is_(None))
            .order_by(of.id.desc())
        )
        row = (await conn.execute(wanted)).mappings().first()
        if row is None:
            return None
        fence = row["fence"] + 1
        await conn.execute(update(suppression_imports).where(of.id == row["import_id"]).values(fence=fence))
        counts, replaces = dict(row["counts"]), row["mode"] == "replace"
        return _Job(dict(row), row["rows"], counts, row["import_id"], fence, replaces)

    async def _give_up_others(self, conn: AsyncConnection, name: str) -> None:
        """A newer edition was broken off or is still read, and another file is to take its place."""
        of, imports = suppression_lists.c, suppression_imports.c
        loading = (of.account_id == self._account_id, of.name == name, of.state == ListState.LOADING.value)
        gone = update(suppression_lists).where(*loading).values(state=ListState.REMOVED.value).returning(of.id)
        list_ids = (await conn.execute(gone)).scalars().all()
        # Whoever still reads it stores nothing more: what is stored of it is deleted, and could not be missed.
        unfinished = (imports.list_id.in_(list_ids), imports.finished_at.is_(None))
        await conn.execute(update(suppression_imports).where(*unfinished).values(fence=imports.fence + 1))

    async def _store(self, job: _Job, source: Source, batches: Sequence[Batch]) -> None:
        """Store batches in the order of their numbers; their rows are done when the last of them is."""
        numbers = sorted({number for batch in batches for number in batch.numbers})
        for at in range(0, len(numbers), self._batch_rows):
            await self._store_step(job, source, numbers[at : at + self._batch_rows])
        rows, invalid = sum(batch.rows for batch in batches), sum(len(batch.refused) for batch in batches)
        counts = {**job.counts, _INVALID: job.counts[_INVALID] + invalid}
        counts[_DUPLICATE] = job.rows + rows - counts[_LISTED] - counts[_INVALID]
        if job.list_row is not None:
            await self._database.transact(lambda conn: _move(conn, job, rows=job.rows + rows, counts=counts))
        job.rows, job.counts = job.rows + rows, counts

    async def _store_step(self, job: _Job, source: Source, numbers: list[str]) -> None:
        async def work(conn: AsyncConnection) -> dict[str, int]:
            if job.list_row is None:
                listed = await self._into_own(conn, numbers, source)
                return {**job.counts, _LISTED: job.counts[_LISTED] + listed}
            listed = await insert_numbers(conn, job.list_row["id"], numbers)
            counts = {**job.counts, _LISTED: job.counts[_LISTED] + listed}
            await count_numbers(conn, job.list_row["id"], listed, self._clock.now())
            await _move(conn, job, counts=counts)
            return counts

        job.counts = await self._database.transact(work)

    async def _into_own(self, conn: AsyncConnection, numbers: list[str], source: Source) -> int:
        entry = {
            "account_id": self._account_id,
            "source": Entered.IMPORT.value,
            "evidence": source.path.name,
            "by": self._by,
            "created_at": self._clock.now(),
        }
        return len(await insert_new(conn, do_not_call, [entry | {"number": number} for number in numbers], "id"))

    async def _finish(self, job: _Job, source: Source) -> int | None:
        if job.list_row is None:
            return None
        row, now = job.list_row, self._clock.now()

        async def work(conn: AsyncConnection) -> int | None:
            former = await find_list(conn, self._account_id, row["name"], lock=True) if job.replaces else None
            await _move(conn, job, rows=job.rows, counts=job.counts, finished_at=now)
            if not job.replaces:
                return None
            of = suppression_lists.c
            if former is not None:
                gone = {"state": ListState.REPLACED.value, "updated_at": now}
                await conn.execute(update(suppression_lists).where(of.id == former["id"]).values(gone))
            values = {"state": ListState.IN_FORCE.value, "updated_at": now}
            loading = (of.id == row["id"], of.state == ListState.LOADING.value)
            if (await conn.execute(update(suppression_lists).where(*loading).values(values))).rowcount != 1:
                raise ListError(
                    f"the list {row['name']} was taken away while {source.path.name} was read; import the file again"
                )
            before = former["numbers"] if former else 0
            detail = {"list_id": row["id"], "file": source.path.name, "numbers": job.counts[_LISTED], "before": before}
            await note(
                conn, self._account_id, "list_replaced", by=self._by, now=now, list_name=row["name"], detail=detail
            )
            return int(before)

        before = await self._database.transact(work)
        await purge(self._database, self._account_id)
        return before


async def _move(conn: AsyncConnection, job: _Job, **values: Any) -> None:
    """By compare-and-set: of two imports that would fill or replace one list at a time the later one goes on."""
    of = suppression_imports.c
    mine = (of.id == job.import_id, of.fence == job.fence, of.finished_at.is_(None))
    if (await conn.execute(update(suppression_imports).where(*mine).values(values))).rowcount != 1:
        raise ListError(
            "this list is being imported by another process as well, from this file or another; let that one finish,"
            " then import this file again if it is the newer one"
        )


def _require_same(current: Mapping[str, Any], into: NewList) -> None:
    asked = into.row(current["account_id"], ListState.IN_FORCE, current["created_at"])
    for name in ("kind", "campaign_id", "applies_to"):
        if into != NewList(into.name) and asked[name] != current[name]:
            raise CampaignError(
                f"the list {into.name} is kept with {name} {current[name]}, not {asked[name]}; leave that out to add to"
                " it, or import without adding to replace it"
            )


def _like(current: Mapping[str, Any], into: NewList) -> NewList:
    """A newer edition keeps to what the former one was, where nothing else is said."""
    if into != NewList(into.name):
        return into
    kind, applies_to = ListKind(current["kind"]), AppliesTo(current["applies_to"])
    return NewList(current["name"], kind, current["campaign_id"], applies_to)


def _told(row: Refused) -> Row:
    return Row(row.line, row.phone, None, RowStatus.INVALID, f"phone: {row.reason}")
