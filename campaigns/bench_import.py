"""How fast a long contact list is checked and stored, and in how much memory."""

from __future__ import annotations

import csv
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from campaigns.bench import make_null_campaign
from campaigns.lists import import_list
from campaigns.rows import RowStatus
from storage.clock import SystemClock
from storage.database import open_database

_HEADER = ("phone", "name", "external_key", "amount", "due", "city")
_CITIES = ("Hà Nội", "Đà Nẵng", "Cần Thơ", "Huế")
# Of these, one row in a hundred each.
_BAD_PHONE, _REPEATED = 50, 99


@dataclass(frozen=True)
class ImportFigures:
    """What one import measured."""

    engine: str
    rows: int
    accepted: int
    wall_s: float
    rows_per_s: float
    #: Largest resident size so far of this process and of the one that checks rows, added up.
    peak_mib: float


def write_list(path: Path, rows: int) -> None:
    """A list of so many rows of six columns: 98 in 100 good, one no number, one a repetition."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(_HEADER)
        for place in range(rows):
            number = place - 1 if place % 100 == _REPEATED else place
            phone = "unknown" if place % 100 == _BAD_PHONE else f"09{number % 100_000_000:08d}"
            city = _CITIES[place % len(_CITIES)]
            out.writerow(
                (phone, f"Nguyễn Văn {place}", f"K{place}", place * 1000, f"2026-03-{place % 28 + 1:02d}", city)
            )


async def bench_import(database_url: str, rows: int, folder: Path) -> ImportFigures:
    """Import a list of `rows` rows, made in `folder`, into the empty database at `database_url`."""
    path, clock = folder / "list.csv", SystemClock()
    write_list(path, rows)
    async with open_database(database_url) as database:
        campaign_id = await make_null_campaign(database, clock, region="VN")
        started = time.perf_counter()
        summary = await import_list(database, campaign_id, path, clock=clock, required_variables=["amount"])
        wall_s = time.perf_counter() - started
        engine = database.url.get_backend_name()
    peak_kib = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ImportFigures(
        engine, summary.rows, summary.counts[RowStatus.ACCEPTED], wall_s, summary.rows / wall_s, peak_kib / 1024
    )
