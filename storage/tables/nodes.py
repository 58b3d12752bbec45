"""The processes that dial, as they tell of themselves."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Integer, String, Table, false

from storage.tables.base import metadata
from storage.types import UtcTime

nodes = Table(
    "nodes",
    metadata,
    # The name that attempts have in their column node.
    Column("name", String(64), primary_key=True),
    Column("started_at", UtcTime, nullable=False),
    # The last sign of life, and until when the node counts as alive without another one.
    Column("seen_at", UtcTime, nullable=False),
    Column("alive_until", UtcTime, nullable=False),
    # Calls at once that it may hold, and those that it held when it was last seen.
    Column("calls", Integer, nullable=False),
    Column("live_calls", Integer, nullable=False, default=0),
    # Names of the trunks that it dials over.
    Column("trunks", JSON, nullable=False),
    Column("version", String(32), nullable=False),
    # running | draining | gone
    Column("state", String(16), nullable=False),
    # Somebody wants it to claim nothing more and to end when its calls have.
    Column("drain_asked", Boolean, nullable=False, default=False, server_default=false()),
)
