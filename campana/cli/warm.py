"""`campana campaign warm`: speak a campaign's lines into the phrase cache before it starts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from campana.application import open_app
from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from campana.settings import Settings

if TYPE_CHECKING:
    from campana.warming import Warmed

EPILOG = "Example: campana campaign warm SPRING --contacts 500"


def warm(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="The campaign's code.")],
    contacts: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Also the own lines of so many of the contacts that wait.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Speak the campaign's lines into the phrase cache, so that no call waits for the voice."""
    warmed = run(_warm(settings_of(context), code, contacts))
    if as_json:
        print_json(asdict(warmed) | {"campaign": code})
        return
    own = f", with the own lines of {warmed.contacts} contacts" if contacts else ""
    console.print(f"campaign {code}: its lines are spoken{own}; the phrase cache has {warmed.disk_mb} MB on disk")
    if warmed.lacking:
        console.print(f"{warmed.lacking} contacts lack a value that the script needs: campana contact list {code}")


async def _warm(settings: Settings, code: str, most: int) -> Warmed:
    from campana.voicebots import open_voicebots
    from campana.warming import Warmed, warm_contacts

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with open_app(settings) as opened:
        campaign_id = await opened.campaigns.find(code)
        async with open_voicebots(opened) as voicebots:
            with Progress(*columns, console=stderr, transient=True) as bars:
                lines = bars.add_task("lines of everybody", total=None)
                await voicebots.warm(campaign_id, lambda done, of: bars.update(lines, completed=done, total=of))
                prepared = lacking = 0
                if most:
                    own = bars.add_task("lines of contacts", total=None)
                    prepared, lacking = await warm_contacts(
                        opened,
                        voicebots,
                        campaign_id,
                        most,
                        lambda done, of: bars.update(own, completed=done, total=of),
                    )
            return Warmed.of(voicebots.speech.cache, prepared, lacking)
