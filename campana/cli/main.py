"""The entry point: groups of commands, and mistakes told without a traceback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from campana.cli import bench as bench_commands
from campana.cli import call as call_command
from campana.cli import campaign as campaign_commands
from campana.cli import contacts as contact_commands
from campana.cli import demo as demo_command
from campana.cli import dnc as dnc_commands
from campana.cli import doctor as doctor_command
from campana.cli import explain as explain_command
from campana.cli import figures as figure_commands
from campana.cli import models as models_commands
from campana.cli import money as money_commands
from campana.cli import node as node_commands
from campana.cli import script as script_commands
from campana.cli import serve as serve_command
from campana.cli import talk as talk_command
from campana.cli import token as token_commands
from campana.cli import trunk as trunk_commands
from campana.cli import webhook as webhook_commands
from campana.cli.context import AsJson, Invocation, console, print_json, settings_of, stderr

app = typer.Typer(
    name="campana",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Voicebot campaigns: dial a contact list, talk, code, record, bill and report.\n\nExample: campana demo",
)
config_app = typer.Typer(no_args_is_help=True, help="The settings in force.")
app.add_typer(demo_command.app)
app.add_typer(serve_command.app)
app.add_typer(talk_command.app)
app.add_typer(campaign_commands.app, name="campaign")
app.add_typer(script_commands.app, name="script")
app.add_typer(trunk_commands.app, name="trunk")
app.add_typer(dnc_commands.app, name="dnc")
app.add_typer(money_commands.app, name="account")
app.add_typer(node_commands.app, name="node")
app.add_typer(token_commands.app, name="token")
app.add_typer(webhook_commands.app, name="webhook")
app.add_typer(contact_commands.app, name="contact")
app.add_typer(call_command.app)
app.add_typer(explain_command.app)
app.add_typer(figure_commands.app)
app.add_typer(doctor_command.app)
app.add_typer(models_commands.app, name="models")
app.add_typer(bench_commands.app, name="bench")
app.add_typer(config_app, name="config")


@app.callback()
def _global(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file; without it ./campana.toml when there is one.")
    ] = None,
) -> None:
    context.obj = Invocation(config=config)


@config_app.command("show", epilog="Example: campana config show --json")
def config_show(context: typer.Context, as_json: AsJson = False) -> None:
    """Print every setting in force, secrets hidden."""
    from campana.settings import shown

    data = shown(settings_of(context))
    if as_json:
        print_json(data)
        return
    for name, value in data.items():
        if isinstance(value, dict):
            console.print(f"[bold]\\[{name}][/bold]")
            for key, inner in value.items():
                console.print(f"  {key} = {inner!r}", highlight=False, markup=False)
        else:
            console.print(f"{name} = {value!r}", highlight=False, markup=False)


def known_errors() -> tuple[type[BaseException], ...]:
    """The root of each package's errors: what a user can meet and mend."""
    from billing.errors import BillingError
    from bot.errors import BotError
    from campaigns.errors import CampaignError
    from campana.errors import CampanaError
    from models.errors import ModelError
    from reports.errors import ReportError
    from storage.errors import StorageError
    from telephony.errors import TelephonyError
    from web.errors import WebError

    return (
        CampanaError,
        BillingError,
        BotError,
        CampaignError,
        ModelError,
        ReportError,
        StorageError,
        TelephonyError,
        WebError,
    )


def mistakes(error: Exception) -> list[Exception] | None:
    """The known errors in `error`, out of the groups that tasks put around them; None when anything else is in it."""
    known = known_errors()
    leaves: list[Exception] = []
    waiting: list[Exception] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ExceptionGroup):
            waiting += reversed(one.exceptions)
        elif isinstance(one, known):
            leaves.append(one)
        else:
            return None
    return leaves


def main() -> None:
    """Run the command; exit 0 on success, 1 when a check failed, 2 on a mistake, 130 when interrupted."""
    try:
        app()
    except KeyboardInterrupt:
        stderr.print("stopped")
        sys.exit(130)
    except Exception as error:
        found = mistakes(error)
        if found is None:
            raise
        for mistake in found:
            stderr.print(str(mistake), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
