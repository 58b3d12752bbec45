"""Ways out to the telephone network, with their limits and health."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, Float, Integer, String, Table

from storage.tables.base import metadata
from storage.types import UtcTime

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
