"""Numbers that may not be called."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, String, Table, Text, UniqueConstraint

from storage.tables.base import Id, metadata
from storage.types import E164, UtcTime

do_not_call = Table(
    "do_not_call",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("number", E164, nullable=False),
    # opt_out | import | manual
    Column("source", String(16), nullable=False),
    Column("attempt_id", ForeignKey("attempts.id")),
    Column("evidence", Text),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("account_id", "number"),
)
