"""`campana report` and `campana audit`, and how figures look in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from campana.application import open_app
from campana.cli.context import AsJson, console, print_json, run, settings_of
from campana.errors import CampanaError
from reports.about import about
from reports.attempts import AttemptFilter
from reports.audit import AuditResult
from reports.audit import audit as check_books
from reports.contacts import ContactFilter
from reports.export import write_csv, write_xlsx
from reports.overview import Overview
from reports.overview import overview as read_overview
from reports.presentation import bin_label, code_lines, groups
from reports.scope import Scope, campaign_head
from reports.sheets import attempt_sheet, contact_sheet

app = typer.Typer()


@app.command("report", epilog="Example: campana report SPRING --json")
def report(
    context: typer.Context,
    code: Annotated[str | None, typer.Argument(help="The campaign's code; none means all but test calls.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the overview report: cost, performance, results by action code, customers, latencies."""
    settings = settings_of(context)

    async def work() -> Overview:
        async with open_app(settings) as opened:
            campaign_id = await opened.campaigns.find(code) if code else None
            async with opened.database.read() as conn:
                return await read_overview(conn, Scope(campaign_id=campaign_id))

    found = run(work())
    if as_json:
        print_json(as_data(found))
    else:
        print_overview(console, found)


@app.command("export", epilog="Example: campana export SPRING attempts.xlsx")
def export(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="The campaign's code.")],
    file: Annotated[Path, typer.Argument(help="File to write; .csv or .xlsx says which form.")],
    contacts: Annotated[bool, typer.Option("--contacts", help="One row a contact instead of one an attempt.")] = False,
) -> None:
    """Write the detailed report to a file."""
    if file.suffix not in (".csv", ".xlsx"):
        raise typer.BadParameter("end the name in .csv or .xlsx", param_hint="FILE")
    settings = settings_of(context)

    async def work() -> None:
        async with open_app(settings) as opened:
            campaign_id = await opened.campaigns.find(code)
            async with opened.database.read() as conn:
                await _write_detail(conn, campaign_id, file, contacts=contacts)

    run(work())
    console.print(f"written: {file}", highlight=False, soft_wrap=True)


async def _write_detail(conn: AsyncConnection, campaign_id: int, file: Path, *, contacts: bool) -> None:
    head = await campaign_head(conn, campaign_id)
    scope = Scope(campaign_id=campaign_id)
    if contacts:
        sheet = await contact_sheet(conn, scope, ContactFilter(), head.time_zone)
    else:
        sheet = await attempt_sheet(conn, scope, AttemptFilter(), head.time_zone)
    try:
        if file.suffix == ".xlsx":
            await write_xlsx(sheet, file, about(head, scope, None))
        else:
            await write_csv(sheet, file)
    except OSError as error:
        raise CampanaError(f"{file}: cannot be written: {error.strerror}") from error


@app.command("audit", epilog="Example: campana audit SPRING")
def audit(
    context: typer.Context,
    code: Annotated[str | None, typer.Argument(help="The campaign's code; none means all campaigns.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check that the books balance; exit 1 and name the differing rows otherwise."""
    settings = settings_of(context)

    async def work() -> AuditResult:
        async with open_app(settings) as opened:
            campaign_id = await opened.campaigns.find(code) if code else None
            async with opened.database.read() as conn:
                return await check_books(conn, campaign_id, settings.recordings_folder)

    found = run(work())
    if as_json:
        print_json({"ok": found.ok, "checks": [vars(check) for check in found.checks]})
    else:
        print_checks(console, found)
    if not found.ok:
        raise typer.Exit(1)


def as_data(report: Overview) -> dict[str, Any]:
    """The overview for programs: the figures by their names in docs/reference/figures.md, as shown to people."""
    return {
        "campaign": report.campaign.code if report.campaign else None,
        "currency": report.currency,
        "time_zone": report.time_zone,
        "data_as_of": report.data_as_of.isoformat() if report.data_as_of else None,
        "figures": {figure.key: figure.text for group in groups(report) for figure in group.figures},
        "codes": {line.code: line.calls for line in code_lines(report)},
        "histogram": {bin_label(one): one.calls for one in report.histogram},
        "contacts": dict(report.contacts.states),
    }


def print_overview(screen: Console, report: Overview) -> None:
    """The overview as tables side by side."""
    head = report.campaign
    title = f"{head.name} ({head.code}){' - TEST' if head.is_test else ''}" if head else "All campaigns"
    screen.rule(f"[bold]{escape(title)}[/bold]")
    tables = []
    for group in groups(report):
        table = Table(title=group.title, title_justify="left", box=None, show_header=False, pad_edge=False)
        for figure in group.figures:
            table.add_row(figure.label, f"[bold]{figure.text}[/bold]")
        tables.append(table)
    tables.append(_codes_table(report))
    screen.print(Columns(tables, padding=(1, 4)))


def _codes_table(report: Overview) -> Table:
    table = Table(title="Results by action code", title_justify="left", box=None, show_header=False, pad_edge=False)
    for line in code_lines(report):
        table.add_row(line.code, escape(line.meaning), line.class_text, f"[bold]{line.calls}[/bold]")
    return table


def print_checks(screen: Console, result: AuditResult) -> None:
    """Each check on a line; the differing rows below it."""
    failed = [check for check in result.checks if not check.ok]
    if not failed:
        screen.print(f"audit: all {len(result.checks)} checks hold", highlight=False)
    for check in failed:
        screen.print(f"audit: {check.name}: expected {check.expected}, found {check.found}", markup=False)
        for row in check.rows:
            screen.print(f"  {row}", markup=False)
