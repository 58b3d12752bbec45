"""What is left of a campaign's budget and of its account's balance, and what a call may cost of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Self

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.currency import round_money
from billing.tariff import Tariff, stored_tariff
from billing.worst import floor_of_most, least_of_most, most
from campaigns.clauses import Clause
from campaigns.states import AttemptPhase
from storage.rows import words
from storage.tables import attempts

#: Seconds by which the runner lets a conversation outlast its campaign's maximum before it ends it.
OVERTIME_S: Final = 30.0
# The same, and what hanging up takes.
_BEYOND_S: Final = 40


def longest_talk_ms(max_call_s: int) -> int:
    """The longest talk that a call without a transfer comes to."""
    return (max_call_s + _BEYOND_S) * 1000


def is_limited(row: Mapping[str, Any]) -> bool:
    """Whether calls of a campaign need a reservation: `row` is of the table campaigns, with `credit_limit`."""
    return row["budget"] is not None or is_prepaid(row)


def is_prepaid(row: Mapping[str, Any]) -> bool:
    """Whether the balance of its account limits a campaign; a rehearsal touches no balance."""
    return row["credit_limit"] is not None and not row["is_test"]


@dataclass
class Funds:
    """What is left of a limit, in whole smallest units of the currency."""

    clause: Clause
    currency: str
    #: Neither spent nor reserved.
    left: Decimal
    #: Reserved for live calls: it may become free again.
    held: Decimal = Decimal(0)
    #: The budget, or the credit limit.
    limit: Decimal = Decimal(0)

    @classmethod
    def of_budget(cls, row: Mapping[str, Any]) -> Self:
        """Of a row of the table campaigns with a budget, and its `currency`."""
        left = row["budget"] - row["spent"] - row["reserved"]
        return cls(Clause.BUDGET, row["currency"], left, row["reserved"], row["budget"])

    @classmethod
    def of_balance(cls, row: Mapping[str, Any]) -> Self:
        """Of a row of the table accounts with a credit limit; what is held is not known from it."""
        return cls(Clause.BALANCE, row["currency"], row["prepaid"] + row["credit_limit"], limit=row["credit_limit"])

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> list[Self]:
        """The limits of a campaign: its row with `currency`, and `credit_limit` and `prepaid` of its account."""
        found = [cls.of_budget(row)] if row["budget"] is not None else []
        return [*found, cls.of_balance(row)] if is_prepaid(row) else found

    @property
    def told(self) -> str:
        """What a person is told of it: how much is left, of what."""
        left = f"{round_money(self.left, self.currency)} {self.currency}"
        held = f", {round_money(self.held, self.currency)} reserved for live calls" if self.held else ""
        if self.clause is Clause.BUDGET:
            return f"{left} left of the budget of {round_money(self.limit, self.currency)}{held}"
        credit = f", a credit of {round_money(self.limit, self.currency)} included" if self.limit else ""
        return f"{left} left of the balance{credit}{held}"


@dataclass(frozen=True)
class Short:
    """A call that may cost more than is left."""

    funds: Funds
    needed: Decimal

    @property
    def clause(self) -> Clause:
        return self.funds.clause

    @property
    def may_pass(self) -> bool:
        """Whether enough is left once the live calls have ended, should they cost nothing."""
        return self.needed <= self.funds.left + self.funds.held

    @property
    def told(self) -> str:
        """Why, for a person."""
        needed = round_money(self.needed, self.funds.currency)
        return f"{self.clause.value} used up: the next call may cost {needed}, and there are {self.funds.told}"


@dataclass
class CallPrices:
    """The most that one call of a campaign may cost, by where it goes."""

    tariff: Tariff
    talk_ms: int
    script_type: str
    _known: dict[str | None, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Of a row of the table campaigns with the `definition` of its tariff."""
        tariff = stored_tariff(row["definition"])
        return cls(tariff, longest_talk_ms(row["max_call_s"]), row["script_type"])

    def most(self, number: str) -> Decimal:
        """For one E.164 number."""
        found = self.tariff.telecom.destination(number)
        name = None if found is None else "/".join(found.prefixes)
        if name not in self._known:
            self._known[name] = most(self.tariff, number, talk_ms=self.talk_ms, script_type=self.script_type)
        return self._known[name]

    @property
    def floor(self) -> Decimal:
        """No more than for any number, and quick to tell."""
        return floor_of_most(self.tariff, talk_ms=self.talk_ms, script_type=self.script_type)

    @property
    def least(self) -> Decimal:
        """For the cheapest destination."""
        return least_of_most(self.tariff, talk_ms=self.talk_ms, script_type=self.script_type)


async def held_for(conn: AsyncConnection, account_id: int) -> Decimal:
    """What is reserved for the live calls of an account, rehearsals aside."""
    live = attempts.c.phase != words([AttemptPhase.ENDED])[0]
    total = select(func.sum(attempts.c.reserved)).where(
        live, attempts.c.account_id == account_id, attempts.c.is_test.is_(False)
    )
    return (await conn.execute(total)).scalar_one() or Decimal(0)
