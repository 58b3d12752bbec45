import email
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from campana.mail_sink import MailSink


async def test_messages_are_kept_as_files_in_order(tmp_path: Path) -> None:
    async with MailSink(tmp_path / "mail") as sink:
        for subject in ("first", "zweite – thứ hai"):
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", subject
            message.set_content("nội dung")
            await aiosmtplib.send(message, hostname="127.0.0.1", port=sink.port)
        files = sink.files
    assert [f.name for f in files] == ["001.eml", "002.eml"]
    kept = [email.message_from_bytes(f.read_bytes(), policy=email.policy.default) for f in files]
    assert [m["Subject"] for m in kept] == ["first", "zweite – thứ hai"]
    assert kept[0].get_content().strip() == "nội dung"


async def test_it_can_be_opened_again_on_the_same_port(tmp_path: Path) -> None:
    async with MailSink(tmp_path) as sink:
        port = sink.port
    async with MailSink(tmp_path, port=port) as again:
        assert again.port == port


def test_the_port_is_known_only_while_open(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        _ = MailSink(tmp_path).port
