"""`kill -9` of `campana campaign start` in mid-campaign: restarted, it completes, and nobody is called twice.

Real SIP, RTP and speech; the network is a process of its own, whose log remembers every INVITE through every kill.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from campaigns.states import UNFINISHED
from telephony.simulator import SimulatorProcess
from tests.support_acceptance import AGREES, Running, Site, network, require_models, until

pytestmark = [pytest.mark.acceptance, pytest.mark.speech, pytest.mark.timeout(280)]

PERSONAS = f"""\
number: "+8490100001x"
name: Agrees
answer: {{after_ms: 300}}
play: [wait_for_bot, {{say: "{AGREES}"}}]
---
number: "+8490100002x"
name: Agrees after a while
answer: {{after_ms: 800}}
play: [wait_for_bot, {{wait: 800}}, {{say: "{AGREES}"}}]
---
number: "+8490100003x"
name: Hangs up early
answer: {{after_ms: 400}}
play: [{{wait: 1200}}, hangup]
---
number: "+8490100004x"
name: Busy
busy: true
---
number: "+8490100005x"
name: Wrong number
reject: {{status: 404}}
---
number: "+8490100006x"
name: Does not answer
ring_out: true
"""
#: First number's end and how many of ten call it: fifty people, mixed when dialled in the order of the list.
GROUPS = {10: 10, 20: 10, 30: 10, 40: 10, 50: 5, 60: 5}
KILLS = 4


def _people(chance: random.Random) -> list[str]:
    numbers = [f"+849010000{first + number}" for first, people in GROUPS.items() for number in range(people)]
    chance.shuffle(numbers)
    return numbers


def _attempts(site: Site, where: str = "1") -> list[dict[str, Any]]:
    return site.rows(f"SELECT * FROM attempts WHERE {where}")


async def _kill_amid_talk(site: Site, run: Running, chance: random.Random) -> int:
    """Let it hold answered calls, wait a random while, kill it; how many calls were answered and live then."""
    live = f"answered_at IS NOT NULL AND phase != 'ended' AND node LIKE '%.{run.process.pid}.%'"
    await until(lambda: not run.alive or _attempts(site, live), 60, "a call is answered")
    await asyncio.sleep(chance.uniform(0.0, 2.5))
    killed = await run.kill()
    killed.quiet()
    return len(_attempts(site, live))


async def _run_with_kills(site: Site, chance: random.Random) -> int:
    """Start it, kill it, start it again, `KILLS` times; then let it finish. How many calls died alive."""
    died = 0
    for _ in range(KILLS):
        died += await _kill_amid_talk(site, await site.start("campaign", "start", "C1"), chance)
    ran = await (await site.start("campaign", "start", "C1", "--json")).ended(200)
    assert ran.ok().json()["state"] == "completed"
    return died


async def test_a_killed_campaign_completes_and_calls_nobody_twice(site: Site, spoken: Callable[[str], Path]) -> None:
    require_models()
    chance = random.Random(20)
    people = _people(chance)
    audio = await asyncio.to_thread(spoken, PERSONAS)
    async with network(site.folder, PERSONAS, audio) as far:
        site.settings(trunk_port=far.port)
        await site.enrol(people, concurrency=6)
        died = await _run_with_kills(site, chance)
        assert died >= 3
        _nobody_was_called_twice(site, far, people)
        _everybody_has_an_outcome(site, people)
        _what_the_network_said_is_in_the_books(site)
        await site.audit()
        _charged_once(site)
        await _report_is_a_recount(site)


def _nobody_was_called_twice(site: Site, far: SimulatorProcess, people: list[str]) -> None:
    invites = far.invites()
    assert {number: times for number, times in invites.items() if times > 1} == {}
    assert set(invites) <= set(people)
    placed = {row["number"] for row in _attempts(site, "originated_at IS NOT NULL")}
    assert set(invites) <= placed
    # Killed between the ledger's word and the wire, an attempt may never have reached the network.
    never_sent = placed - set(invites)
    assert never_sent <= {row["number"] for row in _attempts(site, "lost")}


def _everybody_has_an_outcome(site: Site, people: list[str]) -> None:
    contacts = site.rows("SELECT * FROM contacts")
    assert sorted(row["number"] for row in contacts) == sorted(people)
    assert [row for row in contacts if row["state"] in UNFINISHED] == []
    for contact in contacts:
        placed = _attempts(site, f"contact_id = {contact['id']} AND originated_at IS NOT NULL")
        assert len(placed) == contact["attempts"] == 1
        assert placed[0]["phase"] == "ended"
        assert placed[0]["action_code"]
        assert placed[0]["call_status"]


def _what_the_network_said_is_in_the_books(site: Site) -> None:
    """An attempt that lived through has the code of what its persona did."""
    expected = {1: {"AG"}, 2: {"AG"}, 3: {"SC"}, 4: {"BS"}, 5: {"IN"}, 6: {"NA"}}
    lived = _attempts(site, "NOT lost AND originated_at IS NOT NULL")
    assert {row["action_code"] for row in lived} >= {"AG", "SC", "BS", "IN", "NA"}
    wrong = [
        (row["number"], row["action_code"])
        for row in lived
        if row["action_code"] not in expected[int(row["number"][-2])]
    ]
    # Recognition may fail a customer; the network's own answers may not.
    assert [one for one in wrong if one[0][-2] not in "12"] == []
    assert len(wrong) <= 2, wrong


def _charged_once(site: Site) -> None:
    charged = site.rows(
        "SELECT attempt_id, count(DISTINCT posting_key) AS times FROM ledger_entries GROUP BY attempt_id"
    )
    assert {row["times"] for row in charged} == {1}
    # An answered call that died with its process is the bot's failure (ER), which nobody pays for.
    billed = _attempts(site, "answered_at IS NOT NULL AND action_code != 'ER'")
    assert {row["attempt_id"] for row in charged} == {row["id"] for row in billed}
    assert len(billed) >= 5
    assert site.rows("SELECT sum(amount) AS total FROM ledger_entries") == [{"total": 0}]


async def _report_is_a_recount(site: Site) -> None:
    rows = _attempts(site, "originated_at IS NOT NULL")
    answered = [row for row in rows if row["answered_at"] is not None]
    report = (await site.run("report", "C1", "--json")).ok().json()
    figures = {key: text.replace(",", "") for key, text in report["figures"].items()}
    assert int(figures["total"]) == len(rows)
    assert int(figures["answered"]) == len(answered)
    assert int(figures["blocks"]) == sum(row["blocks"] for row in rows)
    assert int(figures["messages"]) == sum(row["messages"] for row in rows)
    codes: dict[str, int] = {}
    for row in rows:
        codes[row["action_code"]] = codes.get(row["action_code"], 0) + 1
    assert report["codes"] == codes
    assert sum(report["contacts"].values()) == len(site.rows("SELECT id FROM contacts"))
