"""What a campaign will come to before it starts: calls, cost, finish, who is skipped, and whether it can be paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Select, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.currency import round_money
from billing.tariff import Tariff, parse_tariff
from campaigns.admission import Admission, Barred
from campaigns.experience import experience
from campaigns.forecasting import HORIZON, Figures, Forecasting, Pace, Workload
from campaigns.funds import CallPrices, Funds, held_for
from campaigns.limits import with_limits
from campaigns.retries import parse_rules
from campaigns.routing import trunks_of
from campaigns.rules import CallingRules
from campaigns.states import DIALLABLE, ContactState
from campaigns.tiers import blocks_of_month
from campaigns.windows import campaign_schedule
from storage.rows import words
from storage.tables import contacts, trunks

#: Contacts that are looked at one by one; of a longer list the first so many stand for the rest.
LOOKED_AT: Final = 20_000
_AT_ONCE: Final = 2_000
_FINISHED: Final = frozenset({ContactState.DONE, ContactState.EXHAUSTED})


@dataclass(frozen=True)
class Verdict:
    """Whether a limit is enough for what the campaign may cost."""

    #: budget or balance
    limit: str
    left: Decimal
    #: enough | perhaps | not_enough
    verdict: str
    text: str


@dataclass(frozen=True)
class Forecast:
    """What a campaign's remaining calls may come to; amounts are of `currency`, VAT included."""

    campaign_id: int
    code: str
    currency: str
    as_of: datetime
    #: Contacts that will be called, as far as can be known.
    contacts: int
    #: Contacts that will not be called, by reason.
    skipped: Mapping[str, int]
    #: Contacts that will be called, but not now, by clause.
    put_off: Mapping[str, int]
    low: Figures
    likely: Figures
    high: Figures
    limits: Sequence[Verdict]
    assumptions: Sequence[str]

    @property
    def line(self) -> str:
        """The forecast in one line."""
        of, finish = self.currency, self.likely.finish_at
        ends = f"finished about {finish:%Y-%m-%d %H:%M} UTC" if finish else "not finished in time"
        money = f"{self.likely.cost} {of} ({self.low.cost} to {self.high.cost})"
        return f"forecast: {self.contacts} contacts, {self.likely.attempts} calls, {money}, {ends}"


async def forecast(
    conn: AsyncConnection, campaign_id: int, *, rules: CallingRules, now: datetime, node_calls: int | None = None
) -> Forecast:
    """Forecast a campaign from its contacts as they are; changes nothing. `node_calls` are the calls at once of the
    nodes that will dial it, where that is known. Raises `UnknownCampaign`.
    """
    row = await with_limits(conn, campaign_id)
    tariff = parse_tariff(row["definition"], source="tariff")
    looked = await _look(conn, row, tariff, rules, now)
    seen = await experience(conn, row)
    month_blocks = await blocks_of_month(conn, row["account_id"], now, is_test=row["is_test"])
    work = Forecasting(
        seen,
        tariff=tariff,
        script_type=row["script_type"],
        max_call_s=row["max_call_s"],
        month_blocks=month_blocks,
        rules=parse_rules(row["retry_rules"]),
        max_attempts=row["max_attempts"],
    )
    pace = await _pace(conn, row, node_calls)
    load = Workload(looked.by_made, looked.numbers, pace, campaign_schedule(row), now)
    low, likely, high = (work.figures(one, load) for one in work.cases)
    low, high = _in_order(low, likely, high)
    return Forecast(
        campaign_id=campaign_id,
        code=row["code"],
        currency=row["currency"],
        as_of=now,
        contacts=sum(looked.by_made.values()),
        skipped=looked.skipped,
        put_off=looked.put_off,
        low=low,
        likely=likely,
        high=high,
        limits=await _verdicts(conn, row, low, likely, high),
        assumptions=[seen.told, *_assumed(row, pace, looked, month_blocks)],
    )


@dataclass(frozen=True)
class _Looked:
    """The contacts of a campaign as a forecast counts them."""

    #: To be called, by attempts made already.
    by_made: Mapping[int, int]
    skipped: Mapping[str, int]
    put_off: Mapping[str, int]
    #: One number for each price on the line, by how many share it.
    numbers: Mapping[str, int]
    looked_at: int
    waiting: int


async def _look(
    conn: AsyncConnection, row: Mapping[str, Any], tariff: Tariff, rules: CallingRules, now: datetime
) -> _Looked:
    skipped = await _skipped(conn, row["id"])
    waiting = contacts.c.state.in_(words(sorted(DIALLABLE)))
    of_campaign = [contacts.c.campaign_id == row["id"], waiting]
    made = select(contacts.c.attempts, func.count()).where(*of_campaign).group_by(contacts.c.attempts)
    by_made = {int(tries): int(n) for tries, n in (await conn.execute(made)).all()}
    total = sum(by_made.values())
    hindered: Counter[tuple[bool, str]] = Counter()
    prices: Counter[str] = Counter()
    shown: dict[str, str] = {}
    looked_at = 0
    admission = Admission(conn, now, rules)
    async for batch in _batches(conn, select(contacts).where(*of_campaign).order_by(contacts.c.id)):
        found = await admission.hindrances(row, batch)
        hindered.update((isinstance(one, Barred), one.clause.value) for one in found.values())
        for contact in batch:
            if not isinstance(found.get(contact["id"]), Barred) and contact["number"]:
                destination = tariff.telecom.destination(contact["number"])
                name = "" if destination is None else destination.name
                prices[name] += 1
                shown.setdefault(name, contact["number"])
        looked_at += len(batch)
    scale = total / looked_at if looked_at else 1.0
    barred = {clause: round(n * scale) for (is_barred, clause), n in hindered.items() if is_barred}
    return _Looked(
        by_made=_less(by_made, sum(barred.values())),
        skipped=dict(Counter(skipped) + Counter(barred)),
        put_off={clause: round(n * scale) for (is_barred, clause), n in hindered.items() if not is_barred},
        numbers={shown[name]: n for name, n in prices.items()},
        looked_at=looked_at,
        waiting=total,
    )


async def _skipped(conn: AsyncConnection, campaign_id: int) -> dict[str, int]:
    state, detail = contacts.c.state, contacts.c.detail
    reason = case((detail.like("missing_variable:%"), "missing_variable"), else_=state).label("reason")
    counted = select(reason, func.count()).where(contacts.c.campaign_id == campaign_id).group_by(reason)
    to_be_called = {*(one.value for one in DIALLABLE), ContactState.IN_PROGRESS.value, *(s.value for s in _FINISHED)}
    return {str(why): int(n) for why, n in (await conn.execute(counted)).all() if why not in to_be_called}


async def _batches(conn: AsyncConnection, statement: Select[Any]) -> AsyncIterator[list[dict[str, Any]]]:
    last = 0
    for _ in range(LOOKED_AT // _AT_ONCE):
        found = await conn.execute(statement.where(contacts.c.id > last).limit(_AT_ONCE))
        rows = [dict(row) for row in found.mappings()]
        if rows:
            yield rows
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1]["id"]


def _less(by_made: Mapping[int, int], barred: int) -> dict[int, int]:
    """Without so many of them, those with the fewest attempts first."""
    left: dict[int, int] = {}
    for made, count in sorted(by_made.items()):
        taken = min(count, barred)
        barred -= taken
        if count > taken:
            left[made] = count - taken
    return left


async def _pace(conn: AsyncConnection, row: Mapping[str, Any], node_calls: int | None) -> Pace:
    names = trunks_of(row) if row["overflow"] else [row["trunk"]]
    limits = select(func.sum(trunks.c.channels), func.sum(trunks.c.cps)).where(trunks.c.name.in_(names))
    channels, cps = (await conn.execute(limits)).one()
    bounds = {"the campaign's concurrency": row["concurrency"], f"the channels of {' and '.join(names)}": int(channels)}
    if node_calls is not None:
        bounds["the calls at once of this node"] = node_calls
    bound_by = min(bounds, key=lambda name: bounds[name])
    return Pace(bounds[bound_by], bound_by, float(cps))


def _in_order(low: Figures, likely: Figures, high: Figures) -> tuple[Figures, Figures]:
    """Low and high of each figure by itself: more answers may mean fewer calls."""
    cases = (low, likely, high)
    never = any(one.finish_at is None for one in cases)
    ends = [one.finish_at for one in cases if one.finish_at is not None]
    picked = []
    for pick, finish in ((min, min(ends, default=None)), (max, None if never else max(ends))):
        figures = {
            name: pick(getattr(one, name) for one in cases) for name in ("attempts", "answers", "talk_s", "made")
        }
        picked.append(Figures(**figures, cost=pick(one.cost for one in cases), finish_at=finish))
    return picked[0], picked[1]


async def _verdicts(
    conn: AsyncConnection, row: Mapping[str, Any], low: Figures, likely: Figures, high: Figures
) -> list[Verdict]:
    found = []
    for funds in Funds.of(row):
        held = await held_for(conn, row["account_id"]) if funds.clause == "balance" else funds.held
        left = round_money(funds.left + held, row["currency"])
        reserve = round_money(CallPrices.of(row).least, row["currency"])
        if high.cost + reserve <= left:
            verdict, text = "enough", f"enough: {left} left, at most {high.cost} is needed"
        elif low.cost + reserve <= left:
            verdict, text = "perhaps", f"perhaps not enough: {left} left, likely {likely.cost} is needed"
        else:
            verdict, text = "not_enough", f"not enough: {left} left, at least {low.cost} is needed"
        text += f" and {reserve} is reserved for each call while it is on"
        found.append(Verdict(funds.clause.value, left, verdict, f"{funds.clause.value}: {text}"))
    return found


def _assumed(row: Mapping[str, Any], pace: Pace, looked: _Looked, month_blocks: int) -> list[str]:
    told = [
        "whoever is called again answers as likely as the first time, and is called at most "
        f"{row['max_attempts']} times, as the campaign's call-back rules say",
        f"{pace.at_once} calls at once ({pace.bound_by}) and {pace.cps:g} new calls a second, none of them taken by "
        "other campaigns",
        "calls are placed in the campaign's windows; contacts' own windows and legal hours only put off those named",
        f"prices of tiers begin at the {month_blocks} blocks that the account has used this month",
        "agents' legs of transferred calls are not counted",
    ]
    if looked.looked_at < looked.waiting:
        told.append(f"the first {looked.looked_at} of {looked.waiting} contacts stand for the rest")
    if row["end_at"] is None:
        told.append(f"the finish is looked for within {HORIZON.days} days")
    return told
