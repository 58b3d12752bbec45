"""Importing contact lists: every row gets an outcome, none aborts the rest, and the same file adds nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import RowMapping, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import suppression
from campaigns.checking import check_rows
from campaigns.columns import Columns, read_header
from campaigns.errors import CampaignError, UnknownCampaign
from campaigns.listfile import ListError, Record, Source, inspect
from campaigns.resultfile import ResultFile, result_file
from campaigns.rows import Row, RowRules, RowStatus
from campaigns.states import CampaignState, ContactState
from storage.clock import Clock, SystemClock
from storage.database import Database
from storage.tables import campaigns, contacts, list_imports

__all__ = ["ImportSummary", "ListError", "Preview", "RowStatus", "import_list", "preview"]

BATCH_ROWS: Final = 2000
# From here on a process of its own, which takes a second to start, checks rows while we store those before.
_LONG_LINES: Final = 20_000
_PHONE_WIDTH, _DETAIL_WIDTH = 64, 200
_STATES: Final[Mapping[RowStatus, ContactState]] = {
    RowStatus.ACCEPTED: ContactState.PENDING,
    RowStatus.DUPLICATE: ContactState.DUPLICATE,
    RowStatus.INVALID: ContactState.INVALID,
    RowStatus.MISSING_VARIABLE: ContactState.INVALID,
    RowStatus.DNC: ContactState.DNC_BLOCKED,
}
_OPEN: Final = {CampaignState.DRAFT, CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED}


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


@dataclass(frozen=True)
class Preview:
    """How a list would be read."""

    source: Source
    columns: Columns
    #: The first rows, as the file has them.
    rows: tuple[Record, ...]
    missing_columns: tuple[str, ...]


@dataclass
class _Import:
    """An import under way; `rows` and `counts` are what is stored of it."""

    id: int
    campaign: RowMapping
    source: Source
    rows: int
    counts: Counter[str]
    finished: bool


def preview(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    required_variables: Collection[str] = (),
    rows: int = 10,
) -> Preview:
    """Read the header and the first rows; raises `ListError` as `import_list` would. Stores nothing."""
    source = inspect(path, encoding=encoding, delimiter=delimiter, sheet=sheet)
    columns, records = _opened(source)
    return Preview(source, columns, tuple(islice(records, rows)), _missing(columns, required_variables))


async def import_list(
    database: Database,
    campaign_id: int,
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    required_variables: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
    clock: Clock | None = None,
    result_path: Path | None = None,
    batch_rows: int = BATCH_ROWS,
) -> ImportSummary:
    """Add the contacts of a list to a campaign; memory stays bounded by a batch of rows, a workbook's sheet apart.

    Rows are stored batch by batch, so that an interrupted import goes on where it stopped when the same file (by
    its sha256) is imported again. `progress` is told the rows done and the lines of the file. The outcome of every
    row is written to `result_path`, by default NAME.CAMPAIGN.result.csv beside the list.

    Raises `ListError` for a file that cannot be read, before anything is stored; `UnknownCampaign`; and
    `CampaignError` when the campaign takes no contacts any more.
    """
    source = await asyncio.to_thread(inspect, path, encoding=encoding, delimiter=delimiter, sheet=sheet)
    columns, records = await asyncio.to_thread(_opened, source)
    clock = clock or SystemClock()
    job = await _begin(database, campaign_id, source, clock)
    missing, before = _missing(columns, required_variables), job.rows
    rules = RowRules(columns, job.campaign["region"], job.campaign["time_zone"], frozenset(required_variables))
    target = result_path or path.with_name(f"{path.stem}.{job.campaign['code']}.result.csv")
    with result_file(target) as results:
        await _replay(database, job, results)
        rest = iter(()) if job.finished else islice(records, job.rows, None)
        checked = check_rows(rest, rules, batch_rows, beside=source.lines - job.rows >= _LONG_LINES)
        async with contextlib.aclosing(checked):
            async for batch in checked:
                results.write(await _store(database, job, batch, clock))
                if progress is not None:
                    progress(job.rows, source.lines)
    await _finish(database, job, target.absolute())
    counts = {status: job.counts[status.value] for status in RowStatus}
    return ImportSummary(job.id, path.name, job.rows, counts, job.rows - before, missing, target)


def _opened(source: Source) -> tuple[Columns, Iterator[Record]]:
    records = source.records()
    header = next(records, None)
    if header is None:
        raise ListError(f"{source.path}: the file holds blank lines only; it needs a header line and a phone column")
    return read_header(header.cells, source=str(source.path), line=header.line), records


def _missing(columns: Columns, required: Collection[str]) -> tuple[str, ...]:
    held = set(columns.variables.values()) | set(columns.reserved.values())
    return tuple(sorted(set(required) - held))


async def _begin(database: Database, campaign_id: int, source: Source, clock: Clock) -> _Import:
    """The import of this very file into the campaign: the one that exists, else a new one."""

    async def work(conn: AsyncConnection) -> _Import:
        campaign = await _locked(conn, campaign_id)
        table = list_imports.c
        known = await conn.execute(
            select(table.id, table.rows, table.counts, table.result_path)
            .where(table.campaign_id == campaign_id, table.sha256 == source.sha256)
            .order_by(table.id)
        )
        if found := known.first():
            # The path is set when the last row is stored.
            finished = found.result_path is not None
            return _Import(found.id, campaign, source, found.rows, Counter(found.counts), finished=finished)
        _refuse_closed(campaign)
        values = {
            "campaign_id": campaign_id,
            "file_name": source.path.name[-255:],
            "sha256": source.sha256,
            "rows": 0,
            "counts": {},
            "created_at": clock.now(),
        }
        added = await conn.execute(insert(list_imports).values(values).returning(list_imports.c.id))
        return _Import(added.scalar_one(), campaign, source, 0, Counter(), finished=False)

    return await database.transact(work)


async def _locked(conn: AsyncConnection, campaign_id: int) -> RowMapping:
    """The campaign's row, held against other imports into it until the transaction ends."""
    found = await conn.execute(select(campaigns).where(campaigns.c.id == campaign_id).with_for_update())
    campaign = found.mappings().first()
    if campaign is None:
        raise UnknownCampaign(f"there is no campaign with the id {campaign_id}")
    return campaign


def _refuse_closed(campaign: RowMapping) -> None:
    if campaign["state"] not in _OPEN:
        raise CampaignError(
            f"campaign {campaign['code']} is {campaign['state']} and takes no contacts; create another for this list"
        )


async def _store(database: Database, job: _Import, batch: list[Row], clock: Clock) -> list[Row]:
    """Judge a batch against the campaign and the do-not-call list and store it, all in one transaction."""

    async def work(conn: AsyncConnection) -> list[Row]:
        campaign = await _locked(conn, job.campaign["id"])
        _refuse_closed(campaign)
        rows = await _judged(conn, job, batch)
        now = clock.now()
        counts = job.counts + Counter(row.status.value for row in rows)
        # Rows move by compare-and-set: a second import of the same file at the same time stores nothing.
        moved = await conn.execute(
            update(list_imports)
            .where(list_imports.c.id == job.id, list_imports.c.rows == job.rows)
            .values(rows=job.rows + len(rows), counts=dict(counts))
        )
        if moved.rowcount != 1:
            raise ListError(f"{job.source.path}: this file is being imported by another process; let it finish")
        await conn.execute(insert(contacts), [_contact(row, job, now) for row in rows])
        return rows

    rows = await database.transact(work)
    job.rows += len(rows)
    job.counts.update(row.status.value for row in rows)
    return rows


async def _judged(conn: AsyncConnection, job: _Import, batch: list[Row]) -> list[Row]:
    """The batch with duplicates and suppressed numbers marked."""
    good = [row for row in batch if row.status is RowStatus.ACCEPTED]
    numbers = await _known(conn, job, "number", [row.number for row in good])
    keys = await _known(conn, job, "external_key", [row.fields.get("external_key") for row in good])
    barred = await suppression.listed(conn, job.campaign, {str(row.number) for row in good})
    judged = []
    for row in batch:
        key = row.fields.get("external_key")
        if row.status is not RowStatus.ACCEPTED:
            judged.append(row)
            continue
        if key in keys:
            judged.append(row.turned(RowStatus.DUPLICATE, f"the same external_key as {keys[key]}"))
            continue
        if row.number in numbers:
            judged.append(row.turned(RowStatus.DUPLICATE, f"the same number as {numbers[row.number]}"))
            continue
        numbers[row.number] = f"line {row.line}"
        if key:
            keys[key] = f"line {row.line}"
        against = barred.get(str(row.number))
        judged.append(row.turned(RowStatus.DNC, against.text) if against is not None else row)
    return judged


async def _known(conn: AsyncConnection, job: _Import, column: str, values: list[str | None]) -> dict[str | None, str]:
    """Which of the values the campaign has already, and where."""
    wanted = {value for value in values if value}
    if not wanted:
        return {}
    found = await conn.execute(holders(job.campaign["id"], column, wanted))
    return {
        value: f"line {line}" if import_id == job.id else "a contact that the campaign has already"
        for value, line, import_id in found
    }


def holders(campaign_id: int, column: str, values: Collection[str]) -> Select[Any]:
    """Contacts of the campaign that hold one of the numbers or keys: the value, its line and its import."""
    of, campaign = contacts.c[column], contacts.c.campaign_id
    found = select(of, contacts.c.line, contacts.c.import_id).where(of.in_(values))
    if column == "external_key":
        # A refused row gave its key up; a number that turned out invalid when it was dialled keeps it.
        return found.where(campaign == campaign_id)
    # Without statistics SQLite would read the whole campaign for each batch: only the key is indexed together with it.
    fits = contacts.c.state.not_in([ContactState.INVALID, ContactState.DUPLICATE])
    return found.where(campaign + 0 == campaign_id, fits)


def _contact(row: Row, job: _Import, now: Any) -> dict[str, Any]:
    """A row of the contacts table; a refused one gives its key up, so that it may come again mended."""
    kept = row.status in {RowStatus.ACCEPTED, RowStatus.DNC}
    fields = row.fields
    return {
        "campaign_id": job.campaign["id"],
        "import_id": job.id,
        "line": row.line,
        "phone": row.phone[:_PHONE_WIDTH],
        "number": row.number,
        "name": fields.get("name"),
        "external_key": fields.get("external_key") if kept else None,
        "language": fields.get("language"),
        "time_zone": fields.get("time_zone"),
        "priority": fields.get("priority", 0),
        "time_from": fields.get("time_from"),
        "time_to": fields.get("time_to"),
        "caller_id": fields.get("caller_id"),
        "variables": dict(row.variables),
        "state": _STATES[row.status].value,
        "detail": _detail(row),
        "next_at": fields.get("schedule_at", now) if row.status is RowStatus.ACCEPTED else None,
        "origin": "import",
    }


def _detail(row: Row) -> str | None:
    if row.status is RowStatus.ACCEPTED:
        return row.detail[:_DETAIL_WIDTH] or None
    return f"{row.status.value}: {row.detail}"[:_DETAIL_WIDTH]


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
    if colon and status in _STATES:
        return Row(line, phone, number, RowStatus(status), rest)
    return Row(line, phone, number, RowStatus.ACCEPTED, detail)


async def _finish(database: Database, job: _Import, result_path: Path) -> None:
    async with database.write() as conn:
        await conn.execute(update(list_imports).where(list_imports.c.id == job.id).values(result_path=str(result_path)))
