"""`campana bench`: speed and memory, measured the way bench/RESULTS.md reports them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from campana.cli.bench_calls import busy, calls
from campana.cli.bench_capacity import capacity
from campana.cli.bench_claim import claim
from campana.cli.bench_import import import_rows
from campana.cli.bench_turn import turn
from campana.cli.bench_who import who_answered
from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from campana.cli.spread import spread

if TYPE_CHECKING:
    from campaigns.bench import DialFigures
    from telephony.media.bench import Load, MediaFigures
    from telephony.media.bench_asterisk import Bed

app = typer.Typer(
    no_args_is_help=True, help="Measure speed on this machine: turns of conversation, dialling, audio, imports."
)

app.command("turn", epilog="Example: campana bench turn --calls 1,16 --model base --runs 3")(turn)
app.command("import", epilog="Example: campana bench import --rows 1000000 --runs 3")(import_rows)
app.command("capacity", epilog="Example: campana bench capacity --json")(capacity)
app.command("claim", epilog="Example: campana bench claim --contacts 1000000 --runs 3")(claim)
app.command("who-answered", epilog="Example: campana bench who-answered --takes 3 --show")(who_answered)
app.command("calls", epilog="Example: campana bench calls --asterisk 127.0.0.1:5038 --calls 200")(calls)
app.command("busy", epilog="Example: campana bench busy --asterisk 127.0.0.1:5038 --attempts 60 --cps 1,5,30")(busy)


@app.command("dial", epilog="Example: campana bench dial --contacts 2000 --runs 3")
def dial(
    context: typer.Context,
    contacts: Annotated[int, typer.Option(min=10, max=1_000_000, help="Contacts of each run.")] = 1000,
    runs: Annotated[int, typer.Option(min=1, max=20, help="Runs; the figures are their medians.")] = 3,
    nodes: Annotated[int, typer.Option(min=1, max=16, help="Nodes that share the work.")] = 1,
    processes: Annotated[bool, typer.Option("--processes", help="Run each node in a process of its own.")] = False,
    database: Annotated[
        str | None, typer.Option(help="URL of an EMPTY database; none means a new SQLite file. One run each.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Attempts per second through claim, dial and settle on a null trunk, each step durable."""
    if database is not None and runs > 1:
        raise typer.BadParameter("a database is empty only once; give --runs 1 and a new database each time")
    # The ledger needs no settings, but logs must not stand among the figures.
    settings_of(context)
    found = [
        _dial_once(database, contacts, nodes, processes, f"run {number} of {runs}") for number in range(1, runs + 1)
    ]
    if as_json:
        print_json([asdict(figures) for figures in found])
    else:
        console.print(_dial_table(found))


def _dial_once(database: str | None, contacts: int, nodes: int, processes: bool, title: str) -> DialFigures:
    from campaigns.bench import bench_dial

    stderr.print(f"{title}: {contacts} contacts")
    with tempfile.TemporaryDirectory(prefix="campana-bench-") as folder:
        url = database or f"sqlite:///{Path(folder) / 'bench.db'}"
        return run(bench_dial(url, contacts, nodes, processes=processes))


def _dial_table(found: Sequence[DialFigures]) -> Table:
    first = found[0]
    how = f"{first.nodes} node(s) in {first.processes} process(es)"
    table = Table(
        title=f"{first.engine}, {how}, {first.attempts} attempts; median of {len(found)} (least-most)",
        title_justify="left",
    )
    row: list[Any] = []
    for name in ("attempts_per_s", "wall_s", "stall_p50_ms", "stall_p99_ms", "stall_max_ms"):
        table.add_column(name)
        row.append(spread([getattr(figures, name) for figures in found]))
    table.add_row(*row)
    return table


@app.command("media", epilog="Example: campana bench media --calls 50 --stall-ms 150")
def media(
    context: typer.Context,
    calls: Annotated[int, typer.Option(min=1, max=1000, help="Simultaneous calls.")] = 50,
    seconds: Annotated[float, typer.Option(min=3, max=600, help="How long all of them talk.")] = 20,
    runs: Annotated[int, typer.Option(min=1, max=20, help="Runs; the figures are their medians.")] = 1,
    rate: Annotated[int, typer.Option(help="8000 or 16000 Hz.")] = 8000,
    stall_ms: Annotated[int, typer.Option(min=0, max=900, help="Hold the main loop up so long once a second.")] = 0,
    stall: Annotated[str, typer.Option(help="sleep: it waits; compute: it computes in Python.")] = "sleep",
    asterisk: Annotated[
        str | None, typer.Option(help="HOST:PORT of an Asterisk's manager; none means a stand-in for Asterisk.")
    ] = None,
    user: Annotated[str, typer.Option(help="Its manager user.")] = "campana",
    secret: Annotated[str, typer.Option(envvar="AMI_SECRET", help="The user's secret.", show_default=False)] = "",
    far_end: Annotated[int, typer.Option(help="UDP port of this machine that its trunk leads to.")] = 5060,
    dial: Annotated[str, typer.Option(help="Its dial string.")] = "PJSIP/{number}@trunk",
    as_json: AsJson = False,
) -> None:
    """Gaps between frames at the far end and CPU, with a tone both ways over AudioSocket."""
    from telephony.media.bench import Load, Stall

    if rate not in (8000, 16000):
        raise typer.BadParameter("write 8000 or 16000", param_hint="--rate")
    if stall not in list(Stall):
        raise typer.BadParameter(f"write {' or '.join(Stall)}", param_hint="--stall")
    settings_of(context)
    load = Load(calls, seconds, rate, stall_ms, Stall(stall))
    bed = _bed(asterisk, user, secret, far_end, dial) if asterisk else None
    found = [_media_once(load, bed, number, runs) for number in range(1, runs + 1)]
    if as_json:
        print_json([asdict(figures) for figures in found])
    else:
        console.print(_media_table(found))


def _bed(asterisk: str, user: str, secret: str, far_end: int, dial: str) -> Bed:
    from telephony.ami.account import AmiAccount
    from telephony.media.bench_asterisk import Bed

    host, _, port = asterisk.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter("write its address and port, such as 127.0.0.1:5038", param_hint="--asterisk")
    if "{number}" not in dial:
        raise typer.BadParameter("{number} is missing: PJSIP/{number}@NAME for the trunk NAME", param_hint="--dial")
    return Bed(AmiAccount(host, user, secret, int(port)), far_end, dial)


def _media_once(load: Load, bed: Bed | None, number: int, runs: int) -> MediaFigures:
    from telephony.errors import TelephonyError
    from telephony.media.bench import bench_alone
    from telephony.media.bench_asterisk import bench_asterisk

    stderr.print(f"run {number} of {runs}: {load.calls} calls, {load.seconds:g} s")
    try:
        return run(bench_asterisk(load, bed) if bed else bench_alone(load))
    except TelephonyError as error:
        stderr.print(str(error))
        raise typer.Exit(1) from error


def _media_table(found: Sequence[MediaFigures]) -> Table:
    first = found[0]
    stall = f"{first.stall_ms} ms each second ({first.stall})" if first.stall_ms else "none"
    table = Table(
        title=f"{first.leg}, {first.calls} calls, {first.rate_hz} Hz, main loop held up: {stall}; "
        f"median of {len(found)} (least-most)",
        title_justify="left",
    )
    columns = {
        "gap p50 ms": "gap_p50_ms",
        "p99 ms": "gap_p99_ms",
        "max ms": "gap_max_ms",
        "CPU %/call": "cpu_pct_per_call",
        "skipped": "skipped",
        "silent %": "silent_pct",
    }
    for column in columns:
        table.add_column(column)
    table.add_row(*(spread([getattr(figures, name) for figures in found]) for name in columns.values()))
    return table
