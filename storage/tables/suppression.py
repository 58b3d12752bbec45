"""Numbers that may not be called."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

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
    # What was said or pressed; of an entry by hand, why.
    Column("evidence", Text),
    # Who made an entry by hand or by import.
    Column("by", String(64)),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("account_id", "number"),
)

# One edition of a list: a newer file that replaces it is loaded as a list of its own, which then takes its name over.
suppression_lists = Table(
    "suppression_lists",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", String(64), nullable=False),
    # account | campaign | register
    Column("kind", String(16), nullable=False),
    Column("campaign_id", ForeignKey("campaigns.id")),
    # advertising | all: the campaigns that keep to it, by their purpose.
    Column("applies_to", String(16), nullable=False),
    # loading | in_force | replaced | removed
    Column("state", String(16), nullable=False),
    Column("numbers", Integer, nullable=False, default=0),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
Index(
    "uq_suppression_lists_in_force",
    suppression_lists.c.account_id,
    suppression_lists.c.name,
    unique=True,
    sqlite_where=suppression_lists.c.state == "in_force",
    postgresql_where=suppression_lists.c.state == "in_force",
)

suppressed_numbers = Table(
    "suppressed_numbers",
    metadata,
    Column("number", E164, primary_key=True),
    Column("list_id", ForeignKey("suppression_lists.id"), primary_key=True),
    # A register has millions of rows, and nothing but the key.
    sqlite_with_rowid=False,
)

suppression_imports = Table(
    "suppression_imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("list_id", ForeignKey("suppression_lists.id"), nullable=False),
    # add | replace
    Column("mode", String(16), nullable=False),
    Column("file_name", String(255), nullable=False),
    Column("sha256", String(64), nullable=False),
    # Rows of the file that are stored or refused so far.
    Column("rows", Integer, nullable=False, default=0),
    # {"listed": 9, "duplicate": 0, "invalid": 1}
    Column("counts", JSON, nullable=False),
    # Raised by whoever goes on with it: of two at once the later one alone may.
    Column("fence", Integer, nullable=False, default=1),
    Column("by", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
)

suppression_patterns = Table(
    "suppression_patterns",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    # Null: all campaigns of the account.
    Column("campaign_id", ForeignKey("campaigns.id")),
    # International: +84 90* without the space.
    Column("pattern", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", String(64), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

# What was entered or taken out by hand, and why: an entry that is taken out is kept here whole.
suppression_events = Table(
    "suppression_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("by", String(64), nullable=False),
    # number_added | number_removed | list_created | list_replaced | list_removed | pattern_added | pattern_removed
    Column("kind", String(16), nullable=False),
    Column("number", E164),
    Column("list_name", String(64)),
    Column("pattern", String(32)),
    Column("reason", Text),
    Column("detail", JSON(none_as_null=True)),
    Index("ix_suppression_events_number", "account_id", "number"),
)
