"""`campana bench import`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from campana.cli.spread import spread

if TYPE_CHECKING:
    from campaigns.bench_import import ImportFigures


def import_rows(
    context: typer.Context,
    rows: Annotated[int, typer.Option(min=100, max=5_000_000, help="Rows of the list.")] = 100_000,
    runs: Annotated[int, typer.Option(min=1, max=20, help="Runs; the figures are their medians.")] = 3,
    database: Annotated[
        str | None, typer.Option(help="URL of an EMPTY database; none means a new SQLite file. One run each.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rows of a contact list checked and stored a second, and the memory it takes."""
    if database is not None and runs > 1:
        raise typer.BadParameter("a database is empty only once; give --runs 1 and a new database each time")
    settings_of(context)
    found = [_import_once(database, rows, number, runs) for number in range(1, runs + 1)]
    if as_json:
        print_json([asdict(figures) for figures in found])
    else:
        console.print(_table(found))


def _import_once(database: str | None, rows: int, number: int, runs: int) -> ImportFigures:
    from campaigns.bench_import import bench_import

    stderr.print(f"run {number} of {runs}: {rows} rows")
    with tempfile.TemporaryDirectory(prefix="campana-bench-") as folder:
        url = database or f"sqlite:///{Path(folder) / 'bench.db'}"
        return run(bench_import(url, rows, Path(folder)))


def _table(found: Sequence[ImportFigures]) -> Table:
    first = found[0]
    title = f"{first.engine}, {first.rows} rows, {first.accepted} accepted; median of {len(found)} (least-most)"
    table = Table(title=title, title_justify="left")
    names = ("rows_per_s", "wall_s", "peak_mib")
    for name in names:
        table.add_column(name)
    table.add_row(*(spread([getattr(figures, name) for figures in found]) for name in names))
    return table
