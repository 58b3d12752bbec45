"""Pages of campaigns: the list, the overview with its live state, the audit, and what a person may ask of one."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from reports.audit import audit
from reports.campaigns import campaign_list
from reports.charts import charts, svg
from reports.live import live
from reports.overview import overview
from reports.presentation import bin_label, code_lines, groups
from reports.scope import campaign_head
from web.control import Action
from web.errors import ControlRefused
from web.live import is_over
from web.query import Address, paging_of, scope_of
from web.rendering import page
from web.state import CampaignId, SharedDep

router = APIRouter()

#: Figures that stand large at the head of the page.
HEADLINE = ("total", "answer_rate", "success_rate", "average_talk", "talk", "blocks", "cost")


@router.get("/", include_in_schema=False)
async def home() -> RedirectResponse:
    return RedirectResponse("/campaigns", status_code=307)


@router.get("/campaigns", response_class=HTMLResponse)
async def campaigns_page(request: Request, shared: SharedDep) -> HTMLResponse:
    """All campaigns, the newest first."""
    state = request.query_params.get("state") or None
    async with shared.database.read() as conn:
        shown = await campaign_list(conn, paging_of(request.query_params, "-id"), state=state)
    address = Address("/campaigns", request.query_params, "-id")
    return page(request, "campaigns.html", shown=shown, state=state, address=address)


@router.get("/campaigns/{campaign_id}", response_class=HTMLResponse)
async def campaign_page(campaign_id: CampaignId, request: Request, shared: SharedDep) -> HTMLResponse:
    """The overview report, below the live state while the campaign runs."""
    async with shared.database.read() as conn:
        head = await campaign_head(conn, campaign_id)
        report = await overview(conn, scope_of(request.query_params, campaign_id, head.time_zone))
        state = await live(conn, campaign_id)
    shown = groups(report)
    by_key = {figure.key: figure for group in shown for figure in group.figures}
    return page(
        request,
        "campaign.html",
        campaign=head,
        report=report,
        groups=shown,
        headline=[by_key[key] for key in HEADLINE],
        codes=code_lines(report),
        bins=[(bin_label(one), one.calls) for one in report.histogram],
        charts=[(chart, await svg(chart)) for chart in charts(report)],
        live=state,
        is_over=is_over(state),
        can_control=shared.control is not None,
        address=Address(f"/campaigns/{campaign_id}", request.query_params, ""),
    )


@router.get("/campaigns/{campaign_id}/audit", response_class=HTMLResponse)
async def audit_page(campaign_id: CampaignId, request: Request, shared: SharedDep) -> HTMLResponse:
    """Whether the campaign's books balance."""
    async with shared.database.read() as conn:
        head = await campaign_head(conn, campaign_id)
        result = await audit(conn, campaign_id, shared.settings.recordings_dir)
    return page(request, "audit.html", campaign=head, result=result)


@router.post("/campaigns/{campaign_id}/{action}")
async def act(campaign_id: CampaignId, action: Action, shared: SharedDep) -> RedirectResponse:
    """Carry a person's wish out, then show the campaign."""
    if shared.control is None:
        raise ControlRefused("this dashboard only shows campaigns; use `campana campaign` to start or stop one")
    await shared.control.act(campaign_id, action)
    return RedirectResponse(f"/campaigns/{campaign_id}", status_code=303)
