"""Webhooks: who is told of what, and what became of each delivery."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from campaigns.webhook_events import SUBSCRIBABLE
from campaigns.webhooks import Delivery, Webhook, Webhooks
from storage.tables import webhook_deliveries
from web.api.finding import campaign_named
from web.api.paging import Cursor, Limit, Listed, by_id, listed
from web.api.route import ApiRoute, Caller, CallerDep, needs
from web.tokens import Scope

router = APIRouter(route_class=ApiRoute, tags=["webhooks"])

WebhookId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The webhook's id.")]
DeliveryId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The delivery's id.")]
_EVENTS = ", ".join(f"`{kind.value}`" for kind in SUBSCRIBABLE)
_URL = Field(min_length=8, max_length=2000, description="http or https; on the public Internet unless settings allow.")


class NewWebhook(BaseModel):
    """An address that is to be told."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://example.com/hook", "events": ["call.ended"]}]},
    )

    url: Annotated[str, _URL]
    events: list[Annotated[str, Field(max_length=32)]] = Field(
        default_factory=lambda: ["*"], min_length=1, max_length=50, description=f"`*` for all, or some of {_EVENTS}."
    )
    campaign: str | None = Field(None, max_length=64, description="Code or id of the one campaign; null: all.")


class WebhookChange(BaseModel):
    """What is to be changed; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"active": True}]})

    url: Annotated[str, _URL] | None = None
    events: list[Annotated[str, Field(max_length=32)]] | None = Field(None, min_length=1, max_length=50)
    active: bool | None = Field(None, description="Switched on, its failures are forgotten.")


class WebhookOut(BaseModel):
    """A webhook."""

    id: int
    url: str
    campaign: str | None = Field(description="The one campaign that it is told of; null: all.")
    events: list[str]
    active: bool
    disabled_reason: str | None = Field(description="Why it is told no more.")
    failures: int = Field(description="Deliveries in vain since one was taken.")
    failing_since: datetime | None
    quiet_until: datetime | None = Field(description="No delivery is tried before.")
    created_at: datetime


class MadeWebhook(WebhookOut):
    """A webhook with its secret, which is not told again."""

    secret: str = Field(description="What deliveries are signed with (Standard Webhooks).")


class DeliveryOut(BaseModel):
    """What a webhook was told, or is to be told."""

    id: int
    webhook_id: int
    event_id: str = Field(description="The header webhook-id, the same for each try.")
    type: str
    state: Literal["pending", "delivered", "failed"]
    tries: int
    response_status: int | None
    error: str | None
    created_at: datetime
    last_try_at: datetime | None
    delivered_at: datetime | None
    payload: dict[str, Any] = Field(description="The body as it is sent.")


def _hooks(caller: Caller) -> Webhooks:
    return Webhooks(caller.database, caller.shared.clock, caller.account_id)


def _out(hook: Webhook) -> WebhookOut:
    return WebhookOut(**{**vars(hook), "events": list(hook.events)})


def _delivery(found: Delivery) -> DeliveryOut:
    return DeliveryOut(**{**vars(found), "payload": json.loads(found.payload)})


@router.get("/webhooks")
@needs(Scope.WEBHOOKS_READ)
async def list_webhooks(caller: CallerDep) -> list[WebhookOut]:
    """The account's webhooks, at most fifty."""
    return [_out(hook) for hook in await _hooks(caller).all()]


@router.post("/webhooks", status_code=201)
@needs(Scope.WEBHOOKS_WRITE)
async def add_webhook(body: NewWebhook, caller: CallerDep, response: Response) -> MadeWebhook:
    """Tell an address from now on; the answer holds the secret that its deliveries are signed with."""
    campaign_id = None if body.campaign is None else await campaign_named(caller, body.campaign)
    hook, secret = await _hooks(caller).add(body.url, body.events, campaign_id=campaign_id)
    response.headers["location"] = f"/api/v1/webhooks/{hook.id}"
    return MadeWebhook(**_out(hook).model_dump(), secret=secret)


@router.get("/webhooks/{webhook}")
@needs(Scope.WEBHOOKS_READ)
async def get_webhook(webhook: WebhookId, caller: CallerDep) -> WebhookOut:
    """One webhook, and why it is told no more."""
    return _out(await _hooks(caller).get(webhook))


@router.patch("/webhooks/{webhook}")
@needs(Scope.WEBHOOKS_WRITE)
async def change_webhook(webhook: WebhookId, body: WebhookChange, caller: CallerDep) -> WebhookOut:
    """Change its address or events, or switch it off or on."""
    changed = await _hooks(caller).change(webhook, url=body.url, events=body.events, active=body.active)
    return _out(changed)


@router.delete("/webhooks/{webhook}", status_code=204)
@needs(Scope.WEBHOOKS_WRITE)
async def remove_webhook(webhook: WebhookId, caller: CallerDep) -> None:
    """Forget the webhook with its log of deliveries."""
    await _hooks(caller).remove(webhook)


@router.post("/webhooks/{webhook}/test", status_code=202)
@needs(Scope.WEBHOOKS_WRITE)
async def test_webhook(webhook: WebhookId, caller: CallerDep) -> DeliveryOut:
    """Send the event `webhook.test`; its delivery tells what came of it."""
    return _delivery(await _hooks(caller).test(webhook))


@router.get("/webhooks/{webhook}/deliveries")
@needs(Scope.WEBHOOKS_READ)
async def list_deliveries(
    *,
    webhook: WebhookId,
    caller: CallerDep,
    request: Request,
    response: Response,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listed[DeliveryOut]:
    """What the webhook was told, the newest first; kept for 30 days."""
    await _hooks(caller).get(webhook)
    columns = [webhook_deliveries.c[name] for name in DeliveryOut.model_fields]
    statement = select(*columns).where(webhook_deliveries.c.webhook_id == webhook)
    async with caller.database.read() as conn:
        page = await by_id(conn, statement, webhook_deliveries.c.id, limit, cursor)
    return listed(request, response, [_delivery(Delivery(**row)) for row in page.rows], page.next)


@router.post("/webhooks/{webhook}/deliveries/{delivery}/redeliver", status_code=202)
@needs(Scope.WEBHOOKS_WRITE)
async def redeliver(webhook: WebhookId, delivery: DeliveryId, caller: CallerDep) -> DeliveryOut:
    """Make a delivery again from the beginning, with the same event id."""
    return _delivery(await _hooks(caller).redeliver(webhook, delivery))
