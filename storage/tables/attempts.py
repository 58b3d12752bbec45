"""Attempts and what they leave: events, turns, recordings."""

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
    String,
    Table,
    Text,
    UniqueConstraint,
    true,
)

from storage.tables.base import Id, metadata
from storage.types import E164, Money, UtcTime

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
    # What was set aside for it when it was claimed, until it ended; null: its account and campaign have no limit.
    Column("reserved", Money),
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
    # The family that the bill was made of, once a person has given the attempt another code.
    Column("settled_family", String(32)),
    # What the customer gave, by the script's names, in canonical text; null: nothing.
    Column("collected", JSON(none_as_null=True)),
    # What language models used: a list of {model, prompt_tokens, completion_tokens, cost_usd, answers}.
    Column("llm_usage", JSON(none_as_null=True)),
    Index("ix_attempts_campaign", "campaign_id", "originated_at"),
    Index("ix_attempts_contact", "contact_id"),
    Index("ix_attempts_account_time", "account_id", "originated_at"),
)
# How often a number was called, for frequency caps.
Index(
    "ix_attempts_number",
    attempts.c.number,
    attempts.c.originated_at,
    sqlite_where=attempts.c.originated_at.is_not(None),
    postgresql_where=attempts.c.originated_at.is_not(None),
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
    attempts.c.origin,
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
    # Customer turns: the recogniser's readings, the best first, each {text, score}.
    Column("heard", JSON(none_as_null=True)),
    # Customer turns: the values that were taken from it, by the script's names.
    Column("collected", JSON(none_as_null=True)),
    # What the turn took, part by part in ms.
    Column("latency", JSON(none_as_null=True)),
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
