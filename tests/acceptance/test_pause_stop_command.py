"""Pause, resume and stop, each asked by a process of its own while `campana campaign start` dials in another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from campana.mail_sink import MailSink
from telephony.simulator import SimulatorProcess
from tests.support_acceptance import AGREES, Running, Site, network, require_models, until

pytestmark = pytest.mark.acceptance

PERSONAS = f"""\
number: "*"
name: Agrees
answer: {{after_ms: 200}}
play: [wait_for_bot, {{wait: 500}}, {{say: "{AGREES}"}}]
"""
PEOPLE = [f"+849010000{n}" for n in range(10, 34)]
#: A node sees what another process has changed within its poll of one second.
SEEN_WITHIN_S = 2.0


def _invites(far: SimulatorProcess) -> int:
    return sum(far.invites().values())


def _live(site: Site) -> int:
    return len(site.rows("SELECT id FROM attempts WHERE phase != 'ended'"))


@pytest.mark.speech
async def test_pause_resume_and_stop_from_another_process(site: Site, spoken: Callable[[str], Path]) -> None:
    require_models()
    audio = await asyncio.to_thread(spoken, PERSONAS)
    async with MailSink(site.folder / "mail") as sink, network(site.folder, PERSONAS, audio) as far:
        site.settings(trunk_port=far.port, smtp_port=sink.port)
        await site.enrol(PEOPLE, concurrency=3)
        dialling = await site.start("campaign", "start", "C1", "--json")
        try:
            await _paused(site, far, dialling)
            assert sink.files == ()
            await _resumed(site, far, dialling)
            await _stopped(site, far, dialling)
            assert await sink.wait_for(1, timeout_s=20)
        finally:
            await dialling.kill()
    [mail] = sink.files
    assert b"stopped" in mail.read_bytes()
    await site.audit()


async def test_a_stop_with_nobody_dialling_mails_the_report_itself(site: Site) -> None:
    async with MailSink(site.folder / "mail") as sink:
        site.settings(trunk_port=5099, smtp_port=sink.port)
        await site.enrol(PEOPLE)
        (await site.run("campaign", "start", "C1", "--detach")).ok()
        (await site.run("campaign", "stop", "C1", "--yes")).ok()
        assert [b"stopped" in file.read_bytes() for file in sink.files] == [True]
    assert site.rows("SELECT state, count(*) AS n FROM contacts GROUP BY state") == [
        {"state": "cancelled", "n": len(PEOPLE)}
    ]
    await site.audit()


async def _paused(site: Site, far: SimulatorProcess, dialling: Running) -> None:
    """No new INVITE, calls that are on go on to their end, and the process waits."""
    talking = "SELECT id FROM attempts WHERE answered_at IS NOT NULL AND phase != 'ended'"
    await until(lambda: site.database.exists() and len(site.rows(talking)) >= 2, 60, "two calls are answered")
    said = (await site.run("campaign", "pause", "C1")).ok().out
    assert "campaign C1 is paused" in said
    assert "campana campaign start C1" in said
    await asyncio.sleep(SEEN_WITHIN_S)
    before = _invites(far)
    await until(lambda: _live(site) == 0, 30, "the live calls end")
    await asyncio.sleep(SEEN_WITHIN_S)
    assert _invites(far) == before < len(PEOPLE)
    assert dialling.alive
    codes = {row["action_code"] for row in site.rows("SELECT action_code FROM attempts WHERE answered_at IS NOT NULL")}
    assert codes == {"AG"}
    assert (await site.status())["state"] == "paused"
    again = await site.run("campaign", "pause", "C1")
    again.refused("paused")


async def _resumed(site: Site, far: SimulatorProcess, dialling: Running) -> None:
    """The waiting process dials on, without a second one."""
    before = _invites(far)
    (await site.run("campaign", "start", "C1", "--detach")).ok()
    await until(lambda: _invites(far) >= before + 2, 20, "calls are placed again")
    assert dialling.alive


async def _stopped(site: Site, far: SimulatorProcess, dialling: Running) -> None:
    """Live calls end, the rest is cancelled, the dialling process ends by itself."""
    assert "campaign C1 is stopped" in (await site.run("campaign", "stop", "C1", "--yes")).ok().out
    ended = (await dialling.ended(30)).ok().json()
    assert ended["state"] == "stopped"
    invites = far.invites()
    assert {number: times for number, times in invites.items() if times > 1} == {}
    states = {row["state"]: row["n"] for row in site.rows("SELECT state, count(*) AS n FROM contacts GROUP BY state")}
    assert states == {"done": len(invites), "cancelled": len(PEOPLE) - len(invites)}
    (await site.run("campaign", "start", "C1")).refused("C1", "stopped")
