"""Campaigns, the lists that were read into them, and their contacts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    false,
)

from storage.tables.base import Id, metadata
from storage.types import E164, Money, UtcTime

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
    # ["2026-12-25"]: days of its own time zone without a call.
    Column("closed_dates", JSON, nullable=False, default=[], server_default="[]"),
    # A country, VN, or a part of one, US-CA, on whose public holidays nobody is called.
    Column("holidays", String(16)),
    # advertising | service: whose legal hours it keeps to; null: nobody's, as a rehearsal calls nobody.
    Column("purpose", String(16)),
    # The zone of contacts of whom neither the list nor the number tells it.
    Column("contact_time_zone", String(64)),
    Column("concurrency", Integer, nullable=False, default=5),
    Column("max_call_s", Integer, nullable=False, default=300),
    Column("ring_timeout_s", Integer, nullable=False, default=45),
    Column("max_attempts", Integer, nullable=False, default=1),
    # [{"on": ["BUSY", "NOANSWER", "code:XY"], "times": 2, "after_min": 20, "multiply": 1}]
    Column("retry_rules", JSON, nullable=False),
    # as_rule | never: whether those rules call again whose call was lost with its node, and who may have heard it ring.
    Column("lost_calls", String(8), nullable=False, default="as_rule", server_default="as_rule"),
    # {"per_24h": 1, "no_call_back_days": 30}: how often one number is called; null: as the account says.
    Column("caps", JSON(none_as_null=True)),
    # [{"when": {"waiting_h": 48}, "then": {"priority": 9}}]: what follows an attempt, or the waiting, of a contact.
    Column("post_conditions", JSON(none_as_null=True)),
    # {"0": [1700000000000, "17"]}: by rule, up to whom its waiting time has been looked at.
    Column("waits", JSON(none_as_null=True)),
    # {"after_unanswered": 3, "campaign": "CODE"}, and that campaign's id once this one has been started.
    Column("retarget", JSON(none_as_null=True)),
    Column("retarget_id", Id),
    # {"NA": "KNM"}: the campaign's own strings for the default action codes.
    Column("codes", JSON, nullable=False),
    Column("report_emails", JSON, nullable=False),
    # The most that its calls may cost, VAT included; null: no budget.
    Column("budget", Money),
    # Running sums of its charges and of what its live calls may cost, kept while there is a budget.
    Column("spent", Money),
    Column("reserved", Money),
    # Why it paused by itself; null when a person paused it.
    Column("pause_reason", String(200)),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    # Its weight among the campaigns that want the same trunk, and how far its turns there have come.
    Column("share", Integer, nullable=False, default=1, server_default="1"),
    Column("share_turn", BigInteger, nullable=False, default=0, server_default="0"),
    # Of its calls at once, those that only agreed call-backs may be.
    Column("callback_reserve", Integer, nullable=False, default=0, server_default="0"),
    # {"from": 1, "step": 1, "every_s": 30}: calls at once grow so from running_since on; null: all of them at once.
    Column("slow_start", JSON(none_as_null=True)),
    Column("running_since", UtcTime),
    # Waiting contacts that nobody reached this long after they came in expire; null: never.
    Column("contact_expires_days", Integer),
    # Whether it waits for further contacts when nobody is left, instead of completing.
    Column("stays_open", Boolean, nullable=False, default=False, server_default=false()),
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
    # How the file was read, as far as the importer chose it, as JSON text; empty when nothing was chosen.
    # With sha256 it tells which import goes on when a file comes again.
    Column("reading", Text, nullable=False, default="", server_default=""),
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
    # The bot that a post-condition has chosen; null: the campaign's.
    Column("bot_id", Id),
    # When it came into the campaign.
    Column("entered_at", UtcTime),
    # The contact of another campaign that it was made of, by retargeting or recycling.
    Column("source_id", Id),
    # When a contact that is still waiting and was never reached is given up.
    Column("expires_at", UtcTime),
    UniqueConstraint("campaign_id", "external_key"),
    Index("ix_contacts_state", "campaign_id", "state"),
    Index("ix_contacts_number", "number"),
    Index("ix_contacts_entered", "campaign_id", "entered_at"),
)
Index(
    "uq_contacts_source",
    contacts.c.campaign_id,
    contacts.c.source_id,
    unique=True,
    sqlite_where=contacts.c.source_id.is_not(None),
    postgresql_where=contacts.c.source_id.is_not(None),
)


def _in_part(name: str, *columns: Any, where: ColumnElement[bool]) -> Index:
    return Index(name, contacts.c.campaign_id, *columns, sqlite_where=where, postgresql_where=where)


_QUEUED = contacts.c.state.in_(["pending", "retry_wait"])
_READY = and_(_QUEUED, contacts.c.next_at.is_(None))
_BY_TRIES = (contacts.c.attempts, contacts.c.priority.desc(), contacts.c.id)
# The order of dialling (VOCABULARY), so that a claim reads its first rows instead of sorting the list. Those who are
# put off stand in none of it: however many they are, a claim does not walk over them.
_in_part("ix_contacts_order", *_BY_TRIES, where=and_(_READY, contacts.c.time_from.is_(None)))
_in_part("ix_contacts_own_window", *_BY_TRIES, where=and_(_READY, contacts.c.time_from.is_not(None)))
_in_part(
    "ix_contacts_put_off",
    contacts.c.next_at,
    *_BY_TRIES,
    where=and_(_QUEUED, contacts.c.next_at.is_not(None)),
)
_in_part("ix_contacts_callback", contacts.c.next_at, contacts.c.id, where=contacts.c.state == "callback")

# Few contacts expire by themselves: the others are not in it.
Index(
    "ix_contacts_expiry",
    contacts.c.expires_at,
    sqlite_where=contacts.c.expires_at.is_not(None),
    postgresql_where=contacts.c.expires_at.is_not(None),
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
