"""Why a contact, or a whole campaign, is or is not dialled now: each clause by what the claim itself asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import explain_campaign, explain_contact
from campaigns.admission import Admission, Hindrance, PutOff
from campaigns.clauses import Clause
from campaigns.contact_rows import contact_row, find_contact
from campaigns.due import KINDS, candidates, has_attempts_left, is_due
from campaigns.explain_campaign import Dialling, Standing, standing
from campaigns.explain_trail import Happened, trail
from campaigns.findings import Finding
from campaigns.rules import NO_RULES, CallingRules
from campaigns.states import DIALLABLE, AttemptPhase, ContactState
from storage.rows import words
from storage.tables import attempts, contacts

#: A node's, unless it is told another (campaigns.attempts.Ledger).
AHEAD: Final = timedelta(milliseconds=250)
#: Contacts that are due and looked at one by one, of each class of the order of dialling.
LOOKED_AT: Final = 500
_ORDER: Final = {clause: place for place, clause in enumerate(Clause)}


@dataclass(frozen=True)
class ContactExplained:
    """A contact, every clause in order, and its trail."""

    campaign: str
    contact_id: int
    number: str | None
    external_key: str | None
    state: ContactState
    findings: tuple[Finding, ...]
    trail: tuple[Happened, ...]
    dialling: tuple[Dialling, ...]

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The clauses that say no; empty when the contact may be dialled now."""
        return tuple(finding for finding in self.findings if not finding.ok)


@dataclass(frozen=True)
class Waiting:
    """Contacts that wait for the same thing."""

    #: None for those who may be dialled now.
    clause: Clause | None
    text: str
    contacts: int
    #: When the first of them may be looked at again; None when no passing of time will do.
    opens_at: datetime | None = None

    def as_data(self) -> Mapping[str, Any]:
        """For programs."""
        opens_at = self.opens_at.isoformat() if self.opens_at else None
        clause = self.clause.value if self.clause else None
        return {"clause": clause, "text": self.text, "contacts": self.contacts, "opens_at": opens_at}


@dataclass(frozen=True)
class CampaignExplained:
    """The clauses that hold for all of a campaign's contacts, and what its contacts wait for."""

    campaign: str
    findings: tuple[Finding, ...]
    waiting: tuple[Waiting, ...]
    #: Contacts by state.
    states: Mapping[ContactState, int]
    #: Contacts that are due and were not looked at one by one.
    not_looked_at: int
    dialling: tuple[Dialling, ...]

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The clauses of the campaign itself that say no."""
        return tuple(finding for finding in self.findings if not finding.ok)

    @property
    def callable_now(self) -> int:
        """Contacts that may be dialled as soon as the campaign's own clauses let them; at least so many."""
        return sum(group.contacts for group in self.waiting if group.clause is None)


async def explain_contact_of(
    conn: AsyncConnection,
    campaign_id: int,
    text: str,
    *,
    now: datetime,
    rules: CallingRules = NO_RULES,
    ahead: timedelta = AHEAD,
) -> ContactExplained:
    """Why a contact of the campaign (by id, external key or number) is or is not dialled now.

    Raises `UnknownCampaign`, `UnknownContact`.
    """
    at = await standing(conn, campaign_id, now, ahead)
    contact_id = (await find_contact(conn, campaign_id, text)).id
    row = dict(await contact_row(conn, contact_id))
    admission = Admission(conn, now, rules)
    findings = [
        *explain_campaign.findings(at, row["number"], callback=row["state"] == ContactState.CALLBACK),
        *await explain_contact.findings(conn, admission, at, row),
    ]
    return ContactExplained(
        campaign=at.row["code"],
        contact_id=contact_id,
        number=row["number"],
        external_key=row["external_key"],
        state=ContactState(row["state"]),
        findings=_in_order(findings),
        trail=await trail(conn, contact_id),
        dialling=await explain_campaign.dialling(conn, at),
    )


def _in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.clause]))


async def explain_campaign_of(
    conn: AsyncConnection,
    campaign_id: int,
    *,
    now: datetime,
    rules: CallingRules = NO_RULES,
    ahead: timedelta = AHEAD,
) -> CampaignExplained:
    """Why the campaign is not dialling, or whom it may dial. Raises `UnknownCampaign`."""
    at = await standing(conn, campaign_id, now, ahead)
    counted = select(contacts.c.state, func.count()).where(contacts.c.campaign_id == campaign_id)
    states = (await conn.execute(counted.group_by(contacts.c.state))).all()
    due, not_looked_at = await _due(conn, at, rules)
    return CampaignExplained(
        campaign=at.row["code"],
        findings=_in_order(explain_campaign.findings(at)),
        waiting=(*due, *await _put_off(conn, at)),
        states={ContactState(state): count for state, count in states},
        not_looked_at=not_looked_at,
        dialling=await explain_campaign.dialling(conn, at),
    )


async def _due(conn: AsyncConnection, at: Standing, rules: CallingRules) -> tuple[list[Waiting], int]:
    """Contacts that are due, looked at as the claim does: the first so many of each class, and how many more."""
    kept, more = await _never_candidates(conn, at), await _count_due(conn, at)
    groups: Counter[Clause | None] = Counter()
    until: dict[Clause | None, datetime] = {}
    texts: dict[Clause | None, str] = {None: "may be dialled now"}
    admission = Admission(conn, at.now, rules)
    for kind in KINDS:
        rows = [dict(row) for row in (await conn.execute(candidates(at.row, kind, at.now).limit(LOOKED_AT))).mappings()]
        hindrances = await admission.hindrances(at.row, rows)
        more -= len(rows)
        groups[None] += len(rows) - len(hindrances)
        for hindrance in hindrances.values():
            groups[hindrance.clause] += 1
            texts.setdefault(hindrance.clause, _told(hindrance))
            if isinstance(hindrance, PutOff):
                until[hindrance.clause] = min(until.get(hindrance.clause, hindrance.until), hindrance.until)
    found = [Waiting(clause, texts[clause], count, until.get(clause)) for clause, count in groups.items() if count]
    return [*found, *kept], max(0, more - sum(group.contacts for group in kept))


async def _never_candidates(conn: AsyncConnection, at: Standing) -> list[Waiting]:
    """Who is due and still not asked for: without an attempt left, or in a call elsewhere."""
    none_left = or_(*(and_(kind.where, not_(has_attempts_left(at.row, kind))) for kind in KINDS))
    live = select(attempts.c.number).where(attempts.c.phase != words([AttemptPhase.ENDED])[0])
    found: list[Waiting] = []
    for clause, text, where in (
        (Clause.ATTEMPTS_LEFT, "no attempt left", none_left),
        (Clause.NUMBER_LIVE, "the number is in a call now", and_(not_(none_left), contacts.c.number.in_(live))),
    ):
        count = await _count_due(conn, at, where)
        found += [Waiting(clause, text, count)] if count else []
    return found


def _told(hindrance: Hindrance) -> str:
    return hindrance.detail or _OUTSIDE[hindrance.clause]


_OUTSIDE: Final = {
    Clause.OWN_WINDOW: "outside the contact's own hours",
    Clause.LEGAL_HOURS: "outside the legal hours where the contact is",
}


async def _count_due(conn: AsyncConnection, at: Standing, *where: ColumnElement[bool]) -> int:
    mine = contacts.c.campaign_id == at.row["id"]
    queued = contacts.c.state.in_(words(sorted(DIALLABLE)))
    counted = select(func.count()).where(mine, queued, is_due(at.now), *where)
    return int((await conn.execute(counted)).scalar_one())


async def _put_off(conn: AsyncConnection, at: Standing) -> list[Waiting]:
    """Contacts that are looked at again later, by why."""
    columns = (contacts.c.state, contacts.c.detail)
    statement = (
        select(*columns, func.count(), func.min(contacts.c.next_at))
        .where(contacts.c.campaign_id == at.row["id"], contacts.c.state.in_(words(sorted(DIALLABLE))))
        .where(contacts.c.next_at > at.now)
        .group_by(*columns)
        .order_by(*columns)
    )
    found: list[Waiting] = []
    for state, detail, count, soonest in (await conn.execute(statement)).all():
        name, _, told = (detail or "").partition(": ")
        clause = Clause(name) if name in set(Clause) else Clause.NEXT_AT
        text = _LATER[ContactState(state)] if clause is Clause.NEXT_AT else told or _OUTSIDE.get(clause, "put off")
        found.append(Waiting(clause, text, count, soonest))
    return found


_LATER: Final = {
    ContactState.PENDING: "scheduled for later",
    ContactState.RETRY_WAIT: "waiting for the next attempt",
    ContactState.CALLBACK: "waiting for the time that the customer asked for",
}
