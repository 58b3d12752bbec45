"""Who pays, who speaks, and for what price."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from storage.tables.base import Id, metadata
from storage.types import Money, UtcTime

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("currency", String(3), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("region", String(2), nullable=False),
    # How far below nought the balance may go; null: no limit, the account pays afterwards.
    Column("credit_limit", Money),
    # Running sum of the prepaid book, kept while there is a limit.
    Column("prepaid", Money),
    Column("created_at", UtcTime, nullable=False),
    # Calls at once of all its campaigns; null: as many as trunks and nodes take.
    Column("concurrency", Integer),
)

bots = Table(
    "bots",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("language", String(16), nullable=False),
    Column("voice", String(64), nullable=False),
    Column("speed", Float, nullable=False, default=1.0),
    Column("script", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("ears", String(64)),
    Column("sounds", JSON),
    UniqueConstraint("account_id", "name", "version"),
)

tariffs = Table(
    "tariffs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("definition", JSON, nullable=False),
    Column("valid_from", UtcTime, nullable=False),
)
