"""The pages and requests of test calls, over a desk that only notes them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from storage.database import open_database
from web.app import create_app
from web.errors import BadFields, ControlRefused
from web.state import WebSettings
from web.talking import TalkBot, TalkEvent, TalkScript, TalkVariable, TalkWish

BASE = "http://127.0.0.1:8080"
ID = "0" * 32


@dataclass
class Call:
    id: str = ID
    recording: Path | None = None
    caller: str = ""
    hung_up: bool = False

    async def answer(self, offer: str) -> str:
        if offer == "late":
            raise ControlRefused("this call is over")
        return f"answer to {offer}"

    async def events(self) -> AsyncGenerator[TalkEvent | None, None]:
        yield TalkEvent("preparing", {"done": 1, "total": 2})
        yield None
        yield TalkEvent("turns", {"from": 0, "turns": [{"text": "Xin chào\n<b>"}]})
        yield TalkEvent("ended", {"code": "AG"})

    async def hang_up(self) -> None:
        self.hung_up = True


@dataclass
class Desk:
    made: Call = field(default_factory=Call)
    wishes: list[TalkWish] = field(default_factory=list)
    asked: list[tuple[str, int | None]] = field(default_factory=list)
    full: bool = False

    async def bots(self) -> Sequence[TalkBot]:
        return [TalkBot("/here/pay.yaml", "pay.yaml"), TalkBot("Lan", "Lan", (3, 2, 1))]

    async def script(self, bot: str, version: int | None) -> TalkScript:
        self.asked.append((bot, version))
        if version == 2:
            raise BadFields([("script", "pay.yaml, line 3: a mistake. Mend it"), ("script", "another")])
        variables = (TalkVariable("name", "Anna", required=True), TalkVariable("amount", "", required=False))
        return TalkScript("Payment", "en", "tts-en-joe", variables, "this voice is second best")

    async def begin(self, caller: str, wish: TalkWish) -> Call:
        if self.full:
            raise ControlRefused("there are 2 test calls already")
        if not wish.variables.get("name"):
            raise BadFields([("name", "give it a value")])
        self.wishes.append(wish)
        self.made.caller = caller
        return self.made

    def call(self, caller: str, call_id: str) -> Call | None:
        return self.made if (caller, call_id) == (self.made.caller, self.made.id) else None


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def client(desk: Desk, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with open_database(f"sqlite:///{tmp_path / 'talk.db'}") as database:
        pages = create_app(database, WebSettings(recordings_dir=tmp_path), talk_desk=desk)
        transport = httpx.ASGITransport(pages, client=("127.0.0.1", 40000))
        headers = {"origin": BASE}
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as opened:
            yield opened


async def _begun(client: httpx.AsyncClient, **changes: object) -> httpx.Response:
    await client.get("/talk")
    return await client.post("/talk/calls", json={"bot": "Lan", "version": 3, "variables": {"name": "Mary"}} | changes)


async def test_the_page_shows_the_chosen_bot_and_what_the_address_fills_in(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    shown = await client.get("/talk?bot=Lan&version=1&var.name=Mary%20%3Cb%3E")
    assert desk.asked == [("Lan", 1)]
    assert shown.status_code == 200
    assert 'value="Mary &lt;b&gt;"' in shown.text
    assert '<option value="1" selected>1</option>' in shown.text
    assert "this voice is second best" in shown.text
    assert (await client.get("/talk")).text.count("selected") == 1
    assert desk.asked[-1] == ("/here/pay.yaml", None)


async def test_a_bot_that_is_not_there_is_the_first_one_and_a_version_the_newest(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    await client.get("/talk?bot=Nobody&version=7")
    await client.get("/talk?bot=Lan&version=x")
    assert desk.asked == [("/here/pay.yaml", None), ("Lan", 3)]


async def test_a_script_with_mistakes_is_told_with_all_of_them(client: httpx.AsyncClient) -> None:
    shown = await client.get("/talk?bot=Lan&version=2")
    assert shown.status_code == 200
    assert "pay.yaml, line 3: a mistake. Mend it" in shown.text
    assert "another" in shown.text
    assert "Start talking" not in shown.text


async def test_only_this_page_may_use_the_microphone(client: httpx.AsyncClient) -> None:
    talk, usage = await client.get("/talk"), await client.get("/usage")
    assert "microphone=(self)" in talk.headers["permissions-policy"]
    assert "camera=()" in talk.headers["permissions-policy"]
    assert "microphone=()" in usage.headers["permissions-policy"]


async def test_a_call_is_begun_connected_followed_and_ended(client: httpx.AsyncClient, desk: Desk) -> None:
    begun = await _begun(client, rate_hz=16000)
    assert (begun.status_code, begun.json()) == (201, {"id": ID})
    assert desk.wishes == [TalkWish("Lan", 3, {"name": "Mary"}, 16000)]
    assert len(desk.made.caller) >= 20
    offered = await client.post(f"/talk/calls/{ID}/offer", json={"sdp": "offer"})
    assert offered.json() == {"sdp": "answer to offer"}
    events = await client.get(f"/talk/calls/{ID}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    told = [part.split("\n") for part in events.text.strip().split("\n\n")[1:]]
    assert [lines[0] for lines in told] == ["event: preparing", "event: turns", "event: ended"]
    assert json.loads(told[1][1].removeprefix("data: "))["turns"] == [{"text": "Xin chào\n<b>"}]
    assert (await client.delete(f"/talk/calls/{ID}")).status_code == 204
    assert desk.made.hung_up


async def test_a_recording_is_played_when_there_is_one(client: httpx.AsyncClient, desk: Desk, tmp_path: Path) -> None:
    await _begun(client)
    assert (await client.get(f"/talk/calls/{ID}/recording.wav")).status_code == 404
    desk.made.recording = tmp_path / "talk.wav"
    desk.made.recording.write_bytes(b"RIFF")
    played = await client.get(f"/talk/calls/{ID}/recording.wav")
    assert (played.content, played.headers["content-type"]) == (b"RIFF", "audio/wav")
    kept = await client.get(f"/talk/calls/{ID}/recording.wav?download=1")
    assert kept.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"variables": {}}, 422, "name: give it a value"),
        ({"bot": ""}, 422, "bot:"),
        ({"rate_hz": 44100}, 422, "rate_hz:"),
        ({"version": 0}, 422, "version:"),
        ({"surprise": 1}, 422, "surprise:"),
        ({"variables": {"name": "a\0b"}}, 422, "NUL"),
    ],
)
async def test_what_is_wrong_with_a_wish_is_told(
    client: httpx.AsyncClient, changes: dict[str, object], status: int, told: str
) -> None:
    refused = await _begun(client, **changes)
    assert refused.status_code == status, refused.text
    assert told in " ".join(refused.json()["mistakes"])


async def test_a_desk_that_is_full_and_a_call_that_is_over_say_so(client: httpx.AsyncClient, desk: Desk) -> None:
    await _begun(client)
    late = await client.post(f"/talk/calls/{ID}/offer", json={"sdp": "late"})
    assert (late.status_code, late.json()) == (409, {"mistakes": ["this call is over"]})
    desk.full = True
    full = await _begun(client)
    assert (full.status_code, full.json()) == (409, {"mistakes": ["there are 2 test calls already"]})


async def test_another_browser_cannot_have_the_call(client: httpx.AsyncClient, desk: Desk) -> None:
    await _begun(client)
    client.cookies.clear()
    assert (await client.get(f"/talk/calls/{ID}/events")).status_code == 409
    await client.get("/talk")
    for path in ("events", "recording.wav"):
        assert (await client.get(f"/talk/calls/{ID}/{path}")).status_code == 404
    assert (await client.delete(f"/talk/calls/{ID}")).status_code == 404
    assert not desk.made.hung_up


async def test_a_foreign_page_can_begin_nothing(client: httpx.AsyncClient, desk: Desk) -> None:
    await client.get("/talk")
    refused = await client.post("/talk/calls", json={"bot": "Lan"}, headers={"origin": "http://evil.example"})
    assert refused.status_code == 403
    assert (await client.post("/talk/calls", content=b"{")).status_code == 400
    assert desk.wishes == []


async def test_a_dashboard_without_a_desk_says_so(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path / 'none.db'}") as database:
        transport = httpx.ASGITransport(create_app(database, WebSettings(recordings_dir=tmp_path)))
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers={"origin": BASE}) as client:
            assert "nobody can be talked to here" in (await client.get("/talk")).text
            assert (await client.post("/talk/calls", json={})).status_code == 409
