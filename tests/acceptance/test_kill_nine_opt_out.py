"""kill -9 at the first sound of the answer to an opt-out: the database has it (DESIGN invariant 5)."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from campaigns.states import CampaignState
from storage.clock import SystemClock
from storage.database import open_database
from storage.tables import attempts, campaigns, contacts, do_not_call
from tests.support_campaigns import House, number

ROOT = Path(__file__).parents[2]
_LONGEST_S = 120


async def _run(url: str, campaign_id: int, log: Path, way: str) -> tuple[int, str]:
    command = ["-m", "tests.support_opt_out_killing", url, str(campaign_id), str(log), way]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, errors = await asyncio.wait_for(process.communicate(), _LONGEST_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, errors.decode()


@pytest.mark.acceptance
@pytest.mark.parametrize(("way", "evidence"), [("speech", "please stop calling me"), ("key", "pressed 9")])
async def test_an_opt_out_is_on_the_list_before_the_next_word(
    migrated_url: str, tmp_path: Path, way: str, evidence: str
) -> None:
    log = tmp_path / "invites"
    async with open_database(migrated_url) as database:
        house = await House(database, clock=SystemClock()).build()  # type: ignore[arg-type]
        campaign_id = await house.campaign(people=1)
        code, errors = await _run(migrated_url, campaign_id, log, way)
        assert code == -signal.SIGKILL, errors
        (listed,) = await house.rows(do_not_call)
        assert (listed["number"], listed["source"], listed["evidence"]) == (number(1000), "opt_out", evidence)
        (attempt,) = await house.rows(attempts)
        assert (listed["attempt_id"], attempt["phase"]) == (attempt["id"], "talking")
        if way == "key":
            return
        # Whoever starts again settles what was lost, and calls nobody.
        code, errors = await _run(migrated_url, campaign_id, log, way)
        assert code == 0, errors
        assert log.read_text().splitlines() == [number(1000)]
        assert [row["state"] for row in await house.rows(contacts)] == ["opted_out"]
        assert (await house.row(campaigns, campaign_id))["state"] == CampaignState.COMPLETED
        (attempt,) = await house.rows(attempts)
        assert (attempt["phase"], attempt["lost"]) == ("ended", True)
