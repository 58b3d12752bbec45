"""Who may use the API, the requests that it has answered, and who is told of what happens."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from storage.tables.base import Id, metadata
from storage.types import UtcTime

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", String(64), nullable=False),
    # The secret itself is shown once and kept nowhere.
    Column("secret_sha256", String(64), nullable=False, unique=True),
    # ["campaigns:read", "contacts:write"], or ["*"].
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("revoked_at", UtcTime),
    UniqueConstraint("account_id", "name"),
)

api_requests = Table(
    "api_requests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("token_id", ForeignKey("api_tokens.id"), nullable=False),
    # The header Idempotency-Key as it came.
    Column("key", String(255), nullable=False),
    # sha256 of method, path, query and body.
    Column("fingerprint", String(64), nullable=False),
    # The answer; null while the request is being carried out.
    Column("status", Integer),
    Column("headers", JSON(none_as_null=True)),
    Column("body", Text),
    Column("created_at", UtcTime, nullable=False, index=True),
    UniqueConstraint("token_id", "key"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    # Null: all campaigns of the account.
    Column("campaign_id", ForeignKey("campaigns.id")),
    Column("url", Text, nullable=False),
    # Needed in the clear to sign with.
    Column("secret", String(64), nullable=False),
    # ["call.ended", "campaign.completed"], or ["*"].
    Column("events", JSON, nullable=False),
    Column("active", Boolean, nullable=False, default=True),
    Column("disabled_reason", String(200)),
    # Deliveries in vain since one was taken, since when, and until when none is tried.
    Column("failures", Integer, nullable=False, default=0),
    Column("failing_since", UtcTime),
    Column("quiet_until", UtcTime),
    Column("created_at", UtcTime, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("webhook_id", ForeignKey("webhooks.id"), nullable=False),
    # The header webhook-id: the same for every try, so that a receiver can tell repetitions.
    Column("event_id", String(40), nullable=False),
    Column("type", String(32), nullable=False),
    # The body, sent byte by byte as it stands here.
    Column("payload", Text, nullable=False),
    # pending | delivered | failed
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("response_status", Integer),
    Column("error", String(200)),
    Column("created_at", UtcTime, nullable=False, index=True),
    Column("last_try_at", UtcTime),
    Column("delivered_at", UtcTime),
    UniqueConstraint("webhook_id", "event_id"),
    Index("ix_webhook_deliveries_webhook", "webhook_id", "id"),
)
