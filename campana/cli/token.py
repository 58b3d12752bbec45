"""`campana token`: create, list, revoke."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from campana.application import App, open_app
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of
from web.tokens import Scope, Token, Tokens

app = typer.Typer(no_args_is_help=True, help="Tokens with which programs may use the API.")

Name = Annotated[str, typer.Argument(help="The token's name.")]


def _tokens(opened: App) -> Tokens:
    return Tokens(opened.database, opened.clock, opened.account_id)


@app.command("create", epilog="Example: campana token create --name crm --scope calls:write --scope contacts:read")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", help="Name under which it is listed and revoked.")],
    scopes: Annotated[
        list[str], typer.Option("--scope", help=f"What it may do, once or several times: {', '.join(Scope)}.")
    ],
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Days until it expires; none: never.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and show its secret, this once."""
    settings = settings_of(context)

    async def work() -> tuple[Token, str]:
        async with open_app(settings) as opened:
            return await _tokens(opened).create(name, scopes, valid_days=days)

    token, secret = run(work())
    if as_json:
        print_json({**_as_data(token, token.created_at), "secret": secret})
        return
    typer.echo(secret)
    console.print(
        "Keep it now: it is not shown again. Programs send it as `Authorization: Bearer …`.",
        markup=False,
        highlight=False,
    )


@app.command("list", epilog="Example: campana token list --json")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every token with its scopes, its state and when it was last used."""
    settings = settings_of(context)

    async def work() -> tuple[list[Token], datetime]:
        async with open_app(settings) as opened:
            return await _tokens(opened).all(), opened.clock.now()

    found, now = run(work())
    if as_json:
        print_json([_as_data(token, now) for token in found])
    elif not found:
        console.print("no token yet; make one with: campana token create --name NAME --scope SCOPE", markup=False)
    else:
        console.print(_table(found, now))


@app.command("revoke", epilog="Example: campana token revoke crm")
def revoke(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Refuse the token from now on."""
    settings = settings_of(context)

    async def work() -> Token:
        async with open_app(settings) as opened:
            return await _tokens(opened).revoke(name)

    token = run(work())
    if as_json:
        print_json({"name": token.name, "state": "revoked"})
    else:
        console.print(f"token {token.name} is revoked", markup=False, highlight=False)


def _as_data(token: Token, now: datetime) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(token).items() if name != "account_id"}
    return fields | {"state": token.state(now)}


def _table(found: list[Token], now: datetime) -> Table:
    table = Table()
    for heading in ("name", "state", "scopes", "created (UTC)", "expires (UTC)", "last used (UTC)"):
        table.add_column(heading)
    for token in found:
        times = (token.created_at, token.expires_at, token.last_used_at)
        shown = (f"{time:%Y-%m-%d %H:%M}" if time else "" for time in times)
        add_row(table, token.name, token.state(now), " ".join(token.scopes), *shown)
    return table
