"""`campana talk`: talk to a bot from the browser, without dialling anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from campana.cli.context import console, run, settings_of, variables_of

app = typer.Typer()


@app.command("talk", epilog="Example: campana talk script.yaml --var name=Anna")
def talk(
    context: typer.Context,
    script: Annotated[list[Path] | None, typer.Argument(help="Script files to talk to, beside stored bots.")] = None,
    bot: Annotated[str | None, typer.Option(help="Stored bot that the page begins with: NAME or NAME@VERSION.")] = None,
    var: Annotated[list[str] | None, typer.Option("--var", help="A variable of the script, name=value.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = None,
) -> None:
    """Serve the page on which a bot is talked to from the browser. Nobody is dialled, nothing is billed."""
    variables = variables_of(var)
    settings = settings_of(context)
    from campana.talk_serving import Beginning, talk_until_told

    beginning = Beginning(tuple(script or ()), bot, variables)
    run(talk_until_told(settings, beginning, settings.web.port if port is None else port, screen=console))
