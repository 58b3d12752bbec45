"""Setting a budget or a credit limit, in the middle of a campaign too, and asking what a limit still allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.currency import TOO_LARGE, is_too_large, round_money
from billing.ledger import balance, move_balance, reservation_rows
from billing.tariff import parse_tariff
from billing.worst import most
from campaigns.clauses import Clause
from campaigns.closing import lock_campaigns
from campaigns.errors import CampaignError, UnknownCampaign
from campaigns.funds import CallPrices, Funds, Short, held_for, longest_talk_ms
from campaigns.states import AttemptPhase
from storage.rows import words
from storage.tables import accounts, attempts, campaigns, ledger_entries, tariffs

_COST = (attempts.c.cost_bot, attempts.c.cost_telecom, attempts.c.cost_fees, attempts.c.cost_vat)
_LIVE = attempts.c.phase != words([AttemptPhase.ENDED])[0]


@dataclass(frozen=True)
class BudgetState:
    """A campaign's budget, and what has become of it; amounts are of `currency`, VAT included."""

    budget: Decimal | None
    spent: Decimal
    reserved: Decimal
    currency: str

    @property
    def left(self) -> Decimal | None:
        """Neither spent nor reserved; below nought when the budget was lowered."""
        return None if self.budget is None else self.budget - self.spent - self.reserved


async def set_budget(conn: AsyncConnection, campaign_id: int, budget: Decimal | None, now: datetime) -> BudgetState:
    """Let the campaign's calls cost so much in all, those placed already included; None: no budget.

    Calls that are on are reserved for from now on too. Raises `UnknownCampaign`, or `CampaignError` for an amount
    that is not more than nought or finer than the currency can pay.
    """
    await lock_campaigns(conn, [campaign_id])
    row = await with_limits(conn, campaign_id)
    check_amount(budget, row["currency"], "budget")
    if budget is None:
        values: dict[str, Any] = {"budget": None, "spent": None, "reserved": None}
    else:
        await _cover_live(conn, [campaign_id], now)
        values = {"budget": budget, **await _sums(conn, campaign_id)}
    await conn.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(**values))
    return await budget_state(conn, campaign_id)


async def begin_budget(conn: AsyncConnection, account_id: int, budget: Decimal | None) -> dict[str, Decimal]:
    """Columns of a new campaign with this budget; none without. Raises `CampaignError` as `set_budget` does."""
    if budget is None:
        return {}
    currency = (await conn.execute(select(accounts.c.currency).where(accounts.c.id == account_id))).scalar_one()
    check_amount(budget, currency, "budget")
    return {"budget": budget, "spent": Decimal(0), "reserved": Decimal(0)}


def check_amount(amount: Decimal | None, currency: str, field: str) -> None:
    """Raises `CampaignError` for an amount that cannot be a budget."""
    if amount is None:
        return
    if not amount.is_finite() or amount <= 0:
        raise CampaignError(f"{field}: {amount}: write an amount of more than nought, or leave it out for no limit")
    if is_too_large(amount):
        raise CampaignError(
            f"{field}: {amount}: write an amount of less than {TOO_LARGE}, or leave it out for no limit"
        )
    if round_money(amount, currency) != amount:
        raise CampaignError(
            f"{field}: {amount} is finer than {currency} can pay; write {round_money(amount, currency)}"
        )


async def budget_state(conn: AsyncConnection, campaign_id: int) -> BudgetState:
    """How the campaign's money stands, with a budget or without; raises `UnknownCampaign`."""
    row = await with_limits(conn, campaign_id)
    budget, of = row["budget"], row["currency"]
    sums = {name: round_money(amount, of) for name, amount in (await _sums(conn, campaign_id)).items()}
    return BudgetState(None if budget is None else round_money(budget, of), **sums, currency=of)


async def set_credit_limit(conn: AsyncConnection, account_id: int, limit: Decimal | None, now: datetime) -> None:
    """Let the account's balance go so far below nought; None: as far as it takes. Calls that are on are reserved for.

    Changes nothing when the limit is so already.
    """
    known = select(accounts.c.credit_limit, accounts.c.currency).where(accounts.c.id == account_id)
    row = (await conn.execute(known)).one()
    if row.credit_limit == limit:
        return
    if limit is not None and round_money(limit, row.currency) != limit:
        raise CampaignError(f"account.credit_limit: {limit} is finer than {row.currency} can pay")
    # Whoever settles holds its campaign, and reads the limit only then: none of them misses the change.
    ids = list((await conn.execute(select(campaigns.c.id).where(campaigns.c.account_id == account_id))).scalars())
    await lock_campaigns(conn, ids)
    if limit is not None:
        real = select(campaigns.c.id).where(campaigns.c.account_id == account_id, campaigns.c.is_test.is_(False))
        await _cover_live(conn, list((await conn.execute(real)).scalars()), now)
    await conn.execute(known.with_for_update(key_share=True))
    prepaid = None if limit is None else await balance(conn, account_id)
    await conn.execute(update(accounts).where(accounts.c.id == account_id).values(credit_limit=limit, prepaid=prepaid))


async def allows_one_more(conn: AsyncConnection, campaign_id: int, number: str | None = None) -> Short | None:
    """Why budget or balance (`Short.clause`, `Short.told`) allow no call of the campaign to this E.164 number, or to
    the cheapest destination; None when both do. `Short.may_pass` tells that live calls may still free enough.

    Raises `UnknownCampaign`.
    """
    row = await with_limits(conn, campaign_id)
    limits = Funds.of(row)
    if not limits:
        return None
    prices = CallPrices.of(row)
    needed = prices.least if number is None else prices.most(number)
    for funds in limits:
        if needed > funds.left:
            if funds.clause is Clause.BALANCE:
                funds.held = await held_for(conn, row["account_id"])
            return Short(funds, needed)
    return None


async def require_money(conn: AsyncConnection, campaign_id: int) -> None:
    """Raises `CampaignError` when the campaign could not pay for a single further call."""
    short = await allows_one_more(conn, campaign_id)
    if short is None or short.may_pass:
        return
    code = (await conn.execute(select(campaigns.c.code).where(campaigns.c.id == campaign_id))).scalar_one()
    remedy = (
        f"raise it: campana campaign budget {code} AMOUNT"
        if short.clause is Clause.BUDGET
        else "pay in: campana account top-up AMOUNT --key REFERENCE"
    )
    raise CampaignError(f"campaign {code} cannot pay for a call; {short.told}; {remedy}")


async def with_limits(conn: AsyncConnection, campaign_id: int) -> Mapping[str, Any]:
    """The campaign's row with its tariff's `definition` and `currency`, and its account's `credit_limit` and `prepaid`.

    Raises `UnknownCampaign`.
    """
    statement = (
        select(campaigns, tariffs.c.definition, tariffs.c.currency, accounts.c.credit_limit, accounts.c.prepaid)
        .join(tariffs, tariffs.c.id == campaigns.c.tariff_id)
        .join(accounts, accounts.c.id == campaigns.c.account_id)
        .where(campaigns.c.id == campaign_id)
    )
    row = (await conn.execute(statement)).mappings().first()
    if row is None:
        raise UnknownCampaign(f"there is no campaign with the id {campaign_id}")
    return dict(row)


async def _sums(conn: AsyncConnection, campaign_id: int) -> dict[str, Decimal]:
    of_campaign = attempts.c.campaign_id == campaign_id
    parts = (await conn.execute(select(*(func.sum(part) for part in _COST)).where(of_campaign))).one()
    held = (await conn.execute(select(func.sum(attempts.c.reserved)).where(of_campaign, _LIVE))).scalar_one()
    spent = sum((part for part in parts if part is not None), Decimal(0))
    return {"spent": spent, "reserved": held or Decimal(0)}


async def _cover_live(conn: AsyncConnection, campaign_ids: list[int], now: datetime) -> None:
    """Reserve for live attempts that were claimed while there was no limit."""
    bare = (
        select(attempts, campaigns.c.max_call_s, campaigns.c.script_type)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(attempts.c.campaign_id.in_(campaign_ids), _LIVE, attempts.c.reserved.is_(None))
        .order_by(attempts.c.id)
        .with_for_update(key_share=True, of=attempts)
    )
    for row in (await conn.execute(bare)).mappings().all():
        tariff, talk_ms = parse_tariff(row["tariff_snapshot"]), longest_talk_ms(row["max_call_s"])
        amount = most(tariff, row["number"], talk_ms=talk_ms, script_type=row["script_type"])
        common = {"account_id": row["account_id"], "attempt_id": row["id"], "currency": row["currency"]}
        entries = reservation_rows(amount, **common, now=now, rehearsal=row["is_test"])
        await conn.execute(insert(ledger_entries), entries)
        await conn.execute(update(attempts).where(attempts.c.id == row["id"]).values(reserved=amount))
        # Only a limit that holds already follows: the one that is being set is counted afterwards.
        both = or_(campaigns.c.budget.is_not(None), campaigns.c.reserved.is_not(None))
        follow = update(campaigns).where(campaigns.c.id == row["campaign_id"], both)
        await conn.execute(follow.values(reserved=campaigns.c.reserved + amount))
        if not row["is_test"]:
            await move_balance(conn, {row["account_id"]: -amount})
