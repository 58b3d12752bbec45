"""`campana trunk`: list, show, pause, resume."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from rich.table import Table

from campaigns.trunk_health import TrunkHealth
from campaigns.trunks import Trunks, TrunkStatus
from campana.application import open_app
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of
from campana.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Trunks: their health, and pausing or resuming one by hand.")

Name = Annotated[str, typer.Argument(help="The trunk's name.")]


@app.command("list", epilog="Example: campana trunk list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every trunk with its limits, live calls and health."""

    async def work() -> list[TrunkStatus]:
        async with open_app(settings_of(context)) as opened:
            return await Trunks(opened.database, opened.clock).all()

    found = run(work())
    if as_json:
        print_json([_as_data(one) for one in found])
    elif not found:
        console.print("no trunk yet; add a [[trunks]] table to the settings", markup=False)
    else:
        console.print(_table(found))


@app.command("show", epilog="Example: campana trunk show carrier")
def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one trunk and the calls that last failed by its fault."""

    async def work() -> TrunkStatus:
        async with open_app(settings_of(context)) as opened:
            return await Trunks(opened.database, opened.clock).status(name)

    found = run(work())
    if as_json:
        print_json(_as_data(found))
        return
    console.print(_table([found]))
    if found.breaker.failing_calls:
        console.print(_calls_table(found))


@app.command("pause", epilog="Example: campana trunk pause carrier --reason 'maintenance until noon'")
def pause(
    context: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Shown to everyone whose campaign waits for it.")] = "paused by a person",
    as_json: AsJson = False,
) -> None:
    """Place no further call over the trunk until it is resumed by hand; live calls go on."""
    _change(settings_of(context), name, lambda trunks: trunks.pause(name, reason), as_json=as_json)


@app.command("resume", epilog="Example: campana trunk resume carrier")
def resume(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Call over the trunk again, at full rate and without waiting for a probe."""
    _change(settings_of(context), name, lambda trunks: trunks.resume(name), as_json=as_json)


def _change(settings: Settings, name: str, move: Callable[[Trunks], Awaitable[Any]], *, as_json: bool) -> None:
    async def work() -> TrunkStatus:
        async with open_app(settings) as opened:
            trunks = Trunks(opened.database, opened.clock)
            await move(trunks)
            return await trunks.status(name)

    found = run(work())
    if as_json:
        print_json(_as_data(found))
    else:
        console.print(f"trunk {name} is {found.breaker.health.value}", markup=False, highlight=False)


def _as_data(found: TrunkStatus) -> dict[str, Any]:
    limits = {"name": found.name, "channels": found.channels, "cps": found.cps, "live_calls": found.live_calls}
    return limits | found.breaker.as_row()


def _table(found: list[TrunkStatus]) -> Table:
    table = Table()
    for heading in ("trunk", "health", "calls", "cps", "failures", "paused since (UTC)", "next probe (UTC)", "reason"):
        table.add_column(heading)
    for one in found:
        breaker = one.breaker
        by_hand = breaker.health is TrunkHealth.PAUSED and breaker.probe_at is None
        add_row(
            table,
            one.name,
            breaker.health.value,
            f"{one.live_calls}/{one.channels}",
            f"{one.cps:g}",
            f"{breaker.failures}/{breaker.failures_allowed}",
            f"{breaker.paused_at:%Y-%m-%d %H:%M:%S}" if breaker.paused_at else "",
            f"{breaker.probe_at:%H:%M:%S}" if breaker.probe_at else "resume by hand" if by_hand else "",
            breaker.pause_reason or "",
        )
    return table


def _calls_table(found: TrunkStatus) -> Table:
    table = Table(title="calls that last failed by its fault", title_justify="left")
    for heading in ("at (UTC)", "attempt", "dial status", "SIP", "Q.850", "text"):
        table.add_column(heading)
    for call in found.breaker.failing_calls:
        codes = ("" if code is None else str(code) for code in (call.sip_code, call.q850))
        add_row(table, f"{call.at:%Y-%m-%d %H:%M:%S}", call.attempt_id, call.dial_status, *codes, call.text or "")
    return table
