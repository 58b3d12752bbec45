"""Sending the completion report, as a handler of the outbox topic `report_mail`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, Literal

import aiosmtplib
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.about import about
from reports.attempts import AttemptFilter
from reports.errors import MailNotAccepted, MailServerUnavailable
from reports.export import write_xlsx
from reports.letter import Attachment, compose
from reports.overview import Overview, overview
from reports.scope import Scope
from reports.sheets import attempt_sheet
from storage.database import Database

log = structlog.get_logger(__name__)

TOPIC: Final = "report_mail"
_FIRST_PERMANENT_REPLY: Final = 500


@dataclass(frozen=True)
class SmtpSettings:
    """The mail server, and what goes with the mail."""

    host: str = "127.0.0.1"
    port: int = 25
    security: Literal["none", "starttls", "tls"] = "none"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sender: str = "campana@localhost"
    #: The attempts go along as a workbook when it is no larger; 0 sends none.
    attach_limit_bytes: int = 2_000_000
    #: Address of the dashboard as the recipients reach it; None leaves the link out.
    dashboard_url: str | None = None
    timeout_s: float = 60.0


async def deliver_report(database: Database, payload: Mapping[str, Any], smtp: SmtpSettings) -> None:
    """Mail the report of `payload["campaign_id"]`, which has ended as `payload["state"]`, to its recipients.

    Returns at once for a campaign without recipients. Raises `MailServerUnavailable`, `MailNotAccepted` or
    `NoSuchCampaign`; the outbox repeats after each of them, until its tries are used up, for a refusal too may end
    when somebody mends the settings or the address. A repeat bears the same Message-ID.
    """
    campaign_id = int(payload["campaign_id"])
    async with database.read() as conn:
        report = await overview(conn, Scope(campaign_id))
        head = report.campaign
        if head is None or not head.report_emails:
            log.info("report_mail.no_recipients", campaign_id=campaign_id)
            return
        workbook = await _workbook(conn, report, smtp.attach_limit_bytes)
    message = await compose(
        report,
        state=str(payload.get("state", head.state)),
        sender=smtp.sender,
        recipients=head.report_emails,
        link=f"{smtp.dashboard_url.rstrip('/')}/campaigns/{campaign_id}" if smtp.dashboard_url else None,
        attachment=workbook,
    )
    await send(message, smtp)
    log.info("report_mail.sent", campaign_id=campaign_id, recipients=len(head.report_emails))


async def send(message: EmailMessage, smtp: SmtpSettings) -> None:
    """Hand the message to the mail server; raises `MailServerUnavailable` or `MailNotAccepted`."""
    where = f"mail server {smtp.host}:{smtp.port}"
    try:
        refused, _ = await aiosmtplib.send(
            message,
            hostname=smtp.host,
            port=smtp.port,
            username=smtp.user,
            password=smtp.password,
            use_tls=smtp.security == "tls",
            start_tls=smtp.security == "starttls",
            timeout=smtp.timeout_s,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        replies = [(one.code, one.message) for one in error.recipients]
        raise _refused(where, max(code for code, _ in replies), replies[0][1]) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _refused(where, error.code, error.message) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise MailServerUnavailable(f"{where}: {error}; check the settings under [smtp]") from error
    for address, reply in refused.items():
        # The others have it: a repeat would send it to them twice.
        log.warning("report_mail.recipient_refused", domain=address.rpartition("@")[2], code=reply.code)


def _refused(where: str, code: int, answer: str) -> MailServerUnavailable | MailNotAccepted:
    text = f"{where} answered {code} {answer}"
    if code >= _FIRST_PERMANENT_REPLY:
        return MailNotAccepted(f"{text}; check sender and recipients")
    return MailServerUnavailable(text)


async def _workbook(conn: AsyncConnection, report: Overview, limit_bytes: int) -> Attachment | None:
    """The attempts as XLSX, if that is not too large to mail."""
    if limit_bytes <= 0 or report.campaign is None or not report.totals.total:
        return None
    scope = report.scope
    sheet = await attempt_sheet(conn, scope, AttemptFilter(), report.time_zone)
    with tempfile.TemporaryDirectory(prefix="campana-mail-") as folder:
        path = Path(folder) / "attempts.xlsx"
        await write_xlsx(sheet, path, about(report.campaign, scope, report.data_as_of))
        if path.stat().st_size > limit_bytes:
            return None
        return Attachment(f"{file_stem(report.campaign.code)}-attempts.xlsx", path.read_bytes())


def file_stem(code: str) -> str:
    """A campaign's code as the beginning of a file name: nothing in it has a meaning to a shell or a header."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "_" for sign in code) or "campaign"
