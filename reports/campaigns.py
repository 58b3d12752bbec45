"""The list of campaigns, each with the few figures that tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.measures import Totals, totals
from reports.paging import Page, Paging, order, page_of
from reports.scope import Scope
from reports.wording import OPEN_CONTACT_STATES
from storage.tables import accounts, bots, campaigns, contacts


@dataclass(frozen=True)
class _Listed:
    id: int
    code: str
    name: str
    state: str
    is_test: bool
    bot: str
    currency: str
    time_zone: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    contacts: int
    settled: int


@dataclass(frozen=True)
class CampaignLine:
    """One campaign of the list."""

    campaign: _Listed
    totals: Totals

    @property
    def progress(self) -> float:
        """The share of contacts that need no further call, 0 to 1."""
        return self.campaign.settled / self.campaign.contacts if self.campaign.contacts else 0.0


async def campaign_list(conn: AsyncConnection, paging: Paging, *, state: str | None = None) -> Page[CampaignLine]:
    """One page of campaigns, sorted by `id`; raises `BadFilter`."""
    c = campaigns.c
    of_campaign = select(func.count()).where(contacts.c.campaign_id == c.id).correlate(campaigns)
    settled = of_campaign.where(contacts.c.state.not_in(sorted(OPEN_CONTACT_STATES)))
    statement = (
        select(
            *(c.id, c.code, c.name, c.state, c.is_test, c.created_at, c.started_at, c.finished_at),
            bots.c.name.label("bot"),
            accounts.c.currency,
            accounts.c.time_zone,
            of_campaign.scalar_subquery().label("contacts"),
            settled.scalar_subquery().label("settled"),
        )
        .join(bots, bots.c.id == c.bot_id)
        .join(accounts, accounts.c.id == c.account_id)
    )
    if state:
        statement = statement.where(c.state == state)
    rows = (await conn.execute(order(statement, paging, {"id": c.id}, c.id))).mappings().all()
    page = page_of(rows, paging, _Listed)
    lines = [CampaignLine(row, await totals(conn, Scope(row.id))) for row in page.rows]
    return Page(tuple(lines), page.next)
