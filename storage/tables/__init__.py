"""Every table, as SQLAlchemy Core. Words are VOCABULARY.md's; instants are `UtcTime`, amounts `Money`."""

from __future__ import annotations

from storage.tables.accounts import accounts, bots, tariffs
from storage.tables.api import api_requests, api_tokens, webhook_deliveries, webhooks
from storage.tables.attempts import attempt_events, attempts, recordings, turns
from storage.tables.base import metadata
from storage.tables.campaigns import campaigns, contact_events, contacts, list_imports
from storage.tables.money import ledger_entries
from storage.tables.nodes import nodes
from storage.tables.outbox import outbox
from storage.tables.suppression import (
    do_not_call,
    suppressed_numbers,
    suppression_events,
    suppression_imports,
    suppression_lists,
    suppression_patterns,
)
from storage.tables.trunks import trunks

__all__ = [
    "accounts",
    "api_requests",
    "api_tokens",
    "attempt_events",
    "attempts",
    "bots",
    "campaigns",
    "contact_events",
    "contacts",
    "do_not_call",
    "ledger_entries",
    "list_imports",
    "metadata",
    "nodes",
    "outbox",
    "recordings",
    "suppressed_numbers",
    "suppression_events",
    "suppression_imports",
    "suppression_lists",
    "suppression_patterns",
    "tariffs",
    "trunks",
    "turns",
    "webhook_deliveries",
    "webhooks",
]
