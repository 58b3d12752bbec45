"""How a list would be read, before anything of it is stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import select

from campaigns.columns import Columns, read_header
from campaigns.errors import UnknownCampaign
from campaigns.listfile import ListError, Record, Source, inspect
from campaigns.rows import Row, RowRules, check_row
from storage.database import Database
from storage.tables import campaigns


@dataclass(frozen=True)
class Reading:
    """What the importer says of a file; None and nothing are found out."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    #: Header → field, or empty to leave the column out.
    mapping: Mapping[str, str] | None = None

    def inspect(self, path: Path) -> Source:
        """Raises `ListError`."""
        return inspect(path, encoding=self.encoding, delimiter=self.delimiter, sheet=self.sheet)

    def opened(self, source: Source) -> tuple[Columns, Iterator[Record]]:
        """The columns, and the records behind the header. Raises `ListError`."""
        records = source.records()
        header = next(records, None)
        if header is None:
            raise ListError(
                f"{source.path}: the file holds blank lines only; it needs a header line and a phone column"
            )
        columns = read_header(header.cells, source=str(source.path), line=header.line, mapping=self.mapping)
        return columns, records

    def as_text(self) -> str:
        """What was chosen, in one form: two readings of one file are the same import when this is the same."""
        chosen = {
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "map": {header.strip(): name for header, name in (self.mapping or {}).items()},
            "sheet": self.sheet,
        }
        given = {name: value for name, value in chosen.items() if value}
        return json.dumps(given, ensure_ascii=False, sort_keys=True) if given else ""


@dataclass(frozen=True)
class Preview:
    """How a list would be read."""

    source: Source
    columns: Columns
    #: The first rows, as the file has them.
    rows: tuple[Record, ...]
    missing_columns: tuple[str, ...]
    #: The first rows as an import would judge each by itself; empty without a campaign.
    checked: tuple[Row, ...] = ()


def preview(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    mapping: Mapping[str, str] | None = None,
    required_variables: Collection[str] = (),
    rows: int = 10,
) -> Preview:
    """Read the header and the first rows; raises `ListError` as `import_list` would. Stores nothing."""
    reading = Reading(encoding, delimiter, sheet, mapping)
    source = reading.inspect(path)
    columns, records = reading.opened(source)
    return Preview(source, columns, tuple(islice(records, rows)), missing(columns, required_variables))


async def preview_for(
    database: Database,
    campaign_id: int,
    path: Path,
    reading: Reading,
    *,
    required_variables: Collection[str] = (),
    rows: int = 10,
) -> Preview:
    """`preview`, with the first rows judged by the campaign's region and zone. Raises `UnknownCampaign` too."""
    statement = select(campaigns.c.region, campaigns.c.time_zone).where(campaigns.c.id == campaign_id)
    async with database.read() as conn:
        campaign = (await conn.execute(statement)).one_or_none()
    if campaign is None:
        raise UnknownCampaign(f"there is no campaign with the id {campaign_id}")

    def work() -> Preview:
        found = preview(path, **vars(reading), required_variables=required_variables, rows=rows)
        rules = RowRules(found.columns, campaign.region, campaign.time_zone, frozenset(required_variables))
        checked = tuple(check_row(record, rules) for record in found.rows)
        return Preview(found.source, found.columns, found.rows, found.missing_columns, checked)

    return await asyncio.to_thread(work)


def missing(columns: Columns, required: Collection[str]) -> tuple[str, ...]:
    """Required variables that no column holds."""
    held = set(columns.variables.values()) | set(columns.reserved.values())
    return tuple(sorted(set(required) - held))
