"""Which attempts a report speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.errors import NoSuchCampaign
from storage.tables import accounts, attempts, bots, campaigns

#: Kinds of call that figures over all campaigns speak of; a campaign's own figures leave out ad-hoc calls too.
ACCOUNT_CALLS = ("campaign", "ad_hoc")


@dataclass(frozen=True)
class Scope:
    """The attempts placed in the half-open period [from_, to), of one campaign or of all.

    Test and visitor calls stay out unless `include_test` is set; the calls of a rehearsal (a campaign whose own
    is_test is set) belong to that campaign's figures, and to no other.
    """

    campaign_id: int | None = None
    from_: datetime | None = None
    to: datetime | None = None
    include_test: bool = False


def placed(scope: Scope) -> list[ColumnElement[bool]]:
    """Conditions on the table attempts that hold for exactly the attempts of the scope."""
    if scope.campaign_id is None:
        return counted(scope)
    return [attempts.c.campaign_id == scope.campaign_id, *counted(scope)]


def counted(scope: Scope) -> list[ColumnElement[bool]]:
    """The same for attempts that are known to be of the scope's campaign.

    Naming the campaign beside a contact would lead planners to read the whole campaign for each contact.
    """
    conditions: list[ColumnElement[bool]] = [attempts.c.originated_at.is_not(None)]
    if scope.from_ is not None:
        conditions.append(attempts.c.originated_at >= scope.from_)
    if scope.to is not None:
        conditions.append(attempts.c.originated_at < scope.to)
    if not scope.include_test:
        conditions += _no_test(scope)
    return conditions


def _no_test(scope: Scope) -> list[ColumnElement[bool]]:
    if scope.campaign_id is None:
        return [attempts.c.is_test.is_(False), attempts.c.call_type.in_(ACCOUNT_CALLS)]
    rehearsal = select(campaigns.c.is_test).where(campaigns.c.id == scope.campaign_id).scalar_subquery()
    return [or_(attempts.c.is_test.is_(False), rehearsal.is_(True)), attempts.c.call_type == "campaign"]


def ms(instant: ColumnElement[datetime | None]) -> ColumnElement[int]:
    """The stored milliseconds of an instant, so that differences are plain numbers in SQL."""
    return type_coerce(instant, BigInteger)


def plain(number: ColumnElement[Any]) -> ColumnElement[str]:
    """A telephone number as any text, so that it can be compared with a part of one."""
    return type_coerce(number, String)


@dataclass(frozen=True)
class CampaignHead:
    """What stands above a campaign's figures."""

    id: int
    code: str
    name: str
    state: str
    is_test: bool
    bot: str
    currency: str
    #: The account's zone: every time and every day of the report is in it.
    time_zone: str
    report_emails: tuple[str, ...]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: Default action code → the campaign's own string for it.
    codes: dict[str, str]
    #: The script's action codes → what the script says they mean.
    titles: dict[str, str]
    #: Why it paused by itself; None when a person paused it.
    pause_reason: str | None = None


async def campaign_head(conn: AsyncConnection, campaign_id: int) -> CampaignHead:
    """The campaign's head; raises `NoSuchCampaign`."""
    statement = (
        select(campaigns, accounts.c.currency, accounts.c.time_zone.label("account_zone"), bots.c.name.label("bot"))
        .join(accounts, accounts.c.id == campaigns.c.account_id)
        .join(bots, bots.c.id == campaigns.c.bot_id)
        .where(campaigns.c.id == campaign_id)
    )
    row = (await conn.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NoSuchCampaign(f"there is no campaign {campaign_id}; `campana campaign status` lists them")
    same = ("id", "code", "name", "state", "is_test", "bot", "currency", "created_at", "started_at", "finished_at")
    return CampaignHead(
        **{name: row[name] for name in (*same, "pause_reason")},
        time_zone=row["account_zone"],
        report_emails=tuple(row["report_emails"]),
        codes={code: shown for code, shown in row["codes"].items() if isinstance(shown, str)},
        titles={code: own["title"] for code, own in row["codes"].items() if isinstance(own, dict) and "title" in own},
    )
