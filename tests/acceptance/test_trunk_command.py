"""A dead trunk through the real command: it is paused, everybody is told, and a person opens it again."""

from __future__ import annotations

import pytest

from tests.support_acceptance import Site, free_port, require_models, running

pytestmark = [pytest.mark.acceptance, pytest.mark.speech]

PEOPLE = [f"+8490100002{n}" for n in range(9)]


async def test_a_dead_trunk_is_paused_and_everybody_is_told(site: Site) -> None:
    require_models()
    site.settings(trunk_port=free_port())
    await site.enrol(PEOPLE, concurrency=9)
    async with running(site, "campaign", "start", "C1") as dialling:
        await dialling.says(r"trunk paused: \d+ calls in a row failed")
        (await dialling.interrupt()).ok()
    shown = (await site.run("trunk", "show", "line")).ok().out
    assert "paused" in shown
    calls = site.rows("SELECT id, counted FROM attempts WHERE sip_code IS NULL AND dial_status = 'CHANUNAVAIL'")
    assert [row["counted"] for row in calls].count(1) == 5, "those that were on their way do not count"
    assert any(row["id"] in shown for row in calls)
    assert "trunk paused" in (await site.run("campaign", "status")).ok().out
    [mail] = site.rows("SELECT topic FROM outbox")
    assert mail["topic"] == "trunk_mail"
    assert "healthy" in (await site.run("trunk", "resume", "line")).ok().out
    await site.audit()
