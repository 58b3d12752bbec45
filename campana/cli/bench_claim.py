"""`campana bench claim`."""

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
    from campaigns.bench_claim import ClaimFigures

_MEASURES = ("p50_ms", "p95_ms", "p99_ms", "max_ms")


def claim(
    context: typer.Context,
    contacts: Annotated[int, typer.Option(min=100, max=5_000_000, help="Contacts that wait.")] = 100_000,
    claims: Annotated[int, typer.Option(min=20, max=100_000, help="Claims of each mix of contacts.")] = 300,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Contacts that one claim may take.")] = 10,
    runs: Annotated[int, typer.Option(min=1, max=20, help="Runs; the figures are their medians.")] = 3,
    database: Annotated[
        str | None, typer.Option(help="URL of an EMPTY database; none means a new SQLite file. One run each.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How long it takes to choose whom to call next while very many contacts are due, put off, or both."""
    if database is not None and runs > 1:
        raise typer.BadParameter("a database is empty only once; give --runs 1 and a new database each time")
    settings_of(context)
    found = [_claim_once(database, contacts, claims, limit, number, runs) for number in range(1, runs + 1)]
    if as_json:
        print_json([asdict(figures) for each in found for figures in each])
    else:
        console.print(_table(found))


def _claim_once(
    database: str | None, contacts: int, claims: int, limit: int, number: int, runs: int
) -> list[ClaimFigures]:
    from campaigns.bench_claim import bench_claim

    stderr.print(f"run {number} of {runs}: {contacts} contacts")
    with tempfile.TemporaryDirectory(prefix="campana-bench-") as folder:
        return run(bench_claim(database or f"sqlite:///{Path(folder) / 'bench.db'}", contacts, claims, limit))


def _table(found: Sequence[Sequence[ClaimFigures]]) -> Table:
    first = found[0][0]
    title = (
        f"{first.engine}, {first.contacts} contacts, {first.claims} claims of each mix; median of {len(found)} run(s)"
    )
    table = Table(title=title, title_justify="left")
    for name in ("contacts are", *_MEASURES):
        table.add_column(name)
    for same in zip(*found, strict=True):
        table.add_row(same[0].mix, *(spread([getattr(figures, name) for figures in same]) for name in _MEASURES))
    return table
