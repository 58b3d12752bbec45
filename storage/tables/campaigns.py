"""Campaigns, the lists that were read into them, and their contacts."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, false

from storage.tables.base import Id, metadata
from storage.types import E164, UtcTime

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("code", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("script_type", String(16), nullable=False, default="conversation"),
    Column("bot_id", ForeignKey("bots.id"), nullable=False),
    Column("tariff_id", ForeignKey("tariffs.id"), nullable=False),
    Column("trunk", ForeignKey("trunks.name"), nullable=False),
    # Names of the trunks that calls go out by while those before them are paused, in order.
    Column("backup_trunks", JSON, nullable=False, default=[], server_default="[]"),
    # Whether they also take the calls for which those before them have no channel or rate left.
    Column("overflow", Boolean, nullable=False, default=False, server_default=false()),
    # {"voicemail": "hang_up", "screening": {"message": "..."}}; null: as the script says.
    Column("machines", JSON(none_as_null=True)),
    Column("caller_id", String(32)),
    Column("state", String(16), nullable=False),
    Column("is_test", Boolean, nullable=False, default=False),
    Column("region", String(2), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("start_at", UtcTime),
    Column("end_at", UtcTime),
    # [["08:00", "11:30"], ["13:30", "17:00"]]; an empty list is the whole day.
    Column("windows", JSON, nullable=False),
    # ISO weekdays, Monday = 1; an empty list is every day.
    Column("weekdays", JSON, nullable=False),
    Column("concurrency", Integer, nullable=False, default=5),
    Column("max_call_s", Integer, nullable=False, default=300),
    Column("ring_timeout_s", Integer, nullable=False, default=45),
    Column("max_attempts", Integer, nullable=False, default=1),
    # [{"on": ["BUSY", "NOANSWER", "code:XY"], "times": 2, "after_min": 20, "multiply": 1}]
    Column("retry_rules", JSON, nullable=False),
    # {"per_24h": 1, "no_call_back_days": 30}: how often one number is called; null: as the account says.
    Column("caps", JSON(none_as_null=True)),
    # {"NA": "KNM"}: the campaign's own strings for the default action codes.
    Column("codes", JSON, nullable=False),
    Column("report_emails", JSON, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    UniqueConstraint("account_id", "code"),
)

list_imports = Table(
    "list_imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("file_name", String(255), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("result_path", Text),
    Column("created_at", UtcTime, nullable=False),
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("import_id", ForeignKey("list_imports.id")),
    Column("line", Integer, nullable=False),
    Column("phone", String(64), nullable=False),
    Column("number", E164),
    Column("name", String(200)),
    Column("external_key", String(48)),
    Column("language", String(16)),
    Column("time_zone", String(64)),
    Column("priority", Integer, nullable=False, default=0),
    Column("time_from", String(5)),
    Column("time_to", String(5)),
    Column("caller_id", String(32)),
    Column("variables", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", String(200)),
    Column("next_at", UtcTime),
    Column("attempts", Integer, nullable=False, default=0),
    Column("origin", String(16), nullable=False, default="import"),
    Column("last_attempt_id", String(32)),
    UniqueConstraint("campaign_id", "external_key"),
    Index("ix_contacts_due", "campaign_id", "state", "next_at"),
    Index("ix_contacts_number", "number"),
)
# The order of dialling (VOCABULARY), so that a claim reads its first rows instead of sorting the list.
Index(
    "ix_contacts_order",
    contacts.c.campaign_id,
    contacts.c.attempts,
    contacts.c.priority.desc(),
    contacts.c.id,
    sqlite_where=contacts.c.state.in_(["pending", "retry_wait"]),
    postgresql_where=contacts.c.state.in_(["pending", "retry_wait"]),
)
Index(
    "ix_contacts_own_window",
    contacts.c.campaign_id,
    contacts.c.attempts,
    contacts.c.priority.desc(),
    contacts.c.id,
    sqlite_where=contacts.c.time_from.is_not(None),
    postgresql_where=contacts.c.time_from.is_not(None),
)

contact_events = Table(
    "contact_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("contact_id", ForeignKey("contacts.id"), nullable=False, index=True),
    Column("at", UtcTime, nullable=False),
    # The node, the API token, or the person at the command line.
    Column("by", String(64), nullable=False),
    # put_off | barred | held | released | edited | visited …
    Column("kind", String(32), nullable=False),
    # The clause of "may be dialled now", where one decided.
    Column("clause", String(32)),
    Column("detail", JSON(none_as_null=True)),
)
