"""Every table, as SQLAlchemy Core. Words are VOCABULARY.md's; instants are `UtcTime`, amounts `Money`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

from storage.types import E164, Money, UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives rowid aliases only to INTEGER, PostgreSQL wants eight bytes.
Id = BigInteger().with_variant(Integer, "sqlite")

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("currency", String(3), nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("region", String(2), nullable=False),
    Column("created_at", UtcTime, nullable=False),
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

trunks = Table(
    "trunks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("channels", Integer, nullable=False),
    Column("cps", Float, nullable=False),
    # GCRA: the instant at which the next call conforms, kept in microseconds
    # because calls per second divide a second finer than milliseconds.
    Column("next_call_us", BigInteger, nullable=False, default=0),
    # healthy | suspect | paused | trying
    Column("health", String(16), nullable=False, default="healthy", server_default="healthy"),
    # Calls in a row that failed by the trunk's fault, and how many of them pause it.
    Column("failures", Integer, nullable=False, default=0, server_default="0"),
    Column("failures_allowed", Integer, nullable=False, default=5, server_default="5"),
    Column("paused_at", UtcTime),
    Column("pause_reason", String(200)),
    # Probes and trial calls in vain since the pause: the back-off's step.
    Column("trials", Integer, nullable=False, default=0, server_default="0"),
    # When a paused trunk is probed next; null: only a person resumes it.
    Column("probe_at", UtcTime),
    # The one call that a trunk on trial may place.
    Column("trial_attempt_id", String(32)),
    # [{"attempt_id", "at", "dial_status", "sip_code", "q850", "text"}], the last ones, oldest first.
    Column("failing_calls", JSON, nullable=False, default=[], server_default="[]"),
    # Seconds before each probe of a paused trunk, the last one repeated; null: as the program has it.
    Column("probe_after_s", JSON(none_as_null=True)),
)

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

attempts = Table(
    "attempts",
    metadata,
    # A UUID in hex: also the SIP Call-ID's local part and Asterisk's ChannelId.
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("campaign_id", ForeignKey("campaigns.id"), nullable=False),
    Column("contact_id", ForeignKey("contacts.id"), nullable=False),
    Column("bot_id", ForeignKey("bots.id"), nullable=False),
    Column("trunk", String(64), nullable=False),
    Column("attempt_no", Integer, nullable=False),
    Column("call_type", String(16), nullable=False, default="campaign"),
    Column("is_test", Boolean, nullable=False, default=False),
    Column("origin", String(16), nullable=False),
    Column("number", E164, nullable=False),
    Column("caller_id", String(32)),
    # Fence and lease: only the node that holds the fence may move the row.
    Column("node", String(64), nullable=False),
    Column("fence", Integer, nullable=False, default=1),
    Column("lease_until", UtcTime, nullable=False),
    Column("phase", String(16), nullable=False),
    Column("claimed_at", UtcTime, nullable=False),
    Column("originated_at", UtcTime),
    Column("ringing_at", UtcTime),
    Column("answered_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("settled_at", UtcTime),
    Column("acw_ms", Integer, nullable=False, default=0),
    Column("dial_status", String(16)),
    Column("call_status", String(20)),
    Column("action_code", String(32)),
    # success | unsuccessful | error | not_counted
    Column("code_class", String(16)),
    # The default action code whose family this is (BS, NA, CU, or its own).
    Column("code_family", String(32)),
    Column("generic_result", String(16)),
    # customer | bot | network | agent
    Column("hangup_by", String(16)),
    Column("amd", String(16)),
    Column("sip_code", Integer),
    Column("q850", Integer),
    # Reason of Asterisk's OriginateResponse, as it came.
    Column("ami_reason", Integer),
    Column("network_text", String(200)),
    Column("lost", Boolean, nullable=False, default=False),
    # Whether it counts towards the contact's maximum; what failed by our fault or the trunk's does not.
    Column("counted", Boolean, nullable=False, default=True, server_default=true()),
    # True when the bot spoke: the attempt is a conversation.
    Column("spoke", Boolean, nullable=False, default=False),
    Column("messages", Integer, nullable=False, default=0),
    Column("answer_to_first_word_ms", Integer),
    Column("blocks", Integer, nullable=False, default=0),
    Column("billable_s", Integer, nullable=False, default=0),
    # The tariff as it was at claim time; rating reads nothing else.
    Column("tariff_snapshot", JSON, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("cost_bot", Money),
    Column("cost_telecom", Money),
    Column("cost_fees", Money),
    Column("cost_vat", Money),
    # Milliseconds of talk that blocks are counted of: all of it, or until a transfer that joined was asked for.
    Column("bot_ms", Integer),
    # The last transfer that was tried; the target's name is the script's.
    Column("transfer_target", String(64)),
    # second_leg | hand_over
    Column("transfer_by", String(16)),
    # Where the agent was called: E.164, an extension, or what the telephone system takes.
    Column("transfer_number", String(128)),
    # Milliseconds after answer; joined is null when no agent came.
    Column("transfer_asked_ms", Integer),
    Column("transfer_joined_ms", Integer),
    Column("transfer_text", String(200)),
    # The agent's own leg, from its answer to its end.
    Column("agent_ms", Integer, nullable=False, default=0, server_default="0"),
    Column("agent_billable_s", Integer, nullable=False, default=0, server_default="0"),
    # What the agent's leg costs; contained in cost_telecom.
    Column("cost_agent", Money),
    Index("ix_attempts_campaign", "campaign_id", "originated_at"),
    Index("ix_attempts_contact", "contact_id"),
    Index("ix_attempts_account_time", "account_id", "originated_at"),
)
# The live attempts are few among many: partial indexes keep claim and reap off the history,
# and the unique ones are invariant 1 itself.
Index(
    "uq_attempts_live_number",
    attempts.c.number,
    unique=True,
    sqlite_where=attempts.c.phase != "ended",
    postgresql_where=attempts.c.phase != "ended",
)
Index(
    "uq_attempts_live_contact",
    attempts.c.contact_id,
    unique=True,
    sqlite_where=attempts.c.phase != "ended",
    postgresql_where=attempts.c.phase != "ended",
)
Index(
    "ix_attempts_live",
    attempts.c.campaign_id,
    attempts.c.trunk,
    attempts.c.phase,
    sqlite_where=attempts.c.phase != "ended",
    postgresql_where=attempts.c.phase != "ended",
)

attempt_events = Table(
    "attempt_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("attempt_id", ForeignKey("attempts.id"), nullable=False, index=True),
    Column("at", UtcTime, nullable=False),
    Column("node", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("from_phase", String(16)),
    Column("to_phase", String(16)),
    Column("detail", JSON),
)

turns = Table(
    "turns",
    metadata,
    Column("id", Id, primary_key=True),
    Column("attempt_id", ForeignKey("attempts.id"), nullable=False),
    Column("turn_no", Integer, nullable=False),
    # bot | customer
    Column("speaker", String(8), nullable=False),
    # Milliseconds after answer.
    Column("start_ms", Integer, nullable=False),
    Column("end_ms", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("step", String(64)),
    Column("intent", String(64)),
    Column("confidence", Float),
    Column("interrupted", Boolean, nullable=False, default=False),
    Column("stt_ms", Integer),
    # Bot turns: end of the customer's speech to the first sample of the reply.
    Column("voice_to_voice_ms", Integer),
    # Interrupted bot turns: start of the customer's speech to the bot's last sample.
    Column("barge_in_stop_ms", Integer),
    UniqueConstraint("attempt_id", "turn_no"),
)

recordings = Table(
    "recordings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("attempt_id", ForeignKey("attempts.id"), nullable=False, unique=True),
    # Relative to the recordings folder of the settings.
    Column("path", Text, nullable=False),
    Column("rate_hz", Integer, nullable=False),
    Column("channels", Integer, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    # Set when the file could not be written in full (disk full and the like).
    Column("error", String(200)),
    Column("created_at", UtcTime, nullable=False),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    # One posting is several rows of one key that sum to nought; the key makes it once-only.
    Column("posting_key", String(96), nullable=False),
    # top_up | reservation | release | charge | adjustment
    Column("kind", String(16), nullable=False),
    # prepaid | cash | bot | telecom | fees | vat | rehearsal
    Column("book", String(16), nullable=False),
    Column("amount", Money, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("attempt_id", ForeignKey("attempts.id")),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("posting_key", "book"),
    Index("ix_ledger_entries_attempt_id", "attempt_id"),
    Index("ix_ledger_entries_account_id_book", "account_id", "book"),
)

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
