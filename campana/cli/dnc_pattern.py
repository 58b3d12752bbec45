"""`campana dnc pattern`: add, remove, list."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from campaigns.do_not_call import Pattern
from campana import dnc
from campana.application import App, open_app
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of

app = typer.Typer(no_args_is_help=True, help="Patterns of numbers that are not called, such as +8490* or 1900*.")

Text = Annotated[
    str, typer.Argument(help="Digits, * for any digits, ? for one; without + as dialled inside the country.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]
By = Annotated[str | None, typer.Option("--by", help="Who asks for it; your login name unless told.")]
OfCampaign = Annotated[str | None, typer.Option("--campaign", help="Code of the one campaign that keeps to it.")]
Region = Annotated[str | None, typer.Option(help="Country of a pattern without +; the account's unless told.")]


@app.command("add", epilog="Example: campana dnc pattern add '1900*' --reason 'premium numbers'")
def add(
    context: typer.Context,
    pattern: Text,
    reason: Reason,
    campaign: OfCampaign = None,
    region: Region = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Call no number that matches, in all campaigns of the account or in one."""

    async def work() -> tuple[str, bool]:
        async with open_app(settings_of(context)) as opened:
            return await dnc.book(opened).add_pattern(
                pattern,
                region=dnc.region_of(opened, region),
                by=dnc.who(by),
                reason=reason,
                campaign_id=await _campaign_id(opened, campaign),
            )

    international, new = run(work())
    if as_json:
        print_json({"pattern": international, "campaign": campaign, "added": new})
    else:
        told = "numbers that match are called no more" if new else "was there already"
        console.print(f"{international}: {told}", markup=False, highlight=False)


@app.command("remove", epilog="Example: campana dnc pattern remove '1900*' --reason 'we may call them now'")
def remove(
    context: typer.Context,
    pattern: Text,
    reason: Reason,
    campaign: OfCampaign = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    region: Region = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Take a pattern out, leaving a trace; contacts that it blocked stay blocked."""
    if not yes:
        typer.confirm(f"take {pattern} out, so that numbers that match may be called again?", abort=True, err=True)

    async def work() -> str:
        async with open_app(settings_of(context)) as opened:
            return await dnc.book(opened).remove_pattern(
                pattern,
                region=dnc.region_of(opened, region),
                by=dnc.who(by),
                reason=reason,
                campaign_id=await _campaign_id(opened, campaign),
            )

    international = run(work())
    if as_json:
        print_json({"pattern": international, "campaign": campaign, "reason": reason})
    else:
        console.print(f"{international} is out", markup=False, highlight=False)


@app.command("list", epilog="Example: campana dnc pattern list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every pattern, in its international form, with who entered it and why."""

    async def work() -> list[Pattern]:
        async with open_app(settings_of(context)) as opened:
            return list(await dnc.book(opened).patterns())

    found = run(work())
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        console.print("no pattern yet; add one with: campana dnc pattern add '1900*' --reason WHY", markup=False)
    else:
        console.print(_table(found))


async def _campaign_id(opened: App, code: str | None) -> int | None:
    return await opened.campaigns.find(code, account_id=opened.account_id) if code else None


def _table(found: list[Pattern]) -> Table:
    table = Table("pattern", "campaign", "reason", "by", "since (UTC)")
    for one in found:
        add_row(table, one.pattern, one.campaign or "all", one.reason, one.by, f"{one.created_at:%Y-%m-%d %H:%M}")
    return table
