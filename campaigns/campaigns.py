"""Campaigns as their owners handle them: create, start, pause, resume, stop, and how one stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.closing import Finished, close_finished, lock_campaigns
from campaigns.codes import CodeTable
from campaigns.errors import CampaignError, IllegalMove, UnknownCampaign
from campaigns.followup_rules import parse_follow_ups, resolve_bots
from campaigns.frequency import Caps
from campaigns.hours import check_hours
from campaigns.launching import RequiredVariables, require_variables
from campaigns.limits import BudgetState, begin_budget, require_money, set_budget
from campaigns.neglect import expire_neglected, next_expiry
from campaigns.retargeting import note_target, parse_retarget
from campaigns.retries import parse_rules
from campaigns.routing import Route, trunks_of
from campaigns.states import (
    FINISHED,
    OPEN,
    UNFINISHED,
    WAITING,
    AttemptPhase,
    CampaignState,
    ContactState,
    move_campaign,
)
from campaigns.trunks import find_route
from campaigns.visits import CALL_TYPE as VISIT
from campaigns.webhook_events import tell_moved
from campaigns.windows import campaign_schedule
from storage.clock import Clock
from storage.database import Database
from storage.notify import Topic, tell
from storage.rows import words
from storage.tables import attempts, campaigns, contacts, trunks

log = structlog.get_logger(__name__)

#: Digits that surely fit the database's eight bytes.
_LONGEST_ID = 18


@dataclass(frozen=True)
class NewCampaign:
    """What a campaign is made of; names and units are those of the table campaigns."""

    account_id: int
    code: str
    name: str
    bot_id: int
    tariff_id: int
    trunk: str
    region: str
    time_zone: str
    backup_trunks: Sequence[str] = ()
    overflow: bool = False
    machines: Mapping[str, Any] | None = None
    caller_id: str | None = None
    script_type: str = "conversation"
    is_test: bool = False
    start_at: datetime | None = None
    end_at: datetime | None = None
    windows: Sequence[Sequence[str]] = ()
    weekdays: Sequence[int] = ()
    closed_dates: Sequence[str] = ()
    holidays: str | None = None
    purpose: str | None = None
    contact_time_zone: str | None = None
    concurrency: int = 5
    share: int = 1
    callback_reserve: int = 0
    slow_start: Mapping[str, Any] | None = None
    max_call_s: int = 300
    ring_timeout_s: int = 45
    max_attempts: int = 1
    retry_rules: Sequence[Mapping[str, Any]] = ()
    #: Whether those rules also call again whose call was lost with its node.
    lost_calls: str = "as_rule"
    caps: Mapping[str, int] | None = None
    post_conditions: Sequence[Mapping[str, Any]] = ()
    retarget: Mapping[str, Any] | None = None
    codes: Mapping[str, Any] = field(default_factory=dict)
    report_emails: Sequence[str] = ()
    contact_expires_days: int | None = None
    #: Whether it waits for further contacts when nobody is left, instead of completing.
    stays_open: bool = False
    budget: Decimal | None = None


@dataclass(frozen=True)
class CampaignStatus:
    """How a campaign stands at one instant."""

    campaign_id: int
    code: str
    name: str
    state: CampaignState
    #: Running, but outside every calling window (VOCABULARY: waiting).
    waiting: bool
    #: The next instant inside a window, when it is waiting.
    opens_at: datetime | None
    contacts: Mapping[ContactState, int]
    live_calls: int
    attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    #: Its trunks, in order.
    trunks: Sequence[str] = ()
    #: The one by which its calls go out, while it runs; None while each is paused or on trial: calls wait then.
    trunk: str | None = None
    #: Why its first trunk is paused, while it runs.
    trunk_paused: str | None = None
    #: The same for a person, with what becomes of the calls.
    trunk_told: str | None = None
    #: Why it paused by itself; None when a person paused it.
    pause_reason: str | None = None
    #: The most that its calls may cost, what they have cost, and what is reserved for live ones; None: no budget.
    budget: Decimal | None = None
    spent: Decimal | None = None
    reserved: Decimal | None = None

    @property
    def contacts_left(self) -> int:
        """Contacts that are not through yet."""
        return sum(count for state, count in self.contacts.items() if state in UNFINISHED)


async def create_campaign(conn: AsyncConnection, new: NewCampaign, now: datetime) -> int:
    """`Campaigns.create` within the caller's transaction."""
    row = {name: _plain(value) for name, value in vars(new).items()}
    check_hours(row)
    parse_rules(new.retry_rules)
    CodeTable.from_json(new.codes)
    Caps.from_json(new.caps)
    parse_follow_ups(new.post_conditions)
    parse_retarget(new.retarget, code=new.code, max_attempts=new.max_attempts)
    await _require_trunks(conn, new)
    row |= await begin_budget(conn, new.account_id, new.budget)
    row["post_conditions"] = await resolve_bots(conn, new.account_id, new.post_conditions) or None
    row |= {"state": CampaignState.DRAFT.value, "created_at": now}
    taken = select(campaigns.c.id).where(campaigns.c.account_id == new.account_id, campaigns.c.code == new.code)
    if (await conn.execute(taken)).first() is not None:
        raise CampaignError(f"there is a campaign {new.code} already; choose another code")
    key = (await conn.execute(insert(campaigns).values(**row))).inserted_primary_key
    assert key is not None
    return int(key[0])


async def _require_trunks(conn: AsyncConnection, new: NewCampaign) -> None:
    names = [new.trunk, *new.backup_trunks]
    if len(set(names)) < len(names):
        raise CampaignError(f"trunks: {', '.join(names)}: one is named twice; name each once, in order")
    known = set((await conn.execute(select(trunks.c.name).where(trunks.c.name.in_(names)))).scalars())
    if missing := [name for name in names if name not in known]:
        raise CampaignError(f"trunks: there is no trunk {missing[0]!r}; name one of the settings")


class Campaigns:
    """The campaigns of a database."""

    def __init__(
        self, database: Database, clock: Clock, *, required_variables: RequiredVariables | None = None
    ) -> None:
        """`required_variables` tells what each contact must bring; without it a start does not ask."""
        self._database = database
        self._clock = clock
        self._required_variables = required_variables

    async def create(self, new: NewCampaign) -> int:
        """Store a campaign as a draft; its id. Raises `CampaignError` for what could never run, or a taken code."""
        async with self._database.write() as conn:
            return await create_campaign(conn, new, self._clock.now())

    async def find(self, code: str, *, account_id: int | None = None) -> int:
        """The id of the campaign with this code, or whose id this is; raises `UnknownCampaign`."""
        wanted = campaigns.c.code == code
        if code.isdecimal() and len(code) <= _LONGEST_ID:
            wanted = or_(wanted, campaigns.c.id == int(code))
        statement = select(campaigns.c.id).where(wanted).order_by(campaigns.c.code != code)
        if account_id is not None:
            statement = statement.where(campaigns.c.account_id == account_id)
        async with self._database.read() as conn:
            found = (await conn.execute(statement)).scalars().first()
        if found is None:
            raise UnknownCampaign(f"there is no campaign {code!r}; `campana campaign status` lists them")
        return int(found)

    async def all_ids(self) -> list[int]:
        """The ids of every campaign, newest first."""
        async with self._database.read() as conn:
            return list((await conn.execute(select(campaigns.c.id).order_by(campaigns.c.id.desc()))).scalars())

    async def start(self, campaign_id: int) -> CampaignState:
        """Run the campaign, now or from its start date on; also resumes a paused one. Raises `CampaignError`.

        Refused as `MissingVariables` while contacts wait without something that the script says.
        """
        if self._required_variables is not None:
            names = await self._required_variables(campaign_id)
            async with self._database.read() as conn:
                await require_variables(conn, await self._row(conn, campaign_id, lock=False), names)

        async def work(conn: AsyncConnection) -> CampaignState:
            row = await self._row(conn, campaign_id)
            if row["state"] in {CampaignState.DRAFT, CampaignState.SCHEDULED}:
                await self._require_somebody(conn, row)
                await note_target(conn, row)
            now = self._clock.now()
            if row["end_at"] is not None and row["end_at"] <= now:
                raise CampaignError(f"campaign {row['code']} ended on {row['end_at']:%Y-%m-%d}; set a later end date")
            later = row["start_at"] is not None and row["start_at"] > now and row["state"] == CampaignState.DRAFT
            state = await self._move(conn, row, CampaignState.SCHEDULED if later else CampaignState.RUNNING)
            await require_money(conn, campaign_id)
            return state

        return await self._database.transact(work)

    async def set_budget(self, campaign_id: int, budget: Decimal | None) -> BudgetState:
        """Let its calls cost so much in all, those placed already included; None: no budget. Raises `CampaignError`."""
        return await self._database.transact(lambda conn: set_budget(conn, campaign_id, budget, self._clock.now()))

    async def _require_somebody(self, conn: AsyncConnection, row: Mapping[str, Any]) -> None:
        if row["stays_open"]:
            return
        left = contacts.c.state.in_(words(sorted(UNFINISHED)))
        somebody = select(contacts.c.id).where(contacts.c.campaign_id == row["id"], left).limit(1)
        if (await conn.execute(somebody)).first() is None:
            raise CampaignError(f"campaign {row['code']} has nobody to call; import a contact list first")

    async def pause(self, campaign_id: int) -> CampaignState:
        """Place no further call; live ones go on to their end. Raises `CampaignError`."""

        async def work(conn: AsyncConnection) -> CampaignState:
            return await self._move(conn, await self._row(conn, campaign_id), CampaignState.PAUSED)

        return await self._database.transact(work)

    async def stop(self, campaign_id: int) -> CampaignState:
        """End the campaign for good: waiting contacts are cancelled, live calls go on to their end."""

        async def work(conn: AsyncConnection) -> CampaignState:
            state = await self._move(conn, await self._row(conn, campaign_id), CampaignState.STOPPED)
            await self._end_waiting(conn, campaign_id, ContactState.CANCELLED, "campaign_stopped")
            await close_finished(conn, [campaign_id], self._clock.now())
            return state

        return await self._database.transact(work)

    async def sweep(self) -> list[Finished]:
        """What the calendar does: scheduled campaigns start, those past their end date expire, and so do contacts
        that nobody reached in time."""

        async def work(conn: AsyncConnection) -> list[Finished]:
            now = self._clock.now()
            started = await self._due(conn, [CampaignState.SCHEDULED], campaigns.c.start_at, now)
            for campaign_id in started:
                await self._move(conn, await self._row(conn, campaign_id), CampaignState.RUNNING)
            expired = await self._due(conn, [CampaignState.SCHEDULED, *sorted(OPEN)], campaigns.c.end_at, now)
            for campaign_id in expired:
                await self._move(conn, await self._row(conn, campaign_id), CampaignState.EXPIRED)
                await self._end_waiting(conn, campaign_id, ContactState.EXPIRED, "end_date_reached")
            # Whoever was to be called may all be gone by the start date: no call would then end the campaign.
            return await close_finished(conn, [*started, *expired], now)

        swept = await self._database.transact(work)
        # Both lock campaigns before contacts: in one transaction the second would lock campaigns after them.
        return swept + await self._database.transact(
            lambda conn: expire_neglected(conn, self._clock.now(), by="calendar")
        )

    async def next_date(self) -> datetime | None:
        """The next start or end date, or expiry of a contact, that a sweep will act on."""
        starts = select(func.min(campaigns.c.start_at)).where(campaigns.c.state == CampaignState.SCHEDULED.value)
        ends = select(func.min(campaigns.c.end_at)).where(campaigns.c.state.in_([s.value for s in OPEN]))
        async with self._database.read() as conn:
            dates = [(await conn.execute(statement)).scalar_one() for statement in (starts, ends)]
            dates.append(await next_expiry(conn))
        return min((date for date in dates if date is not None), default=None)

    async def has_finished(self, campaign_id: int) -> bool:
        """Whether the campaign has ended and its last call is settled."""
        async with self._database.read() as conn:
            return (await self._row(conn, campaign_id, lock=False))["finished_at"] is not None

    async def time_zone(self, campaign_id: int) -> str:
        """The IANA zone of the campaign's windows and dates; raises `UnknownCampaign`."""
        async with self._database.read() as conn:
            return str((await self._row(conn, campaign_id, lock=False))["time_zone"])

    async def route(self, campaign_id: int) -> Route:
        """Which of its trunks the campaign's calls go out by now, and why not by those before it."""
        async with self._database.read() as conn:
            return await find_route(conn, await self._row(conn, campaign_id, lock=False))

    async def hold_up(self, campaign_id: int) -> str | None:
        """A line for whoever watches: why it paused by itself, or what a paused trunk makes of its calls."""
        async with self._database.read() as conn:
            row = await self._row(conn, campaign_id, lock=False)
            reason = row["pause_reason"]
            return f"paused: {reason}" if reason else (await find_route(conn, row)).told

    async def status(self, campaign_id: int) -> CampaignStatus:
        """How the campaign stands; raises `UnknownCampaign`."""
        async with self._database.read() as conn:
            row = await self._row(conn, campaign_id, lock=False)
            by_state = select(contacts.c.state, func.count()).where(contacts.c.campaign_id == campaign_id)
            counts = (await conn.execute(by_state.group_by(contacts.c.state))).all()
            placed = select(func.count()).where(
                attempts.c.campaign_id == campaign_id,
                attempts.c.originated_at.is_not(None),
                attempts.c.call_type != VISIT,
            )
            live = select(func.count()).where(
                attempts.c.campaign_id == campaign_id, attempts.c.phase != words([AttemptPhase.ENDED])[0]
            )
            running = row["state"] == CampaignState.RUNNING
            way = await find_route(conn, row) if running else None
            figures = [int((await conn.execute(statement)).scalar_one()) for statement in (placed, live)]
        now = self._clock.now()
        opens_at = campaign_schedule(row).next_opening(now)
        waiting = row["state"] == CampaignState.RUNNING and opens_at != now
        return CampaignStatus(
            campaign_id=campaign_id,
            code=row["code"],
            name=row["name"],
            state=CampaignState(row["state"]),
            waiting=waiting,
            opens_at=opens_at if waiting else None,
            contacts={ContactState(state): count for state, count in counts},
            live_calls=figures[1],
            attempts=figures[0],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            trunks=list(trunks_of(row)),
            trunk=way.used if way else None,
            trunk_paused=way.reason if way else None,
            trunk_told=way.told if way else None,
            **{name: row[name] for name in ("pause_reason", "budget", "spent", "reserved")},
        )

    async def _due(
        self, conn: AsyncConnection, states: Sequence[CampaignState], column: Any, now: datetime
    ) -> list[int]:
        statement = select(campaigns.c.id).where(campaigns.c.state.in_([s.value for s in states]), column <= now)
        await lock_campaigns(conn, list((await conn.execute(statement)).scalars()))
        # Another node may have done the same while we waited for the lock.
        return list((await conn.execute(statement.order_by(campaigns.c.id))).scalars())

    async def _row(self, conn: AsyncConnection, campaign_id: int, *, lock: bool = True) -> dict[str, Any]:
        if lock:
            await lock_campaigns(conn, [campaign_id])
        found = (await conn.execute(select(campaigns).where(campaigns.c.id == campaign_id))).mappings().first()
        if found is None:
            raise UnknownCampaign(f"there is no campaign with the id {campaign_id}")
        return dict(found)

    async def _move(self, conn: AsyncConnection, row: Mapping[str, Any], new: CampaignState) -> CampaignState:
        old = CampaignState(row["state"])
        try:
            move_campaign(old, new)
        except IllegalMove as error:
            ended = "; it has ended: create a new campaign for further calls" if old in FINISHED else ""
            raise IllegalMove(f"campaign {row['code']} cannot go from {old.value} to {new.value}{ended}") from error
        values: dict[str, Any] = {"state": new.value, "pause_reason": None}
        if new is CampaignState.RUNNING:
            values["running_since"] = self._clock.now()
            if row["started_at"] is None:
                values["started_at"] = self._clock.now()
        await conn.execute(
            update(campaigns).where(campaigns.c.id == row["id"], campaigns.c.state == old.value).values(**values)
        )
        await tell(conn, Topic.WORK)
        await tell_moved(conn, row["id"], old, new, self._clock.now())
        log.info("campaign_moved", campaign_id=row["id"], old=old.value, new=new.value)
        return new

    async def _end_waiting(self, conn: AsyncConnection, campaign_id: int, state: ContactState, detail: str) -> None:
        waiting = contacts.c.state.in_([s.value for s in WAITING])
        await conn.execute(
            update(contacts)
            .where(contacts.c.campaign_id == campaign_id, waiting)
            .values(state=state.value, detail=detail, next_at=None)
        )


def _plain(value: Any) -> Any:
    """Tuples and mappings as JSON columns take them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
