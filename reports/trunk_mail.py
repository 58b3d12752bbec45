"""Telling an account that a trunk of its running campaigns is paused, as a handler of the outbox topic `trunk_mail`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from functools import cache
from typing import Any, Final

import structlog
from jinja2 import Environment
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.mail import SmtpSettings, send
from reports.page import environment
from reports.trunks import failing_calls
from storage.database import Database
from storage.tables import accounts, campaigns

log = structlog.get_logger(__name__)

TOPIC: Final = "trunk_mail"
_OPEN: Final = ("running", "paused")


@cache
def _templates() -> Environment:
    return environment("reports")


async def deliver_trunk_mail(database: Database, payload: Mapping[str, Any], smtp: SmtpSettings) -> None:
    """Mail `payload` (trunk, account_id, paused_at, reason, failing_calls) to the report recipients of the account's
    running and paused campaigns on that trunk.

    Returns at once when there are none. Raises `MailServerUnavailable` or `MailNotAccepted`; a repeat bears the same
    Message-ID.
    """
    async with database.read() as conn:
        zone, codes, recipients = await _concerned(conn, payload["account_id"], payload["trunk"])
    if not recipients:
        log.info("trunk_mail.no_recipients", trunk=payload["trunk"])
        return
    await send(_compose(payload, zone, codes, recipients, smtp), smtp)
    log.info("trunk_mail.sent", trunk=payload["trunk"], recipients=len(recipients))


async def _concerned(conn: AsyncConnection, account_id: int, trunk: str) -> tuple[str, list[str], list[str]]:
    """The account's time zone, its campaigns on the trunk, and who gets their reports."""
    zone = (await conn.execute(select(accounts.c.time_zone).where(accounts.c.id == account_id))).scalar_one()
    chosen = select(campaigns.c.code, campaigns.c.report_emails).where(
        campaigns.c.account_id == account_id, campaigns.c.trunk == trunk, campaigns.c.state.in_(_OPEN)
    )
    rows = (await conn.execute(chosen.order_by(campaigns.c.code))).all()
    recipients = sorted({address for _, addresses in rows for address in addresses})
    return zone, [code for code, _ in rows], recipients


def _compose(
    payload: Mapping[str, Any], zone: str, codes: list[str], recipients: list[str], smtp: SmtpSettings
) -> EmailMessage:
    message = EmailMessage()
    # A line break in a header would begin another header.
    reason = " ".join(str(payload["reason"]).split())
    message["Subject"] = f"Trunk {payload['trunk']} is paused: {reason}"
    message["From"] = Address("Campana", addr_spec=smtp.sender)
    message["To"] = ", ".join(recipients)
    message["Message-ID"] = _message_id(payload, smtp.sender)
    message["Auto-Submitted"] = "auto-generated"
    text = (
        _templates()
        .get_template("trunk.txt")
        .render(
            trunk=payload["trunk"],
            reason=payload["reason"],
            paused_at=datetime.fromisoformat(payload["paused_at"]),
            calls=failing_calls(payload["failing_calls"]),
            codes=codes,
            zone=zone,
            link=f"{smtp.dashboard_url.rstrip('/')}/trunks" if smtp.dashboard_url else None,
        )
    )
    message.set_content(text)
    return message


def _message_id(payload: Mapping[str, Any], sender: str) -> str:
    seed = f"{payload['trunk']}:{payload['account_id']}:{payload['paused_at']}"
    domain = sender.rpartition("@")[2].strip("> ") or "localhost"
    return f"<trunk.{hashlib.sha256(seed.encode()).hexdigest()[:16]}@{domain}>"
