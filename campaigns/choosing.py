"""Whom of the contacts that are due a claim takes: in the order of dialling, past those who may not be called now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.admission import Admission, Barred, set_aside
from campaigns.due import (
    KINDS,
    READY_AT_ONCE,
    Kind,
    candidate_values,
    candidates,
    come_due,
    next_candidates,
    next_times,
)
from campaigns.routing import Line, Offer
from campaigns.shares import Room, Sharer, divide, kept_on_trunk
from campaigns.states import ContactState
from campaigns.windows import Schedule
from storage.tables import contacts

#: Contacts that a claim judges in one look when those first in order turned out not to be callable.
_LOOK_AHEAD = 50
#: Contacts that a claim sets aside; more of them are looked at again at once, in a transaction of its own.
_ASIDE_AT_ONCE = 200


@dataclass
class RunningCampaign:
    """A campaign for which contacts are claimed."""

    row: Mapping[str, Any]
    schedule: Schedule
    #: Calls that it may have more.
    free: int
    #: Of these, those that only agreed call-backs may be.
    kept: int = 0
    #: Channels that it holds, by trunk.
    live: Counter[str] = field(default_factory=Counter)
    #: The trunk by which its calls go out first, of those that are open.
    home: str | None = None
    #: How far its turns have come; `row` has how far they had when the claim began.
    turn: int = 0
    #: The classes of the order of dialling in which contacts stand.
    kinds: Sequence[Kind] = KINDS

    @property
    def id(self) -> int:
        return int(self.row["id"])

    def took(self, contact: Mapping[str, Any], trunk: str) -> None:
        """Count a contact that was claimed."""
        self.free -= 1
        self.live[trunk] += 1
        if _is_callback(contact):
            self.kept = max(0, self.kept - 1)


@dataclass
class Asking:
    """An offer on its way along its lines."""

    campaign: RunningCampaign
    offer: Offer
    place: int = 0
    #: Whether the line was full.
    turned_away: bool = False

    @property
    def line(self) -> Line:
        return self.offer.lines[self.place]

    def moves_on(self) -> bool:
        """Go to the next line; False when there is none, or when nobody was left over."""
        self.place += 1
        return self.turned_away and self.place < len(self.offer.lines)


#: A contact that is due, with its campaign.
Pair = tuple[RunningCampaign, Mapping[str, Any]]


def _is_callback(contact: Mapping[str, Any]) -> bool:
    return bool(contact["state"] == ContactState.CALLBACK)


@dataclass(frozen=True)
class Chosen:
    """Whom a line takes."""

    pairs: Sequence[Pair]
    #: Whether more would be left for another line: for any call, or for those that are no call-backs.
    full: bool


class Choosing:
    """The contacts of one claim's transaction."""

    def __init__(self, conn: AsyncConnection, admission: Admission, *, node: str, now: datetime) -> None:
        self._conn = conn
        self._admission = admission
        self._node = node
        self._now = now
        self._numbers: set[str] = set()
        self._aside = 0
        #: Campaigns of which contacts were taken out for good.
        self.blocked: set[int] = set()
        #: When something may be due that no event will tell of.
        self.wakes: list[datetime] = []
        #: Attempts whose contacts are passed over.
        self._avoided: Collection[str] = ()
        self._running: Sequence[RunningCampaign] = ()
        #: By account that has a limit: calls that it may have more.
        self.accounts: dict[int, int] = {}

    async def make_ready(self, running: Sequence[RunningCampaign]) -> None:
        """Put contacts whose time has come into the order of dialling, and note when the next one's comes."""
        self._running = running
        open_ = {one.id: one for one in running if one.schedule.is_open(self._now)}
        if not open_:
            return
        for campaign_id, queued, promised, *waiting in await self._next_times(open_):
            self.wakes += [at for at in (queued, promised) if at is not None and at > self._now]
            open_[campaign_id].kinds = [kind for kind, some in zip(KINDS, waiting, strict=True) if some]
            if queued is not None and queued <= self._now and open_[campaign_id].free > 0:
                open_[campaign_id].kinds = KINDS
                await self._promote(campaign_id)

    async def _next_times(self, campaign_ids: Collection[int]) -> Sequence[Any]:
        wanted = {"ids": sorted(campaign_ids), "now": self._now}
        found: Sequence[Any] = (await self._conn.execute(next_times(), wanted)).all()
        return found

    async def _promote(self, campaign_id: int) -> None:
        due = come_due(campaign_id, self._now).with_for_update(skip_locked=True)
        ids = list((await self._conn.execute(due)).scalars())
        if ids:
            await self._conn.execute(update(contacts).where(contacts.c.id.in_(ids)).values(next_at=None))
        if len(ids) == READY_AT_ONCE:
            self.wakes.append(self._now)
            return
        ((_, soonest, *_),) = await self._next_times([campaign_id])
        if soonest is not None and soonest > self._now:
            self.wakes.append(soonest)

    async def choose(self, line: Line, asking: Sequence[Asking], room: int) -> Chosen:
        """Up to `room` due contacts for a line.

        For a trial call, if possible, somebody whose last call is none of the trunk's failing ones: where one number's
        calls always fail, the trial would else take it again and again, and the trunk never open.
        """
        if line.on_trial and room:
            self._avoided = line.failed
            chosen, self._avoided = await self._choose(line, asking, room), ()
            if chosen.pairs:
                return chosen
        return await self._choose(line, asking, room)

    async def _choose(self, line: Line, asking: Sequence[Asking], calls: int) -> Chosen:
        """Due contacts, each campaign's part of the line by its share."""
        room = Room(calls, line.free - self._kept_on(line), dict(self.accounts))
        queues: list[list[Pair]] = []
        sharers: list[Sharer] = []
        found: Counter[int] = Counter()
        for campaign, offer in ((one.campaign, one.offer) for one in asking):
            wanted = self._wanted(campaign, room, found[campaign.id])
            if wanted > 0 and campaign.schedule.is_open(self._now):
                queue = await self._due(campaign, offer, wanted, room)
                queues.append([(campaign, contact) for contact in queue])
                sharers.append(_sharer(campaign, line, queue))
                found[campaign.id] += len(queue)
        places = [0] * len(queues)
        pairs: list[Pair] = []
        for which in divide(sharers, room):
            pairs.append(queues[which][places[which]])
            places[which] += 1
        for sharer, mine in zip(sharers, queues, strict=True):
            if mine:
                mine[0][0].turn = max(mine[0][0].turn, sharer.turn)
        # Another line may have room for those for whom there is none here.
        left = (queue[place:] for queue, place in zip(queues, places, strict=True))
        self._numbers -= {contact["number"] for _, contact in chain.from_iterable(left)}
        return Chosen(pairs, full=room.calls <= 0 or room.others <= 0)

    def took(self, campaign: RunningCampaign, contact: Mapping[str, Any], line: Line) -> None:
        """Count a contact that was claimed for a line."""
        campaign.took(contact, line.name)
        if (account_id := campaign.row["account_id"]) in self.accounts:
            self.accounts[account_id] -= 1

    def _wanted(self, campaign: RunningCampaign, room: Room, found: int) -> int:
        of_account = room.accounts.get(int(campaign.row["account_id"]), room.calls)
        return min(room.calls, campaign.free - found, of_account)

    def _kept_on(self, line: Line) -> int:
        mine = (campaign for campaign in self._running if campaign.home == line.name)
        kept = sum(campaign.kept for campaign in mine if campaign.schedule.is_open(self._now))
        return kept_on_trunk(line.row["channels"], kept) if kept else 0

    async def _due(self, campaign: RunningCampaign, offer: Offer, wanted: int, room: Room) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for kind in campaign.kinds:
            most = wanted if kind.by_time else min(wanted, room.others, campaign.free - campaign.kept)
            if len(found) < most:
                found += await self._of_kind(campaign, offer, kind, most - len(found))
        return found

    async def _of_kind(
        self, campaign: RunningCampaign, offer: Offer, kind: Kind, wanted: int
    ) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        look = wanted
        while True:
            rows = await self._candidates(campaign, offer, kind, look)
            aside = await self._set_aside(campaign, rows)
            for row in rows:
                if len(found) < wanted and row["id"] not in aside and self._first_of_number(row):
                    found.append(row)
            if not aside or len(found) >= wanted:
                return found
            if self._aside >= _ASIDE_AT_ONCE:
                # More of them may be in the way.
                self.wakes.append(self._now)
                return found
            look = max(wanted - len(found), _LOOK_AHEAD)

    def _first_of_number(self, row: Mapping[str, Any]) -> bool:
        new = row["number"] not in self._numbers
        self._numbers.add(row["number"])
        return new

    async def _candidates(
        self, campaign: RunningCampaign, offer: Offer, kind: Kind, wanted: int
    ) -> list[Mapping[str, Any]]:
        if offer.only is None and not offer.without and not self._avoided:
            values = candidate_values(campaign.row, kind, self._now) | {"wanted": wanted}
            found = await self._conn.execute(next_candidates(kind), values)
            return [row for row in found.mappings().all() if row["number"] not in self._numbers]
        statement = candidates(campaign.row, kind, self._now, only=offer.only, made_ready=True).limit(wanted)
        if self._avoided:
            last = contacts.c.last_attempt_id
            statement = statement.where(or_(last.is_(None), last.not_in(self._avoided)))
        if offer.without:
            statement = statement.where(contacts.c.id.not_in(sorted(offer.without)))
        rows = await self._conn.execute(statement.with_for_update(skip_locked=True, of=contacts))
        return [row for row in rows.mappings().all() if row["number"] not in self._numbers]

    async def _set_aside(self, campaign: RunningCampaign, rows: Sequence[Mapping[str, Any]]) -> set[int]:
        """Take out contacts that may never be called, and put off those that may not be called yet."""
        found = await self._admission.hindrances(campaign.row, rows)
        for hindrance in found.values():
            if isinstance(hindrance, Barred):
                self.blocked.add(campaign.id)
            else:
                self.wakes.append(hindrance.until)
        await set_aside(self._conn, rows, found, by=self._node, now=self._now)
        self._aside += len(found)
        return set(found)


def _sharer(campaign: RunningCampaign, line: Line, queue: Sequence[Mapping[str, Any]]) -> Sharer:
    callbacks = sum(_is_callback(contact) for contact in queue)
    return Sharer(
        weight=campaign.row["share"],
        live=campaign.live[line.name],
        turn=campaign.turn,
        callbacks=callbacks,
        others=len(queue) - callbacks,
        account_id=campaign.row["account_id"],
        reserved=campaign.kept,
        free=campaign.free,
    )
