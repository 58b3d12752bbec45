"""The dashboard's pages and files, asked over its ASGI interface."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from reports.audit import audit
from reports.overview import overview
from reports.presentation import code_lines, groups
from reports.rows import ATTEMPT_COLUMNS, CONTACT_COLUMNS, USAGE_COLUMNS
from reports.scope import Scope
from storage.clock import ManualClock
from storage.database import Database, open_database
from storage.tables import recordings
from tests.support_reports import START, Call, Sample, number, read_xlsx, standard
from web.app import create_app
from web.control import Action
from web.errors import ControlRefused
from web.state import WebSettings

BASE = "http://127.0.0.1:8080"


class _Control:
    """Notes what is asked; refuses to stop."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Action]] = []

    async def act(self, campaign_id: int, action: Action) -> None:
        if action is Action.STOP:
            raise ControlRefused("C1 has ended already")
        self.asked.append((campaign_id, action))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'web.db'}") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "recordings"
    made.mkdir()
    return made


@pytest.fixture
def control() -> _Control:
    return _Control()


@pytest.fixture
async def client(database: Database, folder: Path, control: _Control) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(database, WebSettings(recordings_dir=folder), control=control, clock=ManualClock(START))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as opened:
        yield opened


def _figures(page: str) -> dict[str, str]:
    """The figures on a page by their key."""
    found = re.findall(r'data-figure="(\w+)"><dt>.*?</dt><dd>(.*?)</dd>', page, re.S)
    return {
        key: html.unescape(re.sub(r"<span>.*?</span>|<[^>]+>", "", text, flags=re.S)).strip() for key, text in found
    }


async def test_an_empty_dashboard_says_what_to_do_next(client: httpx.AsyncClient) -> None:
    page = (await client.get("/campaigns")).text
    assert "There is no campaign yet" in page
    assert "campana demo" in page
    assert (await client.get("/")).headers["location"] == "/campaigns"
    assert (await client.get("/usage")).status_code == 200


async def test_the_page_shows_the_figures_of_the_report_and_the_exports_add_up_to_them(
    client: httpx.AsyncClient, database: Database, folder: Path
) -> None:
    calls = await standard(database)
    for call in calls.values():
        if call.answer_after_s is not None:
            await Sample(database).recording(call, folder)
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
        books = await audit(conn, 1, folder)
    shown = _figures((await client.get("/campaigns/1")).text)
    assert shown == {figure.key: figure.text for group in groups(report) for figure in group.figures}
    assert books.ok
    workbook = read_xlsx((await client.get("/campaigns/1/export/attempts.xlsx")).content)
    rows = [dict(zip(workbook[0], row, strict=False)) for row in workbook[1:]]
    assert len(rows) == report.totals.total
    assert sum(int(row["messages"]) for row in rows) == report.totals.messages
    assert sum(int(row["blocks"]) for row in rows) == report.totals.blocks
    assert round(sum(float(row["talk_s"] or 0) for row in rows) * 1000) == report.totals.talk_ms
    assert round(sum(float(row["dial_s"]) for row in rows) * 1000) == report.totals.dial_ms
    assert sum(row["class"] == "success" for row in rows) == report.totals.successful


async def test_the_overview_shows_codes_bins_charts_and_its_date(client: httpx.AsyncClient, database: Database) -> None:
    await standard(database)
    page = (await client.get("/campaigns/1")).text
    async with database.read() as conn:
        report = await overview(conn, Scope(1))
    for line in code_lines(report):
        assert f'href="/campaigns/1/calls?code={line.code}">{line.code}</a>' in page
    assert page.count("<svg") == 2
    assert 'aria-label="Bar chart of finished calls' in page
    assert "Data as of 2026-03-02 16:22:14 UTC+07:00" in page
    assert "sse-connect" not in page, "nothing changes any more"


async def test_a_period_narrows_the_figures_in_the_accounts_zone(client: httpx.AsyncClient, database: Database) -> None:
    await standard(database)
    same_day = _figures((await client.get("/campaigns/1?from=2026-03-02&to=2026-03-02")).text)
    next_day = (await client.get("/campaigns/1?from=2026-03-03")).text
    assert (same_day["total"], _figures(next_day)["total"]) == ("8", "0")
    assert _figures(next_day)["answer_rate"] == "–"
    assert "No call in this period" in next_day


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("from=yesterday", "no day"),
        ("from=2026-03-05&to=2026-03-01", "ends before it begins"),
        ("to=9999-12-31", "to: &#39;9999-12-31&#39; lies at the edge of the calendar"),
        ("from=0001-01-01", "lies at the edge of the calendar"),
    ],
)
async def test_a_period_that_makes_no_sense_is_explained(
    client: httpx.AsyncClient, database: Database, query: str, why: str
) -> None:
    await standard(database)
    for path in ("/campaigns/1", "/campaigns/1/calls", "/campaigns/1/export/attempts.csv"):
        response = await client.get(f"{path}?{query}")
        assert response.status_code == 400
        assert why in response.text


@pytest.mark.parametrize("query", ["from=9999-12&to=9999-12", "from=0001-01&to=0001-01", "from=2026-13"])
async def test_a_month_that_cannot_be_is_explained(client: httpx.AsyncClient, query: str) -> None:
    for path in ("/usage", "/usage/export.csv", "/usage/export.xlsx"):
        response = await client.get(f"{path}?{query}")
        assert response.status_code == 400
        assert "month like 2026-03" in response.text or "write it like 2026-03" in response.text


async def test_a_rehearsal_is_marked_on_every_page(client: httpx.AsyncClient, database: Database) -> None:
    calls = await standard(database, is_test=True)
    for path in ("", "/calls", "/contacts", "/audit"):
        assert ">TEST<" in (await client.get(f"/campaigns/1{path}")).text
    assert ">TEST<" in (await client.get(f"/attempts/{calls['agreed'].id}")).text
    assert ">TEST<" in (await client.get("/campaigns")).text


async def test_calls_are_listed_filtered_and_paged_by_address(client: httpx.AsyncClient, database: Database) -> None:
    await standard(database)
    for contact in range(100, 160):
        await Sample(database).contact(contact)
        await Sample(database).call(Call(contact, contact, "NA", "unsuccessful", status="NOANSWER"))
    first = (await client.get("/campaigns/1/calls")).text
    following = re.search(r'href="([^"]+)">Next page', first)
    assert first.count("<tr>") == 51
    assert following
    second = (await client.get(html.unescape(following[1]))).text
    assert second.count("<tr>") == 19
    assert "Next page" not in second
    found = (await client.get("/campaigns/1/calls?code=PTP&phone=0900000003")).text
    assert found.count("<tr>") == 2
    assert number(3) in found
    assert "No call matches" in (await client.get("/campaigns/1/calls?phone=999999")).text


async def test_contacts_lead_to_their_calls(client: httpx.AsyncClient, database: Database) -> None:
    await standard(database)
    page = (await client.get("/campaigns/1/contacts")).text
    assert page.count("<tr>") == 9
    assert "On the do-not-call list" in page
    assert (await client.get("/campaigns/1/calls?contact=3")).text.count("<tr>") == 3


async def test_a_call_is_shown_with_transcript_timeline_and_cost(client: httpx.AsyncClient, database: Database) -> None:
    calls = await standard(database)
    await Sample(database).event(calls["agreed"].id, 0, "phase", "ringing")
    page = (await client.get(f"/attempts/{calls['agreed'].id}")).text
    for text in (
        "Bot line 1",
        "Customer line 5",
        "replied after 400 ms",
        "silent after 210 ms",
        "Ringing",
        "1,622 VND",
    ):
        assert text in page
    assert "it has no recording" in page
    busy = (await client.get(f"/attempts/{calls['busy'].id}")).text
    assert "SIP 486" in busy
    assert "Only answered calls are recorded" in busy


async def test_a_transfer_is_shown_with_its_call_and_in_the_overview(
    client: httpx.AsyncClient, database: Database
) -> None:
    calls = await standard(database)
    assert "Transfer" not in (await client.get(f"/attempts/{calls['agreed'].id}")).text
    assert "Came to an agent" not in (await client.get("/campaigns/1")).text
    legs: dict[str, Any] = {"agent_ms": 61_000, "cost_agent": "40"}
    joined = Call(1, 90, "TR", "success", answer_after_s=2, talk_s=90, asked_ms=12_500, joined_ms=14_000, **legs)
    absent = Call(2, 95, "ANP", "success", answer_after_s=2, talk_s=40, asked_ms=12_500)
    for call in (joined, absent):
        await Sample(database).call(call)
    page = (await client.get(f"/attempts/{joined.id}")).text
    for text in ("sales", "+842812345678", "called by us", "0:14", "1 min 01 s", "40 VND", "of 12.5 s with the bot"):
        assert text in page
    assert "nobody came" in (await client.get(f"/attempts/{absent.id}")).text
    assert "Came to an agent" in (await client.get("/campaigns/1")).text


async def test_what_a_customer_said_is_text_and_nothing_more(client: httpx.AsyncClient, database: Database) -> None:
    await standard(database, name="<script>alert(1)</script>")
    page = (await client.get("/campaigns/1")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


async def test_recordings_are_served_whole_and_in_ranges(
    client: httpx.AsyncClient, database: Database, folder: Path
) -> None:
    calls = await standard(database)
    path = await Sample(database).recording(calls["agreed"], folder)
    address, content = f"/attempts/{calls['agreed'].id}/recording.wav", path.read_bytes()
    whole = await client.get(address)
    assert (whole.status_code, whole.headers["content-type"], whole.content) == (200, "audio/wav", content)
    assert whole.headers["accept-ranges"] == "bytes"
    part = await client.get(address, headers={"range": "bytes=44-143"})
    assert (part.status_code, part.content) == (206, content[44:144])
    assert part.headers["content-range"] == f"bytes 44-143/{len(content)}"
    tail = await client.get(address, headers={"range": "bytes=-10"})
    assert (tail.status_code, tail.content) == (206, content[-10:])
    beyond = await client.get(address, headers={"range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    kept = await client.get(f"{address}?download=1")
    assert kept.headers["content-disposition"] == f'attachment; filename="{calls["agreed"].id}.wav"'
    drawn = await client.get(f"/attempts/{calls['agreed'].id}/waveform.svg")
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize("path", ["../secret.wav", "/etc/hostname", "sub/../../secret.wav", "nothing.wav", "."])
async def test_no_recording_row_leads_out_of_the_folder(
    client: httpx.AsyncClient, database: Database, folder: Path, path: str
) -> None:
    calls = await standard(database)
    await Sample(database).recording(calls["agreed"], folder)
    (folder.parent / "secret.wav").write_bytes(b"secret")
    async with database.write() as conn:
        await conn.execute(update(recordings).values(path=path))
    for name in ("recording.wav", "waveform.svg"):
        response = await client.get(f"/attempts/{calls['agreed'].id}/{name}")
        assert response.status_code == 404
        assert "secret" not in response.text


@pytest.mark.parametrize(
    "id_", ["nope", "..%2f..%2fsecret", "%2e%2e", "'; DROP TABLE attempts; --", "%00", "a%00b", "x" * 33]
)
async def test_an_id_is_only_ever_looked_up(client: httpx.AsyncClient, database: Database, id_: str) -> None:
    await standard(database)
    for tail in ("", "/recording.wav", "/waveform.svg"):
        assert (await client.get(f"/attempts/{id_}{tail}")).status_code == 404


async def test_a_recording_that_cannot_be_drawn_is_not_there(
    client: httpx.AsyncClient, database: Database, folder: Path
) -> None:
    calls = await standard(database)
    (await Sample(database).recording(calls["agreed"], folder)).write_bytes(b"noise")
    assert (await client.get(f"/attempts/{calls['agreed'].id}/waveform.svg")).status_code == 404


@pytest.mark.parametrize(
    ("view", "columns", "rows"), [("attempts", ATTEMPT_COLUMNS, 8), ("contacts", CONTACT_COLUMNS, 8)]
)
async def test_exports_have_the_promised_columns(
    client: httpx.AsyncClient, database: Database, view: str, columns: tuple[str, ...], rows: int
) -> None:
    await standard(database, code="SPRING 25")
    response = await client.get(f"/campaigns/1/export/{view}.csv")
    table = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert tuple(table[0]) == columns
    assert len(table) == rows + 1
    assert response.headers["content-disposition"] == f'attachment; filename="SPRING_25-{view}.csv"'
    workbook = read_xlsx((await client.get(f"/campaigns/1/export/{view}.xlsx")).content)
    assert tuple(workbook[0]) == columns
    assert len(workbook) == rows + 1


async def test_an_export_keeps_the_pages_filters(client: httpx.AsyncClient, database: Database) -> None:
    await standard(database)
    response = await client.get("/campaigns/1/export/attempts.csv?code=PTP&sort=-time")
    table = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [(row["action_code"], row["attempt_no"]) for row in table] == [("PTP", "2"), ("PTP", "1")]
    assert table[1]["originated_at"] == "2026-03-02T16:00:00.000+07:00"
    assert table[1]["transcript"].startswith("bot: Bot line 1\ncustomer: Customer line 1")
    page = (await client.get("/campaigns/1/calls?code=PTP&sort=-time")).text
    assert "/campaigns/1/export/attempts.csv?code=PTP&amp;sort=-time" in page
    assert (await client.get("/campaigns/1/export/attempts.csv?contact=x")).status_code == 400
    workbook = (await client.get("/campaigns/1/export/attempts.xlsx?code=PTP&campaign=x&scope=y")).content
    about = read_xlsx(workbook, sheet=2)
    assert ["code", "PTP"] in about
    assert ["campaign", "C1 – Campaign 1"] in about


async def test_usage_is_shown_and_exported_with_its_total(client: httpx.AsyncClient, database: Database) -> None:
    await standard(database)
    page = (await client.get("/usage?from=2026-02&to=2026-03")).text
    assert page.count('<th scope="row">') == 3
    assert "4,806 VND" in page
    response = await client.get("/usage/export.csv?from=2026-02&to=2026-03")
    table = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert tuple(table[0]) == USAGE_COLUMNS
    assert table[-1] == ["TOTAL", "TOTAL", "6", "5", "14", "6", "82.250", "122.498", "8", "4805.5833", "VND"]
    assert tuple(read_xlsx((await client.get("/usage/export.xlsx")).content)[0]) == USAGE_COLUMNS
    assert (await client.get("/usage?from=2026-05&to=2026-03")).status_code == 400


async def test_the_audit_page_names_what_differs(client: httpx.AsyncClient, database: Database) -> None:
    calls = await standard(database)
    page = (await client.get("/campaigns/1/audit")).text
    assert "Something differs" in page
    assert f"attempt {calls['agreed'].id} was answered and has no recording" in html.unescape(page)


@pytest.mark.parametrize(
    "path",
    [
        "/campaigns/9",
        "/campaigns/x",
        "/campaigns/0",
        f"/campaigns/{10**30}",
        "/campaigns/9/calls",
        "/campaigns/9/live",
        "/campaigns/9/audit",
        "/nothing",
        "/static/x",
    ],
)
async def test_what_does_not_exist_is_a_plain_page(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert "Traceback" not in response.text


async def test_every_answer_bears_the_security_headers(client: httpx.AsyncClient, database: Database) -> None:
    await standard(database)
    for path in ("/campaigns", "/campaigns/1", "/static/campana.css", "/campaigns/9", "/healthz"):
        headers = (await client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert (await client.get("/campaigns/1")).headers["cache-control"] == "no-store"


async def test_pages_hold_nothing_that_the_policy_forbids(client: httpx.AsyncClient, database: Database) -> None:
    calls = await standard(database)
    for path in ("/campaigns", "/campaigns/1", "/campaigns/1/calls", f"/attempts/{calls['agreed'].id}", "/usage"):
        page = (await client.get(path)).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! src=\"/static/)|javascript:", page)
        assert not re.search(r'(?:src|href|action)="(?!/|#|\?)', page), "everything comes from here"


@pytest.mark.parametrize("host", ["evil.example:8080", "127.0.0.1:9999", "127.0.0.1"])
async def test_a_rebound_host_gets_nothing(client: httpx.AsyncClient, host: str) -> None:
    response = await client.get("/campaigns", headers={"host": host})
    assert (response.status_code, "Host header" in response.text) == (403, True)


async def test_a_campaign_is_started_from_its_own_page_only(
    client: httpx.AsyncClient, database: Database, control: _Control
) -> None:
    await standard(database, state="draft", finished_at=None)
    assert 'action="/campaigns/1/start"' in (await client.get("/campaigns/1")).text
    foreign = await client.post("/campaigns/1/start", headers={"origin": "https://evil.example"})
    bare = await client.post("/campaigns/1/start")
    by_get = await client.get("/campaigns/1/start")
    assert (foreign.status_code, bare.status_code, by_get.status_code, control.asked) == (403, 403, 405, [])
    ours = await client.post("/campaigns/1/start", headers={"origin": BASE})
    assert (ours.status_code, ours.headers["location"]) == (303, "/campaigns/1")
    assert control.asked == [(1, Action.START)]


async def test_a_refused_wish_is_explained(client: httpx.AsyncClient, database: Database) -> None:
    await standard(database)
    response = await client.post("/campaigns/1/stop", headers={"sec-fetch-site": "same-origin"})
    assert (response.status_code, "C1 has ended already" in response.text) == (409, True)
    assert (await client.post("/campaigns/1/explode", headers={"origin": BASE})).status_code == 404


async def test_without_control_nothing_is_offered(database: Database, folder: Path) -> None:
    await standard(database, state="running", finished_at=None)
    app = create_app(database, WebSettings(recordings_dir=folder))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        assert '<form method="post"' not in (await client.get("/campaigns/1")).text
        response = await client.post("/campaigns/1/pause", headers={"origin": BASE})
    assert (response.status_code, "only shows campaigns" in response.text) == (409, True)


def test_vendored_files_are_the_ones_written_down() -> None:
    vendor = Path(__file__).parents[2] / "web/static/vendor"
    written = dict(re.findall(r"^\| (\S+\.js) \|.*\| ([0-9a-f]{64}) \|$", (vendor / "README.md").read_text(), re.M))
    assert written == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in vendor.glob("*.js")}


def test_the_scripts_of_a_page_stay_below_100_kb() -> None:
    static = Path(__file__).parents[2] / "web/static"
    assert sum(path.stat().st_size for path in static.rglob("*.js")) < 100_000
