"""Pages of calls and contacts: the detailed report, and one attempt with its recording."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from reports.attempt import attempt_detail
from reports.attempts import attempts_page
from reports.contacts import contacts_page
from reports.overview import code_counts
from reports.scope import Scope, campaign_head
from web.query import Address, attempt_filter, contact_filter, paging_of, scope_of
from web.rendering import page
from web.state import AttemptId, CampaignId, SharedDep

router = APIRouter()


@router.get("/campaigns/{campaign_id}/calls", response_class=HTMLResponse)
async def calls(campaign_id: CampaignId, request: Request, shared: SharedDep) -> HTMLResponse:
    """One row per attempt."""
    query = request.query_params
    async with shared.database.read() as conn:
        head = await campaign_head(conn, campaign_id)
        scope = scope_of(query, campaign_id, head.time_zone)
        shown = await attempts_page(conn, scope, attempt_filter(query), paging_of(query, "-time"))
        codes = sorted({row.code for row in await code_counts(conn, Scope(campaign_id))})
    address = Address(f"/campaigns/{campaign_id}/calls", query, "-time")
    return page(request, "calls.html", campaign=head, shown=shown, codes=codes, address=address)


@router.get("/campaigns/{campaign_id}/contacts", response_class=HTMLResponse)
async def contacts(campaign_id: CampaignId, request: Request, shared: SharedDep) -> HTMLResponse:
    """One row per contact."""
    query = request.query_params
    async with shared.database.read() as conn:
        head = await campaign_head(conn, campaign_id)
        scope = scope_of(query, campaign_id, head.time_zone)
        shown = await contacts_page(conn, scope, contact_filter(query), paging_of(query, "line"))
        codes = sorted({row.code for row in await code_counts(conn, Scope(campaign_id))})
    address = Address(f"/campaigns/{campaign_id}/contacts", query, "line")
    return page(request, "contacts.html", campaign=head, shown=shown, codes=codes, address=address)


@router.get("/attempts/{attempt_id}", response_class=HTMLResponse)
async def attempt(attempt_id: AttemptId, request: Request, shared: SharedDep) -> HTMLResponse:
    """One attempt: what happened, what was said, and its recording."""
    async with shared.database.read() as conn:
        detail = await attempt_detail(conn, attempt_id)
        head = await campaign_head(conn, detail.row.campaign_id)
    return page(request, "attempt.html", campaign=head, detail=detail, row=detail.row)
