"""How often one number is called: caps over all campaigns of the account, and the time after an answered call.

What counts is a call that was placed and is held against its contact (`attempts.counted`): it rang, or may have. A
call-back that the customer asked for is made all the same, but for the caps of campaign and lifetime. Rehearsals call
nobody: they count among themselves alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.clauses import Clause
from campaigns.errors import BadCap
from campaigns.states import ContactState
from campaigns.suppression import SERVICE, CampaignRow
from storage.tables import attempts, campaigns

DAY: Final = timedelta(hours=24)
#: What each cap may be, at most.
MOST: Final[Mapping[str, int]] = {
    "per_24h": 1000,
    "per_day": 1000,
    "per_campaign": 1000,
    "lifetime": 10_000,
    "no_call_back_days": 3650,
}


@dataclass(frozen=True)
class Caps:
    """How often one number may be called; None is no cap."""

    #: Within any 24 hours.
    per_24h: int | None = None
    #: Within one calendar day of the contact's time zone, or of the campaign's where the contact has none.
    per_day: int | None = None
    #: By one campaign.
    per_campaign: int | None = None
    #: Ever.
    lifetime: int | None = None
    #: Days of 24 hours after a call that was answered, in whichever campaign.
    no_call_back_days: int | None = None

    def strictest(self, other: Caps) -> Caps:
        """Both at once."""
        mine, others = asdict(self), asdict(other)
        both = {name: [v for v in (mine[name], others[name]) if v is not None] for name in mine}
        longest = {"no_call_back_days"}
        return Caps(
            **{name: (max if name in longest else min)(values) if values else None for name, values in both.items()}
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Caps:
        """The caps of a campaign's row; raises `BadCap` naming field and remedy."""
        for name, value in (data or {}).items():
            if name not in MOST:
                raise BadCap(f"caps.{name}: unknown; known are {', '.join(MOST)}")
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (whole and 1 <= value <= MOST[name]):
                raise BadCap(f"caps.{name}: {value!r}; write a whole number from 1 to {MOST[name]}")
        return cls(**(data or {}))


NO_CAPS: Final = Caps()
assert set(MOST) == {field.name for field in fields(Caps)}


@dataclass(frozen=True)
class PastCall:
    """A call that counts."""

    campaign_id: int
    placed_at: datetime
    answered_at: datetime | None = None
    #: Of its campaign.
    purpose: str | None = None


@dataclass(frozen=True)
class Capped:
    """A cap that is reached, or the time after an answered call."""

    clause: Clause
    #: When it is over; None: never in this campaign.
    until: datetime | None
    text: str


@dataclass(frozen=True)
class Asked:
    """Who is about to be called, and when."""

    now: datetime
    campaign_id: int
    zone: ZoneInfo
    #: Of the campaign.
    purpose: str | None = None
    #: A call-back at a time that the customer asked for.
    agreed: bool = False


async def capped(
    conn: AsyncConnection,
    campaign: CampaignRow,
    rows: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    caps: Caps = NO_CAPS,
    legal_per_24h: Mapping[int, int] | None = None,
) -> dict[int, tuple[Capped, ...]]:
    """What keeps each of the contacts (rows of the campaign) from another call, by id, the longest first.

    `caps` are the account's; the campaign's own are read from its row. `legal_per_24h` has, by contact, the calls
    that the law allows within 24 hours for what the campaign calls for. Without any cap nothing is asked.
    """
    legal = legal_per_24h or {}
    both = caps if campaign["caps"] is None else caps.strictest(Caps.from_json(campaign["caps"]))
    if not rows or (both == NO_CAPS and not legal):
        return {}
    numbers = {row["number"] for row in rows if both != NO_CAPS or row["id"] in legal}
    past = await _past_calls(conn, campaign, numbers, _since(both, now))
    found: dict[int, tuple[Capped, ...]] = {}
    for row in rows:
        asked = Asked(
            now,
            campaign["id"],
            ZoneInfo(row["time_zone"] or campaign["time_zone"]),
            campaign.get("purpose"),
            row["state"] == ContactState.CALLBACK,
        )
        hindered = in_the_way(past.get(row["number"], ()), both, asked, legal_per_24h=legal.get(row["id"]))
        if hindered:
            found[row["id"]] = hindered
    return found


async def of_number(
    conn: AsyncConnection, campaign: CampaignRow, number: str, *, now: datetime, caps: Caps = NO_CAPS
) -> tuple[Capped, ...]:
    """Every cap that keeps a campaign from calling a number now, as if it had just come into its list."""
    row = {"id": 0, "number": number, "time_zone": None, "state": ContactState.PENDING.value}
    return (await capped(conn, campaign, [row], now=now, caps=caps)).get(0, ())


def in_the_way(
    calls: Sequence[PastCall], caps: Caps, asked: Asked, *, legal_per_24h: int | None = None
) -> tuple[Capped, ...]:
    """What keeps a number with these calls behind it from another one; the longest first."""
    found = [_whole(calls, caps.lifetime, "ever"), _of_campaign(calls, caps.per_campaign, asked)]
    if not asked.agreed:
        found += [
            _rolling(calls, caps.per_24h, asked.now),
            _rolling(_of_purpose(calls, asked.purpose), legal_per_24h, asked.now, "by law"),
            _of_day(calls, caps.per_day, asked),
            _after_answer(calls, caps.no_call_back_days, asked.now),
        ]
    return tuple(sorted((one for one in found if one is not None), key=_length))


def _length(one: Capped) -> tuple[bool, float]:
    return (one.until is not None, -one.until.timestamp() if one.until else 0.0)


def _allowed(most: int, within: str) -> str:
    return f"{most} call{'s' if most > 1 else ''} {within} allowed"


def _whole(calls: Sequence[PastCall], most: int | None, within: str) -> Capped | None:
    if most is None or len(calls) < most:
        return None
    return Capped(Clause.FREQUENCY_CAP, None, _allowed(most, within))


def _of_campaign(calls: Sequence[PastCall], most: int | None, asked: Asked) -> Capped | None:
    return _whole([call for call in calls if call.campaign_id == asked.campaign_id], most, "in one campaign")


def _of_purpose(calls: Sequence[PastCall], purpose: str | None) -> Sequence[PastCall]:
    """A campaign that does not say what it calls for counts as advertising."""
    return [call for call in calls if (call.purpose == SERVICE) is (purpose == SERVICE)]


def _rolling(calls: Iterable[PastCall], most: int | None, now: datetime, *by: str) -> Capped | None:
    if most is None:
        return None
    recent = sorted((call.placed_at for call in calls if call.placed_at > now - DAY), reverse=True)
    if len(recent) < most:
        return None
    return Capped(Clause.FREQUENCY_CAP, recent[most - 1] + DAY, " ".join([_allowed(most, "in 24 hours"), *by]))


def _of_day(calls: Iterable[PastCall], most: int | None, asked: Asked) -> Capped | None:
    if most is None:
        return None
    today = asked.now.astimezone(asked.zone).date()
    if sum(call.placed_at.astimezone(asked.zone).date() >= today for call in calls) < most:
        return None
    tomorrow = datetime.combine(today + timedelta(days=1), time(), asked.zone)
    return Capped(Clause.FREQUENCY_CAP, tomorrow.astimezone(asked.now.tzinfo), _allowed(most, "a day"))


def _after_answer(calls: Iterable[PastCall], days: int | None, now: datetime) -> Capped | None:
    answered = [call.answered_at for call in calls if call.answered_at is not None]
    if days is None or not answered:
        return None
    until = max(answered) + days * DAY
    if until <= now:
        return None
    return Capped(Clause.NO_CALL_BACK_PERIOD, until, f"no call within {days} days after an answered one")


def _since(caps: Caps, now: datetime) -> datetime | None:
    """From when on calls matter; None: all of them."""
    if caps.lifetime is not None or caps.per_campaign is not None:
        return None
    # A day more than either: calendar days are up to 25 hours long, and a call is answered after it was placed.
    return now - (1 + (caps.no_call_back_days or 1)) * DAY


async def _past_calls(
    conn: AsyncConnection, campaign: CampaignRow, numbers: Iterable[str], since: datetime | None
) -> dict[str, list[PastCall]]:
    of, call = attempts.c, campaigns.c
    statement = (
        select(of.number, of.campaign_id, of.originated_at, of.answered_at, call.purpose)
        .join(campaigns, call.id == of.campaign_id)
        .where(of.number.in_(sorted(numbers)), of.originated_at.is_not(None), of.counted.is_(True))
        # Reached by number: an account's calls of a month are many, a number's few.
        .where(of.account_id + 0 == campaign["account_id"], of.is_test.is_(campaign["is_test"]))
    )
    if since is not None:
        statement = statement.where(of.originated_at > since)
    found: dict[str, list[PastCall]] = defaultdict(list)
    for number, campaign_id, placed_at, answered_at, purpose in (await conn.execute(statement)).all():
        found[number].append(PastCall(campaign_id, placed_at, answered_at, purpose))
    return found
