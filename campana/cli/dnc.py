"""`campana dnc`: add, remove, list, lists, check, import, drop."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from campaigns.suppression_import import Imported, NumberFile, NumberImports
from campaigns.suppression_lists import AppliesTo, KeptList, ListKind, NewList, SuppressionLists
from campana import dnc
from campana.application import App, open_app
from campana.cli import dnc_pattern
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of, stderr

app = typer.Typer(no_args_is_help=True, help="Numbers that are not called: the do-not-call list, lists, registers.")
app.add_typer(dnc_pattern.app, name="pattern")

ListName = Annotated[str | None, typer.Option("--list", help="Name of a list; without it the account's own.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]
By = Annotated[str | None, typer.Option("--by", help="Who asks for it; your login name unless told.")]
Region = Annotated[
    str | None, typer.Option(help="Country, two letters, of numbers without its code; the account's unless told.")
]
OfCampaign = Annotated[str | None, typer.Option("--campaign", help="Code of the campaign that it is for.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command("add", epilog="Example: campana dnc add +84901234567 --reason 'wrote to us on 3 March'")
def add(
    context: typer.Context,
    numbers: Annotated[list[str], typer.Argument(help="Telephone numbers.")],
    reason: Reason,
    list_name: ListName = None,
    region: Region = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Call these numbers no more: running campaigns take them out at their next claim."""

    async def work() -> int:
        async with open_app(settings_of(context)) as opened:
            wanted = dnc.read_numbers(numbers, dnc.region_of(opened, region))
            return await dnc.add(opened, wanted, list_name=list_name, reason=reason, by=dnc.who(by))

    added = run(work())
    if as_json:
        print_json({"list": list_name, "added": added, "listed_before": len(set(numbers)) - added})
    else:
        _say(f"{added} added to {_named(list_name)}" + ("" if added else ": on it already"))


@app.command("remove", epilog="Example: campana dnc remove +84901234567 --reason 'asked by mail to be called again'")
def remove(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="Telephone number.")],
    reason: Reason,
    list_name: ListName = None,
    force: Annotated[bool, typer.Option("--force", help="Take even a customer's own opt-out off.")] = False,
    yes: Yes = False,
    region: Region = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Take a number off, leaving a trace; contacts that it blocked stay blocked."""
    if not yes:
        typer.confirm(f"take {number} off {_named(list_name)}, so that it may be called again?", abort=True, err=True)

    async def work() -> None:
        async with open_app(settings_of(context)) as opened:
            (wanted,) = dnc.read_numbers([number], dnc.region_of(opened, region))
            await dnc.remove(opened, wanted, list_name=list_name, reason=reason, by=dnc.who(by), force=force)

    run(work())
    if as_json:
        print_json({"list": list_name, "removed": number, "reason": reason})
    else:
        _say(f"{number} is off {_named(list_name)}; the trace keeps why: campana dnc check {number}")


@app.command("list", epilog="Example: campana dnc list --limit 20")
def list_(
    context: typer.Context,
    list_name: ListName = None,
    limit: Annotated[int, typer.Option(min=1, help="Show so many at most.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """Show the numbers of the account's own do-not-call list with their evidence, or those of another list."""

    async def work() -> list[dict[str, Any]]:
        async with open_app(settings_of(context)) as opened:
            return await dnc.numbers(opened, list_name, limit)

    found = run(work())
    if as_json:
        print_json(found)
    elif not found:
        _say(f"no number on {_named(list_name)}")
    else:
        console.print(_table(found))


@app.command("lists", epilog="Example: campana dnc lists")
def lists(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the lists in force: whose they are, who keeps to them, how many numbers they hold."""

    async def work() -> list[KeptList]:
        async with open_app(settings_of(context)) as opened:
            return list(await _lists(opened).all())

    found = run(work())
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        _say("no list yet; read one in with: campana dnc import FILE --list NAME")
    else:
        console.print(_table([dnc.told(one) for one in found]))


@app.command("check", epilog="Example: campana dnc check 0901234567 --campaign SPRING")
def check(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="Telephone number.")],
    campaign: OfCampaign = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Tell every list, pattern and cap that stands against a number, and what was done about it by hand."""

    async def work() -> dnc.Checked:
        async with open_app(settings_of(context)) as opened:
            (wanted,) = dnc.read_numbers([number], dnc.region_of(opened, region))
            return await dnc.check(opened, wanted, campaign)

    found = run(work())
    if as_json:
        print_json(asdict(found) | {"may_be_called": found.may_be_called})
        return
    _say(f"{found.number} {'may be called' if found.may_be_called else 'is not called'}")
    for line in found.lines():
        _say(f"  {line}")


@app.command("import", epilog="Example: campana dnc import register.csv --list NATIONAL --kind register")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV, text file or workbook: one number a row, or a phone column.")],
    list_name: ListName = None,
    kind: Annotated[ListKind, typer.Option(help="What a new list is.")] = ListKind.ACCOUNT,
    campaign: OfCampaign = None,
    applies_to: Annotated[
        AppliesTo | None, typer.Option(help="Who keeps to it; a register is for advertising, others for all.")
    ] = None,
    add_to: Annotated[bool, typer.Option("--add", help="Add to the list instead of replacing what is on it.")] = False,
    column: Annotated[
        str | None, typer.Option(help="Header of the column with the numbers; found unless told.")
    ] = None,
    region: Region = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the file, such as cp1258.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Column separator; found out unless told.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; the first with content unless told.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Read a file of numbers into a list; a newer file replaces the former one at once when it is whole."""

    async def work() -> Imported:
        async with open_app(settings_of(context)) as opened:
            of_campaign = await opened.campaigns.find(campaign, account_id=opened.account_id) if campaign else None
            into = NewList(list_name, kind, of_campaign, applies_to) if list_name else None
            source = NumberFile(
                file,
                dnc.region_of(opened, region),
                column=column,
                encoding=encoding,
                delimiter=delimiter,
                sheet=sheet,
            )
            return await _import(opened, source, into, add=add_to, by=dnc.who(by))

    done = run(work())
    if as_json:
        print_json(asdict(done))
        return
    counts = ", ".join(f"{count} {name}" for name, count in done.counts.items() if count)
    _say(f"{done.rows} rows into {_named(done.list_name)}: {counts}")
    if done.replaced is not None:
        _say(f"it replaces {done.replaced} numbers")
    if done.result_path is not None:
        _say(f"rows that are no numbers: {done.result_path}")


async def _import(opened: App, source: NumberFile, into: NewList | None, *, add: bool, by: str) -> Imported:
    folder = opened.settings.lists_folder
    folder.mkdir(parents=True, exist_ok=True)
    imports = NumberImports(opened.database, opened.clock, opened.account_id, by=by)
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr, transient=True) as bars:
        bar = bars.add_task("rows", total=None)
        return await imports.run(
            source,
            into,
            add=add,
            result_path=(folder / f"{source.path.stem}.refused.csv").absolute(),
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
        )


@app.command("drop", epilog="Example: campana dnc drop PARTNERS --reason 'contract ended'")
def drop(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the list.")],
    reason: Reason,
    yes: Yes = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Keep to a list no more, leaving a trace; contacts that it blocked stay blocked."""
    if not yes:
        typer.confirm(f"keep to the list {name} no more, so that its numbers may be called?", abort=True, err=True)

    async def work() -> int:
        async with open_app(settings_of(context)) as opened:
            return await _lists(opened).drop(name, by=dnc.who(by), reason=reason)

    numbers = run(work())
    if as_json:
        print_json({"list": name, "numbers": numbers, "reason": reason})
    else:
        _say(f"the list {name} with its {numbers} numbers is kept to no more")


def _lists(opened: App) -> SuppressionLists:
    return SuppressionLists(opened.database, opened.clock, opened.account_id)


def _named(list_name: str | None) -> str:
    return f"the list {list_name}" if list_name else "the account's do-not-call list"


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(*rows[0])
    for row in rows:
        add_row(table, *row.values())
    return table
