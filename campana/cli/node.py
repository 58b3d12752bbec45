"""`campana node`: list, drain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from campaigns.presence import Nodes, NodeStatus
from campana.application import open_app
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of

app = typer.Typer(no_args_is_help=True, help="Nodes: the processes that dial, and taking one out of work.")


@app.command("list", epilog="Example: campana node list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every node with its state, live calls, trunks and when it was last seen."""

    async def work() -> list[NodeStatus]:
        async with open_app(settings_of(context)) as opened:
            return await Nodes(opened.database, opened.clock).all()

    found = run(work())
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        console.print("no node has dialled yet; start one with: campana serve")
    else:
        console.print(_table(found))


@app.command("drain", epilog="Example: campana node drain dialler-2")
def drain(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The node's name in the settings, or its full name of the list.")],
    as_json: AsJson = False,
) -> None:
    """Let a node claim nothing more; its process ends when its live calls have ended."""

    async def work() -> list[str]:
        async with open_app(settings_of(context)) as opened:
            return await Nodes(opened.database, opened.clock).drain(name)

    asked = run(work())
    if as_json:
        print_json({"draining": asked})
    else:
        console.print(f"draining: {', '.join(asked)}", markup=False, highlight=False, soft_wrap=True)


def _table(found: list[NodeStatus]) -> Table:
    table = Table()
    for heading in ("node", "state", "calls", "seen", "started (UTC)", "trunks", "version"):
        table.add_column(heading)
    for one in found:
        add_row(
            table,
            one.name,
            one.state.value,
            f"{one.live_calls}/{one.calls}",
            f"{one.seen_s:.0f} s ago",
            f"{one.started_at:%Y-%m-%d %H:%M:%S}",
            ", ".join(one.trunks),
            one.version,
        )
    return table
