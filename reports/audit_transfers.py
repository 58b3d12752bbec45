"""Audit of calls that were transferred: whose time was whose, and the bill made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.errors import BillingError
from billing.rating import AgentLeg, rate
from billing.tariff import parse_tariff
from reports.checks import Check, Of, check
from reports.measures import ANSWERED, TALK_MS
from storage.tables import attempts, campaigns

_MADE_AGAIN = ("blocks", "billable_s", "agent_billable_s", "cost_bot", "cost_telecom", "cost_agent", "cost_fees")
#: Call statuses whose codes the tariff treats in a way of their own, as `billing.rating` knows them.
_RATED_AS = {"BOT_ERROR": "ER", "VOICEMAIL": "VM"}
_WINS = frozenset({"CB", "DNC"})


async def bots_time(conn: AsyncConnection, of: Of) -> Check:
    """The bot's part of each answered call is all of it, or ends where a transfer that joined was asked for."""
    c = attempts.c
    asked = case((c.transfer_asked_ms < TALK_MS, c.transfer_asked_ms), else_=TALK_MS)
    due = case((c.transfer_joined_ms.is_not(None), asked), else_=TALK_MS)
    answered = [*of.ended(), ANSWERED, c.ended_at.is_not(None)]
    expected, found = (await conn.execute(select(func.sum(due), func.sum(c.bot_ms)).where(*answered))).one()
    wrong = select(c.id, due.label("due"), c.bot_ms).where(*answered, c.bot_ms.is_distinct_from(due)).order_by(c.id)
    rows = [f"attempt {i}: {a} ms are the bot's, noted are {b}" for i, a, b in (await conn.execute(wrong)).all()]
    return check("bot's time = talk until the agent", int(expected or 0), int(found or 0), rows)


async def rated_again(conn: AsyncConnection, of: Of) -> Check:
    """The bill of each transferred call is what its own price snapshot makes of its times."""
    tried = and_(attempts.c.transfer_asked_ms.is_not(None), ANSWERED)
    statement = (
        select(attempts, TALK_MS.label("talk_ms"), campaigns.c.script_type)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(*of.ended(), tried)
        .order_by(attempts.c.id)
    )
    calls = (await conn.execute(statement)).mappings().all()
    wrong = [fault for fault in (_fault(dict(row)) for row in calls) if fault]
    return check("transferred calls = rated again", len(calls), len(calls) - len(wrong), wrong)


def _fault(row: Mapping[str, Any]) -> str | None:
    try:
        due = _rated(row)
    except BillingError as error:
        return f"attempt {row['id']}: {error}"
    differing = [f"{name} is {row[name]}, rated {value}" for name, value in due.items() if row[name] != value]
    return f"attempt {row['id']}: {'; '.join(differing)}" if differing else None


def _rated(row: Mapping[str, Any]) -> dict[str, Any]:
    # A person may have set another code since; the bill keeps.
    family = row["settled_family"] or row["code_family"]
    rated = rate(
        row["tariff_snapshot"],
        talk_ms=row["talk_ms"],
        number=row["number"],
        messages=row["messages"],
        family_code=family if family in _WINS else _RATED_AS.get(row["call_status"], "TR"),
        script_type=row["script_type"],
        bot_ms=row["bot_ms"],
        agent=AgentLeg(row["transfer_number"] or "", row["agent_ms"]),
    )
    values = (rated.blocks, rated.billable_s, rated.agent_billable_s, rated.bot, rated.telecom, rated.agent, rated.fees)
    due = dict(zip(_MADE_AGAIN, values, strict=True))
    # With tiers the price of a block depends on all calls that were settled before it in the month.
    if len(parse_tariff(row["tariff_snapshot"]).tiers(row["script_type"])) > 1:
        del due["cost_bot"]
    return due
