"""Contacts of campaigns: list, add, change, hold, release, delete, and why one is not called."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import select

from campaigns.contacts import Added, Contacts, Visit
from campaigns.contacts import Contact as StoredContact
from campaigns.errors import BadContact, BadVisit, CampaignError, ContactTaken
from campaigns.explain import ContactExplained, explain_campaign_of, explain_contact_of
from campaigns.states import ContactState
from storage.tables import contacts
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
_BATCH = 1000
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"

Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(max_length=200)]
Key = Annotated[str, Field(min_length=1, max_length=48, description="The contact's own id in your system.")]
Language = Annotated[str, Field(max_length=16, description="Such as en or vi.")]
Priority = Annotated[int, Field(ge=-1000, le=1000, description="The higher is called first.")]
TimeOfDay = Annotated[str, Field(pattern=_TIME, description="Local to the contact; such as 08:30.")]
CallerId = Annotated[str, Field(max_length=32)]
Phone = Annotated[str, Field(min_length=3, max_length=64, description="Without + it is of the campaign's region.")]


class ContactFields(BaseModel):
    """What a contact may bring beside its number."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    language: Language | None = None
    time_zone: Annotated[str, Field(max_length=64, description="IANA name; none: of the number.")] | None = None
    priority: Priority | None = None
    time_from: TimeOfDay | None = None
    time_to: TimeOfDay | None = None
    schedule_at: AwareDatetime | None = Field(None, description="Not called before; none: at once.")
    caller_id: CallerId | None = None
    variables: dict[Annotated[str, Field(max_length=64)], Text | None] = Field(
        default_factory=dict, max_length=100, description="What the script says, by name."
    )


class NewContact(ContactFields):
    """A person to call."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"number": "+84901230001", "external_key": "crm-17", "variables": {"amount": "120 USD"}}]
        },
    )

    number: Phone
    external_key: Key | None = None


class ContactChange(ContactFields):
    """What is to be changed: what is left out stays, null takes it away."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"priority": 5, "time_zone": None}]})

    number: Phone | None = None


class ContactBatch(BaseModel):
    """Several contacts at once."""

    model_config = ConfigDict(extra="forbid")

    contacts: list[NewContact] = Field(min_length=1, max_length=_BATCH)
    hold: bool = Field(False, description="Keep them back until they are released.")
    update: bool = Field(False, description="Take over other columns for an external key that the campaign has.")


class Contact(BaseModel):
    """One person to call in one campaign."""

    id: int
    campaign_id: int
    number: str | None = Field(description="E.164; null for one that its list's import refused.")
    phone: str = Field(description="As it came.")
    name: str | None
    external_key: str | None
    language: str | None
    time_zone: str | None
    priority: int
    time_from: str | None
    time_to: str | None
    caller_id: str | None
    variables: dict[str, Any]
    state: ContactState
    detail: str | None
    next_at: datetime | None = Field(description="Not called before; null: as soon as everything else lets it.")
    attempts: int
    origin: str


class Outcome(BaseModel):
    """What became of one contact of a batch."""

    place: int = Field(description="In the batch, from 0.")
    status: Literal["created", "known", "updated", "refused"]
    contact_id: int | None = None
    problem: str | None = None


class BatchOutcome(BaseModel):
    """What became of a batch: a contact that is refused stops none of the others."""

    counts: dict[str, int]
    outcomes: list[Outcome]


class Removed(BaseModel):
    """What became of a contact that was deleted."""

    contact_id: int
    removed: bool = Field(description="False: it was called before, so it is cancelled and its calls stay.")


class Choice(BaseModel):
    """Which contacts are to be held or released."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] | None = Field(
        None, max_length=10_000, description="None: all of the campaign."
    )
    limit: int | None = Field(None, ge=1, le=10_000_000, description="At most so many; none: no bound.")


class Moved(BaseModel):
    """How many contacts were moved."""

    moved: int


class NewVisit(BaseModel):
    """What came of meeting a contact outside the dialler: no call, and no cost."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "HUP", "note": "paid in cash"}]})

    code: str = Field(min_length=1, max_length=32, description="One of the campaign's action codes.")
    at: AwareDatetime | None = Field(None, description="None: now.")
    note: str | None = Field(None, max_length=500)
    call_back_at: AwareDatetime | None = Field(None, description="When the customer wants to be called.")


class Clause(BaseModel):
    """One clause of "may be dialled now"."""

    clause: str
    ok: bool
    text: str
    opens_at: datetime | None = Field(description="When time alone lifts it.")


class Explained(BaseModel):
    """Why a contact is, or is not, called now."""

    contact_id: int
    campaign: str
    state: ContactState
    may_be_called: bool
    clauses: list[Clause]
    trail: list[dict[str, Any]] = Field(description="What happened to the contact, in order of time.")


class WaitingGroup(BaseModel):
    """Contacts that wait for the same thing."""

    clause: str | None = Field(description="Null: they may be dialled now.")
    text: str
    contacts: int
    opens_at: datetime | None


class CampaignWhy(BaseModel):
    """Why a campaign is, or is not, dialling."""

    campaign: str
    clauses: list[Clause]
    waiting: list[WaitingGroup]


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


async def add(caller: Caller, campaign_id: int, new: NewContact, *, hold: bool, update: bool) -> Added:
    """Add one contact; raises `BadFields`, or `Refused` with 409 for one that the campaign has."""
    required = await caller.ports.enrolment.required_variables(campaign_id)
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
    added = await add(caller, campaign_id, body, hold=hold, update=False)
    response.status_code = 201 if added.created else 200
    response.headers["location"] = f"/api/v1/contacts/{added.contact.id}"
    return contact_out(added.contact)


@router.post("/campaigns/{campaign}/contacts/batch")
@needs(Scope.CONTACTS_WRITE)
async def add_contacts(campaign: CampaignRef, body: ContactBatch, caller: CallerDep) -> BatchOutcome:
    """Add up to a thousand contacts, each judged by itself; longer lists come in by `campana campaign import`."""
    campaign_id = await campaign_id_of(caller, campaign)
    outcomes: list[Outcome] = []
    for place, new in enumerate(body.contacts):
        try:
            added = await add(caller, campaign_id, new, hold=body.hold, update=body.update)
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
async def get_contact(contact: ContactId, caller: CallerDep) -> Contact:
    """One contact."""
    await require_contact(caller, contact)
    return contact_out(await contacts_of(caller).get(contact))


@router.patch("/contacts/{contact}")
@needs(Scope.CONTACTS_WRITE)
async def change_contact(contact: ContactId, body: ContactChange, caller: CallerDep) -> Contact:
    """Change a contact that is not in a call."""
    campaign_id = await require_contact(caller, contact)
    required = await caller.ports.enrolment.required_variables(campaign_id)
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
