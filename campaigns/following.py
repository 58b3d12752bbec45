"""What follows settled attempts besides a further one, within the transaction that settles them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.entering import Entry, enter
from campaigns.followup_rules import numbered
from campaigns.followups import Followed, Situation, follow
from campaigns.loading import Loaded
from campaigns.retargeting import is_due
from campaigns.retries import Outcome
from campaigns.settling import NextContact
from campaigns.states import OPEN, ContactState
from campaigns.trail import Decision, note

#: The contact is out of reach, by its own wish or its number's fault.
_BEYOND = frozenset({ContactState.OPTED_OUT, ContactState.DNC_BLOCKED, ContactState.INVALID})


@dataclass(frozen=True)
class Ended:
    """An attempt that has just been settled, and where the call-back rules send its contact."""

    attempt: Mapping[str, Any]
    after: NextContact
    #: Its contact's calls that count, this one last.
    history: Sequence[Outcome]
    made: int


def situation_of(
    contact: Mapping[str, Any],
    campaign: Mapping[str, Any],
    now: datetime,
    *,
    first_called_at: datetime | None,
    **seen: Any,
) -> Situation:
    """A row of contacts as the rules of its campaign see it; `seen` are its attempts and its last outcome."""
    return Situation(
        now=now,
        entered_at=contact["entered_at"],
        first_called_at=first_called_at,
        priority=contact["priority"],
        language=contact["language"],
        bot_id=contact["bot_id"] or campaign["bot_id"],
        variables=contact["variables"],
        time_zone=contact["time_zone"] or campaign["time_zone"],
        **seen,
    )


def decisions(contact_id: int, followed: Followed) -> list[Decision]:
    """What the trail says of rules that were applied to a contact."""
    return [Decision(contact_id, "followed_up", detail=told) for told in followed.applied]


class Following:
    """One transaction's worth of post-conditions and retargeting."""

    def __init__(self, conn: AsyncConnection, loaded: Loaded, now: datetime) -> None:
        self._conn = conn
        self._loaded = loaded
        self._now = now
        self._decisions: list[Decision] = []
        #: By campaign that they leave.
        self._leaving: dict[int, list[dict[str, Any]]] = defaultdict(list)

    def after(self, ended: Ended) -> tuple[NextContact, dict[str, Any]]:
        """Where the contact goes when all rules have been asked, and what else changes on its row."""
        campaign = self._loaded.campaigns[ended.attempt["campaign_id"]]
        if ended.after.state in _BEYOND or campaign["state"] not in OPEN:
            return ended.after, {}
        if self._leaves(ended, campaign):
            self._leaving[campaign["id"]].append(self._loaded.contacts[ended.attempt["contact_id"]])
            return NextContact(ContactState.EXHAUSTED), {}
        return self._followed(ended, campaign) if campaign["post_conditions"] else (ended.after, {})

    def _leaves(self, ended: Ended, campaign: Mapping[str, Any]) -> bool:
        if campaign["retarget_id"] is None:
            return False
        return is_due(campaign["retarget"]["after_unanswered"], ended.history)

    def _followed(self, ended: Ended, campaign: Mapping[str, Any]) -> tuple[NextContact, dict[str, Any]]:
        contact_id, after = ended.attempt["contact_id"], ended.after
        situation = situation_of(
            self._loaded.contacts[contact_id],
            campaign,
            self._now,
            first_called_at=self._loaded.first_called.get(contact_id) or ended.attempt["originated_at"],
            attempts=ended.made,
            last=ended.history[-1],
        )
        followed = follow(numbered(campaign["post_conditions"]), situation, goes_on=after.next_at is not None)
        self._decisions += decisions(contact_id, followed)
        values = dict(followed.values)
        if followed.end is not None:
            return NextContact(followed.end.state), values | {"detail": followed.end.reason}
        # What was agreed with the customer stands.
        if followed.call_at is not None and after.state is not ContactState.CALLBACK:
            return NextContact(after.state, followed.call_at), values
        return after, values

    async def store(self, by: str) -> dict[int, str]:
        """Let those who leave enter their new campaigns, and add to the trail; for each who leaves its `detail`."""
        details: dict[int, str] = {}
        for campaign_id, leaving in self._leaving.items():
            campaign = self._loaded.campaigns[campaign_id]
            target = self._loaded.targets[campaign["retarget_id"]]
            entries = await enter(self._conn, target, leaving, origin="retarget", now=self._now)
            for contact_id, entry in entries.items():
                details[contact_id] = _told(entry, target)
                told = {"campaign": target["code"], "result": entry.value}
                self._decisions.append(Decision(contact_id, "retargeted", detail=told))
        await note(self._conn, self._decisions, by=by, now=self._now)
        return details


def _told(entry: Entry, target: Mapping[str, Any]) -> str:
    """The `detail` of a contact that leaves its campaign."""
    if entry in {Entry.ADDED, Entry.ALREADY}:
        return f"retargeted to {target['code']}"
    return f"not retargeted to {target['code']}: {entry.value}"
