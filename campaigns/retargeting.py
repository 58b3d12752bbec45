"""Retargeting: after so many unanswered attempts a contact goes on in another campaign (REQUIREMENTS D6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.entering import TAKING
from campaigns.errors import BadFollowUp
from campaigns.retries import Outcome
from campaigns.states import CampaignState
from storage.tables import campaigns
from telephony.outcomes import CallStatus

#: Nobody took the call; what we broke off ourselves and what is no number tells nothing of the customer.
UNANSWERED = frozenset(
    {
        CallStatus.BUSY,
        CallStatus.NOANSWER,
        CallStatus.REJECTED,
        CallStatus.OUT_OF_SERVICE,
        CallStatus.CONGESTION,
        CallStatus.CHANUNAVAIL,
    }
)


@dataclass(frozen=True)
class Retarget:
    """After `after_unanswered` attempts that nobody took, a contact enters the campaign with this code."""

    after_unanswered: int
    campaign: str


def parse_retarget(data: Any, *, code: str, max_attempts: int) -> Retarget | None:
    """`{"after_unanswered": 3, "campaign": "CODE"}` of the campaign `code`; raises `BadFollowUp` with the remedy."""
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise BadFollowUp("retarget: write {after_unanswered: 3, campaign: CODE}")
    for name in data:
        if name not in {"after_unanswered", "campaign"}:
            raise BadFollowUp(f"retarget.{name}: unknown field; known are after_unanswered, campaign")
    after, target = data.get("after_unanswered"), data.get("campaign")
    if isinstance(after, bool) or not isinstance(after, int) or after < 1:
        raise BadFollowUp(f"retarget.after_unanswered: {after!r} must be a whole number, 1 or more")
    if after > max_attempts:
        raise BadFollowUp(
            f"retarget.after_unanswered: {after}, but no contact is called more than max_attempts: {max_attempts} "
            "times; lower the one or raise the other"
        )
    if not isinstance(target, str) or not target:
        raise BadFollowUp("retarget.campaign: write the code of the campaign in which contacts go on")
    if target == code:
        raise BadFollowUp(f"retarget.campaign: {code} is this campaign itself; name another one")
    return Retarget(after, target)


def is_due(after_unanswered: int, history: Sequence[Outcome]) -> bool:
    """Whether a contact leaves after the last of its calls that count (oldest first)."""
    unanswered = [outcome.call_status in UNANSWERED for outcome in history]
    return unanswered[-1] and sum(unanswered) >= after_unanswered


async def note_target(conn: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Note on the campaign `row`, about to start, the id of the one that it sends its contacts on to.

    Raises `BadFollowUp` when there is no such campaign, or it takes no contacts.
    """
    if row["retarget"] is None:
        return
    code = row["retarget"]["campaign"]
    of_code = select(campaigns.c.id, campaigns.c.state, campaigns.c.is_test).where(
        campaigns.c.account_id == row["account_id"], campaigns.c.code == code
    )
    found = (await conn.execute(of_code)).first()
    if found is None:
        raise BadFollowUp(
            f"campaign {row['code']}: retarget.campaign: there is no campaign {code}; create it first (a draft does)"
        )
    if CampaignState(found.state) not in TAKING:
        raise BadFollowUp(
            f"campaign {row['code']}: retarget.campaign: {code} is {found.state} and takes no contacts; name another"
        )
    if found.is_test is not row["is_test"]:
        raise BadFollowUp(
            f"campaign {row['code']}: retarget.campaign: one of {row['code']} and {code} is a rehearsal and the other "
            "is not; a rehearsal's contacts are never really called"
        )
    await conn.execute(update(campaigns).where(campaigns.c.id == row["id"]).values(retarget_id=found.id))
