"""`campana campaign recycle`: a new campaign from contacts of a finished one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from campaigns.entering import Entry
from campaigns.errors import UnknownCampaign
from campaigns.recycling import Recycled, Wanted, copy_settings, recycle
from campaigns.states import ContactState
from campana.application import App, open_app
from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from campana.definition import DefinitionError, load_definition
from campana.enrolment import enrol
from telephony.outcomes import CallStatus

EPILOG = "Example: campana campaign recycle SPRING --into SPRING-2 --unanswered --state exhausted"
_TOLD = {
    Entry.ADDED: "added",
    Entry.ALREADY: "there already",
    Entry.DUPLICATE: "with a number or key that it has",
    Entry.DO_NOT_CALL: "on a do-not-call list",
}


def recycle_command(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="Code of the finished campaign.")],
    into: Annotated[str, typer.Option("--into", help="Code of the new campaign, or of a draft that takes more.")],
    file: Annotated[
        Path | None, typer.Option("--file", help="Campaign file of the new campaign; else it is a copy of the old one.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What people call the new campaign.")] = None,
    state: Annotated[list[ContactState] | None, typer.Option("--state", help="Contacts in this state.")] = None,
    action_code: Annotated[list[str] | None, typer.Option("--code", help="Whose last call got this code.")] = None,
    status: Annotated[list[CallStatus] | None, typer.Option("--status", help="Whose last call ended so.")] = None,
    answered: Annotated[
        bool | None, typer.Option("--answered/--unanswered", help="Whose last call was answered, or was not.")
    ] = None,
    reached: Annotated[
        bool | None, typer.Option("--reached/--not-reached", help="Of whom any call was answered, or none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a draft of a finished campaign's contacts for whom every filter holds; again, it adds who is missing."""
    settings = settings_of(context)
    wanted = Wanted(state or (), action_code or (), status or (), answered, reached)

    async def work() -> Recycled:
        async with open_app(settings) as opened:
            campaign_id = await opened.campaigns.find(code)
            target = await _target(opened, campaign_id, into, file=file, name=name)
            return await _with_progress(opened, campaign_id, target, wanted)

    done = run(work())
    if as_json:
        print_json({"campaign": into, "taken": done.taken} | {entry.value: n for entry, n in done.counts.items()})
        return
    shown = ", ".join(f"{count} {_TOLD[entry]}" for entry, count in done.counts.items() if count)
    console.print(f"{done.taken} contacts of {code}: {shown or 'none'}", highlight=False)
    console.print(f"next: campana campaign start {into}", highlight=False)


async def _target(opened: App, campaign_id: int, into: str, *, file: Path | None, name: str | None) -> int:
    """The draft that exists, else a new one."""
    try:
        return await opened.campaigns.find(into, account_id=opened.account_id)
    except UnknownCampaign:
        pass
    if file is None:
        return await copy_settings(opened.database, opened.clock, campaign_id, code=into, name=name)
    definition = load_definition(file)
    if definition.code != into:
        raise DefinitionError(f"{file}: code: {definition.code}, but --into says {into}; make them the same")
    return await enrol(opened, definition)


async def _with_progress(opened: App, campaign_id: int, target: int, wanted: Wanted) -> Recycled:
    columns = (TextColumn("recycling"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr, transient=True) as bars:
        bar = bars.add_task("contacts", total=None)
        return await recycle(
            opened.database,
            opened.clock,
            campaign_id,
            target,
            wanted,
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
        )
