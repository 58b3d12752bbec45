"""E-mails that scripts want sent: what is let through, and what the mail server is handed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select

from bot.outcome import Letter
from campaigns.letters import MOST, TOPIC, is_address, post
from campana.application import open_app
from campana.mailing import open_outbox
from campana.settings import Settings
from reports import call_mail
from reports.call_mail import deliver_call_mail
from reports.mail import SmtpSettings
from storage.outbox import enqueue_all
from storage.tables import outbox


class Box:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mail = message_from_bytes(envelope.content or b"", policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 kept"


@pytest.fixture
async def server() -> AsyncIterator[tuple[Box, SmtpSettings]]:
    box, loop = Box(), asyncio.get_running_loop()
    running = await loop.create_server(lambda: SMTP(box, loop=loop), "127.0.0.1", 0)
    yield box, SmtpSettings(port=running.sockets[0].getsockname()[1], sender="bot@example.com")
    running.close()
    await running.wait_closed()


def test_the_topic_is_one_word_on_both_sides() -> None:
    assert call_mail.TOPIC == TOPIC


async def test_a_letter_arrives_as_it_was_written(server: tuple[Box, SmtpSettings]) -> None:
    box, smtp = server
    ((key, payload),) = post("a1", [Letter("anna@example.com", "Hóa đơn", "Chào Anna,\n120 dollars.")]).works
    await deliver_call_mail(payload, smtp)
    await deliver_call_mail(payload, smtp)
    assert key == "call_mail:a1:1"
    mail = box.mails[0]
    assert (mail["To"], mail["From"], mail["Subject"]) == ("anna@example.com", "bot@example.com", "Hóa đơn")
    assert mail.get_content().splitlines() == ["Chào Anna,", "120 dollars."]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert box.recipients == [["anna@example.com"]] * 2
    # A repeat bears the same Message-ID, so that the receiver shows it once.
    assert box.mails[1]["Message-ID"] == mail["Message-ID"]


async def test_nothing_that_a_customer_brings_along_becomes_a_header(server: tuple[Box, SmtpSettings]) -> None:
    box, smtp = server
    letter = Letter(
        "anna@example.com", "Hello\r\nBcc: eve@example.com\r\n\r\nX", "Text\r\n.\r\nMAIL FROM:<eve@example.com>"
    )
    ((_, payload),) = post("a1", [letter]).works
    await deliver_call_mail(payload, smtp)
    mail = box.mails[0]
    assert mail["Subject"] == "Hello Bcc: eve@example.com X"
    assert mail["Bcc"] is None
    assert len(box.mails) == 1
    assert box.recipients == [["anna@example.com"]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "anna",
        "anna@",
        "@example.com",
        "anna@example",
        "anna@example.com, eve@example.com",
        "anna@example.com;eve@example.com",
        "anna@example.com\r\nBcc: eve@example.com",
        "anna@example.com\n",
        "Anna <anna@example.com>",
        '"a b"@example.com',
        "anna@[127.0.0.1]",
        "anna..b@example.com",
        "anna@exa_mple.com",
        "anna@-example.com",
        "änna@example.com",
        "a" * 250 + "@example.com",
    ],
)
def test_what_is_no_single_address_is_refused(text: str) -> None:
    assert not is_address(text)
    assert post("a1", [Letter(text, "x", "y")]).works == () or text.strip() == "anna@example.com"


@pytest.mark.parametrize("text", ["anna@example.com", "a.b+c@mail.example.co.uk", "x_y-1@ex-ample.vn"])
def test_usual_addresses_pass(text: str) -> None:
    assert is_address(text)


def test_one_call_sends_few_letters_and_a_test_call_none() -> None:
    letters = [Letter("anna@example.com", "x", "y")] * (MOST + 2)
    posted = post("a1", letters)
    assert len({key for key, _ in posted.works}) == MOST
    assert len(posted.refused) == 2
    assert post("a1", letters[:1], rehearsal=True).works == ()


async def test_the_outbox_of_a_process_delivers_what_a_settlement_has_put_in(
    server: tuple[Box, SmtpSettings], tmp_path: Path
) -> None:
    box, smtp = server
    settings = Settings(data_folder=tmp_path, smtp={"host": smtp.host, "port": smtp.port, "sender": smtp.sender})
    async with open_app(settings) as app:
        works = post("a1", [Letter("anna@example.com", "Your bill", "120")]).works
        async with app.database.write() as conn:
            await enqueue_all(conn, works, topic=TOPIC, now=app.clock.now())
            # The settlement of a call that is settled again finds the key taken.
            await enqueue_all(conn, works, topic=TOPIC, now=app.clock.now())
        async with open_outbox(app):
            pass
        assert [mail["To"] for mail in box.mails] == ["anna@example.com"]
        async with app.database.read() as conn:
            states = (await conn.execute(select(outbox.c.state))).scalars().all()
    assert states == ["done"]
