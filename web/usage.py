"""Usage by month and bot."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.overview import account_zone
from reports.usage import Month, UsageRow, months_between, usage
from storage.clock import Clock
from web.query import Query
from web.rendering import page
from web.state import SharedDep

router = APIRouter()


async def usage_of(conn: AsyncConnection, query: Query, clock: Clock) -> tuple[tuple[UsageRow, ...], Month, Month, str]:
    """Rows, first and last month, and the time zone; without `from` and `to` the present month."""
    zone = await account_zone(conn)
    last = Month.parse(query["to"]) if query.get("to") else Month.of(clock.now(), zone)
    first = Month.parse(query["from"]) if query.get("from") else last
    months = months_between(first, last)
    rows = await usage(conn, months, time_zone=zone, include_test=query.get("test") == "1")
    return rows, first, last, zone


@router.get("/usage", response_class=HTMLResponse)
async def usage_page(request: Request, shared: SharedDep) -> HTMLResponse:
    """A row a month and bot, and their total."""
    async with shared.database.read() as conn:
        rows, first, last, zone = await usage_of(conn, request.query_params, shared.clock)
    return page(request, "usage.html", rows=rows, first=first, last=last, time_zone=zone, asked=str(request.url.query))
