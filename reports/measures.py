"""The sums that every figure is made of: each stands here once, as SQL over the table attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from reports.scope import Scope, ms, placed
from storage.tables import attempts

_NOUGHT = Decimal(0)


@dataclass(frozen=True)
class Totals:
    """Sums over a set of placed attempts, and the rates that follow from them (VOCABULARY: Report figures).

    `talked` counts the answered calls that have ended: a call in progress has no talk time yet, so averages
    divide by it; once nothing is live it is the same as `answered`.
    """

    total: int = 0
    answered: int = 0
    talked: int = 0
    live: int = 0
    repeated: int = 0
    successful: int = 0
    unsuccessful: int = 0
    error: int = 0
    not_counted: int = 0
    talk_ms: int = 0
    acw_ms: int = 0
    dial_ms: int = 0
    conversations: int = 0
    messages: int = 0
    blocks: int = 0
    transfers: int = 0
    transferred: int = 0
    agent_ms: int = 0
    cost_bot: Decimal = _NOUGHT
    cost_telecom: Decimal = _NOUGHT
    cost_fees: Decimal = _NOUGHT
    cost_vat: Decimal = _NOUGHT
    #: Contained in `cost_telecom`.
    cost_agent: Decimal = _NOUGHT

    @property
    def answer_rate(self) -> float | None:
        return _ratio(self.answered, self.total)

    @property
    def failed_rate(self) -> float | None:
        return _ratio(self.total - self.answered, self.total)

    @property
    def success_rate(self) -> float | None:
        return _ratio(self.successful, self.total)

    @property
    def transfer_rate(self) -> float | None:
        return _ratio(self.transferred, self.transfers)

    @property
    def average_talk_ms(self) -> int | None:
        return _average(self.talk_ms, self.talked)

    @property
    def aht_ms(self) -> int | None:
        return _average(self.talk_ms + self.acw_ms, self.talked)

    @property
    def sessions(self) -> int:
        """Finance's word for blocks."""
        return self.blocks

    @property
    def cost_net(self) -> Decimal:
        """Without VAT."""
        return self.cost_bot + self.cost_telecom + self.cost_fees

    @property
    def cost(self) -> Decimal:
        """What the account is charged: VAT included."""
        return self.cost_net + self.cost_vat


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _average(total: int, count: int) -> int | None:
    """To the nearest millisecond, a half rounded up."""
    return (2 * total + count) // (2 * count) if count else None


def talk_ms(of: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[int]:
    """Milliseconds from answer to end of the attempt with these columns; null while either is missing."""
    return ms(of.ended_at) - ms(of.answered_at)


TALK_MS = talk_ms(attempts.c)
#: Milliseconds from dialling to answer, or to the end of a call that nobody answered; null while it rings.
DIAL_MS = ms(func.coalesce(attempts.c.answered_at, attempts.c.ended_at)) - ms(attempts.c.originated_at)
ANSWERED = attempts.c.answered_at.is_not(None)
TRANSFERRED = attempts.c.transfer_asked_ms.is_not(None)
FINISHED = attempts.c.phase == "ended"


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(attempts.c.id).filter(condition)


def _class(name: str) -> ColumnElement[int]:
    return _count(and_(FINISHED, attempts.c.code_class == name))


_SUMS: dict[str, ColumnElement[Any]] = {
    "total": func.count(attempts.c.id),
    "answered": _count(ANSWERED),
    "talked": _count(and_(ANSWERED, attempts.c.ended_at.is_not(None))),
    "live": _count(~FINISHED),
    "repeated": _count(attempts.c.attempt_no > 1),
    "successful": _class("success"),
    "unsuccessful": _class("unsuccessful"),
    "error": _class("error"),
    "not_counted": _class("not_counted"),
    "talk_ms": func.sum(TALK_MS),
    "acw_ms": func.sum(attempts.c.acw_ms).filter(ANSWERED),
    "dial_ms": func.sum(DIAL_MS),
    "conversations": _count(and_(ANSWERED, attempts.c.spoke.is_(True))),
    "messages": func.sum(attempts.c.messages),
    "blocks": func.sum(attempts.c.blocks),
    "transfers": _count(TRANSFERRED),
    "transferred": _count(and_(TRANSFERRED, attempts.c.transfer_joined_ms.is_not(None))),
    "agent_ms": func.sum(attempts.c.agent_ms),
    "cost_bot": func.sum(attempts.c.cost_bot),
    "cost_telecom": func.sum(attempts.c.cost_telecom),
    "cost_fees": func.sum(attempts.c.cost_fees),
    "cost_vat": func.sum(attempts.c.cost_vat),
    "cost_agent": func.sum(attempts.c.cost_agent),
}


async def totals(conn: AsyncConnection, scope: Scope) -> Totals:
    """The sums over the whole scope."""
    return (await totals_by(conn, scope))[0][1]


async def totals_by(
    conn: AsyncConnection, scope: Scope, *keys: ColumnElement[Any]
) -> list[tuple[tuple[Any, ...], Totals]]:
    """The sums for each combination of values of `keys`, in the order of those values."""
    columns = [column.label(f"key_{place}") for place, column in enumerate(keys)]
    statement = select(*columns, *(expression.label(name) for name, expression in _SUMS.items())).where(*placed(scope))
    if keys:
        statement = statement.group_by(*keys).order_by(*keys)
    rows: Sequence[Any] = (await conn.execute(statement)).all()
    return [(tuple(row[: len(keys)]), _totals(row._mapping)) for row in rows]


def _totals(row: Mapping[str, Any]) -> Totals:
    # PostgreSQL adds bigints to numeric, which arrives as Decimal.
    values: dict[str, Any] = {
        name: Decimal(row[name] or 0) if name.startswith("cost") else int(row[name] or 0) for name in _SUMS
    }
    return Totals(**values)
