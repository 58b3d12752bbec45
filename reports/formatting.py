"""How figures are written: one place, so that page and mail show the same characters."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing.currency import NO_CURRENCY, round_money

#: What stands where a figure does not exist.
NONE = "–"


def count(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


def percent(value: float | None) -> str:
    """`62.5 %`; a dash when there is nothing to divide by."""
    return NONE if value is None else f"{value * 100:.1f} %"


def money(amount: Decimal | None, currency: str) -> str:
    """`4,806 VND`, `-1.25 USD`: thousands apart, rounded to what the currency can pay."""
    if amount is None or currency == NO_CURRENCY:
        return NONE
    rounded = round_money(amount, currency)
    return f"{abs(rounded) if rounded == 0 else rounded:,f} {currency}"


def duration(ms: int | None) -> str:
    """`24.5 s`, `2 min 02 s`, `3 h 05 min 09 s`."""
    if ms is None:
        return NONE
    if ms < 60_000:
        return f"{ms / 1000:.1f} s" if ms < 59_950 else "1 min 00 s"
    seconds = round(ms / 1000)
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes:02d} min {seconds % 60:02d} s" if hours else f"{minutes} min {seconds % 60:02d} s"


def clock(ms: int | None) -> str:
    """`1:05`, `1:02:03`: time that runs, or a length in a table."""
    if ms is None:
        return NONE
    seconds = max(0, ms) // 1000
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"


def milliseconds(ms: int | None) -> str:
    """`412 ms`, `1.25 s`."""
    if ms is None:
        return NONE
    return f"{ms} ms" if ms < 1000 else f"{ms / 1000:.2f} s"


def zone_label(instant: datetime, time_zone: str) -> str:
    """`UTC+07:00`: the zone's offset at that instant."""
    offset = instant.astimezone(ZoneInfo(time_zone)).strftime("%z")
    return f"UTC{offset[:3]}:{offset[3:5]}"


def moment(instant: datetime | None, time_zone: str, *, seconds: bool = True) -> str:
    """`2026-03-02 16:00:05 UTC+07:00`."""
    if instant is None:
        return NONE
    local = instant.astimezone(ZoneInfo(time_zone))
    shown = local.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    return f"{shown} {zone_label(instant, time_zone)}"


def local_time(instant: datetime | None, time_zone: str) -> str:
    """`2026-03-02 16:00:05`, where the zone stands at the column's head."""
    return NONE if instant is None else instant.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d %H:%M:%S")
