"""`campana serve`: the dashboard, and a node that dials what is running."""

from __future__ import annotations

from typing import Annotated

import typer

from campana.cli.context import console, run, settings_of

app = typer.Typer()


@app.command("serve", epilog="Example: campana serve --port 8080")
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Loopback address to listen on; others are refused.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = None,
    dial: Annotated[bool, typer.Option(help="Whether to dial running campaigns too.")] = True,
) -> None:
    """Show campaigns, live calls, reports and recordings; dial running campaigns when a trunk is set up."""
    settings = settings_of(context)
    from campana.serving import serve_until_told

    web = settings.web
    run(serve_until_told(settings, host or web.host, web.port if port is None else port, dial=dial, screen=console))
