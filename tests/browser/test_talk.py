"""Talking to a bot from a real browser, with real speech; and what the page does without any."""

from __future__ import annotations

import asyncio
import io
import re
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.async_api import Page, expect

from bot.speech.speaking import PiperSpeaker
from tests.support_readable import faint, nameless
from tests.support_talk import MENU, Talking, chromium, saying, talking

pytestmark = pytest.mark.browser

# A machine with much else to do may take its time between a click and what comes of it.
expect.set_options(timeout=30_000)

#: The microphone is real as far as a page can tell, and silent until the test lets it be heard.
_MUTED = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await ask(wanted);
  window.microphone = stream.getAudioTracks()[0];
  window.microphone.enabled = false;
  return stream;
};
"""
_REFUSED = """() => {
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };
}"""
#: Loading two models and speaking the script's lines, on a machine with much else to do.
_SLOW_MS = 120_000


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Talking]:
    async with talking(tmp_path) as opened:
        yield opened


@pytest.mark.speech
async def test_what_is_said_is_shown_while_it_is_said_and_ends_with_the_code(
    desk: Talking, joe_voice: PiperSpeaker, tmp_path: Path
) -> None:
    microphone = await saying(joe_voice, "I will pay on Friday.", tmp_path / "microphone.wav")
    async with chromium(microphone) as browser:
        page = await browser.new_page(base_url=desk.served.url)
        asked: set[str] = set()
        page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        await page.add_init_script(_MUTED)
        await page.goto("/talk?var.name=Mary")
        await page.get_by_role("button", name="Start talking").click()
        turns = page.locator(".turn")
        # What fails ends the call, and is told here at once instead of after the whole wait.
        await expect(page.locator(".turn, .result:not([hidden])").first).to_be_visible(timeout=_SLOW_MS)
        await expect(turns.first).to_contain_text("Hello Mary.")
        await page.evaluate("window.microphone.enabled = true")
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        result = page.locator("[data-result]")
        await expect(result).to_be_visible(timeout=_SLOW_MS)
        await expect(result.locator(".chip")).to_have_text("AG")
        await expect(result).to_contain_text("Agrees to pay")
        await expect(result).to_contain_text(re.compile(r"pay_date\s*\d{4}-\d\d-\d\d"))
        customer = page.locator(".turn.customer").last
        await expect(customer).to_contain_text(re.compile("friday", re.IGNORECASE))
        await expect(customer).to_contain_text("step greeting")
        await expect(customer).to_contain_text(re.compile(r"recognised in \d"))
        await expect(turns.last).to_contain_text("Thank you.")
        await expect(turns.last).to_contain_text(re.compile(r"replied after \d"))
        await _assert_recorded(page)
        await expect(page.get_by_role("button", name="Talk again")).to_be_enabled()
    assert asked == {urlsplit(desk.served.url).netloc}


async def _assert_recorded(page: Page) -> None:
    """Both sides are heard in the recording that the page links to."""
    link = await page.locator("[data-download]").get_attribute("href")
    assert link is not None
    response = await page.request.get(link)
    assert response.ok
    with wave.open(io.BytesIO(await response.body())) as file:
        assert file.getnchannels() == 2
        sides = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert (np.abs(sides).max(axis=0) > 2000).all()


async def test_the_page_is_readable_and_takes_no_more_width_than_there_is(desk: Talking) -> None:
    async with chromium() as browser:
        page = await browser.new_page(base_url=desk.served.url)
        await page.goto("/talk")
        await expect(page.locator("h1")).to_have_text("Talk to a bot")
        await page.emulate_media(color_scheme="dark")
        assert await faint(page) == []
        await page.emulate_media(color_scheme="light")
        assert await faint(page) == []
        assert await nameless(page) == []
        await page.set_viewport_size({"width": 360, "height": 740})
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_what_keeps_a_call_from_beginning_is_told_and_another_can_be_tried(desk: Talking) -> None:
    async def never() -> object:
        await asyncio.Event().wait()
        raise AssertionError

    desk.desk._open = never  # type: ignore[assignment]
    async with chromium() as browser:
        page = await browser.new_page(base_url=desk.served.url)
        await page.goto("/talk")
        await page.evaluate(_REFUSED)
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.get_by_role("status")).to_contain_text("this page may not use it")
        await page.evaluate("() => { delete navigator.mediaDevices.getUserMedia; }")
        await page.get_by_role("button", name="Talk again").click()
        await expect(page.get_by_role("status")).to_contain_text("Loading the models.", timeout=60_000)
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("status")).to_contain_text("ended before it began", timeout=60_000)


async def test_keys_are_pressed_on_the_page_or_typed_and_the_page_can_hang_up(tmp_path: Path) -> None:
    async with talking(tmp_path, MENU, coded=True) as desk, chromium() as browser:
        page = await browser.new_page(base_url=desk.served.url)
        await page.add_init_script(_MUTED)
        await page.goto("/talk")
        start, result = page.locator("[data-toggle]"), page.locator("[data-result]")
        for press, code in ((page.keyboard.press("1"), "AG"), (page.get_by_label("Key 9").click(), "DNC")):
            await start.click()
            await expect(page.locator(".turn.bot")).to_contain_text("Press one.", timeout=60_000)
            await expect(page.get_by_label("Key star")).to_be_enabled()
            await page.locator("h1").click()
            await press
            await expect(result.locator(".chip")).to_have_text(code, timeout=60_000)
            await expect(start).to_have_text("Talk again")
            await expect(page.locator(".turn.customer")).to_contain_text("intent key")
        await start.click()
        await expect(page.locator(".turn.bot")).to_contain_text("Hello Anna.", timeout=60_000)
        await start.click()
        await expect(result).to_be_visible(timeout=60_000)
        await expect(page.get_by_role("status")).to_have_text("The call is over.")
