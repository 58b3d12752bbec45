"""The overview's figures as numbers: the names of docs/reference/figures.md, amounts as exact decimals in text."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, Field

from reports.latency import Percentiles
from reports.measures import Totals
from reports.overview import Overview


class Sums(BaseModel):
    """Sums over placed attempts; lengths in ms, rates from 0 to 1 and null when there is nothing to divide by."""

    total: int
    answered: int
    live: int
    repeated: int
    successful: int
    unsuccessful: int
    error: int
    not_counted: int
    answer_rate: float | None
    failed_rate: float | None
    success_rate: float | None
    talk_ms: int
    average_talk_ms: int | None
    dial_ms: int
    acw_ms: int
    aht_ms: int | None
    conversations: int
    messages: int
    blocks: int
    sessions: int = Field(description="Finance's word for blocks.")
    transfers: int
    transferred: int
    cost: Decimal = Field(description="With VAT.")
    cost_bot: Decimal
    cost_telecom: Decimal
    cost_fees: Decimal
    cost_vat: Decimal


class CodeFigure(BaseModel):
    """Finished calls with one action code."""

    code: str
    code_class: str
    family: str
    calls: int


class BinFigure(BaseModel):
    """Answered calls with from_s ≤ talk time < to_s."""

    from_s: int
    to_s: int | None
    calls: int


class ContactFigures(BaseModel):
    """The campaign's contacts, each counted once."""

    total: int
    approached: int
    not_approached: int
    reached: int
    states: dict[str, int]


class CustomerFigures(BaseModel):
    """Numbers called, each counted once."""

    total: int
    not_answering: int


class LatencyFigures(BaseModel):
    """How fast the bot answered."""

    count: int
    p50_ms: int | None
    p95_ms: int | None


class Figures(BaseModel):
    """Every figure of a campaign's overview."""

    campaign: str
    currency: str
    time_zone: str
    data_as_of: datetime | None = Field(description="The latest instant that any of these calls tells.")
    totals: Sums
    codes: list[CodeFigure]
    histogram: list[BinFigure]
    contacts: ContactFigures
    customers: CustomerFigures
    answer_to_first_word: LatencyFigures
    voice_to_voice: LatencyFigures
    barge_in_stop: LatencyFigures


def sums_of(totals: Totals) -> Sums:
    """The sums as they are answered."""
    return Sums(**{name: getattr(totals, name) for name in Sums.model_fields})


def figures_of(report: Overview) -> Figures:
    """The overview as it is answered."""
    measured = report.latencies
    return Figures(
        campaign=report.campaign.code if report.campaign else "",
        currency=report.currency,
        time_zone=report.time_zone,
        data_as_of=report.data_as_of,
        totals=sums_of(report.totals),
        codes=[CodeFigure(**vars(row)) for row in report.codes],
        histogram=[BinFigure(**vars(row)) for row in report.histogram],
        contacts=ContactFigures(
            total=report.contacts.total,
            approached=report.contacts.approached,
            not_approached=report.contacts.not_approached,
            reached=report.contacts.reached,
            states=dict(report.contacts.states),
        ),
        customers=CustomerFigures(total=report.customers.total, not_answering=report.customers.not_answering),
        answer_to_first_word=_latency(measured.answer_to_first_word),
        voice_to_voice=_latency(measured.voice_to_voice),
        barge_in_stop=_latency(measured.barge_in_stop),
    )


def _latency(measured: Percentiles) -> LatencyFigures:
    return LatencyFigures(count=measured.count, p50_ms=measured.p50_ms, p95_ms=measured.p95_ms)
