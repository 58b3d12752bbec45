"""The page of trunks."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from reports.overview import account_zone
from reports.trunks import trunk_list
from web.rendering import page
from web.state import SharedDep

router = APIRouter()


@router.get("/trunks", response_class=HTMLResponse)
async def trunks_page(request: Request, shared: SharedDep) -> HTMLResponse:
    """Every trunk with its health, and why one is paused."""
    async with shared.database.read() as conn:
        shown = await trunk_list(conn)
        zone = await account_zone(conn)
    return page(request, "trunks.html", trunks=shown, time_zone=zone)
