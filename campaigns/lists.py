"""Importing contact lists: every row gets an outcome, none aborts the rest, and the same file adds nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.checking import check_rows
from campaigns.intake import lock_campaign, refuse_closed
from campaigns.judging import holders, judge
from campaigns.listfile import ListError, Source
from campaigns.packing import Packed, store_rows
from campaigns.previewing import Preview, Reading, missing, preview
from campaigns.resultfile import ResultFile, result_file
from campaigns.rows import Row, RowRules, RowStatus
from storage.clock import Clock, SystemClock
from storage.database import Database
from storage.tables import contacts, list_imports

__all__ = ["ImportSummary", "ListError", "Preview", "RowStatus", "holders", "import_list", "preview"]

BATCH_ROWS: Final = 2000
# From here on a process of its own, which takes a second to start, checks rows while we store those before.
_LONG_LINES: Final = 20_000
#: What the detail of a refused row begins with.
_REFUSALS: Final = frozenset(RowStatus) - {RowStatus.ACCEPTED}


@dataclass(frozen=True)
class ImportSummary:
    """What an import did."""

    import_id: int
    file_name: str
    #: Data rows of the file; Σ counts.
    rows: int
    #: Rows by outcome, nought included.
    counts: Mapping[RowStatus, int]
    #: Rows that this run stored: fewer than `rows` after an interruption, none when the file was imported before.
    added: int
    #: Required variables that no column of the list holds: every row lacks them.
    missing_columns: tuple[str, ...]
    result_path: Path


@dataclass
class _Import:
    """An import under way; `rows` and `counts` are what is stored of it."""

    id: int
    campaign: RowMapping
    source: Source
    rows: int
    counts: Counter[str]
    finished: bool


async def import_list(
    database: Database,
    campaign_id: int,
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    mapping: Mapping[str, str] | None = None,
    hold: bool = False,
    required_variables: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
    clock: Clock | None = None,
    result_path: Path | None = None,
    batch_rows: int = BATCH_ROWS,
) -> ImportSummary:
    """Add the contacts of a list to a campaign; memory stays bounded by a batch of rows, a workbook's sheet apart.

    Rows are stored batch by batch, so that an interrupted import goes on where it stopped when the same file (by
    its sha256) is imported again, read in the same way. `mapping` (header → field, or nothing) wins over the names
    of columns that are known; `hold` keeps the contacts back until they are released. `progress` is told the rows
    done and the lines of the file. The outcome of every row is written to `result_path`, by default
    NAME.CAMPAIGN.result.csv beside the list.

    Raises `ListError` for a file that cannot be read, before anything is stored; `UnknownCampaign`; and
    `CampaignError` when the campaign takes no contacts any more.
    """
    reading = Reading(encoding, delimiter, sheet, mapping)
    source = await asyncio.to_thread(reading.inspect, path)
    columns, records = await asyncio.to_thread(reading.opened, source)
    clock = clock or SystemClock()
    job = await _begin(database, campaign_id, source, reading.as_text(), clock)
    lacking, before = missing(columns, required_variables), job.rows
    rules = RowRules(columns, job.campaign["region"], job.campaign["time_zone"], frozenset(required_variables))
    target = result_path or path.with_name(f"{path.stem}.{job.campaign['code']}.result.csv")
    with result_file(target) as results:
        await _replay(database, job, results)
        rest = iter(()) if job.finished else islice(records, job.rows, None)
        checked = check_rows(rest, rules, batch_rows, beside=source.lines - job.rows >= _LONG_LINES)
        async with contextlib.aclosing(checked):
            async for batch in checked:
                results.write(await _store(database, job, batch, clock, hold=hold))
                if progress is not None:
                    progress(job.rows, source.lines)
    await _finish(database, job, target.absolute())
    counts = {status: job.counts[status.value] for status in RowStatus}
    return ImportSummary(job.id, path.name, job.rows, counts, job.rows - before, lacking, target)


async def _begin(database: Database, campaign_id: int, source: Source, reading: str, clock: Clock) -> _Import:
    """The import of this very file, so read, into the campaign: the one that exists, else a new one."""

    async def work(conn: AsyncConnection) -> _Import:
        campaign = await lock_campaign(conn, campaign_id)
        table = list_imports.c
        known = await conn.execute(
            select(table.id, table.rows, table.counts, table.result_path)
            .where(table.campaign_id == campaign_id, table.sha256 == source.sha256, table.reading == reading)
            .order_by(table.id)
        )
        if found := known.first():
            # The path is set when the last row is stored.
            finished = found.result_path is not None
            return _Import(found.id, campaign, source, found.rows, Counter(found.counts), finished=finished)
        refuse_closed(campaign)
        values = {
            "campaign_id": campaign_id,
            "file_name": source.path.name[-255:],
            "sha256": source.sha256,
            "reading": reading,
            "rows": 0,
            "counts": {},
            "created_at": clock.now(),
        }
        added = await conn.execute(insert(list_imports).values(values).returning(list_imports.c.id))
        return _Import(added.scalar_one(), campaign, source, 0, Counter(), finished=False)

    return await database.transact(work)


async def _store(database: Database, job: _Import, batch: list[Packed], clock: Clock, *, hold: bool) -> list[Packed]:
    """Judge a batch against the campaign and the do-not-call lists and store it, all in one transaction."""

    async def work(conn: AsyncConnection) -> list[Packed]:
        campaign = await lock_campaign(conn, job.campaign["id"])
        refuse_closed(campaign)
        rows = await judge(conn, campaign, batch, import_id=job.id)
        now = clock.now()
        counts = job.counts + _counted(rows)
        # Rows move by compare-and-set: a second import of the same file at the same time stores nothing.
        moved = await conn.execute(
            update(list_imports)
            .where(list_imports.c.id == job.id, list_imports.c.rows == job.rows)
            .values(rows=job.rows + len(rows), counts=dict(counts))
        )
        if moved.rowcount != 1:
            raise ListError(f"{job.source.path}: this file is being imported by another process; let it finish")
        await store_rows(conn, campaign, rows, import_id=job.id, origin="import", hold=hold, now=now)
        return rows

    rows = await database.transact(work)
    job.rows += len(rows)
    job.counts.update(_counted(rows))
    return rows


def _counted(rows: list[Packed]) -> Counter[str]:
    statuses = [row.status for row in rows]
    return Counter({status.value: count for status in RowStatus if (count := statuses.count(status))})


async def _replay(database: Database, job: _Import, results: ResultFile) -> None:
    """Write the outcomes of the rows that were stored before this run."""
    if job.rows == 0:
        return
    table = contacts.c
    async with database.read() as conn:
        stored = await conn.stream(
            select(table.line, table.phone, table.number, table.detail)
            .where(table.import_id == job.id)
            .order_by(table.line)
        )
        async for line, phone, number, detail in stored:
            results.write([_remembered(line, phone, number, detail or "")])


def _remembered(line: int, phone: str, number: str | None, detail: str) -> Row:
    """A stored row's outcome; the state is no help, for the campaign has gone on since."""
    status, colon, rest = detail.partition(": ")
    if colon and status in _REFUSALS:
        return Row(line, phone, number, RowStatus(status), rest)
    return Row(line, phone, number, RowStatus.ACCEPTED, detail)


async def _finish(database: Database, job: _Import, result_path: Path) -> None:
    async with database.write() as conn:
        await conn.execute(update(list_imports).where(list_imports.c.id == job.id).values(result_path=str(result_path)))
