"""Everything that is known of one attempt: its row, its timeline, its transcript and its recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.attempts import AttemptRow, attempt_rows
from reports.errors import NoSuchAttempt
from storage.tables import attempt_events, attempts, recordings, turns


@dataclass(frozen=True)
class Event:
    """One step of the attempt's timeline."""

    at: datetime
    kind: str
    from_phase: str | None
    to_phase: str | None
    node: str
    detail: Mapping[str, Any] | None


@dataclass(frozen=True)
class TurnLine:
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
    stt_ms: int | None
    voice_to_voice_ms: int | None
    barge_in_stop_ms: int | None
    #: The recogniser's readings, the best first: text and score.
    heard: Sequence[Mapping[str, Any]] | None
    #: The values that were taken from it.
    collected: Mapping[str, str] | None
    #: What the turn took, part by part in ms.
    latency: Mapping[str, int] | None


@dataclass(frozen=True)
class ModelUsage:
    """What one language model used in a call."""

    model: str
    prompt_tokens: int
    completion_tokens: int
    #: None where the model has no price.
    cost_usd: Decimal | None
    answers: int


@dataclass(frozen=True)
class RecordingRow:
    """The attempt's recording; `path` is relative to the recordings folder."""

    path: str
    rate_hz: int
    channels: int
    duration_ms: int
    bytes: int
    sha256: str
    error: str | None


@dataclass(frozen=True)
class TransferRow:
    """The last transfer that was tried; ms after the answer."""

    target: str
    #: second_leg or hand_over.
    by: str
    number: str | None
    asked_ms: int
    #: None when no agent came.
    joined_ms: int | None
    text: str | None
    #: The agent's own leg; 0 when there was none of ours.
    agent_ms: int
    cost_agent: Decimal | None


@dataclass(frozen=True)
class AttemptDetail:
    """One attempt, whole."""

    row: AttemptRow
    events: tuple[Event, ...]
    turns: tuple[TurnLine, ...]
    recording: RecordingRow | None
    answer_to_first_word_ms: int | None
    trunk: str
    caller_id: str | None
    lost: bool
    #: The part of the talk that was the bot's; None when nobody answered.
    bot_ms: int | None
    transfer: TransferRow | None
    llm_usage: tuple[ModelUsage, ...]


async def attempt_detail(conn: AsyncConnection, attempt_id: str) -> AttemptDetail:
    """The attempt with all that hangs on it; raises `NoSuchAttempt`."""
    more = (
        attempts.c.answer_to_first_word_ms,
        attempts.c.trunk,
        attempts.c.caller_id,
        attempts.c.lost,
        attempts.c.bot_ms,
    )
    statement = attempt_rows().add_columns(*more).where(attempts.c.id == attempt_id)
    found = (await conn.execute(statement)).mappings().one_or_none()
    if found is None:
        raise NoSuchAttempt(f"there is no attempt {attempt_id}")
    extra = {column.name: found[column.name] for column in more}
    return AttemptDetail(
        row=AttemptRow(**{name: found[name] for name in found if name not in extra}),
        events=await _events(conn, attempt_id),
        turns=await _turns(conn, attempt_id),
        recording=await recording_of(conn, attempt_id),
        transfer=await _transfer(conn, attempt_id),
        **extra,
        llm_usage=await _llm_usage(conn, attempt_id),
    )


async def recording_of(conn: AsyncConnection, attempt_id: str) -> RecordingRow | None:
    """The attempt's recording, or None when it has none."""
    c = recordings.c
    statement = select(c.path, c.rate_hz, c.channels, c.duration_ms, c.bytes, c.sha256, c.error)
    row = (await conn.execute(statement.where(c.attempt_id == attempt_id))).mappings().one_or_none()
    return RecordingRow(**row) if row else None


async def _transfer(conn: AsyncConnection, attempt_id: str) -> TransferRow | None:
    c = attempts.c
    columns = [
        c[f"transfer_{name}"].label(name) for name in ("target", "by", "number", "asked_ms", "joined_ms", "text")
    ]
    tried = select(*columns, c.agent_ms, c.cost_agent).where(c.id == attempt_id, c.transfer_asked_ms.is_not(None))
    row = (await conn.execute(tried)).mappings().one_or_none()
    return TransferRow(**row) if row else None


async def _llm_usage(conn: AsyncConnection, attempt_id: str) -> tuple[ModelUsage, ...]:
    stored = (await conn.execute(select(attempts.c.llm_usage).where(attempts.c.id == attempt_id))).scalar_one()
    usage = [dict(one) for one in stored or ()]
    for one in usage:
        one["cost_usd"] = None if one["cost_usd"] is None else Decimal(one["cost_usd"])
    return tuple(ModelUsage(**one) for one in usage)


async def _events(conn: AsyncConnection, attempt_id: str) -> tuple[Event, ...]:
    c = attempt_events.c
    statement = select(c.at, c.kind, c.from_phase, c.to_phase, c.node, c.detail).where(c.attempt_id == attempt_id)
    rows = (await conn.execute(statement.order_by(c.at, c.id))).mappings().all()
    return tuple(Event(**row) for row in rows)


async def _turns(conn: AsyncConnection, attempt_id: str) -> tuple[TurnLine, ...]:
    columns = [column for column in turns.c if column.name not in {"id", "attempt_id"}]
    statement = select(*columns).where(turns.c.attempt_id == attempt_id).order_by(turns.c.turn_no)
    return tuple(TurnLine(**row) for row in (await conn.execute(statement)).mappings().all())


async def transcripts(conn: AsyncConnection, attempt_ids: list[str]) -> dict[str, str]:
    """The transcript of each attempt that has one: a line a turn, `bot: …` or `customer: …`."""
    c = turns.c
    statement = select(c.attempt_id, c.speaker, c.text).where(c.attempt_id.in_(attempt_ids))
    lines: dict[str, list[str]] = {}
    for attempt_id, speaker, text in (await conn.execute(statement.order_by(c.attempt_id, c.turn_no))).all():
        lines.setdefault(attempt_id, []).append(f"{speaker}: {text}")
    return {attempt_id: "\n".join(said) for attempt_id, said in lines.items()}
