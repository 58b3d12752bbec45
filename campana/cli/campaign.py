"""`campana campaign`: create, import, start, pause, stop, status."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from campaigns.campaigns import CampaignStatus
from campana.application import App, open_app
from campana.cli import forecasting, lists, money
from campana.cli import recycle as recycle_command
from campana.cli import warm as warming
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of, stderr
from campana.definition import load_definition
from campana.enrolment import enrol
from campana.mailing import open_outbox, waiting_reports

app = typer.Typer(no_args_is_help=True, help="Campaigns: create, import contacts, start, pause, stop, status.")

app.command("preview", epilog=lists.PREVIEW_EPILOG)(lists.preview)
app.command("import", epilog=lists.IMPORT_EPILOG)(lists.import_contacts)
app.command("recycle", epilog=recycle_command.EPILOG)(recycle_command.recycle_command)

Code = Annotated[str, typer.Argument(help="The campaign's code.")]


@app.command("create", epilog="Example: campana campaign create examples/demo/campaign.yaml")
def create(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Campaign file; docs/reference/campaign-file.md explains it.")],
    as_json: AsJson = False,
) -> None:
    """Check a campaign file with its script and tariff, and store it as a draft."""
    settings = settings_of(context)
    definition = load_definition(file)

    async def work() -> int:
        async with open_app(settings) as opened:
            return await enrol(opened, definition)

    campaign_id = run(work())
    if as_json:
        print_json({"campaign_id": campaign_id, "code": definition.code, "state": "draft"})
    else:
        console.print(
            f"campaign {definition.code} is a draft; next: campana campaign import {definition.code} LIST.csv"
        )


@app.command("start", epilog="Example: campana campaign start SPRING")
def start(
    context: typer.Context,
    code: Code,
    detach: Annotated[
        bool, typer.Option("--detach", help="Only mark it as running; a node that runs (campana serve) dials it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start or resume a campaign and dial until it is complete; Ctrl-C drains: live calls go on to their end."""
    settings = settings_of(context)

    async def work() -> CampaignStatus:
        async with open_app(settings) as opened:
            campaign_id = await opened.campaigns.find(code)
            await forecasting.tell_when_limited(opened, campaign_id)
            if detach:
                await opened.campaigns.start(campaign_id)
            else:
                from campana.dialling import dial_campaign

                await dial_campaign(opened, campaign_id, stderr if as_json else console)
            await _tell_waiting(opened, [campaign_id])
            return await opened.campaigns.status(campaign_id)

    found = run(work())
    if as_json:
        print_json(asdict(found))
    else:
        console.print(_status_table([found]))


@app.command("pause", epilog="Example: campana campaign pause SPRING")
def pause(context: typer.Context, code: Code, as_json: AsJson = False) -> None:
    """Place no further call; calls that are on go on to their end."""
    settings = settings_of(context)

    async def work() -> str:
        async with open_app(settings) as opened:
            return (await opened.campaigns.pause(await opened.campaigns.find(code))).value

    state = run(work())
    if as_json:
        print_json({"campaign": code, "state": state})
    else:
        console.print(f"campaign {code} is {state}; resume with: campana campaign start {code}")


@app.command("stop", epilog="Example: campana campaign stop SPRING --yes")
def stop(
    context: typer.Context,
    code: Code,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """End the campaign for good; contacts not called yet are cancelled, and the report is mailed."""
    if not yes:
        typer.confirm(f"Stop campaign {code} for good?", abort=True)
    settings = settings_of(context)

    async def work() -> str:
        async with open_app(settings) as opened:
            campaign_id = await opened.campaigns.find(code)
            # With no call on, this closes the campaign, and no other process may be there to mail its report.
            async with open_outbox(opened):
                state = await opened.campaigns.stop(campaign_id)
            await _tell_waiting(opened, [campaign_id])
            return state.value

    state = run(work())
    if as_json:
        print_json({"campaign": code, "state": state})
    else:
        console.print(f"campaign {code} is {state}")


app.command("forecast", epilog="Example: campana campaign forecast SPRING --json")(forecasting.forecast)
app.command("warm", epilog=warming.EPILOG)(warming.warm)
app.command("budget", epilog="Example: campana campaign budget SPRING 2500000")(money.budget)


@app.command("status", epilog="Example: campana campaign status SPRING --json")
def status(
    context: typer.Context,
    code: Annotated[str | None, typer.Argument(help="The campaign's code; none shows all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how one campaign or all of them stand."""
    settings = settings_of(context)

    async def work() -> list[CampaignStatus]:
        async with open_app(settings) as opened:
            ids = [await opened.campaigns.find(code)] if code else await opened.campaigns.all_ids()
            await _tell_waiting(opened, ids)
            return [await opened.campaigns.status(campaign_id) for campaign_id in ids]

    found = run(work())
    if as_json:
        print_json([asdict(each) | {"contacts_left": each.contacts_left} for each in found])
    elif not found:
        console.print("no campaign yet; create one with: campana campaign create FILE.yaml")
    else:
        console.print(_status_table(found))


async def _tell_waiting(opened: App, campaign_ids: Collection[int]) -> None:
    for line in await waiting_reports(opened, campaign_ids):
        stderr.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _status_table(found: list[CampaignStatus]) -> Table:
    table = Table()
    for heading in ("code", "name", "state", "contacts", "left", "attempts", "live", "started (UTC)"):
        table.add_column(heading)
    for each in found:
        state = each.state.value
        if each.waiting:
            state = f"waiting until {each.opens_at:%Y-%m-%d %H:%M} UTC" if each.opens_at else "waiting"
        if each.pause_reason is not None:
            state = f"{state}, {each.pause_reason}"
        if each.trunk_told is not None:
            state = f"{state}, {each.trunk_told}"
        add_row(
            table,
            each.code,
            each.name,
            state,
            str(sum(each.contacts.values())),
            str(each.contacts_left),
            str(each.attempts),
            str(each.live_calls),
            f"{each.started_at:%Y-%m-%d %H:%M}" if each.started_at else "",
        )
    return table
