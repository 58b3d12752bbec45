"""`campana bench`: speed and memory, measured the way bench/RESULTS.md reports them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from campana.cli.bench_calls import busy, calls
from campana.cli.bench_claim import claim
from campana.cli.bench_import import import_rows
from campana.cli.bench_who import who_answered
from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from campana.cli.spread import spread
from campana.settings import Settings

if TYPE_CHECKING:
    from bot.bench import Spread, TurnFigures
    from campaigns.bench import DialFigures
    from telephony.media.bench import Load, MediaFigures
    from telephony.media.bench_asterisk import Bed

app = typer.Typer(
    no_args_is_help=True, help="Measure speed on this machine: turns of conversation, dialling, audio, imports."
)

app.command("import", epilog="Example: campana bench import --rows 1000000 --runs 3")(import_rows)
app.command("claim", epilog="Example: campana bench claim --contacts 1000000 --runs 3")(claim)
app.command("who-answered", epilog="Example: campana bench who-answered --takes 3 --show")(who_answered)
app.command("calls", epilog="Example: campana bench calls --asterisk 127.0.0.1:5038 --calls 200")(calls)
app.command("busy", epilog="Example: campana bench busy --asterisk 127.0.0.1:5038 --attempts 60 --cps 1,5,30")(busy)


@app.command("turn", epilog="Example: campana bench turn --calls 1,4,8,16 --runs 3")
def turn(
    context: typer.Context,
    calls: Annotated[str, typer.Option(help="Simultaneous calls, each number measured in turn.")] = "1,4,8,16",
    runs: Annotated[int, typer.Option(min=1, max=20, help="Runs of each; the figures are their medians.")] = 3,
    turns: Annotated[int, typer.Option(min=3, max=2000, help="Turns of all calls together in one run.")] = 80,
    stt: Annotated[str, typer.Option(help="real: the model of the settings; zero: a stand-in without delay.")] = "real",
    model: Annotated[str | None, typer.Option(help="Another recognition model than the settings name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer to first word, voice to voice and barge-in stop, real voices both ways over in-memory calls."""
    if stt not in ("real", "zero"):
        raise typer.BadParameter("write real or zero", param_hint="--stt")
    try:
        numbers = [int(part) for part in calls.split(",")]
    except ValueError as error:
        raise typer.BadParameter("write whole numbers with commas, such as 1,4,8", param_hint="--calls") from error
    settings = settings_of(context)
    listening = model or settings.models.listening
    found = run(_turns(settings, numbers, runs, turns, listening if stt == "real" else None))
    if as_json:
        print_json([asdict(figures) for figures in found])
    else:
        console.print(_turn_table(found, listening if stt == "real" else "zero-delay stand-in", runs))


async def _turns(
    settings: Settings, numbers: Sequence[int], runs: int, turns: int, listening: str | None
) -> list[TurnFigures]:
    from bot.bench import bench_turn, utterances
    from bot.conversation import SpeechRuntime
    from bot.speech.listening import CannedListener, WhisperListener
    from bot.speech.pool import WorkPool
    from bot.speech.speaking import open_speaker
    from models.store import ModelStore

    store = ModelStore(settings.models.folder)
    pool = WorkPool(settings.models.workers)
    listener = (
        await asyncio.to_thread(WhisperListener.load, store.path(listening), pool=pool)
        if listening
        else CannedListener(["this is what was said"])
    )
    speaker = await asyncio.to_thread(
        open_speaker, store, settings.models.speaking, cache_dir=settings.phrase_folder, pool=pool
    )
    figures = []
    try:
        async with SpeechRuntime.open(listener, speaker, pool=pool) as speech:
            spoken = await utterances(speaker, speech.voice_model)
            for seed in range(1, runs + 1):
                for number in numbers:
                    stderr.print(f"run {seed} of {runs}: {number} calls")
                    figures.append(await bench_turn(number, speech=speech, spoken=spoken, turns=turns, seed=seed))
    finally:
        await speaker.aclose()
        await listener.aclose()
        await pool.aclose()
    return figures


def _turn_table(found: Sequence[TurnFigures], listening: str, runs: int) -> Table:
    table = Table(title=f"recognition: {listening}; median of {runs} runs (smallest-largest), ms", title_justify="left")
    measures: dict[str, Callable[[TurnFigures], float | None]] = {
        "first word p50": lambda f: _p50(f.answer_to_first_word),
        "first word p95": lambda f: _p95(f.answer_to_first_word),
        "voice to voice p50": lambda f: _p50(f.voice_to_voice),
        "voice to voice p95": lambda f: _p95(f.voice_to_voice),
        "barge-in stop p50": lambda f: _p50(f.barge_in_stop),
        "barge-in stop p95": lambda f: _p95(f.barge_in_stop),
        "unanswered turns": lambda f: f.unanswered,
        "cores used": lambda f: f.cores,
    }
    table.add_column("calls")
    for name in measures:
        table.add_column(name)
    for number in dict.fromkeys(figures.calls for figures in found):
        same = [figures for figures in found if figures.calls == number]
        table.add_row(str(number), *(spread([of(figures) for figures in same]) for of in measures.values()))
    return table


def _p50(spread: Spread | None) -> float | None:
    return spread.p50_ms if spread else None


def _p95(spread: Spread | None) -> float | None:
    return spread.p95_ms if spread else None


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
