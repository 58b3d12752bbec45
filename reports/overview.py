"""The overview report: every figure of one scope, read in one snapshot (VOCABULARY: Report figures)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.currency import NO_CURRENCY
from reports.errors import MixedCurrencies
from reports.latency import Latencies, latencies
from reports.measures import ANSWERED, FINISHED, TALK_MS, Totals, totals
from reports.scope import CampaignHead, Scope, campaign_head, placed
from storage.tables import accounts, attempts, campaigns, contacts
from storage.types import UtcTime

#: Seconds at which one bin of the duration histogram ends and the next begins.
HISTOGRAM_EDGES_S = (5, 15, 30)


@dataclass(frozen=True)
class CodeCount:
    """How many finished attempts ended with one action code."""

    code: str
    code_class: str
    family: str
    calls: int


@dataclass(frozen=True)
class Bin:
    """Answered calls with from_s ≤ talk time < to_s; the last bin is open."""

    from_s: int
    to_s: int | None
    calls: int


@dataclass(frozen=True)
class Contacts:
    """The campaign's contacts, each counted once."""

    total: int = 0
    #: With at least one finished attempt in the scope.
    approached: int = 0
    #: With at least one answered attempt in the scope.
    reached: int = 0
    #: State → how many, the empty states left out.
    states: tuple[tuple[str, int], ...] = ()

    @property
    def not_approached(self) -> int:
        return self.total - self.approached


@dataclass(frozen=True)
class Customers:
    """Telephone numbers, each counted once."""

    total: int = 0
    #: Those of whom no call in the scope was answered.
    not_answering: int = 0


@dataclass(frozen=True)
class Overview:
    """All figures of a scope. `campaign` is None for figures over all campaigns."""

    scope: Scope
    campaign: CampaignHead | None
    currency: str
    time_zone: str
    totals: Totals
    codes: tuple[CodeCount, ...]
    histogram: tuple[Bin, ...]
    contacts: Contacts
    customers: Customers
    latencies: Latencies
    #: The latest instant that any of these attempts tells; None when there are none.
    data_as_of: datetime | None

    @property
    def is_test(self) -> bool:
        return self.campaign is not None and self.campaign.is_test


async def overview(
    conn: AsyncConnection, scope: Scope, *, histogram_edges_s: Sequence[int] = HISTOGRAM_EDGES_S
) -> Overview:
    """Compute every figure of the scope; raises `NoSuchCampaign` or `MixedCurrencies`.

    `conn` should be a `Database.read()` connection: the figures then agree with one another.
    """
    campaign = None if scope.campaign_id is None else await campaign_head(conn, scope.campaign_id)
    return Overview(
        scope=scope,
        campaign=campaign,
        currency=await currency_of(conn, scope),
        time_zone=campaign.time_zone if campaign else await account_zone(conn),
        totals=await totals(conn, scope),
        codes=await code_counts(conn, scope),
        histogram=await _histogram(conn, scope, histogram_edges_s),
        contacts=await _contacts(conn, scope),
        customers=await _customers(conn, scope),
        latencies=await latencies(conn, scope),
        data_as_of=await _as_of(conn, scope),
    )


async def account_zone(conn: AsyncConnection) -> str:
    """The first account's time zone; UTC before there is one."""
    zone = await conn.scalar(select(accounts.c.time_zone).order_by(accounts.c.id).limit(1))
    return zone or "UTC"


async def currency_of(conn: AsyncConnection, scope: Scope) -> str:
    """The one currency of the scope's costs, or the account's while nothing is rated; raises `MixedCurrencies`."""
    found = select(attempts.c.currency).where(*placed(scope), attempts.c.cost_bot.is_not(None)).distinct()
    currencies = (await conn.execute(found.order_by(attempts.c.currency))).scalars().all()
    if len(currencies) > 1:
        raise MixedCurrencies(f"these calls cost {' and '.join(currencies)}; ask for one campaign at a time")
    if currencies:
        return str(currencies[0])
    account = select(accounts.c.currency).order_by(accounts.c.id).limit(1)
    if scope.campaign_id is not None:
        account = account.join(campaigns, campaigns.c.account_id == accounts.c.id)
        account = account.where(campaigns.c.id == scope.campaign_id)
    return str(await conn.scalar(account) or NO_CURRENCY)


async def code_counts(conn: AsyncConnection, scope: Scope) -> tuple[CodeCount, ...]:
    """Finished attempts by action code, the most frequent first."""
    calls = func.count(attempts.c.id)
    keys = (attempts.c.action_code, attempts.c.code_class, attempts.c.code_family)
    statement = (
        select(*keys, calls).where(*placed(scope), FINISHED, attempts.c.action_code.is_not(None)).group_by(*keys)
    )
    rows = (await conn.execute(statement)).all()
    counted = [CodeCount(code, code_class, family or code, n) for code, code_class, family, n in rows]
    return tuple(sorted(counted, key=lambda row: (-row.calls, row.code)))


async def _histogram(conn: AsyncConnection, scope: Scope, edges_s: Sequence[int]) -> tuple[Bin, ...]:
    starts = [0, *edges_s]
    ends: list[int | None] = [*edges_s, None]
    columns = [func.count(attempts.c.id).filter(_between(start, end)) for start, end in zip(starts, ends, strict=True)]
    counts = (await conn.execute(select(*columns).where(*placed(scope)))).one()
    return tuple(Bin(start, end, n) for start, end, n in zip(starts, ends, counts, strict=True))


def _between(start_s: int, end_s: int | None) -> ColumnElement[bool]:
    talk_ms = TALK_MS
    above = talk_ms >= start_s * 1000
    return above if end_s is None else and_(above, talk_ms < end_s * 1000)


async def _contacts(conn: AsyncConnection, scope: Scope) -> Contacts:
    of_scope = _contacts_of(scope)
    states = select(contacts.c.state, func.count()).where(*of_scope).group_by(contacts.c.state)
    by_state = sorted((state, n) for state, n in (await conn.execute(states)).all())
    met = select(
        func.count(attempts.c.contact_id.distinct()).filter(FINISHED),
        func.count(attempts.c.contact_id.distinct()).filter(ANSWERED),
    ).where(*placed(scope))
    approached, reached = (await conn.execute(met)).one()
    return Contacts(sum(n for _, n in by_state), approached, reached, tuple(by_state))


def _contacts_of(scope: Scope) -> list[ColumnElement[bool]]:
    if scope.campaign_id is not None:
        return [contacts.c.campaign_id == scope.campaign_id]
    if scope.include_test:
        return []
    return [contacts.c.campaign_id.in_(select(campaigns.c.id).where(campaigns.c.is_test.is_(False)))]


async def _customers(conn: AsyncConnection, scope: Scope) -> Customers:
    numbers = (
        select(func.max(case((ANSWERED, 1), else_=0)).label("answered"))
        .where(*placed(scope))
        .group_by(attempts.c.number)
        .subquery()
    )
    counts = select(func.count(), func.count().filter(numbers.c.answered == 0)).select_from(numbers)
    total, not_answering = (await conn.execute(counts)).one()
    return Customers(total, not_answering)


async def _as_of(conn: AsyncConnection, scope: Scope) -> datetime | None:
    latest = func.coalesce(
        attempts.c.settled_at,
        attempts.c.ended_at,
        attempts.c.answered_at,
        attempts.c.ringing_at,
        attempts.c.originated_at,
    )
    return await conn.scalar(select(type_coerce(func.max(latest), UtcTime)).where(*placed(scope)))
