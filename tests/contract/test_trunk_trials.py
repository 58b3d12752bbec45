"""Whom the trial calls of a paused trunk take, and how long the trunk is blamed, where some numbers always fail."""

from __future__ import annotations

import pytest

from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campaigns.settling import Settlement
from campaigns.states import AttemptPhase
from campaigns.trunk_signs import SPARED_AT_MOST
from campaigns.trunks import Trunks
from storage.database import Database
from storage.tables import attempts, contacts
from telephony.call import NotAnswered
from telephony.outcomes import DialStatus
from tests.support_campaigns import House


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _barred(house: House, ledger: Ledger, claim: Claim, code: int = 403) -> str | None:
    """The carrier will not reach this number; the contact's state after it."""
    await ledger.begin(claim.attempt_id, claim.fence)
    dial = NotAnswered(DialStatus.CHANUNAVAIL, house.clock.now(), sip_code=code, text="Forbidden")
    return (await ledger.settle(claim.attempt_id, claim.fence, Settlement(dial=dial))).contact_state


async def _trial(house: House, ledger: Ledger) -> Claim:
    house.clock.advance(minutes=10)
    store = Trunks(house.database, house.clock)
    assert await store.take_probes(["line"]) == ["line"]
    await store.note_probe("line", ok=True)
    (claim,) = (await ledger.claim(["line"], 9)).claims
    return claim


async def _pause(house: House, ledger: Ledger) -> None:
    for claim in (await ledger.claim(["line"], 5)).claims:
        await _barred(house, ledger, claim)
    assert (await house.rows_of_trunk("line"))["health"] == "paused"


async def test_a_number_that_always_fails_does_not_keep_the_trunk_closed(house: House) -> None:
    await house.campaign(people=8)
    ledger = house.ledger()
    await _pause(house, ledger)
    first = await _trial(house, ledger)
    assert await _barred(house, ledger, first) == "pending"
    second = await _trial(house, ledger)
    assert second.contact_id != first.contact_id
    await ledger.begin(second.attempt_id, second.fence)
    await ledger.advance(second.attempt_id, second.fence, AttemptPhase.RINGING, house.clock.now())
    assert (await house.rows_of_trunk("line"))["health"] == "healthy"
    assert first.contact_id in {claim.contact_id for claim in (await ledger.claim(["line"], 9)).claims}


@pytest.mark.parametrize("code", [403, 402])
async def test_the_only_contact_left_is_tried_and_spared_so_often_and_no_more(house: House, code: int) -> None:
    campaign_id = await house.campaign(people=6, max_attempts=1)
    ledger = house.ledger()
    await _pause(house, ledger)
    states = [await _barred(house, ledger, await _trial(house, ledger), code) for _ in range(SPARED_AT_MOST + 1)]
    assert states == ["pending"] * SPARED_AT_MOST + ["error"]
    assert [row["counted"] for row in await house.rows(attempts)].count(False) == SPARED_AT_MOST
    assert {row["attempts"] for row in await house.rows(contacts)} == {1}
    assert (await house.campaigns.status(campaign_id)).state == "completed"
