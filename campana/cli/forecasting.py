"""`campana campaign forecast`: what a campaign will come to, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from campaigns.forecast import Forecast
from campaigns.forecast import forecast as make_forecast
from campaigns.forecasting import Figures
from campaigns.funds import is_limited
from campaigns.limits import with_limits
from campaigns.windows import zone_of
from campana.application import App, open_app
from campana.calling import calling_rules
from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from reports.formatting import count, duration, money


def forecast(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="The campaign's code.")],
    as_json: AsJson = False,
) -> None:
    """Estimate calls, cost and finish of what is left of a campaign, and whether its limits allow it."""

    async def work() -> Forecast:
        async with open_app(settings_of(context)) as opened:
            return await read_forecast(opened, await opened.campaigns.find(code))

    found = run(work())
    if as_json:
        print_json(asdict(found))
    else:
        print_forecast(console, found, settings_of(context).account.time_zone)


async def read_forecast(app: App, campaign_id: int) -> Forecast:
    """The forecast as of now, dialled by this node."""
    rules, calls = calling_rules(app.settings), app.settings.node.calls
    async with app.database.read() as conn:
        return await make_forecast(conn, campaign_id, rules=rules, now=app.clock.now(), node_calls=calls)


async def tell_when_limited(app: App, campaign_id: int) -> None:
    """Before a campaign with a budget or a credit limit starts: its forecast, in a line for each limit."""
    async with app.database.read() as conn:
        limited = is_limited(await with_limits(conn, campaign_id))
    if limited:
        found = await read_forecast(app, campaign_id)
        for line in (found.line, *(limit.text for limit in found.limits)):
            stderr.print(line, markup=False, highlight=False, soft_wrap=True)


def print_forecast(screen: Console, found: Forecast, time_zone: str) -> None:
    """Three columns, then who is skipped, the limits and what was assumed."""
    table = Table(title=f"{found.code}: {count(found.contacts)} contacts to call", title_justify="left")
    for heading in ("", "low", "likely", "high"):
        table.add_column(heading, justify="right" if heading else "left")
    cases = (found.low, found.likely, found.high)
    for name, cells in _rows(cases, found.currency, time_zone).items():
        table.add_row(name, *cells)
    screen.print(table)
    told = [
        *(f"skipped: {count(n)} {_plain(why)}" for why, n in sorted(found.skipped.items())),
        *(f"not now: {count(n)} for their {_plain(why)}" for why, n in sorted(found.put_off.items())),
        *(limit.text for limit in found.limits),
        *(f"assumed: {one}" for one in found.assumptions),
    ]
    for line in told:
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


def _rows(cases: tuple[Figures, ...], currency: str, time_zone: str) -> dict[str, list[str]]:
    zone = zone_of(time_zone)

    def finish(at: datetime | None) -> str:
        return f"{at.astimezone(zone):%Y-%m-%d %H:%M}" if at else "not in time"

    rows: dict[str, Any] = {
        "calls": [count(one.attempts) for one in cases],
        "answers": [count(one.answers) for one in cases],
        "talk": [duration(one.talk_s * 1000) for one in cases],
        "cost with VAT": [money(one.cost, currency) for one in cases],
        f"finished ({time_zone})": [finish(one.finish_at) for one in cases],
    }
    if any(one.finish_at is None for one in cases):
        rows["calls in time"] = [count(one.made) for one in cases]
    return rows


def _plain(reason: str) -> str:
    return reason.replace("_", " ")
