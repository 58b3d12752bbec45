"""`campana bench calls` and `campana bench busy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr

if TYPE_CHECKING:
    from campana.calls_bench.bed import Bed

Manager = Annotated[str, typer.Option("--asterisk", help="HOST:PORT of the Asterisk's manager.")]
User = Annotated[str, typer.Option(help="Its manager user.")]
Secret = Annotated[str, typer.Option(envvar="AMI_SECRET", help="The user's secret.", show_default=False)]
FarEnd = Annotated[int, typer.Option(help="UDP port of this machine that its trunk leads to.")]
Dial = Annotated[str, typer.Option(help="Its dial string.")]


def calls(
    context: typer.Context,
    asterisk: Manager,
    calls: Annotated[int, typer.Option(min=1, max=1000, help="Simultaneous calls.")] = 200,
    seconds: Annotated[float, typer.Option(min=3, max=600, help="How long all of them talk.")] = 20,
    user: User = "campana",
    secret: Secret = "",
    far_end: FarEnd = 5060,
    dial: Dial = "PJSIP/{number}@trunk",
    pid: Annotated[int | None, typer.Option(help="Asterisk's process, to measure its CPU.")] = None,
    as_json: AsJson = False,
) -> None:
    """Simultaneous calls through an Asterisk, each with audio both ways and a recording: CPU, gaps, leaks."""
    settings_of(context)
    bed = _bed(asterisk, user, secret, far_end, dial, pid)
    from campana.calls_bench.talking import bench_calls

    stderr.print(f"{calls} calls, {seconds:g} s")
    _show([asdict(_run(bench_calls(bed, calls, seconds)))], as_json)


def busy(
    context: typer.Context,
    asterisk: Manager,
    attempts: Annotated[int, typer.Option(min=1, max=100_000, help="Contacts, each called once.")] = 1000,
    cps: Annotated[str, typer.Option(help="Calls a second, each measured in turn, such as 1,5,30; 0: no limit.")] = "0",
    at_once: Annotated[int, typer.Option(min=1, max=500, help="Attempts under way at once.")] = 50,
    user: User = "campana",
    secret: Secret = "",
    far_end: FarEnd = 5060,
    dial: Dial = "PJSIP/{number}@trunk",
    as_json: AsJson = False,
) -> None:
    """A campaign through an Asterisk whose calls all end busy: attempts a second, and calls in any one second."""
    try:
        rates = [float(part) for part in cps.split(",")]
    except ValueError as error:
        raise typer.BadParameter("write numbers with commas, such as 1,5,30", param_hint="--cps") from error
    settings_of(context)
    bed = _bed(asterisk, user, secret, far_end, dial, None)
    from campana.calls_bench.refusing import bench_busy

    found = []
    for rate in rates:
        stderr.print(f"{attempts} attempts, {f'{rate:g} a second' if rate else 'no limit'}")
        found.append(asdict(_run(bench_busy(bed, attempts, rate, at_once))))
    _show(found, as_json)


def _bed(asterisk: str, user: str, secret: str, far_end: int, dial: str, pid: int | None) -> Bed:
    from campana.calls_bench.bed import Bed
    from telephony.errors import InvalidTrunk
    from telephony.trunk import AsteriskTrunk

    host, _, port = asterisk.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter("write its address and port, such as 127.0.0.1:5038", param_hint="--asterisk")
    try:
        return Bed(AsteriskTrunk("bench", host, dial, user, secret, port=int(port)), far_end, pid)
    except InvalidTrunk as error:
        raise typer.BadParameter(str(error)) from error


def _run(work: Any) -> Any:
    from telephony.errors import TelephonyError

    try:
        return run(work)
    except TelephonyError as error:
        stderr.print(str(error))
        raise typer.Exit(1) from error


def _show(found: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    table = Table()
    for name in ("figure", *("run",) * len(found)):
        table.add_column(name)
    for name in found[0]:
        table.add_row(name.replace("_", " "), *(f"{one[name]:g}" for one in found))
    console.print(table)
