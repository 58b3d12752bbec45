"""Telling an account that a trunk of its running campaigns is paused, as a handler of the outbox topic `trunk_mail`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from reports.trunks import failing_calls, pause_of
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
        concerned = await _concerned(conn, payload["account_id"], payload["trunk"])
    if not concerned.recipients:
        log.info("trunk_mail.no_recipients", trunk=payload["trunk"])
        return
    await send(_compose(payload, concerned, smtp), smtp)
    log.info("trunk_mail.sent", trunk=payload["trunk"], recipients=len(concerned.recipients))


@dataclass(frozen=True)
class _Concerned:
    """Whom the pause of a trunk concerns in an account."""

    zone: str
    recipients: list[str]
    #: Codes of campaigns whose calls wait.
    waiting: list[str]
    #: Codes of campaigns whose calls go out by another trunk, with that.
    elsewhere: list[tuple[str, str]]

    @property
    def told(self) -> str:
        """What becomes of the calls, for the subject; nothing where that differs between campaigns, or they wait."""
        used = {name for _, name in self.elsewhere}
        return f"; calls go out by {used.pop()}" if len(used) == 1 and not self.waiting else ""


async def _concerned(conn: AsyncConnection, account_id: int, trunk: str) -> _Concerned:
    zone = (await conn.execute(select(accounts.c.time_zone).where(accounts.c.id == account_id))).scalar_one()
    chosen = select(campaigns).where(campaigns.c.account_id == account_id, campaigns.c.state.in_(_OPEN))
    found = _Concerned(zone, [], [], [])
    for row in (await conn.execute(chosen.order_by(campaigns.c.code))).mappings().all():
        names = (row["trunk"], *row["backup_trunks"])
        if trunk in names:
            found.recipients.extend(row["report_emails"])
            pause = await pause_of(conn, names)
            used = names[0] if pause is None else pause.used
            if used in {None, trunk}:
                found.waiting.append(row["code"])
            else:
                found.elsewhere.append((row["code"], str(used)))
    return replace(found, recipients=sorted(set(found.recipients)))


def _compose(payload: Mapping[str, Any], concerned: _Concerned, smtp: SmtpSettings) -> EmailMessage:
    message = EmailMessage()
    # A line break in a header would begin another header.
    reason = " ".join(str(payload["reason"]).split())
    message["Subject"] = f"Trunk {payload['trunk']} is paused: {reason}{concerned.told}"
    message["From"] = Address("Campana", addr_spec=smtp.sender)
    message["To"] = ", ".join(concerned.recipients)
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
            waiting=concerned.waiting,
            elsewhere=concerned.elsewhere,
            zone=concerned.zone,
            link=f"{smtp.dashboard_url.rstrip('/')}/trunks" if smtp.dashboard_url else None,
        )
    )
    message.set_content(text)
    return message


def _message_id(payload: Mapping[str, Any], sender: str) -> str:
    seed = f"{payload['trunk']}:{payload['account_id']}:{payload['paused_at']}"
    domain = sender.rpartition("@")[2].strip("> ") or "localhost"
    return f"<trunk.{hashlib.sha256(seed.encode()).hexdigest()[:16]}@{domain}>"
