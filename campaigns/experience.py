"""How an account's calls went so far: what a forecast is made of. Figures of an estimate, never of a bill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean, quantiles
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import AttemptPhase
from storage.tables import attempts, bots

#: The latest of the account's calls that are looked at.
LATEST: Final = 10_000
#: With fewer calls than this nothing is concluded from them.
ENOUGH: Final = 300
#: Calls in a row that one value of a spread is of.
BATCH: Final = 50
_TALKS: Final = 200
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class Spread:
    """A figure as it may come out: low and high are the 10th and 90th percentile."""

    low: float
    likely: float
    high: float


@dataclass(frozen=True)
class Talk:
    """One answered call, as far as its bill goes."""

    ms: int
    messages: int
    family_code: str


@dataclass(frozen=True)
class Ended:
    """How a call ended, as call-back rules see it."""

    answered: bool
    call_status: str
    code: str


@dataclass(frozen=True)
class Experience:
    """What calls of a kind come to."""

    #: Where it is from, for a person.
    told: str
    #: Share of calls that are answered, 0 to 1.
    answer_rate: Spread
    #: Mean seconds from answer to end.
    talk_s: Spread
    #: Mean seconds until an answer or the end, and of wrap-up after answered calls.
    ring_s: float
    wrap_up_s: float
    #: A sample of answered calls.
    talks: Sequence[Talk]
    #: Calls by how they ended.
    ends: Mapping[Ended, int]


#: Assumed for an account that has called too little.
DEFAULT: Final = Experience(
    told=(
        f"the account has fewer than {ENOUGH} calls to go by, so these are assumed: 25, 40 or 60 % of calls are "
        "answered, the talk lasts 20, 45 or 90 s with a message for every 8 s, an unanswered call rings for 20 s, "
        "wrap-up takes 2 s"
    ),
    answer_rate=Spread(0.25, 0.40, 0.60),
    talk_s=Spread(20, 45, 90),
    ring_s=20,
    wrap_up_s=2,
    talks=(Talk(45_000, 6, "HUP"),),
    ends={Ended(True, "USER_HANGUP", "HUP"): 2, Ended(False, "NOANSWER", "NA"): 3},
)


async def experience(conn: AsyncConnection, campaign: Mapping[str, Any]) -> Experience:
    """Of the campaign's bot where the account has enough of its calls, else of all the account's, else `DEFAULT`."""
    a = attempts.c
    seen = (a.originated_at, a.answered_at, a.ended_at, a.acw_ms, a.messages, a.call_status, a.action_code)
    statement = (
        select(*seen, a.code_family, a.bot_id)
        .where(a.account_id == campaign["account_id"], a.is_test.is_(False), a.call_type == "campaign")
        .where(a.phase == AttemptPhase.ENDED.value, a.originated_at.is_not(None), a.lost.is_(False))
        .order_by(a.originated_at.desc())
        .limit(LATEST)
    )
    rows = [dict(row) for row in (await conn.execute(statement)).mappings()]
    same_name = select(bots.c.name).where(bots.c.id == campaign["bot_id"]).scalar_subquery()
    of_bot = select(bots.c.id, bots.c.name).where(bots.c.account_id == campaign["account_id"], bots.c.name == same_name)
    names = {bot_id: name for bot_id, name in (await conn.execute(of_bot)).all()}  # noqa: C416 - Row is no pair to mypy
    mine = [row for row in rows if row["bot_id"] in names]
    whose = f"of the bot {next(iter(names.values()), '')}"
    for told, calls in ((whose, mine), ("of the account", rows)):
        if len(calls) >= ENOUGH and any(row["answered_at"] for row in calls):
            return _of_calls(told, calls)
    return DEFAULT


def _of_calls(told: str, rows: Sequence[Mapping[str, Any]]) -> Experience:
    answered = [row for row in rows if row["answered_at"] is not None]
    talks = [_talk(row) for row in answered[:: max(1, len(answered) // _TALKS)]]
    ends = Counter(Ended(row["answered_at"] is not None, row["call_status"], row["action_code"]) for row in rows)
    return Experience(
        told=f"as the last {len(rows)} calls {told} went; low and high are the 10th and 90th percentile of batches of "
        f"{BATCH} calls",
        answer_rate=_spread(rows, _share),
        talk_s=_spread(answered, lambda batch: fmean(map(_talk_s, batch))),
        ring_s=fmean(_ring_s(row) for row in rows),
        wrap_up_s=fmean(row["acw_ms"] for row in answered) / 1000,
        talks=talks,
        ends=ends,
    )


def _spread(rows: Sequence[Mapping[str, Any]], figure: Callable[[Sequence[Mapping[str, Any]]], float]) -> Spread:
    likely = figure(rows)
    batches = [figure(rows[at : at + BATCH]) for at in range(0, len(rows) - BATCH + 1, BATCH)]
    if len(batches) < 2:
        return Spread(likely, likely, likely)
    tenths = quantiles(batches, n=10, method="inclusive")
    return Spread(min(tenths[0], likely), likely, max(tenths[-1], likely))


def _share(rows: Sequence[Mapping[str, Any]]) -> float:
    return sum(row["answered_at"] is not None for row in rows) / len(rows)


def _talk_s(row: Mapping[str, Any]) -> float:
    talk: timedelta = row["ended_at"] - row["answered_at"]
    return talk / _SECOND


def _talk(row: Mapping[str, Any]) -> Talk:
    return Talk(round(_talk_s(row) * 1000), row["messages"], row["code_family"] or "HUP")


def _ring_s(row: Mapping[str, Any]) -> float:
    until: datetime = row["answered_at"] or row["ended_at"]
    rang: timedelta = until - row["originated_at"]
    return max(0.0, rang / _SECOND)
