"""One call outside any campaign, and Ctrl-C in the midst of one: both through the real command."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support_acceptance import AGREES, SCRIPT, Site, network, require_models, until

pytestmark = [pytest.mark.acceptance, pytest.mark.speech]

PERSONAS = f"""\
number: "+84901000001"
name: Agrees
answer: {{after_ms: 300}}
play: [wait_for_bot, {{say: "{AGREES}"}}]
---
number: "+84901000002"
name: Busy
busy: true
---
number: "+8490100001x"
name: Thinks it over
answer: {{after_ms: 200}}
play: [wait_for_bot, {{wait: 1500}}, {{say: "{AGREES}"}}]
"""


async def test_a_call_with_a_script_is_held_recorded_and_left_out_of_the_books(
    site: Site, spoken: Callable[[str], Path]
) -> None:
    require_models()
    audio = await asyncio.to_thread(spoken, PERSONAS)
    script = str(site.write("script.yaml", SCRIPT))
    async with network(site.folder, PERSONAS, audio) as far:
        site.settings(trunk_port=far.port)
        answered = (await site.run("call", "0901000001", "--script", script, "--json")).ok().json()
        busy = (await site.run("call", "+84901000002", "--script", script)).ok().out
        invites = far.invites()
    assert (answered["code"], answered["call_status"]) == ("AG", "BOT_HANGUP")
    speakers = [turn["speaker"] for turn in answered["turns"]]
    # Who pauses within a sentence may be answered there, and once more at its end.
    assert (speakers[:2], speakers[-1]) == (["bot", "customer"], "bot"), answered["turns"]
    assert "pay" in " ".join(turn["text"] for turn in answered["turns"] if turn["speaker"] == "customer").lower()
    assert answered["messages"] == speakers.count("bot")
    assert (site.folder / answered["recording"]).stat().st_size > 44
    assert "BUSY, code BS" in busy
    assert invites == {"+84901000001": 1, "+84901000002": 1}
    assert site.rows("SELECT id FROM attempts") == site.rows("SELECT id FROM ledger_entries") == []


async def test_ctrl_c_lets_live_calls_end_and_a_later_start_goes_on(site: Site, spoken: Callable[[str], Path]) -> None:
    require_models()
    people = [f"+8490100001{n}" for n in range(6)]
    audio = await asyncio.to_thread(spoken, PERSONAS)
    async with network(site.folder, PERSONAS, audio) as far:
        site.settings(trunk_port=far.port)
        await site.enrol(people, concurrency=2)
        first = await site.start("campaign", "start", "C1")
        talking = "SELECT id FROM attempts WHERE phase = 'talking'"
        await until(lambda: len(site.rows(talking)) == 2, 60, "two calls are answered")
        first.process.send_signal(signal.SIGINT)
        ran = (await first.ended(30)).ok()
        assert "no further calls are placed" in ran.out
        assert far.invites().total() == 2
        ended = site.rows("SELECT action_code, lost FROM attempts")
        assert ended == [{"action_code": "AG", "lost": 0}] * 2
        assert (await site.status())["state"] == "running"
        last = await site.run("campaign", "start", "C1", "--json")
        assert last.ok().json()["state"] == "completed"
        assert far.invites() == dict.fromkeys(people, 1)
    await site.audit()


async def test_a_second_ctrl_c_hangs_up_settles_and_keeps_what_was_recorded(
    site: Site, spoken: Callable[[str], Path]
) -> None:
    require_models()
    people = [f"+8490100001{n}" for n in range(4)]
    audio = await asyncio.to_thread(spoken, PERSONAS)
    async with network(site.folder, PERSONAS, audio) as far:
        site.settings(trunk_port=far.port)
        await site.enrol(people, concurrency=2)
        run = await site.start("campaign", "start", "C1")
        talking = "SELECT id FROM attempts WHERE phase = 'talking'"
        await until(lambda: len(site.rows(talking)) == 2, 60, "two calls are answered")
        run.process.send_signal(signal.SIGINT)
        await run.says("no further calls are placed")
        run.process.send_signal(signal.SIGINT)
        ran = await run.ended(15)
    assert ran.code == 130, ran.text
    ran.quiet()
    attempts = site.rows("SELECT phase, action_code, messages, lost FROM attempts")
    assert attempts == [{"phase": "ended", "action_code": "ER", "messages": 1, "lost": 0}] * 2
    assert [row["error"] for row in site.rows("SELECT error FROM recordings")] == [None, None]
    assert site.rows("SELECT id FROM ledger_entries") == []
    await site.audit()
