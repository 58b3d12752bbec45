"""The dashboard in a real browser: live updates, playing, filters, contrast and names, nothing from elsewhere."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request, async_playwright, expect
from sqlalchemy import update

from storage.database import Database, open_database
from storage.tables import attempts, campaigns, contacts, trunks
from tests.support_readable import faint, nameless
from tests.support_reports import Call, Sample, at, standard
from web.app import create_app
from web.server import Serving, serving
from web.state import WebSettings

pytestmark = pytest.mark.browser

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@dataclass
class Watched:
    """A page, with everything it complained of and every host it asked."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def note(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"}:
            self.hosts.add(address.netloc)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(f"sqlite:///{tmp_path / 'browser.db'}") as opened:
        yield opened


@pytest.fixture
async def served(database: Database, tmp_path: Path) -> AsyncIterator[Serving]:
    settings = WebSettings(recordings_dir=tmp_path, live_interval_s=0.1)
    async with serving(create_app(database, settings), port=0) as where:
        yield where


@pytest.fixture(params=["light", "dark"])
async def watched(request: pytest.FixtureRequest, served: Serving) -> AsyncIterator[Watched]:
    async for one in _watch(served, request.param):
        yield one


@pytest.fixture
async def light(served: Serving) -> AsyncIterator[Watched]:
    async for one in _watch(served, "light"):
        yield one


async def _watch(served: Serving, scheme: str) -> AsyncIterator[Watched]:
    """A page that must end without a complaint and without having asked any other host."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed: Debian package chromium")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=_ARGUMENTS)
        page = await browser.new_page(base_url=served.url, color_scheme=scheme)  # type: ignore[arg-type]
        one = Watched(page)
        page.on("console", lambda said: one.complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: one.complaints.append(str(error)))
        page.on("request", one.note)
        yield one
        await browser.close()
    assert one.complaints == []
    assert one.hosts <= {urlsplit(served.url).netloc}


async def _call_with_sound(database: Database, folder: Path) -> Call:
    calls = await standard(database)
    await Sample(database).recording(calls["agreed"], folder)
    refused = {"attempt_id": calls["agreed"].id, "at": at(0).isoformat(), "dial_status": "CHANUNAVAIL"}
    failing = refused | {"sip_code": 401, "q850": 21, "text": "Unauthorized"}
    paused = {"health": "paused", "paused_at": at(0), "pause_reason": "401 Unauthorized", "probe_at": at(30)}
    async with database.write() as conn:
        await conn.execute(update(trunks).values(**paused, failures=1, failing_calls=[failing]))
    return calls["agreed"]


async def test_every_page_opens_and_is_readable(watched: Watched, database: Database, tmp_path: Path) -> None:
    call = await _call_with_sound(database, tmp_path)
    for path in (
        "/campaigns",
        "/campaigns/1",
        "/campaigns/1/calls",
        "/campaigns/1/contacts",
        "/campaigns/1/audit",
        f"/attempts/{call.id}",
        "/usage?from=2026-02&to=2026-03",
        "/campaigns?state=draft",
        "/trunks",
    ):
        await watched.page.goto(path)
        await expect(watched.page.locator("h1")).to_be_visible()
        assert await faint(watched.page) == [], path
        assert await nameless(watched.page) == [], path


async def test_a_narrow_screen_does_not_scroll_sideways(light: Watched, database: Database, tmp_path: Path) -> None:
    call = await _call_with_sound(database, tmp_path)
    await light.page.set_viewport_size({"width": 360, "height": 740})
    for path in ("/campaigns", "/campaigns/1", "/campaigns/1/calls", f"/attempts/{call.id}", "/usage", "/trunks"):
        await light.page.goto(path)
        width = await light.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, path


async def test_a_running_campaign_moves_on_the_page_until_it_ends(light: Watched, database: Database) -> None:
    await standard(database, state="running", finished_at=None)
    sample = Sample(database)
    page = light.page
    await page.goto("/campaigns/1")
    await expect(page.locator("#live")).to_contain_text("8 of 8 contacts finished")
    await expect(page.locator("[data-figure=total].tile strong")).to_have_text("8")
    await sample.contact(9, state="in_progress", name="Hoa", attempts=1)
    call = Call(9, 2000, None, answer_after_s=5, phase="talking")
    await sample.call(call)
    row = page.locator("#live tbody tr")
    await expect(row).to_contain_text("Hoa")
    await expect(row).to_contain_text("Talking")
    await expect(row.locator("[data-since]")).to_have_text(re.compile(r"\d+:\d\d"))
    await expect(page.locator("[data-figure=total].tile strong")).to_have_text("9")
    async with database.write() as conn:
        ended = {"phase": "ended", "ended_at": at(2030), "action_code": "PTP", "code_class": "success"}
        await conn.execute(update(attempts).where(attempts.c.id == call.id).values(ended))
        await conn.execute(update(contacts).where(contacts.c.id == 9).values(state="done"))
        await conn.execute(update(campaigns).values(state="completed", finished_at=at(2031)))
    await expect(page.locator(".head .chip")).to_have_text("Completed")
    await expect(page.locator("#live")).to_have_count(0)
    await expect(page.locator("[data-figure=successful] dd")).to_have_text("5")


async def test_a_recording_plays_and_seeks_from_the_transcript(
    light: Watched, database: Database, tmp_path: Path
) -> None:
    call = await _call_with_sound(database, tmp_path)
    page = light.page
    await page.goto(f"/attempts/{call.id}")
    await _until(page, "document.querySelector('audio').readyState >= 1")
    assert await page.evaluate("document.querySelector('audio').duration") == pytest.approx(42.5, abs=0.05)
    await page.evaluate("document.querySelector('audio').muted = true")
    await page.get_by_role("button", name="Play from 0:12").click()
    await _until(page, "document.querySelector('audio').currentTime > 12.5")
    await expect(page.locator(".turn.now")).to_contain_text("Bot line 4")
    await page.locator("[data-wave]").click(position={"x": 300, "y": 20})
    await _until(page, "document.querySelector('audio').currentTime > 14")
    assert await page.evaluate("document.querySelector('[data-wave] img').naturalWidth") > 0


async def test_filters_change_the_list_and_the_address_without_a_new_page(light: Watched, database: Database) -> None:
    await standard(database)
    page = light.page
    await page.goto("/campaigns/1/calls")
    await page.evaluate("window.kept = true")
    await page.get_by_label("Code").select_option("PTP")
    await expect(page.locator("#results tbody tr")).to_have_count(2)
    await expect(page).to_have_url(re.compile(r"code=PTP"))
    await page.get_by_label("Phone").fill("0900000003")
    await expect(page.locator("#results tbody tr")).to_have_count(1)
    assert await page.evaluate("window.kept")
    await page.go_back()
    await expect(page.locator("#results tbody tr")).to_have_count(2)


async def test_it_works_by_keyboard_and_without_scripts(light: Watched, database: Database, served: Serving) -> None:
    await standard(database)
    page = light.page
    await page.goto("/campaigns")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("Skip to the content")
    browser = page.context.browser
    assert browser is not None
    plain = await browser.new_context(java_script_enabled=False, base_url=served.url)
    still = await plain.new_page()
    await still.goto("/campaigns/1/calls")
    await still.get_by_label("Code").select_option("PTP")
    await still.get_by_role("button", name="Filter").click()
    assert await still.locator("#results tbody tr").count() == 2
    await plain.close()


async def _until(page: Page, expression: str) -> None:
    """Wait until the expression holds; Playwright's own way needs an eval that our policy forbids."""
    async with asyncio.timeout(20):
        while not await page.evaluate(expression):
            await page.wait_for_timeout(50)
