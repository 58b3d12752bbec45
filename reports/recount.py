"""The figures counted again, one attempt at a time in plain Python: the check on the SQL of `reports.measures`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.measures import Totals
from reports.overview import HISTOGRAM_EDGES_S, Overview
from storage.tables import attempts, campaigns

_MS = timedelta(milliseconds=1)


async def recount(conn: AsyncConnection, campaign_id: int) -> dict[str, Any]:
    """Every countable figure of a campaign by name, from its raw rows."""
    rehearsal = await conn.scalar(select(campaigns.c.is_test).where(campaigns.c.id == campaign_id))
    result = await conn.execute(select(attempts).where(attempts.c.campaign_id == campaign_id))
    rows = [dict(row) for row in result.mappings() if _counts(dict(row), bool(rehearsal))]
    return count_again(rows)


def _counts(row: Mapping[str, Any], rehearsal: bool) -> bool:
    is_ours = row["call_type"] == "campaign" and (rehearsal or not row["is_test"])
    return row["originated_at"] is not None and is_ours


def count_again(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of these attempts."""
    counted = list(rows)
    answered_numbers = {row["number"] for row in counted if row["answered_at"]}
    return {
        **_sums(counted),
        "codes": dict(Counter(row["action_code"] for row in counted if row["phase"] == "ended" and row["action_code"])),
        "histogram": _histogram(counted),
        "approached": len({row["contact_id"] for row in counted if row["phase"] == "ended"}),
        "reached": len({row["contact_id"] for row in counted if row["answered_at"]}),
        "customers": len({row["number"] for row in counted}),
        "not_answering": len({row["number"] for row in counted} - answered_numbers),
    }


def _length(start: datetime | None, end: datetime | None) -> int | None:
    return (end - start) // _MS if start and end else None


def _talk(row: Mapping[str, Any]) -> int | None:
    return _length(row["answered_at"], row["ended_at"])


def _sums(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    ended = [row for row in rows if row["phase"] == "ended"]
    answered = [row for row in rows if row["answered_at"]]
    classes = Counter(row["code_class"] for row in ended)
    money = ("cost_bot", "cost_telecom", "cost_fees", "cost_vat", "cost_agent")
    tried = [row for row in rows if row["transfer_asked_ms"] is not None]
    return {
        "total": len(rows),
        "answered": len(answered),
        "talked": sum(1 for row in answered if row["ended_at"]),
        "live": len(rows) - len(ended),
        "repeated": sum(1 for row in rows if row["attempt_no"] > 1),
        "successful": classes["success"],
        "unsuccessful": classes["unsuccessful"],
        "error": classes["error"],
        "not_counted": classes["not_counted"],
        "talk_ms": sum(_talk(row) or 0 for row in answered),
        "acw_ms": sum(row["acw_ms"] for row in answered),
        "dial_ms": sum(_length(row["originated_at"], row["answered_at"] or row["ended_at"]) or 0 for row in rows),
        "conversations": sum(1 for row in answered if row["spoke"]),
        "messages": sum(row["messages"] for row in rows),
        "blocks": sum(row["blocks"] for row in rows),
        "transfers": len(tried),
        "transferred": sum(1 for row in tried if row["transfer_joined_ms"] is not None),
        "agent_ms": sum(row["agent_ms"] for row in rows),
        **{name: sum((row[name] or Decimal(0) for row in rows), Decimal(0)) for name in money},
    }


def _histogram(rows: list[Mapping[str, Any]]) -> list[int]:
    counts = [0] * (len(HISTOGRAM_EDGES_S) + 1)
    for row in rows:
        talk_ms = _talk(row)
        if talk_ms is not None:
            counts[sum(1 for edge in HISTOGRAM_EDGES_S if talk_ms >= edge * 1000)] += 1
    return counts


def as_counted(report: Overview) -> dict[str, Any]:
    """The same figures as the report has them."""
    codes: Counter[str] = Counter()
    for row in report.codes:
        codes[row.code] += row.calls
    return {
        **{f.name: getattr(report.totals, f.name) for f in fields(Totals)},
        "codes": dict(codes),
        "histogram": [one.calls for one in report.histogram],
        "approached": report.contacts.approached,
        "reached": report.contacts.reached,
        "customers": report.customers.total,
        "not_answering": report.customers.not_answering,
    }
