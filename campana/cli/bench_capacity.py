"""`campana bench capacity`: how many calls this machine is good for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from campana.cli.context import AsJson, console, print_json, run, settings_of

if TYPE_CHECKING:
    from bot.capacity import Capacity


def capacity(
    context: typer.Context,
    runs: Annotated[int, typer.Option(min=1, max=50, help="Runs of each part; the least counts.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Measure for some seconds what a turn costs here, and propose node.calls."""
    settings = settings_of(context)
    # What logs at its first import does so after the settings have said how.
    from campana.capacity import capacity_of, too_many

    found = run(capacity_of(settings, runs=runs))
    if as_json:
        print_json(asdict(found) | {"node_calls": settings.node.calls})
        return
    console.print(_table(found))
    console.print(
        f"{found.cached} calls at once with the bot's lines in the phrase cache, {found.uncached} with none of them "
        f"there; node.calls is {settings.node.calls}",
        highlight=False,
    )
    if too_many(settings, found):
        console.print(
            f"set node.calls to {found.cached}, or take a smaller model, or have speech on another machine "
            "(docs/how-to/use-hosted-speech.md)",
            highlight=False,
        )


def _table(found: Capacity) -> Table:
    table = Table(title=f"CPU of a turn; {found.cores:g} cores, {found.threads} threads", title_justify="left")
    for heading in ("recognition", "end of turn", "voice activity, 1 s", "a line that no cache has"):
        table.add_column(heading)
    costs = found.costs
    cells = (costs.recognition, costs.turn_end, costs.voice_activity, costs.synthesis)
    table.add_row(*("elsewhere" if ms is None else f"{ms:g} ms" for ms in cells))
    return table
