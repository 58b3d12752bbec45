"""`campana doctor`: what is missing before a campaign can run."""

from __future__ import annotations

import typer

from campana.cli.context import AsJson, console, print_json, run, settings_of
from campana.settings import Settings

app = typer.Typer()
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


@app.command("doctor", epilog="Example: campana doctor --json")
def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Check database, disk, models, mail server and trunks; exit 1 when a campaign could not run."""
    if run(_examine(settings_of(context), as_json=as_json)):
        raise typer.Exit(1)


async def _examine(settings: Settings, *, as_json: bool) -> bool:
    """Print the findings; whether any check failed."""
    from campana.doctor import State, examine

    found = []
    async for finding in examine(settings, measure=True):
        found.append(finding)
        if as_json:
            continue
        style = _STYLES[finding.state.value]
        console.print(f"[{style}]{finding.state.value:8}[/{style}] {finding.check}: ", end="", highlight=False)
        console.print(finding.found, markup=False, highlight=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"         {finding.remedy}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print_json([vars(finding) for finding in found])
    return any(finding.state is State.FAILED for finding in found)
