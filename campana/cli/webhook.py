"""`campana webhook`: add, list, test, deliveries, redeliver, switch, remove."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table

from campaigns.webhook_events import SUBSCRIBABLE
from campaigns.webhooks import Delivery, Webhook, Webhooks
from campana.application import App, open_app
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of
from campana.telling import open_webhooks

app = typer.Typer(no_args_is_help=True, help="Webhooks: addresses that are told of calls, contacts and campaigns.")

T = TypeVar("T")
Id = Annotated[int, typer.Argument(min=1, help="The webhook's id, as `campana webhook list` shows it.")]
_KINDS = ", ".join(SUBSCRIBABLE)


def _with(context: typer.Context, work: Callable[[App, Webhooks], Awaitable[T]]) -> T:
    settings = settings_of(context)

    async def opened() -> T:
        async with open_app(settings) as app:
            return await work(app, Webhooks(app.database, app.clock, app.account_id))

    return run(opened())


@app.command("add", epilog="Example: campana webhook add https://example.com/hook --event call.ended")
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Address that is told, http or https.")],
    events: Annotated[
        list[str] | None, typer.Option("--event", help=f"What it is told, once or several times; none: all. {_KINDS}.")
    ] = None,
    campaign: Annotated[str | None, typer.Option(help="Code of the one campaign it is told of; none: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell an address from now on, and show the secret that its deliveries are signed with."""

    async def work(opened: App, hooks: Webhooks) -> tuple[Webhook, str]:
        of_campaign = await opened.campaigns.find(campaign, account_id=opened.account_id) if campaign else None
        return await hooks.add(url, events or ["*"], campaign_id=of_campaign)

    hook, secret = _with(context, work)
    if as_json:
        print_json({**asdict(hook), "secret": secret})
        return
    typer.echo(secret)
    console.print(
        f"Webhook {hook.id} is told from now on. The receiver needs this secret to check the signatures; "
        f"try it out with: campana webhook test {hook.id}",
        markup=False,
        highlight=False,
    )


@app.command("list", epilog="Example: campana webhook list --json")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """Show every webhook, and why one is told no more."""
    found = _with(context, lambda _opened, hooks: hooks.all())
    if as_json:
        print_json([asdict(hook) for hook in found])
    elif not found:
        console.print("no webhook yet; add one with: campana webhook add URL")
    else:
        console.print(_hooks_table(found))


@app.command("test", epilog="Example: campana webhook test 1")
def send_test(context: typer.Context, webhook: Id, as_json: AsJson = False) -> None:
    """Send a test event now and show what the receiver answered; exit 1 when it did not take it."""

    async def work(opened: App, hooks: Webhooks) -> Delivery:
        asked = await hooks.test(webhook)
        async with open_webhooks(opened):
            pass
        return next(each for each in await hooks.deliveries(webhook, limit=200) if each.id == asked.id)

    found = _with(context, work)
    _show(found, as_json=as_json)
    if found.state != "delivered":
        raise typer.Exit(1)


@app.command("deliveries", epilog="Example: campana webhook deliveries 1 --limit 20")
def deliveries(
    context: typer.Context,
    webhook: Id,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what the webhook was told, and what it answered."""
    found = _with(context, lambda _opened, hooks: hooks.deliveries(webhook, limit=limit))
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        console.print(_deliveries_table(found))


@app.command("redeliver", epilog="Example: campana webhook redeliver 1 42")
def redeliver(
    context: typer.Context,
    webhook: Id,
    delivery: Annotated[int, typer.Argument(min=1, help="The delivery's id.")],
    as_json: AsJson = False,
) -> None:
    """Make a delivery again from the beginning; a program that runs (campana serve) makes it."""
    _show(_with(context, lambda _opened, hooks: hooks.redeliver(webhook, delivery)), as_json=as_json)


@app.command("switch", epilog="Example: campana webhook switch 1 on")
def switch(
    context: typer.Context,
    webhook: Id,
    to: Annotated[str, typer.Argument(help="on or off.")],
    as_json: AsJson = False,
) -> None:
    """Tell a webhook no more, or again after it was switched off or given up."""
    if to not in {"on", "off"}:
        raise typer.BadParameter("write on or off", param_hint="TO")
    found = _with(context, lambda _opened, hooks: hooks.change(webhook, active=to == "on"))
    if as_json:
        print_json(asdict(found))
    else:
        console.print(f"webhook {webhook} is {to}")


@app.command("remove", epilog="Example: campana webhook remove 1")
def remove(context: typer.Context, webhook: Id, as_json: AsJson = False) -> None:
    """Forget a webhook with its log of deliveries."""
    _with(context, lambda _opened, hooks: hooks.remove(webhook))
    if as_json:
        print_json({"webhook_id": webhook, "removed": True})
    else:
        console.print(f"webhook {webhook} is removed")


def _show(found: Delivery, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found))
        return
    told: dict[str, Any] = {"delivered": f"the receiver answered {found.response_status}"}
    text = told.get(found.state, found.error or "it is tried as soon as a program runs (campana serve)")
    console.print(f"delivery {found.id} is {found.state}: {text}", markup=False, highlight=False, soft_wrap=True)


def _hooks_table(found: list[Webhook]) -> Table:
    table = Table()
    for heading in ("id", "url", "campaign", "events", "state", "failures", "reason"):
        table.add_column(heading)
    for hook in found:
        cells = (hook.url, hook.campaign or "all", " ".join(hook.events), "on" if hook.active else "off")
        add_row(table, str(hook.id), *cells, str(hook.failures), hook.disabled_reason or "")
    return table


def _deliveries_table(found: list[Delivery]) -> Table:
    table = Table()
    for heading in ("id", "event", "at (UTC)", "state", "tries", "answer", "error"):
        table.add_column(heading)
    for each in found:
        answer = "" if each.response_status is None else str(each.response_status)
        cells = (each.type, f"{each.created_at:%Y-%m-%d %H:%M:%S}", each.state, str(each.tries), answer)
        add_row(table, str(each.id), *cells, each.error or "")
    return table
