"""The live state of a campaign: events on its page while it runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fastapi import APIRouter

from reports.live import Live, live
from reports.scope import campaign_head
from web.rendering import fragment
from web.state import CampaignId, Shared, SharedDep
from web.stream import EventStream, event, pause

router = APIRouter()
_HEARTBEAT_S = 15.0


@router.get("/campaigns/{campaign_id}/live")
async def live_events(campaign_id: CampaignId, shared: SharedDep) -> EventStream:
    """`live`: the state's fragment, when it changed; `moved`: figures changed; `finished`: nothing more comes."""
    async with shared.database.read() as conn:
        await campaign_head(conn, campaign_id)
    return EventStream(_events(campaign_id, shared))


async def _events(campaign_id: CampaignId, shared: Shared) -> AsyncGenerator[bytes, None]:
    shown, counted, quiet_s = "", None, 0.0
    yield b"retry: 2000\n\n"
    while True:
        async with shared.database.read() as conn:
            state = await live(conn, campaign_id)
        drawn = fragment("_live.html", live=state, is_over=is_over(state))
        quiet_s += shared.settings.live_interval_s
        if drawn != shown:
            yield event("live", drawn)
        if state.totals != counted and counted is not None:
            yield event("moved", "")
        if quiet_s >= _HEARTBEAT_S:
            # A comment: proxies and browsers keep the connection, and a reader that is gone is noticed.
            yield b": quiet\n\n"
        quiet_s = 0.0 if drawn != shown or quiet_s >= _HEARTBEAT_S else quiet_s
        shown, counted = drawn, state.totals
        if is_over(state):
            yield event("finished", "")
            return
        if await pause(shared.stopping, shared.settings.live_interval_s):
            return


def is_over(state: Live) -> bool:
    """Whether nothing of the campaign will change any more."""
    return state.is_over and not state.calls
