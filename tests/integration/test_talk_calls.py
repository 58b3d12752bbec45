"""Test calls from a browser: aiortc's peer, the real conversation, coded speech; no page and no models."""

from __future__ import annotations

import asyncio
import contextlib
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from campana.application import App, open_app
from campana.settings import Settings, TalkSettings
from campana.talk import Desk, open_desk
from campana.talk_call import BrowserTalk
from storage.tables import attempts, do_not_call
from telephony.media.thread import LoopThread
from tests.support_talk import MENU, Coded
from tests.support_webrtc import QUIET, Browser
from web.errors import BadFields, ControlRefused
from web.talking import TalkEvent, TalkWish

_PATIENCE_S = 60


@dataclass
class Room:
    """A desk and browsers that talk at it."""

    app: App
    desk: Desk
    coded: Coded
    script: Path
    thread: LoopThread
    browsers: list[Browser] = field(default_factory=list)

    def wish(self, **changes: Any) -> TalkWish:
        return TalkWish(**{"bot": str(self.script), "version": None, "variables": {"name": "Mary"}} | changes)

    async def browser(self, call: BrowserTalk) -> Browser:
        """Connected to the call."""
        browser = Browser(QUIET, 8000)
        self.browsers.append(browser)
        await until(call, "ready")
        await self.thread.run(browser.take(await call.answer(await self.thread.run(browser.offer()))))
        return browser


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    script = tmp_path / "menu.yaml"
    script.write_text(MENU, encoding="utf-8")
    settings = Settings(data_folder=tmp_path / "data", talk=TalkSettings(calls=2, addresses=("127.0.0.1",)))
    thread = LoopThread("browsers", lambda: None)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(thread.aclose)
        app = await stack.enter_async_context(open_app(settings))
        coded = Coded(settings.recordings_folder)
        desk = await stack.enter_async_context(open_desk(app, coded, [script]))  # type: ignore[arg-type]
        opened = Room(app, desk, coded, script, thread)
        yield opened
        for browser in opened.browsers:
            await thread.run(browser.close())


async def until(call: BrowserTalk, name: str, text: str = "") -> TalkEvent:
    """The first event of a name whose data hold the text."""
    async with asyncio.timeout(_PATIENCE_S):
        async for told in call.events():
            if told is not None and told.name == name and text in str(told.data):
                return told
    raise AssertionError(f"no {name}: {call._events}")


async def transcript(call: BrowserTalk) -> list[dict[str, Any]]:
    """The transcript as a page has it at the end of the call."""
    turns: list[dict[str, Any]] = []
    async for told in call.events():
        if told is not None and told.name == "turns":
            turns[told.data["from"] :] = told.data["turns"]
    return turns


async def test_a_call_goes_from_its_preparation_to_its_code(room: Room) -> None:
    call = await room.desk.begin("ann", room.wish())
    browser = await room.browser(call)
    await until(call, "turns", "Hello Mary. Press one.")
    await room.thread.run(browser.press("1"))
    ended = (await until(call, "ended")).data
    assert (ended["code"], ended["title"], ended["code_class"]) == ("AG", "Agrees", "success")
    assert (ended["call_status"], ended["messages"], ended["error"]) == ("BOT_HANGUP", 1, None)
    names = [told.name async for told in call.events() if told is not None]
    assert list(dict.fromkeys(names)) == ["preparing", "ready", "talking", "turns", "ended"]
    greeting, key = await transcript(call)
    assert (greeting["speaker"], greeting["text"]) == ("bot", "Hello Mary. Press one.")
    assert (key["speaker"], key["text"], key["intent"], key["step"]) == ("customer", "1", "key", "greeting")
    await _assert_nothing_is_counted(room.app)
    assert call.recording is not None
    with wave.open(str(call.recording)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        assert any(file.readframes(file.getnframes()))


async def _assert_nothing_is_counted(app: App) -> None:
    async with app.database.read() as conn:
        for table in (attempts, do_not_call):
            assert await conn.scalar(select(func.count()).select_from(table)) == 0


async def test_an_opt_out_is_told_and_blocks_no_number(room: Room) -> None:
    call = await room.desk.begin("ann", room.wish())
    browser = await room.browser(call)
    await until(call, "turns", "Press one.")
    for nonsense in ("", "x", "$"):
        await room.thread.run(browser.press(nonsense))
    await room.thread.run(browser.press("9"))
    ended = (await until(call, "ended")).data
    assert (ended["code"], ended["opted_out"]) == ("DNC", True)
    await _assert_nothing_is_counted(room.app)


async def test_who_closes_the_page_has_hung_up(room: Room) -> None:
    call = await room.desk.begin("ann", room.wish())
    browser = await room.browser(call)
    await until(call, "turns", "Hello Mary")
    await room.thread.run(browser.close())
    assert (await until(call, "ended")).data["call_status"] in ("SHORT_CALL", "USER_HANGUP", "SILENT")
    assert call.over


async def test_hanging_up_on_the_page_ends_a_call_that_talks(room: Room) -> None:
    call = await room.desk.begin("ann", room.wish())
    await room.browser(call)
    await until(call, "turns", "Hello Mary")
    await call.hang_up()
    assert call.over
    assert (await until(call, "ended")).data["code"]
    with pytest.raises(ControlRefused, match="connected already, or over"):
        await call.answer("again")


async def test_a_new_call_of_the_same_caller_ends_the_one_before(room: Room) -> None:
    room.coded.begin.clear()
    first = await room.desk.begin("ann", room.wish())
    second = await room.desk.begin("ann", room.wish())
    assert first.over
    assert (await until(first, "failed")).data["text"] == "the call was ended before it began"
    assert not second.over
    assert room.desk.call("ann", second.id) is second
    assert room.desk.call("bob", second.id) is None


async def test_calls_at_once_are_bounded(room: Room) -> None:
    room.coded.begin.clear()
    await room.desk.begin("ann", room.wish())
    bobs = await room.desk.begin("bob", room.wish())
    with pytest.raises(ControlRefused, match=r"there are 2 test calls already, which is what talk\.calls allows"):
        await room.desk.begin("eve", room.wish())
    await bobs.hang_up()
    await room.desk.begin("eve", room.wish())


async def test_a_missing_value_or_bot_is_told_before_anything_begins(room: Room) -> None:
    with pytest.raises(BadFields, match="name: give it a value"):
        await room.desk.begin("ann", room.wish(variables={}))
    with pytest.raises(BadFields, match="there is no bot 'Lan' \\(known: none yet"):
        await room.desk.begin("ann", room.wish(bot="Lan"))


async def test_an_offer_that_cannot_be_answered_ends_the_call(room: Room) -> None:
    call = await room.desk.begin("ann", room.wish())
    await until(call, "ready")
    with pytest.raises(ControlRefused, match="ended before it was connected"):
        await call.answer("hello")
    assert "offer" in (await until(call, "failed")).data["text"]


async def test_a_script_file_is_read_anew_for_each_look(room: Room) -> None:
    shown = await room.desk.script(str(room.script), None)
    assert (shown.title, shown.language) == ("A menu", "en")
    assert [(each.name, each.value, each.required) for each in shown.variables] == [("name", "Anna", True)]
    room.script.write_text(MENU.replace("A menu", "Another"), encoding="utf-8")
    assert (await room.desk.script(str(room.script), None)).title == "Another"
    room.script.write_text("script: [", encoding="utf-8")
    with pytest.raises(BadFields, match="line 1"):
        await room.desk.script(str(room.script), None)
