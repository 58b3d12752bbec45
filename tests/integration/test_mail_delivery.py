"""The report mail over real SMTP: delivered once, waiting while the server is down, refused for good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select

from reports.errors import MailNotAccepted, MailServerUnavailable, NoSuchCampaign
from reports.mail import SmtpSettings, deliver_report, file_stem
from reports.overview import overview
from reports.presentation import groups
from reports.rows import ATTEMPT_COLUMNS
from reports.scope import Scope
from storage.clock import ManualClock
from storage.database import Database, open_database
from storage.outbox import OutboxWorker, enqueue
from storage.tables import outbox
from tests.support_reports import START, read_xlsx, standard

PAYLOAD = {"campaign_id": 1, "state": "completed"}


class _Box:
    """An SMTP server's handler that keeps what it is sent, or answers as it is told."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answer = "250 kept"
        self.refused: dict[str, str] = {}

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            mail = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
            self.recipients.append(list(envelope.rcpt_tos))
        return self.answer


class _Server:
    """An SMTP server on one port that can go down and come back."""

    def __init__(self, box: _Box) -> None:
        self._box = box
        self._server: object = None
        self.port = 0

    async def up(self) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self._box, loop=loop), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        self._server.close()  # type: ignore[attr-defined]
        await self._server.wait_closed()  # type: ignore[attr-defined]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'mail.db'}") as opened:
        yield opened


@pytest.fixture
def box() -> _Box:
    return _Box()


@pytest.fixture
async def server(box: _Box) -> AsyncIterator[_Server]:
    running = _Server(box)
    await running.up()
    yield running
    await running.down()


def _smtp(server: _Server, **more: object) -> SmtpSettings:
    return SmtpSettings(port=server.port, sender="campana@example.com", **more)  # type: ignore[arg-type]


async def test_the_report_reaches_every_recipient_with_the_pages_figures(
    database: Database, server: _Server, box: _Box
) -> None:
    await standard(database, report_emails=["a@example.com", "b@example.com"])
    await deliver_report(database, PAYLOAD, _smtp(server, dashboard_url="http://127.0.0.1:8080/"))
    (mail,) = box.mails
    assert box.recipients == [["a@example.com", "b@example.com"]]
    assert mail["To"] == "a@example.com, b@example.com"
    assert mail["From"] == "Campana <campana@example.com>"
    plain = mail.get_body(("plain",))
    assert plain is not None
    text = plain.get_content()
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    assert all(figure.text in text for group in groups(report) for figure in group.figures)
    assert "http://127.0.0.1:8080/campaigns/1" in text


async def test_the_workbook_goes_along_with_every_attempt(database: Database, server: _Server, box: _Box) -> None:
    calls = await standard(database, code="SPRING 25/€")
    await deliver_report(database, PAYLOAD, _smtp(server))
    (attached,) = box.mails[0].iter_attachments()
    assert attached.get_filename() == "SPRING_25__-attempts.xlsx"
    rows = read_xlsx(attached.get_content())
    assert rows[0] == list(ATTEMPT_COLUMNS)
    assert {row[0] for row in rows[1:]} == {call.id for call in calls.values()}
    about = {row[0]: row[1] for row in read_xlsx(attached.get_content(), sheet=2)}
    assert about["time zone of every time"] == "Asia/Ho_Chi_Minh"


@pytest.mark.parametrize("limit", [0, 500])
async def test_a_workbook_larger_than_the_limit_stays_at_home(
    database: Database, server: _Server, box: _Box, limit: int
) -> None:
    await standard(database)
    await deliver_report(database, PAYLOAD, _smtp(server, attach_limit_bytes=limit))
    assert list(box.mails[0].iter_attachments()) == []


async def test_a_campaign_without_recipients_mails_nobody(database: Database, server: _Server, box: _Box) -> None:
    await standard(database, report_emails=[])
    await deliver_report(database, PAYLOAD, _smtp(server))
    assert box.mails == []


async def test_an_unknown_campaign_is_an_error(database: Database, server: _Server) -> None:
    with pytest.raises(NoSuchCampaign):
        await deliver_report(database, PAYLOAD, _smtp(server))


async def test_while_the_server_is_down_the_outbox_keeps_the_report_and_sends_it_once_after(
    database: Database, server: _Server, box: _Box
) -> None:
    await standard(database)
    await server.down()
    clock = ManualClock(START)

    async def handler(payload: object) -> None:
        await deliver_report(database, payload, _smtp(server))  # type: ignore[arg-type]

    worker = OutboxWorker(database, clock, {"report_mail": handler})
    async with database.write() as conn:
        await enqueue(conn, key="report:1:completed", topic="report_mail", payload=PAYLOAD, now=clock.now())
    assert await worker.run_once()
    async with database.read() as conn:
        row = (await conn.execute(select(outbox))).mappings().one()
    assert row["state"] == "pending"
    assert f"mail server 127.0.0.1:{server.port}" in row["last_error"]
    assert not await worker.run_once(), "a failed report is not tried again at once"
    await server.up()
    clock.advance(hours=1)
    assert await worker.run_once()
    assert not await worker.run_once()
    assert len(box.mails) == 1


async def test_a_repeat_bears_the_same_message_id(database: Database, server: _Server, box: _Box) -> None:
    await standard(database)
    for _ in range(2):
        await deliver_report(database, PAYLOAD, _smtp(server))
    assert box.mails[0]["Message-ID"] == box.mails[1]["Message-ID"] is not None


async def test_down_is_worth_repeating_and_refused_for_good_is_not(
    database: Database, server: _Server, box: _Box
) -> None:
    await standard(database)
    box.answer = "451 try later"
    with pytest.raises(MailServerUnavailable, match="451") as later:
        await deliver_report(database, PAYLOAD, _smtp(server))
    box.answer = "554 no"
    with pytest.raises(MailNotAccepted, match="554 no; check sender") as never:
        await deliver_report(database, PAYLOAD, _smtp(server))
    assert (later.value.retryable, never.value.retryable) == (True, False)


async def test_every_recipient_refused_is_told_with_the_servers_words(
    database: Database, server: _Server, box: _Box
) -> None:
    await standard(database)
    box.refused = {"boss@example.com": "550 no such person"}
    with pytest.raises(MailNotAccepted, match="550 no such person"):
        await deliver_report(database, PAYLOAD, _smtp(server))
    box.refused = {"boss@example.com": "450 greylisted"}
    with pytest.raises(MailServerUnavailable, match="450 greylisted"):
        await deliver_report(database, PAYLOAD, _smtp(server))


async def test_one_refused_recipient_costs_the_others_nothing(database: Database, server: _Server, box: _Box) -> None:
    await standard(database, report_emails=["a@example.com", "gone@example.com"])
    box.refused = {"gone@example.com": "550 no such person"}
    await deliver_report(database, PAYLOAD, _smtp(server))
    assert box.recipients == [["a@example.com"]]


async def test_a_server_without_tls_is_not_spoken_to_in_the_clear(database: Database, server: _Server) -> None:
    await standard(database)
    with pytest.raises((MailServerUnavailable, MailNotAccepted), match="mail server"):
        await deliver_report(database, PAYLOAD, _smtp(server, security="starttls"))


async def test_the_report_of_a_campaign_with_a_foreign_name_travels_over_plain_smtp(
    database: Database, server: _Server, box: _Box
) -> None:
    await standard(database, code="TẾT", name="Chúc mừng năm mới")
    await deliver_report(database, PAYLOAD, _smtp(server))
    assert str(box.mails[0]["Subject"]).startswith("TẾT completed")
    html = box.mails[0].get_body(("html",))
    assert html is not None
    assert "Chúc mừng năm mới" in html.get_content()


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(SmtpSettings(password="secret"))


@pytest.mark.parametrize(("code", "stem"), [("A-1", "A-1"), ("../x", "___x"), ('a"\r\n', "a___"), ("", "campaign")])
def test_file_names_hold_nothing_but_letters(code: str, stem: str) -> None:
    assert file_stem(code) == stem
