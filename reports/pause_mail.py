"""Telling a campaign's people that it has paused by itself, as a handler of the outbox topic `pause_mail`."""

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
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.mail import SmtpSettings, send
from reports.page import environment
from reports.scope import CampaignHead, campaign_head
from reports.wording import OPEN_CONTACT_STATES
from storage.database import Database
from storage.tables import attempts, contacts

log = structlog.get_logger(__name__)

TOPIC: Final = "pause_mail"


@cache
def _templates() -> Environment:
    return environment("reports")


async def deliver_pause_mail(database: Database, payload: Mapping[str, Any], smtp: SmtpSettings) -> None:
    """Mail `payload` (campaign_id, clause, reason, paused_at) to the campaign's report recipients.

    Returns at once when there are none. Raises `MailServerUnavailable` or `MailNotAccepted`; a repeat bears the same
    Message-ID.
    """
    async with database.read() as conn:
        head = await campaign_head(conn, int(payload["campaign_id"]))
        left, live = await _left(conn, head.id)
    if not head.report_emails:
        log.info("pause_mail.no_recipients", campaign_id=head.id)
        return
    await send(_compose(payload, head, smtp, left=left, live=live), smtp)
    log.info("pause_mail.sent", campaign_id=head.id, recipients=len(head.report_emails))


async def _left(conn: AsyncConnection, campaign_id: int) -> tuple[int, int]:
    """Contacts still to be called, and calls that are on."""
    waiting = select(func.count()).where(
        contacts.c.campaign_id == campaign_id, contacts.c.state.in_(sorted(OPEN_CONTACT_STATES))
    )
    live = select(func.count()).where(attempts.c.campaign_id == campaign_id, attempts.c.phase != "ended")
    counts = [int((await conn.execute(statement)).scalar_one()) for statement in (waiting, live)]
    return counts[0], counts[1]


def _compose(
    payload: Mapping[str, Any], head: CampaignHead, smtp: SmtpSettings, *, left: int, live: int
) -> EmailMessage:
    message = EmailMessage()
    # A line break in a header would begin another header.
    message["Subject"] = " ".join(f"Campaign {head.name} ({head.code}) is paused: {payload['reason']}".split())
    message["From"] = Address("Campana", addr_spec=smtp.sender)
    message["To"] = ", ".join(head.report_emails)
    message["Message-ID"] = _message_id(payload, smtp.sender)
    message["Auto-Submitted"] = "auto-generated"
    text = (
        _templates()
        .get_template("pause.txt")
        .render(
            campaign=head,
            reason=payload["reason"],
            clause=payload["clause"],
            paused_at=datetime.fromisoformat(payload["paused_at"]),
            left=left,
            live=live,
            zone=head.time_zone,
            link=f"{smtp.dashboard_url.rstrip('/')}/campaigns/{head.id}" if smtp.dashboard_url else None,
        )
    )
    message.set_content(text)
    return message


def _message_id(payload: Mapping[str, Any], sender: str) -> str:
    seed = f"{payload['campaign_id']}:{payload['paused_at']}"
    domain = sender.rpartition("@")[2].strip("> ") or "localhost"
    return f"<pause.{hashlib.sha256(seed.encode()).hexdigest()[:16]}@{domain}>"
