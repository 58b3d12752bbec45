"""Attempts: what became of each call, what was said, and its recording."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from reports.attempt import AttemptDetail, attempt_detail
from reports.attempts import AttemptFilter, AttemptRow, attempts_page
from reports.paging import Paging
from reports.scope import campaign_head
from web.api.finding import AttemptRef, CampaignRef, campaign_id_of, require_attempt
from web.api.paging import Cursor, Limit, Listed, listed
from web.api.route import ApiRoute, CallerDep, needs
from web.query import scope_of
from web.recordings import recording_file
from web.tokens import Scope

router = APIRouter(route_class=ApiRoute, tags=["attempts"])


class Attempt(BaseModel):
    """One call that was placed; lengths in ms, amounts without VAT but for `cost_vat` itself."""

    id: str
    campaign_id: int
    campaign: str
    contact_id: int
    external_key: str | None
    name: str | None
    number: str = Field(description="E.164.")
    attempt_no: int
    phase: str
    is_test: bool
    origin: str = Field(description="Where its contact came from: import, api, manual, retry, callback.")
    originated_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    dial_ms: int | None
    talk_ms: int | None
    acw_ms: int
    dial_status: str | None = Field(description="What the network said, before any conversation.")
    call_status: str | None = Field(description="How the call ended.")
    action_code: str | None
    code_class: str | None
    hangup_by: str | None
    amd: str | None
    sip_code: int | None
    q850: int | None
    network_text: str | None
    blocks: int
    messages: int
    cost_bot: Decimal | None
    cost_telecom: Decimal | None
    cost_fees: Decimal | None
    cost_vat: Decimal | None
    currency: str
    collected: dict[str, str] | None = Field(
        description="What the customer gave, by the script's names, in canonical text: 2026-11-27, 120.50, yes."
    )


class Reading(BaseModel):
    """One reading of what was said."""

    text: str
    score: float | None = Field(description="The recogniser's confidence, 0 to 1; null where it gives none.")
    model: str | None = Field(None, description="The recognition model that read it so.")


class Turn(BaseModel):
    """One turn of the transcript; ms after the answer."""

    turn_no: int
    speaker: str
    start_ms: int
    end_ms: int
    text: str
    step: str | None
    intent: str | None
    confidence: float | None
    interrupted: bool
    stt_ms: int | None = Field(description="Customer turns: what recognising took, its wait included.")
    voice_to_voice_ms: int | None = Field(description="Bot turns: from the customer's last sound to the bot's first.")
    barge_in_stop_ms: int | None = Field(description="Interrupted bot turns: from the customer's first sound on.")
    heard: list[Reading] | None = Field(description="Customer turns: the recogniser's readings, the best first.")
    collected: dict[str, str] | None = Field(description="Customer turns: the values that were taken from it.")
    latency: dict[str, int] | None = Field(
        description="What the turn took, in ms: endpointing_ms, stt_wait_ms, stt_work_ms, understanding_ms; "
        "of bot turns llm_first_sentence_ms, tts_first_byte_ms."
    )


class Step(BaseModel):
    """One step of the attempt's timeline."""

    at: datetime
    kind: str
    from_phase: str | None
    to_phase: str | None


class RecordingFacts(BaseModel):
    """The attempt's recording; `GET /attempts/{attempt}/recording` brings the file."""

    duration_ms: int
    rate_hz: int
    channels: int
    bytes: int
    sha256: str
    error: str | None = Field(description="Why the file is not whole.")


class Transfer(BaseModel):
    """The last transfer that was tried; ms after the answer."""

    target: str
    by: str
    asked_ms: int
    joined_ms: int | None = Field(description="Null when no agent came.")
    agent_ms: int


class ModelUse(BaseModel):
    """What one language model used in the call."""

    model: str
    answers: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal | None = Field(description="By the provider's price list; null where the model has no price.")


class WholeAttempt(Attempt):
    """One attempt with all that hangs on it."""

    trunk: str
    caller_id: str | None
    lost: bool = Field(description="Its node died, and it was settled from what was known.")
    turns: list[Turn]
    timeline: list[Step]
    recording: RecordingFacts | None
    transfer: Transfer | None
    llm_usage: list[ModelUse]


def _fields(row: AttemptRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in Attempt.model_fields}


def _whole(detail: AttemptDetail) -> WholeAttempt:
    recording, transfer = detail.recording, detail.transfer
    return WholeAttempt.model_validate(
        {
            **_fields(detail.row),
            **{name: getattr(detail, name) for name in ("trunk", "caller_id", "lost")},
            "turns": [vars(turn) for turn in detail.turns],
            "timeline": [vars(event) for event in detail.events],
            "recording": vars(recording) if recording else None,
            "transfer": vars(transfer) if transfer else None,
            "llm_usage": [vars(used) for used in detail.llm_usage],
        }
    )


@router.get("/campaigns/{campaign}/attempts")
@needs(Scope.ATTEMPTS_READ)
async def list_attempts(
    *,
    campaign: CampaignRef,
    caller: CallerDep,
    request: Request,
    response: Response,
    phone: Annotated[str | None, Query(max_length=64, description="Any part of the number.")] = None,
    code: Annotated[str | None, Query(max_length=32, description="Action code.")] = None,
    status: Annotated[str | None, Query(max_length=20, description="Call status.")] = None,
    contact: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Those of one contact.")] = None,
    from_: Annotated[date | None, Query(alias="from", description="First day, in the account's time zone.")] = None,
    to: Annotated[date | None, Query(description="Last day, included.")] = None,
    test: Annotated[bool, Query(description="Test and visitor calls too.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[Attempt]:
    """The campaign's calls, the earliest first: one that is placed meanwhile comes at the end."""
    campaign_id = await campaign_id_of(caller, campaign)
    days = {"from": from_.isoformat() if from_ else "", "to": to.isoformat() if to else "", "test": str(int(test))}
    wanted = AttemptFilter(phone=phone, code=code, status=status, contact_id=contact)
    async with caller.database.read() as conn:
        head = await campaign_head(conn, campaign_id)
        scope = scope_of(days, campaign_id, head.time_zone)
        page = await attempts_page(conn, scope, wanted, Paging("time", cursor, limit))
    return listed(request, response, [Attempt.model_validate(_fields(row)) for row in page.rows], page.next)


@router.get("/attempts/{attempt}")
@needs(Scope.ATTEMPTS_READ)
async def get_attempt(attempt: AttemptRef, caller: CallerDep) -> WholeAttempt:
    """One attempt with its timeline, its transcript, and what is known of its recording."""
    await require_attempt(caller, attempt)
    async with caller.database.read() as conn:
        return _whole(await attempt_detail(conn, attempt))


@router.get(
    "/attempts/{attempt}/recording",
    response_class=FileResponse,
    responses={
        200: {"content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "A part of the file", "content": {"audio/wav": {}}},
        416: {"description": "The file has no such part"},
    },
)
@needs(Scope.RECORDINGS_READ)
async def get_recording(attempt: AttemptRef, caller: CallerDep) -> FileResponse:
    """The recording as a WAV file, the customer left and the bot right; ranges are served (RFC 9110 §14)."""
    await require_attempt(caller, attempt)
    path = await recording_file(caller.shared, attempt)
    return FileResponse(path, media_type="audio/wav", filename=f"{attempt}.wav")
