"""What contacts look like on their way in and out of the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from campaigns.states import ContactState

#: Variables of one contact.
MOST_VARIABLES = 100
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
        default_factory=dict, max_length=MOST_VARIABLES, description="What the script says, by name."
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


class CalledContact(Contact):
    """One contact, with what its calls came to."""

    collected: dict[str, str] = Field(
        description="What the customer has given in its calls, by the script's names, in canonical text; "
        "of a name that was given twice, the later value."
    )


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
