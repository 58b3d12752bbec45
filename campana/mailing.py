"""The outbox of this process: what it can carry out, and with which mail server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any, Final

from sqlalchemy import select

from campana.application import App
from campana.settings import Settings
from campana.telling import open_webhooks
from reports.call_mail import TOPIC as CALL_MAIL
from reports.call_mail import deliver_call_mail
from reports.mail import TOPIC as REPORT_MAIL
from reports.mail import SmtpSettings, deliver_report
from reports.pause_mail import TOPIC as PAUSE_MAIL
from reports.pause_mail import deliver_pause_mail
from reports.trunk_mail import TOPIC as TRUNK_MAIL
from reports.trunk_mail import deliver_trunk_mail
from storage.notify import Notices
from storage.outbox import DEAD, DONE, OutboxWorker
from storage.outbox_pool import OutboxPool
from storage.tables import outbox


def smtp_settings(settings: Settings) -> SmtpSettings:
    """The mail server of the settings as reports know it."""
    smtp = settings.smtp
    return SmtpSettings(
        host=smtp.host,
        port=smtp.port,
        security=smtp.security,
        user=smtp.user,
        password=smtp.password.get_secret_value() if smtp.password else None,
        sender=smtp.sender,
        dashboard_url=smtp.dashboard_url,
    )


async def waiting_reports(app: App, campaign_ids: Collection[int]) -> list[str]:
    """What a person should know of reports of these campaigns that could not be mailed yet, one line each."""
    statement = select(outbox).where(outbox.c.topic == REPORT_MAIL, outbox.c.state != DONE).order_by(outbox.c.id)
    async with app.database.read() as conn:
        rows = (await conn.execute(statement)).mappings().all()
    return [_waiting(dict(row)) for row in rows if row["payload"].get("campaign_id") in campaign_ids]


def _waiting(row: Mapping[str, Any]) -> str:
    what = f"report {row['key'].removeprefix('report:')}"
    reason = f" ({row['last_error']})" if row["last_error"] else ""
    if row["state"] == DEAD:
        return f"{what} was tried {row['tries']} times and is given up{reason}"
    return f"{what} waits in the outbox{reason}; `campana serve` mails it as soon as the mail server takes it"


#: Script's e-mails that are sent at once.
_LETTERS_AT_ONCE: Final = 3
#: How long the end of a program goes on with what is due; what is left is done by the next one.
_LAST_S: Final = 20.0


@contextlib.asynccontextmanager
async def open_outbox(app: App, notices: Notices | None = None) -> AsyncIterator[OutboxWorker]:
    """Work the outbox, webhooks included, while the block runs; at its end what is due gets one more try.

    `notices` are what other processes tell of.
    """
    smtp = smtp_settings(app.settings)

    async def report_mail(payload: Mapping[str, Any]) -> None:
        await deliver_report(app.database, payload, smtp)

    async def trunk_mail(payload: Mapping[str, Any]) -> None:
        await deliver_trunk_mail(app.database, payload, smtp)

    async def pause_mail(payload: Mapping[str, Any]) -> None:
        await deliver_pause_mail(app.database, payload, smtp)

    async def call_mail(payload: Mapping[str, Any]) -> None:
        await deliver_call_mail(payload, smtp)

    handlers = {REPORT_MAIL: report_mail, TRUNK_MAIL: trunk_mail, PAUSE_MAIL: pause_mail}
    worker = OutboxWorker(app.database, app.clock, handlers, notices=notices)
    # There may be thousands of these: reports do not stand behind them.
    letters = OutboxPool(app.database, app.clock, {CALL_MAIL: call_mail}, notices=notices, at_once=_LETTERS_AT_ONCE)
    async with open_webhooks(app, notices), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run(), name="outbox") for each in (worker, letters)]
        try:
            yield worker
        finally:
            for each in (worker, letters):
                each.stop()
            await asyncio.wait(running)
            for each in (worker, letters):
                await _run_out(each)


async def _run_out(worker: OutboxWorker) -> None:
    """Carry out what is due, but not for long: a mail server that is away would have us try for hours."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _LAST_S
    while loop.time() < until and await worker.run_once():
        pass
