"""The report mail as a message: its head, both its texts, its pictures; and the charts in it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from reports.charts import CLASS_COLOURS, charts, codes_chart, png, svg
from reports.letter import Attachment, compose, message_id, subject_of
from reports.overview import Overview, overview
from reports.presentation import code_lines, groups
from reports.scope import Scope
from storage.database import Database, open_database
from tests.support_reports import Sample, standard

_PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'reports.db'}") as opened:
        yield opened


async def _report(database: Database, **campaign: object) -> Overview:
    await standard(database, **campaign)
    async with database.read() as conn:
        return await overview(conn, Scope(1))


async def _mail(report: Overview, **more: object) -> EmailMessage:
    options: dict[str, object] = {
        "state": "completed",
        "sender": "campana@example.com",
        "recipients": ("a@example.com",),
    }
    made = await compose(report, **(options | more))  # type: ignore[arg-type]
    parsed = message_from_bytes(made.as_bytes(policy=policy.SMTP), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


async def test_the_subject_says_campaign_outcome_and_test(database: Database) -> None:
    report = await _report(database, code="SPRING-25", is_test=True, state="stopped")
    assert subject_of(report) == "[TEST] SPRING-25 stopped: 8 calls, 62.5 % answered"
    assert "TEST: a rehearsal" in _body(await _mail(report), "plain")
    assert "TEST: a rehearsal" in _body(await _mail(report), "html")


async def test_a_real_campaign_bears_no_test_mark(database: Database) -> None:
    report = await _report(database)
    mail = await _mail(report)
    assert "TEST" not in mail.as_string()
    assert mail["Subject"] == "C1 completed: 8 calls, 62.5 % answered"


async def test_a_line_break_in_a_code_makes_no_second_header(database: Database) -> None:
    mail = await _mail(await _report(database, code="A\r\nBcc: x@example.com"))
    assert mail["Bcc"] is None
    assert str(mail["Subject"]).startswith("A Bcc: x@example.com completed")


async def test_both_texts_hold_every_figure_of_the_page(database: Database) -> None:
    report = await _report(database)
    mail = await _mail(report)
    plain, html = _body(mail, "plain"), re.sub(r"<[^>]+>", " ", _body(mail, "html"))
    for group in groups(report):
        for figure in group.figures:
            assert re.search(rf"{re.escape(figure.label)}\s+{re.escape(figure.text)}", plain), figure
            assert figure.text in html, figure
    for line in code_lines(report):
        assert re.search(rf"^{line.code}\s+{line.calls}\s", plain, re.M), line
    assert "Data as of 2026-03-02 16:22:14 UTC+07:00" in plain
    assert "Data as of 2026-03-02 16:22:14 UTC+07:00" in html


async def test_the_charts_are_pictures_inside_the_mail_with_words_for_them(database: Database) -> None:
    mail = await _mail(await _report(database))
    html = _body(mail, "html")
    pictures = {part["Content-ID"].strip("<>"): part for part in mail.walk() if part.get_content_type() == "image/png"}
    assert set(re.findall(r'src="cid:(\w+)"', html)) == set(pictures) == {"codes", "durations"}
    for part in pictures.values():
        assert part.get_content().startswith(_PNG)
        assert part.get_content_disposition() == "inline"
    assert re.search(r'alt="Bar chart of finished calls by action code: PTP \(Set by the script\) 2', html)
    assert not re.search(r'(src|href)="(?!cid:|http://127)', html)
    assert "<script" not in html


async def test_styles_stand_in_the_elements(database: Database) -> None:
    html = _body(await _mail(await _report(database)), "html")
    assert re.search(r"<h1 style=\"[^\"]*font-size", html)


async def test_a_repeat_bears_the_same_id_and_another_ending_another(database: Database) -> None:
    report = await _report(database)
    sender = "Reports <campana@example.com>"
    first, repeat = message_id(report, "completed", sender), message_id(report, "completed", sender)
    assert first == repeat
    assert re.fullmatch(r"<report\.1\.completed\.[0-9a-f]{16}@example\.com>", first)
    assert message_id(report, "expired", sender) != first
    assert report.campaign is not None
    other = replace(report, campaign=replace(report.campaign, code="C2"))
    assert message_id(other, "completed", sender) != first


async def test_names_and_codes_are_escaped_in_the_page_and_plain_in_the_text(database: Database) -> None:
    mail = await _mail(await _report(database, name="<b>Tết</b> & co"))
    assert "&lt;b&gt;Tết&lt;/b&gt; &amp; co" in _body(mail, "html")
    assert "<b>Tết</b> & co" in _body(mail, "plain")


async def test_link_and_workbook_go_along_when_there_are_any(database: Database) -> None:
    report = await _report(database)
    link = "http://127.0.0.1:8080/campaigns/1"
    mail = await _mail(report, link=link, attachment=Attachment("c1-attempts.xlsx", b"PK"))
    assert f'href="{link}"' in _body(mail, "html")
    assert link in _body(mail, "plain")
    (attached,) = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("c1-attempts.xlsx", b"PK")
    without = await _mail(report)
    assert list(without.iter_attachments()) == []
    assert "Open the report" not in _body(without, "html")


async def test_a_campaign_without_calls_is_reported_without_charts(database: Database) -> None:
    sample = Sample(database)
    await sample.open()
    await sample.campaign(1, state="expired")
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    mail = await _mail(report)
    assert charts(report) == ()
    assert [part for part in mail.walk() if part.get_content_maintype() == "image"] == []
    assert "No call has ended" in _body(mail, "html")
    assert mail["Subject"] == "C1 expired: 0 calls, – answered"


async def test_a_chart_is_drawn_offline_with_its_words(database: Database) -> None:
    report = await _report(database)
    drawn = await svg(codes_chart(report))
    assert re.findall(r">(PTP|BS|IN|NA|REF|SC|VM)</text>", drawn) == ["PTP", "BS", "IN", "NA", "REF", "SC", "VM"]
    for name in ("success", "unsuccessful", "error"):
        assert CLASS_COLOURS[name] in drawn
    assert CLASS_COLOURS["not_counted"] not in drawn
    assert "style=" not in drawn
    assert (await png(codes_chart(report))).startswith(_PNG)


async def test_ids_of_two_charts_on_one_page_do_not_clash(database: Database) -> None:
    drawn = [await svg(chart) for chart in charts(await _report(database))]
    ids = [set(re.findall(r'id="([^"]+)"', text)) for text in drawn]
    assert not ids[0] & ids[1]
    for text, own in zip(drawn, ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", text)) <= own


def _luminance(colour: str) -> float:
    def linear(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(colour[place : place + 2], 16)) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_three_classes_differ_in_lightness_too() -> None:
    light = sorted(_luminance(CLASS_COLOURS[name]) for name in ("success", "unsuccessful", "error"))
    assert (light[1] + 0.05) / (light[0] + 0.05) > 1.4
    assert (light[2] + 0.05) / (light[1] + 0.05) > 1.4
