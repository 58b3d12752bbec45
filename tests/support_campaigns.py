"""A small house to test campaigns in: an account, a bot, a tariff, a trunk, a campaign and its contacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.outcome import ConversationResult, EndedBy
from campaigns.attempts import Ledger
from campaigns.campaigns import Campaigns, NewCampaign
from campaigns.claiming import Claim
from campaigns.settling import Settlement
from campaigns.states import AttemptPhase
from storage.clock import ManualClock
from storage.database import Database
from storage.tables import accounts, attempts, bots, contacts, outbox, tariffs, trunks
from telephony.call import CallEnd, NotAnswered
from telephony.outcomes import DialStatus, HangupBy

#: A Monday, 16:00 in Vietnam.
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TARIFF: Mapping[str, Any] = {
    "currency": "USD",
    "valid_from": "2026-01-01T00:00:00+00:00",
    "block_s": 6,
    "block_price": {"conversation": [{"from_blocks": 0, "price": "0.01"}]},
}


def number(place: int) -> str:
    """A number that nobody has (E.164 reserves +999)."""
    return f"+99900{place:06d}"


@dataclass
class House:
    """What the tests of campaigns share."""

    database: Database
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    account_id: int = 0
    bot_id: int = 0
    tariff_id: int = 0
    made: int = 0

    def ledger(self, node: str = "node-a", **options: Any) -> Ledger:
        return Ledger(self.database, self.clock, node=node, **{"ahead_ms": 1} | options)

    @property
    def campaigns(self) -> Campaigns:
        return Campaigns(self.database, self.clock)

    async def build(
        self, *, channels: int = 100, cps: float = 1_000_000.0, tariff: Mapping[str, Any] = TARIFF
    ) -> House:
        async with self.database.write() as conn:
            self.account_id = await _insert(
                conn, accounts, name="Acme", currency="USD", time_zone="Asia/Ho_Chi_Minh", region="VN", created_at=NOW
            )
            self.bot_id = await _insert(
                conn,
                bots,
                account_id=self.account_id,
                name="Lan",
                version=1,
                language="en",
                voice="joe",
                speed=1.0,
                script="start: end",
                created_at=NOW,
            )
            self.tariff_id = await _insert(
                conn,
                tariffs,
                account_id=self.account_id,
                name="Plain",
                currency="USD",
                definition=dict(tariff),
                valid_from=NOW,
            )
        await self.trunk("line", channels=channels, cps=cps)
        return self

    async def trunk(self, name: str, *, channels: int = 100, cps: float = 1_000_000.0) -> None:
        async with self.database.write() as conn:
            await conn.execute(insert(trunks).values(name=name, channels=channels, cps=cps, next_call_us=0))

    async def campaign(self, *, people: int = 0, start: bool = True, **changes: Any) -> int:
        """A campaign with so many contacts, running unless told otherwise."""
        self.made += 1
        fields: dict[str, Any] = {
            "account_id": self.account_id,
            "code": f"C{self.made}",
            "name": f"Campaign {self.made}",
            "bot_id": self.bot_id,
            "tariff_id": self.tariff_id,
            "trunk": "line",
            "region": "VN",
            "time_zone": "Asia/Ho_Chi_Minh",
            "concurrency": 100,
        }
        campaign_id = await self.campaigns.create(NewCampaign(**fields | changes))
        for place in range(people):
            await self.contact(campaign_id, number(1000 * self.made + place))
        if start and people:
            await self.campaigns.start(campaign_id)
        return campaign_id

    async def contact(self, campaign_id: int, phone: str, **changes: Any) -> int:
        fields = {"line": 1, "phone": phone, "number": phone, "variables": {}, "state": "pending"}
        async with self.database.write() as conn:
            return await _insert(conn, contacts, campaign_id=campaign_id, **fields | changes)

    async def row(self, table: Any, key: Any) -> dict[str, Any]:
        async with self.database.read() as conn:
            return dict((await conn.execute(select(table).where(table.c.id == key))).mappings().one())

    async def rows_of_trunk(self, name: str) -> dict[str, Any]:
        async with self.database.read() as conn:
            return dict((await conn.execute(select(trunks).where(trunks.c.name == name))).mappings().one())

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        async with self.database.read() as conn:
            return [dict(row) for row in (await conn.execute(select(table).order_by(*table.primary_key))).mappings()]

    async def contact_states(self, campaign_id: int) -> dict[str, int]:
        counted = select(contacts.c.state, func.count()).where(contacts.c.campaign_id == campaign_id)
        async with self.database.read() as conn:
            return dict((await conn.execute(counted.group_by(contacts.c.state))).all())

    async def live(self) -> int:
        counted = select(func.count()).select_from(attempts).where(attempts.c.phase != "ended")
        async with self.database.read() as conn:
            return int((await conn.execute(counted)).scalar_one())

    async def reports(self) -> list[str]:
        """Keys of the reports in the outbox."""
        return [row["key"] for row in await self.rows(outbox)]

    async def talk(self, ledger: Ledger, claim: Claim, *, seconds: float = 12.0, **result: Any) -> None:
        """Dial, answer, talk and settle."""
        await self.answer(ledger, claim)
        self.clock.advance(seconds=seconds)
        await ledger.settle(claim.attempt_id, claim.fence, self.talked(**result))

    async def answer(self, ledger: Ledger, claim: Claim) -> None:
        await ledger.begin(claim.attempt_id, claim.fence)
        await ledger.advance(claim.attempt_id, claim.fence, AttemptPhase.ANSWERED, self.clock.now())

    def talked(self, **result: Any) -> Settlement:
        fields = {"ended_by": EndedBy.BOT, "messages": 2, "customer_spoke": True}
        return Settlement(end=CallEnd(HangupBy.BOT, self.clock.now()), result=ConversationResult(**fields | result))

    async def miss(self, ledger: Ledger, claim: Claim, status: DialStatus = DialStatus.BUSY) -> None:
        """Dial in vain and settle."""
        await ledger.begin(claim.attempt_id, claim.fence)
        await ledger.settle(claim.attempt_id, claim.fence, self.missed(status))

    def missed(self, status: DialStatus = DialStatus.BUSY) -> Settlement:
        return Settlement(dial=NotAnswered(status, self.clock.now(), rang=True, sip_code=486))


async def _insert(conn: AsyncConnection, table: Any, **values: Any) -> int:
    key = (await conn.execute(insert(table).values(**values))).inserted_primary_key
    assert key is not None
    return int(key[0])


MINUTE = timedelta(minutes=1)
NOUGHT = Decimal(0)
