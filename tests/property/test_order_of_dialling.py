"""Whoever waits, claims take them in VOCABULARY's order: compared with a plain sort of the same contacts."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from campaigns.settling import CALLBACK_EXTRA
from storage.database import open_database
from storage.tables import contacts
from tests.support_campaigns import NOW, House, number

_MAX = 3
#: 16:00 in Vietnam lies in the first two, and not in the third.
_HOURS = [("15:00", "17:00"), ("16:00", "09:00"), ("17:00", "18:00")]


def _contact(state: str, attempts: int, priority: int, hours: Any, due_min: int | None) -> dict[str, Any]:
    time_from, time_to = hours or (None, None)
    # A call-back always has its time.
    due_min = 0 if due_min is None and state == "callback" else due_min
    return {
        "state": state,
        "attempts": attempts,
        "priority": priority,
        "time_from": time_from,
        "time_to": time_to,
        "next_at": None if due_min is None else NOW + timedelta(minutes=due_min),
    }


# Few values, so that most contacts are equal in all but one of the things that the order is made of.
_CONTACTS = st.lists(
    st.builds(
        _contact,
        st.sampled_from(["pending", "pending", "pending", "retry_wait", "callback", "callback", "callback", "held"]),
        st.sampled_from([0, 0, 0, 1, _MAX, _MAX + CALLBACK_EXTRA]),
        st.integers(0, 1),
        st.sampled_from([None, None, None, *_HOURS]),
        st.sampled_from([None, None, -2, -1, 1]),
    ),
    min_size=8,
    max_size=20,
)


def _may_be_called(row: dict[str, Any]) -> bool:
    allowed = _MAX + (CALLBACK_EXTRA if row["state"] == "callback" else 0)
    due = row["next_at"] is None or row["next_at"] <= NOW
    open_now = (row["time_from"], row["time_to"]) != _HOURS[2]
    return row["state"] in {"pending", "retry_wait", "callback"} and row["attempts"] < allowed and due and open_now


def _place(row: dict[str, Any]) -> tuple[int, datetime, int, int, int]:
    if row["state"] == "callback":
        return 0, row["next_at"], 0, 0, row["id"]
    return (1 if row["time_from"] else 2), NOW, row["attempts"], -row["priority"], row["id"]


async def _play(people: list[dict[str, Any]], at_once: list[int], url: str) -> None:
    async with open_database(url) as database:
        house = await House(database).build()
        campaign_id = await house.campaign(max_attempts=_MAX)
        later = _contact("pending", 0, 0, None, 9000)
        written = [
            {"campaign_id": campaign_id, "line": 1, "phone": "", "number": number(place), "variables": {}, **fields}
            for place, fields in enumerate([later, *people])
        ]
        async with database.write() as conn:
            await conn.execute(insert(contacts), written)
        await house.campaigns.start(campaign_id)
        rows = [row for row in await house.rows(contacts) if _may_be_called(row)]
        ledger, claimed = house.ledger(), []
        for limit in [*at_once, len(people)]:
            claimed += [claim.contact_id for claim in (await ledger.claim(["line"], limit)).claims]
        assert claimed == [row["id"] for row in sorted(rows, key=_place)]


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(people=[_contact("callback", 0, 0, None, due) for due in (-1, -2, 0)], at_once=[1])
@given(people=_CONTACTS, at_once=st.lists(st.integers(1, 4), max_size=3))
def test_claims_take_contacts_in_the_order_of_a_plain_sort(
    people: list[dict[str, Any]], at_once: list[int], sqlite_template: Path
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = shutil.copy(sqlite_template, Path(folder) / "order.db")
        asyncio.run(_play(people, at_once, f"sqlite:///{path}"))
