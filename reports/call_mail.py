"""Sending what a script wants mailed, as a handler of the outbox topic `call_mail`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any, Final

import structlog

from reports.mail import SmtpSettings, send

log = structlog.get_logger(__name__)

TOPIC: Final = "call_mail"


async def deliver_call_mail(payload: Mapping[str, Any], smtp: SmtpSettings) -> None:
    """Mail `payload` (attempt_id, letter, to, subject, body).

    Raises `MailServerUnavailable` or `MailNotAccepted`; a repeat bears the same Message-ID.
    """
    await send(_compose(payload, smtp.sender), smtp)
    log.info("call_mail.sent", attempt_id=payload["attempt_id"])


def _compose(payload: Mapping[str, Any], sender: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = str(payload["subject"])
    message["From"] = sender
    message["To"] = Address(addr_spec=str(payload["to"]))
    message["Message-ID"] = _message_id(payload, sender)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(str(payload["body"]))
    return message


def _message_id(payload: Mapping[str, Any], sender: str) -> str:
    seed = f"{payload['attempt_id']}:{payload['letter']}"
    domain = sender.rpartition("@")[2].strip("> ") or "localhost"
    return f"<call.{hashlib.sha256(seed.encode()).hexdigest()[:16]}@{domain}>"
