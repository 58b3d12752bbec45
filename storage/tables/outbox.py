"""Work that must happen once because something was committed."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, String, Table, Text

from storage.tables.base import Id, metadata
from storage.types import UtcTime

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(128), nullable=False, unique=True),
    # report_mail and, later, webhook, export …
    Column("topic", String(32), nullable=False),
    Column("payload", JSON, nullable=False),
    # pending | done | dead
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("next_at", UtcTime, nullable=False),
    Column("fence", Integer, nullable=False, default=0),
    Column("lease_until", UtcTime),
    Column("last_error", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("done_at", UtcTime),
    Index("ix_outbox_due", "state", "next_at"),
)
