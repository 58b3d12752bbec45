"""Whether contacts that are due may be called now, as far as lists, caps, the law and their own hours go.

Asked in the transaction that claims them, and once more in the one that notes that the network is about to be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import suppression
from campaigns.clauses import Clause
from campaigns.rules import CallingRules
from campaigns.states import ContactState
from campaigns.windows import campaign_schedule, contact_schedule, next_common_opening

# A contact whose own window never meets the campaign's is looked at again the next day.
_LOOK_AGAIN = timedelta(days=1)


@dataclass(frozen=True)
class PutOff:
    """Not now: looked at again at `until`."""

    clause: Clause
    until: datetime
    detail: str | None = None


@dataclass(frozen=True)
class Barred:
    """Never in this campaign: the contact goes to `state`."""

    clause: Clause
    state: ContactState
    detail: str


Hindrance = PutOff | Barred


class Admission:
    """The clauses that are a matter of the contact, judged for many contacts of one campaign at once."""

    def __init__(self, conn: AsyncConnection, now: datetime, rules: CallingRules) -> None:
        self._conn = conn
        self._now = now
        self._rules = rules

    async def hindrances(self, campaign: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[int, Hindrance]:
        """What is in the way of each of these contacts (rows of the table contacts), by id; the first clause found."""
        found: dict[int, Hindrance] = {}
        if not rows:
            return found
        listed = await suppression.listed(self._conn, campaign["account_id"], {row["number"] for row in rows})
        for row in rows:
            if row["number"] in listed:
                found[row["id"]] = Barred(Clause.DO_NOT_CALL, ContactState.DNC_BLOCKED, "do_not_call")
            elif (hindrance := self._own_window(campaign, row)) is not None:
                found[row["id"]] = hindrance
        return found

    def _own_window(self, campaign: Mapping[str, Any], row: Mapping[str, Any]) -> PutOff | None:
        if not (row["time_from"] or row["time_to"]):
            return None
        own, schedule = contact_schedule(row, campaign["time_zone"]), campaign_schedule(campaign)
        opening = next_common_opening(schedule, own, self._now) or self._now + _LOOK_AGAIN
        return PutOff(Clause.OWN_WINDOW, opening) if opening > self._now else None
