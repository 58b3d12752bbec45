"""Contacts of campaigns: list, add, change, hold, release, delete, and why one is not called."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from campaigns.contacts import Added, Contacts, Visit
from campaigns.contacts import Contact as StoredContact
from campaigns.errors import BadContact, BadVisit, CampaignError, ContactTaken
from campaigns.explain import ContactExplained, explain_campaign_of, explain_contact_of
from campaigns.states import ContactState
from reports.collected import collected_of
from reports.scope import Scope as ReportScope
from storage.tables import contacts
from web.api.contact_shapes import (
    BatchOutcome,
    CalledContact,
    CampaignWhy,
    Choice,
    Clause,
    Contact,
    ContactBatch,
    ContactChange,
    ContactFields,
    Explained,
    Moved,
    NewContact,
    NewVisit,
    Outcome,
    Removed,
    WaitingGroup,
)
from web.api.do_not_call import number_of
from web.api.finding import CampaignRef, ContactId, campaign_id_of, require_contact
from web.api.paging import Cursor, Limit, Listed, by_id, listed
from web.api.problems import Refused
from web.api.route import ApiRoute, Caller, CallerDep, needs
from web.errors import BadFields
from web.tokens import Scope

router = APIRouter(route_class=ApiRoute, tags=["contacts"])

#: What contacts that come in by the API are marked with.
ORIGIN = "api"


def contacts_of(caller: Caller) -> Contacts:
    """The contacts as their owners handle them."""
    return Contacts(caller.database, caller.shared.clock, origin=ORIGIN)


def columns_of(fields: ContactFields) -> dict[str, str]:
    """The fields that were sent, as the columns of a list have them; empty text takes one away."""
    sent = fields.model_dump(exclude_unset=True)
    columns = {name: text or "" for name, text in sent.pop("variables", {}).items()}
    for name, value in sent.items():
        text = "" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
        columns["phone" if name == "number" else name] = text
    return columns


async def required_of(caller: Caller, campaign_id: int) -> Sequence[str]:
    """The variables that each contact of the campaign must have."""
    return await caller.ports.enrolment.required_variables(campaign_id)


async def add(
    caller: Caller, campaign_id: int, new: NewContact, required: Sequence[str], *, hold: bool, update: bool
) -> Added:
    """Add one contact; raises `BadFields`, or `Refused` with 409 for one that the campaign has."""
    columns = {name: text for name, text in columns_of(new).items() if text}
    try:
        return await contacts_of(caller).add(
            campaign_id, columns, by=caller.by, required_variables=required, hold=hold, update=update
        )
    except BadContact as error:
        raise _bad(error) from error
    except ContactTaken as error:
        raise Refused(409, str(error), kind="contact-taken") from error


def _bad(error: BadContact) -> BadFields:
    return BadFields([("number" if error.field == "phone" else error.field, error.problem)])


def contact_out(found: StoredContact) -> Contact:
    """A contact as it is answered."""
    return Contact(**{name: getattr(found, name) for name in Contact.model_fields})


@router.get("/campaigns/{campaign}/contacts")
@needs(Scope.CONTACTS_READ)
async def list_contacts(
    *,
    campaign: CampaignRef,
    caller: CallerDep,
    request: Request,
    response: Response,
    state: Annotated[ContactState | None, Query(description="Those in this state.")] = None,
    external_key: Annotated[str | None, Query(max_length=48, description="The one with this key.")] = None,
    number: Annotated[str | None, Query(min_length=3, max_length=64, description="Those with this number.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[Contact]:
    """The campaign's contacts, the latest first."""
    c = contacts.c
    wanted = [c.campaign_id == await campaign_id_of(caller, campaign)]
    wanted += [c.state == state.value] if state is not None else []
    wanted += [c.external_key == external_key] if external_key is not None else []
    wanted += [c.number == await number_of(caller, number)] if number is not None else []
    statement = select(*(c[name] for name in Contact.model_fields)).where(*wanted)
    async with caller.database.read() as conn:
        page = await by_id(conn, statement, c.id, limit, cursor)
    return listed(request, response, [Contact.model_validate(row) for row in page.rows], page.next)


@router.post("/campaigns/{campaign}/contacts", status_code=201, responses={200: {"description": "It was there."}})
@needs(Scope.CONTACTS_WRITE)
async def add_contact(
    campaign: CampaignRef,
    body: NewContact,
    caller: CallerDep,
    response: Response,
    hold: Annotated[bool, Query(description="Keep it back until it is released.")] = False,
) -> Contact:
    """Add a contact; with an external key that the campaign has and the same content it is that one (200)."""
    campaign_id = await campaign_id_of(caller, campaign)
    required = await required_of(caller, campaign_id)
    added = await add(caller, campaign_id, body, required, hold=hold, update=False)
    response.status_code = 201 if added.created else 200
    response.headers["location"] = f"/api/v1/contacts/{added.contact.id}"
    return contact_out(added.contact)


@router.post("/campaigns/{campaign}/contacts/batch")
@needs(Scope.CONTACTS_WRITE)
async def add_contacts(campaign: CampaignRef, body: ContactBatch, caller: CallerDep) -> BatchOutcome:
    """Add up to a thousand contacts, each judged by itself; longer lists come in by `campana campaign import`."""
    campaign_id = await campaign_id_of(caller, campaign)
    required = await required_of(caller, campaign_id)
    outcomes: list[Outcome] = []
    for place, new in enumerate(body.contacts):
        try:
            added = await add(caller, campaign_id, new, required, hold=body.hold, update=body.update)
        except (BadFields, Refused) as error:
            outcomes.append(Outcome(place=place, status="refused", problem=str(error)))
            continue
        status: Literal["created", "updated", "known"]
        status = "created" if added.created else "updated" if added.updated else "known"
        outcomes.append(Outcome(place=place, status=status, contact_id=added.contact.id))
    counts = {name: sum(each.status == name for each in outcomes) for name in ("created", "known", "updated")}
    return BatchOutcome(counts=counts | {"refused": len(outcomes) - sum(counts.values())}, outcomes=outcomes)


@router.post("/campaigns/{campaign}/contacts/hold")
@needs(Scope.CONTACTS_WRITE)
async def hold_contacts(campaign: CampaignRef, body: Choice, caller: CallerDep) -> Moved:
    """Keep waiting contacts from being called until they are released."""
    campaign_id = await campaign_id_of(caller, campaign)
    return Moved(moved=await contacts_of(caller).hold(campaign_id, body.ids, by=caller.by, limit=body.limit))


@router.post("/campaigns/{campaign}/contacts/release")
@needs(Scope.CONTACTS_WRITE)
async def release_contacts(campaign: CampaignRef, body: Choice, caller: CallerDep) -> Moved:
    """Let held contacts be called."""
    campaign_id = await campaign_id_of(caller, campaign)
    return Moved(moved=await contacts_of(caller).release(campaign_id, body.ids, by=caller.by, limit=body.limit))


@router.get("/contacts/{contact}")
@needs(Scope.CONTACTS_READ)
async def get_contact(contact: ContactId, caller: CallerDep) -> CalledContact:
    """One contact, with what it has given in its calls."""
    await require_contact(caller, contact)
    found = contact_out(await contacts_of(caller).get(contact))
    async with caller.database.read() as conn:
        given = await collected_of(conn, ReportScope(found.campaign_id, include_test=True), [contact])
    return CalledContact(**dict(found), collected=dict(given.get(contact, {})))


@router.patch("/contacts/{contact}")
@needs(Scope.CONTACTS_WRITE)
async def change_contact(contact: ContactId, body: ContactChange, caller: CallerDep) -> Contact:
    """Change a contact that is not in a call."""
    campaign_id = await require_contact(caller, contact)
    required = await required_of(caller, campaign_id)
    try:
        changed = await contacts_of(caller).edit(contact, columns_of(body), by=caller.by, required_variables=required)
    except BadContact as error:
        raise _bad(error) from error
    return contact_out(changed)


@router.delete("/contacts/{contact}")
@needs(Scope.CONTACTS_WRITE)
async def delete_contact(contact: ContactId, caller: CallerDep) -> Removed:
    """Take a contact out: wholly if it was never called, else it is cancelled."""
    await require_contact(caller, contact)
    deleted = await contacts_of(caller).delete(contact, by=caller.by)
    return Removed(contact_id=contact, removed=deleted.removed)


@router.post("/contacts/{contact}/hold")
@needs(Scope.CONTACTS_WRITE)
async def hold_contact(contact: ContactId, caller: CallerDep) -> Contact:
    """Keep the contact from being called until it is released."""
    campaign_id = await require_contact(caller, contact)
    return await _moved(caller, contact, await contacts_of(caller).hold(campaign_id, [contact], by=caller.by))


@router.post("/contacts/{contact}/release")
@needs(Scope.CONTACTS_WRITE)
async def release_contact(contact: ContactId, caller: CallerDep) -> Contact:
    """Let a held contact be called."""
    campaign_id = await require_contact(caller, contact)
    return await _moved(caller, contact, await contacts_of(caller).release(campaign_id, [contact], by=caller.by))


async def _moved(caller: Caller, contact_id: int, moved: int) -> Contact:
    found = await contacts_of(caller).get(contact_id)
    if moved == 0:
        raise CampaignError(
            f"contact {contact_id} is {found.state.value}; only waiting ones are held, and held released"
        )
    return contact_out(found)


@router.post("/contacts/{contact}/visits", status_code=201)
@needs(Scope.CONTACTS_WRITE)
async def enter_visit(contact: ContactId, body: NewVisit, caller: CallerDep) -> Contact:
    """Enter the outcome for a contact that was met outside the dialler."""
    await require_contact(caller, contact)
    try:
        await contacts_of(caller).visit(contact, Visit(**body.model_dump()), by=caller.by)
    except BadVisit as error:
        raise Refused(422, str(error)) from error
    return contact_out(await contacts_of(caller).get(contact))


@router.get("/contacts/{contact}/explain")
@needs(Scope.CONTACTS_READ)
async def explain_contact(contact: ContactId, caller: CallerDep) -> Explained:
    """Every clause of "may be dialled now" with whether it holds, and what happened to the contact so far."""
    campaign_id = await require_contact(caller, contact)
    found = await _explained(caller, campaign_id, contact)
    return Explained(
        contact_id=contact,
        campaign=found.campaign,
        state=found.state,
        may_be_called=not found.failing,
        clauses=[Clause.model_validate(finding.as_data()) for finding in found.findings],
        trail=[dict(each.as_data()) for each in found.trail],
    )


async def _explained(caller: Caller, campaign_id: int, contact_id: int) -> ContactExplained:
    stored = await contacts_of(caller).get(contact_id)
    now, rules = caller.shared.clock.now(), caller.ports.rules
    # Another contact's external key may read like this one's id: the one that was asked for decides.
    for name in (stored.external_key, str(contact_id), stored.number):
        if name is None:
            continue
        async with caller.database.read() as conn:
            found = await explain_contact_of(conn, campaign_id, name, now=now, rules=rules)
        if found.contact_id == contact_id:
            return found
    raise Refused(409, f"contact {contact_id} cannot be told from another with the same number and key")


@router.get("/campaigns/{campaign}/explain")
@needs(Scope.CAMPAIGNS_READ)
async def explain_campaign(campaign: CampaignRef, caller: CallerDep) -> CampaignWhy:
    """The clauses that hold for all of the campaign's contacts, and what its contacts wait for."""
    campaign_id = await campaign_id_of(caller, campaign)
    async with caller.database.read() as conn:
        now, rules = caller.shared.clock.now(), caller.ports.rules
        found = await explain_campaign_of(conn, campaign_id, now=now, rules=rules)
    return CampaignWhy(
        campaign=found.campaign,
        clauses=[Clause.model_validate(finding.as_data()) for finding in found.findings],
        waiting=[WaitingGroup.model_validate(group.as_data()) for group in found.waiting],
    )
