"""Response times of the bot as percentiles, from the attempts and turns of a scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.scope import Scope, placed
from storage.tables import attempts, turns

_PERCENTS = (50, 95)


@dataclass(frozen=True)
class Percentiles:
    """Nearest-rank percentiles in ms: each is a value that was measured; None when nothing was."""

    count: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None


@dataclass(frozen=True)
class Latencies:
    """How fast the bot was."""

    #: Answer to the first sample of the greeting, one value a call.
    answer_to_first_word: Percentiles = Percentiles()
    #: End of the customer's speech to the first sample of the reply, one value a bot turn.
    voice_to_voice: Percentiles = Percentiles()
    #: Start of the customer's speech to the bot's last sample, one value an interrupted bot turn.
    barge_in_stop: Percentiles = Percentiles()


async def latencies(conn: AsyncConnection, scope: Scope) -> Latencies:
    """The three response times of the scope's calls."""
    return Latencies(
        answer_to_first_word=await _percentiles(conn, scope, attempts.c.answer_to_first_word_ms),
        voice_to_voice=await _percentiles(conn, scope, turns.c.voice_to_voice_ms),
        barge_in_stop=await _percentiles(conn, scope, turns.c.barge_in_stop_ms),
    )


async def _percentiles(conn: AsyncConnection, scope: Scope, value: ColumnElement[Any]) -> Percentiles:
    source = attempts if value.table is attempts else attempts.join(turns, turns.c.attempt_id == attempts.c.id)
    ranked = (
        select(
            value.label("value"),
            func.row_number().over(order_by=value).label("place"),
            func.count().over().label("count"),
        )
        .select_from(source)
        .where(*placed(scope), value.is_not(None))
        .subquery()
    )
    # The nearest rank of the p-th percentile of n values is ⌈p·n/100⌉, in whole numbers.
    columns = [
        func.max(case((ranked.c.place == (ranked.c.count * percent + 99) // 100, ranked.c.value)))
        for percent in _PERCENTS
    ]
    row = (await conn.execute(select(func.max(ranked.c.count), *columns))).one()
    return Percentiles(row[0] or 0, row[1], row[2])
