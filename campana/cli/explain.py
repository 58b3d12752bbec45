"""`campana explain`: why a contact, or a campaign, is or is not dialled now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from campaigns.explain import CampaignExplained, ContactExplained, explain_campaign_of, explain_contact_of
from campaigns.explain_trail import Happened
from campaigns.findings import Finding
from campana.application import open_app
from campana.calling import calling_rules
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of

app = typer.Typer()


@app.command("explain", epilog="Example: campana explain SPRING 0901234567")
def explain(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="The campaign's code.")],
    contact: Annotated[
        str | None, typer.Argument(help="External key, id or number of a contact; none explains the campaign.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell clause by clause why a contact, or a whole campaign, is or is not dialled now, and what led to it."""
    settings = settings_of(context)

    async def work() -> ContactExplained | CampaignExplained:
        async with open_app(settings) as opened:
            campaign_id = await opened.campaigns.find(code)
            now, rules = opened.clock.now(), calling_rules(settings)
            async with opened.database.read() as conn:
                if contact is None:
                    return await explain_campaign_of(conn, campaign_id, now=now, rules=rules)
                return await explain_contact_of(conn, campaign_id, contact, now=now, rules=rules)

    found = run(work())
    if as_json:
        print_json(as_data(found))
    elif isinstance(found, ContactExplained):
        _print_contact(found)
    else:
        _print_campaign(found)


def as_data(found: ContactExplained | CampaignExplained) -> dict[str, Any]:
    """The answer for programs."""
    common = {
        "campaign": found.campaign,
        "failing": [finding.clause.value for finding in found.failing],
        "clauses": [finding.as_data() for finding in found.findings],
        "nodes": [asdict(node) for node in found.dialling],
    }
    if isinstance(found, CampaignExplained):
        return common | {
            "callable_now": found.callable_now,
            "not_looked_at": found.not_looked_at,
            "waiting": [group.as_data() for group in found.waiting],
            "contacts": {state.value: count for state, count in found.states.items()},
        }
    return common | {
        "may_be_dialled": not found.failing,
        "contact": {
            "id": found.contact_id,
            "number": found.number,
            "external_key": found.external_key,
            "state": found.state.value,
        },
        "trail": [happened.as_data() for happened in found.trail],
    }


def _print_contact(found: ContactExplained) -> None:
    who = f"contact {found.contact_id} ({found.number or 'no number'}) of campaign {found.campaign}"
    _verdict(who, found.failing)
    _nodes(found)
    console.print(_clauses(found.findings))
    if found.trail:
        console.print(_trail(found.trail))


def _print_campaign(found: CampaignExplained) -> None:
    who = f"campaign {found.campaign}"
    if found.failing:
        _verdict(who, found.failing)
    elif found.callable_now or found.not_looked_at:
        many = "1 contact" if found.callable_now == 1 else f"{found.callable_now} contacts"
        more = " or more" if found.not_looked_at else ""
        console.print(f"{who} may dial {many}{more} now", markup=False, highlight=False)
    else:
        console.print(f"{who} may dial, and nobody is due now", markup=False, highlight=False)
    _nodes(found)
    console.print(_clauses(found.findings))
    table = Table(title="contacts left to call", title_justify="left")
    for heading in ("contacts", "clause", "why", "first looked at again (UTC)"):
        table.add_column(heading)
    for group in found.waiting:
        add_row(table, str(group.contacts), group.clause.value if group.clause else "", group.text, _at(group.opens_at))
    if found.not_looked_at:
        add_row(table, str(found.not_looked_at), "", "due as well, not looked at one by one", "")
    if table.rows:
        console.print(table)
    states = ", ".join(f"{count} {state.value}" for state, count in sorted(found.states.items()))
    console.print(f"contacts by state: {states or 'none'}", markup=False, highlight=False)


def _verdict(who: str, failing: Sequence[Finding]) -> None:
    if not failing:
        console.print(f"{who} may be dialled now", markup=False, highlight=False)
        return
    console.print(f"{who} is not dialled now:", markup=False, highlight=False)
    for finding in failing:
        console.print(f"  {finding.clause.value}: {finding.text}", markup=False, highlight=False, soft_wrap=True)


def _nodes(found: ContactExplained | CampaignExplained) -> None:
    if found.dialling:
        names = ", ".join(f"{node.name} ({node.live_calls} of {node.calls} calls)" for node in found.dialling)
        told = f"nodes that dial it: {names}"
    else:
        told = f"no node dials it now; run one with: campana serve, or campana campaign start {found.campaign}"
    console.print(told, markup=False, highlight=False, soft_wrap=True)


def _clauses(findings: Sequence[Finding]) -> Table:
    table = Table(title='clauses of "may be dialled now"', title_justify="left")
    for heading in ("clause", "", "why", "opens at (UTC)"):
        table.add_column(heading)
    for finding in findings:
        add_row(table, finding.clause.value, "ok" if finding.ok else "no", finding.text, _at(finding.opens_at))
    return table


def _trail(entries: Sequence[Happened]) -> Table:
    table = Table(title="what happened", title_justify="left")
    for heading in ("at (UTC)", "by", "what", "detail"):
        table.add_column(heading)
    for entry in entries:
        detail = ", ".join(f"{name}: {value}" for name, value in entry.detail.items())
        add_row(table, f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.by, entry.kind, detail)
    return table


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
