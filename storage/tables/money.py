"""The ledger."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table, UniqueConstraint

from storage.tables.base import Id, metadata
from storage.types import Money, UtcTime

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    # One posting is several rows of one key that sum to nought; the key makes it once-only.
    Column("posting_key", String(96), nullable=False),
    # top_up | reservation | release | charge | adjustment
    Column("kind", String(16), nullable=False),
    # prepaid | cash | bot | telecom | fees | vat | rehearsal | reserved
    Column("book", String(16), nullable=False),
    Column("amount", Money, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("attempt_id", ForeignKey("attempts.id")),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("posting_key", "book"),
    Index("ix_ledger_entries_attempt_id", "attempt_id"),
    Index("ix_ledger_entries_account_id_book", "account_id", "book"),
)
