"""The overview's figures as labelled text, in the order in which every report shows them."""

from __future__ import annotations

from dataclasses import dataclass

from reports.formatting import count, duration, milliseconds, money, percent
from reports.latency import Percentiles
from reports.overview import Bin, CodeCount, Overview
from reports.scope import CampaignHead
from reports.wording import CLASSES, describe_code

__all__ = ["CodeLine", "Figure", "Group", "bin_label", "code_lines", "groups"]


@dataclass(frozen=True)
class Figure:
    """One figure: `key` is its name in docs/reference/figures.md."""

    key: str
    label: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Figures that stand together."""

    key: str
    title: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class CodeLine:
    """One row of the table of action codes."""

    code: str
    meaning: str
    code_class: str
    class_text: str
    calls: int
    #: Of all finished calls.
    share: float

    @property
    def share_text(self) -> str:
        return percent(self.share)


def groups(report: Overview) -> tuple[Group, ...]:
    """Every figure of the overview, grouped."""
    transfers = (Group("transfers", "Transfers", _transfers(report)),) if report.totals.transfers else ()
    return (
        Group("cost", "Cost", _cost(report)),
        Group("performance", "Performance", _performance(report)),
        Group("status", "Call status", _status(report)),
        *transfers,
        Group("customers", "Customers", _customers(report)),
        Group("response", "Response of the bot", _response(report)),
    )


def code_lines(report: Overview) -> tuple[CodeLine, ...]:
    """The results by action code, the most frequent first."""
    finished = sum(row.calls for row in report.codes)
    return tuple(_code_line(row, finished, report.campaign) for row in report.codes)


def _code_line(row: CodeCount, finished: int, head: CampaignHead | None) -> CodeLine:
    return CodeLine(
        code=row.code,
        meaning=describe_code(row.code, head.codes, head.titles) if head else describe_code(row.code, {}),
        code_class=row.code_class,
        class_text=CLASSES.get(row.code_class, row.code_class),
        calls=row.calls,
        share=row.calls / finished,
    )


def bin_label(one: Bin) -> str:
    """`under 5 s`, `5–15 s`, `30 s and more`."""
    if one.to_s is None:
        return f"{one.from_s} s and more"
    return f"under {one.to_s} s" if one.from_s == 0 else f"{one.from_s}–{one.to_s} s"


def _cost(report: Overview) -> tuple[Figure, ...]:
    t, currency = report.totals, report.currency
    return (
        Figure("cost", "Total cost", money(t.cost, currency), f"of which VAT {money(t.cost_vat, currency)}"),
        Figure("cost_bot", "Bot", money(t.cost_bot, currency), "blocks × price, without VAT"),
        Figure("cost_telecom", "Telecom", money(t.cost_telecom, currency), "without VAT"),
        Figure("cost_fees", "Fees", money(t.cost_fees, currency), "without VAT"),
        Figure("average_talk", "Average call", duration(t.average_talk_ms), "from answer to end"),
        Figure("talk", "Total call time", duration(t.talk_ms), "of answered calls"),
        Figure("blocks", "Blocks", count(t.blocks), "the same as sessions"),
    )


def _performance(report: Overview) -> tuple[Figure, ...]:
    t = report.totals
    return (
        Figure("total", "Total calls", count(t.total), f"repeated calls: {count(t.repeated)}"),
        Figure("answered", "Answered", count(t.answered), f"conversations: {count(t.conversations)}"),
        Figure("answer_rate", "Answer rate", percent(t.answer_rate), "answered of all calls"),
        Figure("success_rate", "Success rate", percent(t.success_rate), "successful of all calls"),
        Figure("failed_rate", "Failed rate", percent(t.failed_rate), "not answered of all calls"),
        Figure("aht", "AHT", duration(t.aht_ms), "talk and wrap-up, per answered call"),
        Figure("dial", "Dialling time", duration(t.dial_ms), "until answered or given up"),
        Figure("messages", "Messages", count(t.messages), "spoken by the bot"),
    )


def _status(report: Overview) -> tuple[Figure, ...]:
    t = report.totals
    figures = [
        Figure("successful", "Successful", count(t.successful), _part(t.successful, t.total)),
        Figure("unsuccessful", "Unsuccessful", count(t.unsuccessful), _part(t.unsuccessful, t.total)),
        Figure("error", "Error", count(t.error), _part(t.error, t.total)),
    ]
    if t.not_counted:
        figures.append(Figure("not_counted", "Cancelled", count(t.not_counted), "in none of the classes"))
    if t.live:
        figures.append(Figure("live", "In progress", count(t.live), "no result yet"))
    return tuple(figures)


def _transfers(report: Overview) -> tuple[Figure, ...]:
    t = report.totals
    return (
        Figure("transfers", "Transfers", count(t.transfers), "calls in which one was tried"),
        Figure("transferred", "Came to an agent", count(t.transferred), f"{percent(t.transfer_rate)} of transfers"),
        Figure("agent_talk", "Agents' call time", duration(t.agent_ms), "of legs that we placed"),
        Figure("cost_agent", "Agents' lines", money(t.cost_agent, report.currency), "contained in Telecom"),
    )


def _customers(report: Overview) -> tuple[Figure, ...]:
    c, customers = report.contacts, report.customers
    return (
        Figure("approached", "Approached", count(c.approached), f"of {count(c.total)} contacts"),
        Figure("not_approached", "Not approached", count(c.not_approached), "no finished call"),
        Figure("reached", "Reached", count(c.reached), "at least one call answered"),
        Figure("customers", "Numbers called", count(customers.total), "each counted once"),
        Figure("not_answering", "Never answered", count(customers.not_answering), "of the numbers called"),
    )


def _response(report: Overview) -> tuple[Figure, ...]:
    measured = report.latencies
    return (
        _latency("answer_to_first_word", "Answer to first word", measured.answer_to_first_word, "calls"),
        _latency("voice_to_voice", "Voice to voice", measured.voice_to_voice, "turns"),
        _latency("barge_in_stop", "Barge-in stop", measured.barge_in_stop, "interruptions"),
    )


def _latency(key: str, label: str, measured: Percentiles, of: str) -> Figure:
    note = f"median; 95 % within {milliseconds(measured.p95_ms)} ({of}: {count(measured.count)})"
    return Figure(key, label, milliseconds(measured.p50_ms), note if measured.count else f"no {of} measured")


def _part(part: int, whole: int) -> str:
    return f"{percent(part / whole if whole else None)} of all calls"
