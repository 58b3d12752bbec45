"""The breaker in the ledger's transactions, on both databases: pausing, sparing contacts, probing, the trial call."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campaigns.errors import UnknownTrunk
from campaigns.probing import TrunkProbing
from campaigns.settling import Settlement
from campaigns.states import AttemptPhase
from campaigns.trunks import Trunks
from reports.audit import audit
from storage.database import Database
from storage.tables import attempts, contacts, outbox, trunks
from telephony.call import NotAnswered
from telephony.outcomes import DialStatus
from telephony.probing import Probe
from tests.support_campaigns import NOW, House

UNREACHABLE = [{"on": ["unreachable"], "times": 3, "after_min": 10}]


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


def _unavailable(house: House, code: int | None = 503) -> Settlement:
    status = DialStatus.CONGESTION if code == 503 else DialStatus.CHANUNAVAIL
    text = {503: "Service unavailable", 401: "Unauthorized", None: "The trunk did not answer"}[code]
    return Settlement(dial=NotAnswered(status, house.clock.now(), sip_code=code, text=text))


async def _fail(house: House, ledger: Ledger, claim: Claim, code: int | None = 503) -> Any:
    await ledger.begin(claim.attempt_id, claim.fence)
    return await ledger.settle(claim.attempt_id, claim.fence, _unavailable(house, code))


async def _health(house: House, name: str = "line") -> str:
    return str((await house.rows_of_trunk(name))["health"])


async def _books_balance(house: House) -> None:
    async with house.database.read() as conn:
        checks = (await audit(conn, None, Path("recordings"))).checks
    assert [check for check in checks if not check.ok] == []


async def _claim(ledger: Ledger, limit: int = 50, trunk: str = "line") -> tuple[Claim, ...]:
    return (await ledger.claim([trunk], limit)).claims


async def _pause_by_failures(house: House, ledger: Ledger) -> None:
    for claim in await _claim(ledger, 5):
        await _fail(house, ledger, claim)
    assert await _health(house) == "paused"


async def test_five_failures_pause_the_trunk_and_no_contact_is_claimed_any_more(house: House) -> None:
    campaign_id = await house.campaign(people=9, max_attempts=3, retry_rules=UNREACHABLE)
    ledger = house.ledger()
    claims = await _claim(ledger, 5)
    for claim in claims[:4]:
        await _fail(house, ledger, claim)
    assert await _health(house) == "suspect"
    await _fail(house, ledger, claims[4])
    row = await house.rows_of_trunk("line")
    assert (row["health"], row["failures"], row["paused_at"]) == ("paused", 5, NOW)
    assert row["probe_at"] == NOW + timedelta(seconds=30)
    assert [call["attempt_id"] for call in row["failing_calls"]] == [claim.attempt_id for claim in claims]
    assert {call["sip_code"] for call in row["failing_calls"]} == {503}
    assert await _claim(ledger) == await _claim(house.ledger("node-b")) == ()
    assert await house.contact_states(campaign_id) == {"retry_wait": 5, "pending": 4}
    status = await house.campaigns.status(campaign_id)
    assert status.trunk_paused == "5 calls in a row failed, the last with: 503 Service unavailable"
    await _books_balance(house)


async def test_what_is_wrong_with_callees_never_pauses_it(house: House) -> None:
    await house.campaign(people=40)
    ledger = house.ledger()
    statuses = [
        DialStatus.BUSY,
        DialStatus.NOANSWER,
        DialStatus.REJECTED,
        DialStatus.INVALID,
        DialStatus.OUT_OF_SERVICE,
        DialStatus.CANCEL,
    ]
    for place, claim in enumerate(await _claim(ledger, 30)):
        await ledger.begin(claim.attempt_id, claim.fence)
        facts = Settlement(dial=NotAnswered(statuses[place % len(statuses)], house.clock.now()))
        await ledger.settle(claim.attempt_id, claim.fence, facts)
    row = await house.rows_of_trunk("line")
    assert (row["health"], row["failures"], row["failing_calls"]) == ("healthy", 0, [])


@pytest.mark.parametrize("phase", [AttemptPhase.RINGING, AttemptPhase.ANSWERED])
async def test_a_call_that_rings_begins_the_count_again_before_it_ends(house: House, phase: AttemptPhase) -> None:
    await house.campaign(people=10)
    ledger = house.ledger()
    claims = await _claim(ledger, 10)
    for claim in claims[:4]:
        await _fail(house, ledger, claim)
    await ledger.begin(claims[4].attempt_id, 1)
    await ledger.advance(claims[4].attempt_id, 1, phase, house.clock.now())
    assert await _health(house) == "healthy"
    for claim in claims[5:9]:
        await _fail(house, ledger, claim)
    assert await _health(house) == "suspect"


async def test_a_long_call_that_ends_among_failures_does_not_hide_them(house: House) -> None:
    await house.campaign(people=10)
    ledger = house.ledger()
    long, *claims = await _claim(ledger, 7)
    await house.answer(ledger, long)
    house.clock.advance(minutes=3)
    for claim in claims[:4]:
        await _fail(house, ledger, claim)
    await ledger.settle(long.attempt_id, 1, house.talked())
    await _fail(house, ledger, claims[4])
    assert await _health(house) == "paused"


async def test_one_refusal_of_our_credentials_pauses_it_and_spares_the_contact(house: House) -> None:
    campaign_id = await house.campaign(people=3)
    ledger = house.ledger()
    (claim,) = await _claim(ledger, 1)
    moved = await _fail(house, ledger, claim, 401)
    row, contact = await house.row(attempts, claim.attempt_id), await house.row(contacts, claim.contact_id)
    assert await _health(house) == "paused"
    assert (moved.contact_state, contact["state"], contact["attempts"]) == ("pending", "pending", 0)
    assert (row["action_code"], row["sip_code"], row["counted"]) == ("CU", 401, False)
    status = await house.campaigns.status(campaign_id)
    assert (status.attempts, status.trunk_paused) == (1, "the trunk refused us: 401 Unauthorized")
    await _books_balance(house)


async def test_the_last_look_gives_claimed_contacts_of_a_paused_trunk_back_uncounted(house: House) -> None:
    campaign_id = await house.campaign(people=3)
    ledger = house.ledger()
    claims = await _claim(ledger, 3)
    await _fail(house, ledger, claims[0], 401)
    for claim in claims[1:]:
        moved = await ledger.begin(claim.attempt_id, claim.fence)
        assert (moved.phase, moved.reason) == (AttemptPhase.ENDED, "trunk_paused")
    assert await house.contact_states(campaign_id) == {"pending": 3}
    assert {row["attempts"] for row in await house.rows(contacts)} == {0}


@pytest.mark.parametrize("on_trial", [False, True])
async def test_calls_on_their_way_when_it_was_paused_are_not_held_against_their_contacts(
    house: House, on_trial: bool
) -> None:
    campaign_id = await house.campaign(people=30)
    ledger = house.ledger()
    claims = await _claim(ledger, 30)
    for claim in claims:
        await ledger.begin(claim.attempt_id, claim.fence)
    for claim in claims[:5]:
        await ledger.settle(claim.attempt_id, claim.fence, _unavailable(house))
    if on_trial:
        house.clock.advance(seconds=30)
        await _probing(house, _Mute()).look()
    for claim in claims[5:]:
        await ledger.settle(claim.attempt_id, claim.fence, _unavailable(house, None))
    assert await house.contact_states(campaign_id) == {"error": 5, "pending": 25}
    assert [row["counted"] for row in await house.rows(attempts)].count(False) == 25
    await _books_balance(house)


async def test_one_call_without_audio_pauses_it_although_it_rang(house: House) -> None:
    await house.campaign(people=6)
    ledger = house.ledger()
    deaf, other, *_ = await _claim(ledger)
    for claim in (deaf, other):
        await ledger.begin(claim.attempt_id, claim.fence)
        await ledger.advance(claim.attempt_id, claim.fence, AttemptPhase.RINGING, house.clock.now())
    for claim in (deaf, other):
        unheard = NotAnswered(DialStatus.ERROR, house.clock.now(), rang=True, text="open that address", no_audio=True)
        await ledger.settle(claim.attempt_id, claim.fence, Settlement(dial=unheard))
    row = await house.rows_of_trunk("line")
    assert (row["health"], row["failures"]) == ("paused", 2)
    assert row["pause_reason"] == "a call was picked up and brought no audio: open that address"
    # They were disturbed: their attempts count.
    assert [(await house.row(contacts, claim.contact_id))["attempts"] for claim in (deaf, other)] == [1, 1]
    await _books_balance(house)


async def test_other_trunks_go_on(house: House) -> None:
    await house.trunk("other")
    await house.campaign(people=5)
    await house.campaign(people=3, trunk="other")
    ledger = house.ledger()
    await _pause_by_failures(house, ledger)
    assert len((await ledger.claim(["line", "other"], 10)).claims) == 3
    assert await _health(house, "other") == "healthy"


async def test_failures_of_several_nodes_count_together(house: House) -> None:
    await house.campaign(people=5)
    nodes = [house.ledger(f"node-{name}") for name in "abcde"]
    pairs = [(node, (await _claim(node, 1))[0]) for node in nodes]
    for node, claim in pairs:
        await node.begin(claim.attempt_id, claim.fence)
    await asyncio.gather(*(n.settle(c.attempt_id, c.fence, _unavailable(house)) for n, c in pairs))
    row = await house.rows_of_trunk("line")
    assert (row["health"], row["failures"], len(row["failing_calls"])) == ("paused", 5, 5)


async def test_a_trunk_may_be_allowed_another_number(house: House) -> None:
    async with house.database.write() as conn:
        await conn.execute(update(trunks).values(failures_allowed=2))
    await house.campaign(people=2)
    ledger = house.ledger()
    for claim in await _claim(ledger, 2):
        await _fail(house, ledger, claim)
    assert await _health(house) == "paused"


class _Dialer:
    """A trunk that answers a probe as it is told to."""

    def __init__(self, *found: Probe | Exception) -> None:
        self.found = list(found)
        self.asked = 0

    async def probe(self) -> Probe:
        self.asked += 1
        found = self.found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


class _Mute:
    """A dialer that cannot probe."""


def _probing(house: House, dialer: object) -> TrunkProbing:
    return TrunkProbing(Trunks(house.database, house.clock), {"line": dialer})  # type: ignore[dict-item]


async def test_a_paused_trunk_is_probed_when_its_time_has_come_and_not_before(house: House) -> None:
    await house.campaign(people=9, max_attempts=9, retry_rules=UNREACHABLE)
    ledger = house.ledger()
    await _pause_by_failures(house, ledger)
    dialer = _Dialer(Probe(False, "silent"), OSError("no route"), Probe(True, "answers 200 OK"))
    probing, asked = _probing(house, dialer), []
    for seconds in (29, 1, 59, 1, 119, 1):
        house.clock.advance(seconds=seconds)
        opened = await probing.look()
        asked.append((dialer.asked, opened))
    assert asked == [(0, False), (1, False), (1, False), (2, False), (2, False), (3, True)]
    assert await _health(house) == "trying"


async def test_two_nodes_do_not_probe_at_once(house: House) -> None:
    await house.campaign(people=5)
    await _pause_by_failures(house, house.ledger())
    house.clock.advance(seconds=30)
    store = Trunks(house.database, house.clock)
    taken = await asyncio.gather(*(store.take_probes(["line"]) for _ in range(4)))
    assert sorted(map(len, taken)) == [0, 0, 0, 1]
    house.clock.advance(seconds=30)
    assert await store.take_probes(["line"]) == ["line"], "whoever took it has died"


async def _on_trial(house: House, ledger: Ledger, dialer: object = None) -> None:
    await _pause_by_failures(house, ledger)
    house.clock.advance(seconds=30)
    assert await _probing(house, dialer or _Dialer(Probe(True, "answers 200 OK"))).look()


async def test_a_dialer_that_cannot_probe_is_tried_with_a_call(house: House) -> None:
    await house.campaign(people=6)
    await _on_trial(house, house.ledger(), _Mute())
    assert len(await _claim(house.ledger())) == 1


async def test_one_call_is_tried_and_the_others_follow_when_it_gets_through(house: House) -> None:
    campaign_id = await house.campaign(people=20)
    ledger, other = house.ledger(), house.ledger("node-b")
    await _on_trial(house, ledger)
    batches = await asyncio.gather(_claim(ledger), _claim(other), _claim(ledger))
    (trial,) = [claim for batch in batches for claim in batch]
    assert await _claim(other) == ()
    assert (await house.campaigns.status(campaign_id)).trunk_paused
    await ledger.begin(trial.attempt_id, trial.fence)
    await ledger.advance(trial.attempt_id, trial.fence, AttemptPhase.RINGING, house.clock.now())
    row = await house.rows_of_trunk("line")
    assert (row["health"], row["failures"], row["paused_at"], row["trial_attempt_id"]) == ("healthy", 0, None, None)
    assert (await house.campaigns.status(campaign_id)).trunk_paused is None
    assert len(await _claim(other)) == 14


@pytest.mark.parametrize("code", [503, 401, None])
async def test_a_trial_call_in_vain_pauses_for_longer_and_is_not_held_against_its_contact(
    house: House, code: int | None
) -> None:
    await house.campaign(people=6)
    ledger = house.ledger()
    await _on_trial(house, ledger)
    (trial,) = await _claim(ledger)
    await _fail(house, ledger, trial, code)
    row, contact = await house.rows_of_trunk("line"), await house.row(contacts, trial.contact_id)
    assert (row["health"], row["paused_at"]) == ("paused", NOW)
    assert row["probe_at"] == house.clock.now() + timedelta(minutes=1)
    assert (contact["state"], contact["attempts"]) == ("pending", 0)
    await _books_balance(house)


async def test_uncounted_attempts_use_up_no_rule(house: House) -> None:
    rules = [{"on": ["CHANUNAVAIL"], "times": 1, "after_min": 0}]
    await house.campaign(people=1, max_attempts=5, retry_rules=rules)
    ledger, store = house.ledger(), Trunks(house.database, house.clock)
    for _ in range(3):
        (claim,) = await _claim(ledger)
        await _fail(house, ledger, claim, 401)
        await store.resume("line")
    (claim,) = await _claim(ledger)
    assert (await _fail(house, ledger, claim, None)).contact_state == "retry_wait"
    (claim,) = await _claim(ledger)
    assert (await _fail(house, ledger, claim, None)).contact_state == "exhausted"


@pytest.mark.parametrize("how", ["released", "shutdown", "died"])
async def test_a_trial_call_that_came_to_nothing_makes_room_for_another(house: House, how: str) -> None:
    await house.campaign(people=9)
    ledger = house.ledger()
    await _on_trial(house, ledger)
    (trial,) = await _claim(ledger)
    if how == "released":
        await ledger.release(trial.attempt_id, trial.fence, "shutdown")
    elif how == "shutdown":
        await ledger.begin(trial.attempt_id, trial.fence)
        cancelled = NotAnswered(DialStatus.CANCEL, house.clock.now(), text="shutdown")
        await ledger.settle(trial.attempt_id, trial.fence, Settlement(dial=cancelled, by_node=True))
    else:
        await ledger.begin(trial.attempt_id, trial.fence)
        house.clock.advance(seconds=16)
        await house.ledger("node-b").reap(_no_stray)
    assert len(await _claim(ledger)) == 1


async def _no_stray(_trunk: str, _attempt_id: str) -> bool:
    return False


async def test_a_pause_is_told_by_mail_once_to_each_account_that_calls(house: House) -> None:
    await house.campaign(people=9)
    await house.campaign(people=9)
    await house.campaign(people=1, start=False)
    ledger = house.ledger()
    await _on_trial(house, ledger)
    (trial,) = await _claim(ledger)
    await _fail(house, ledger, trial)
    (mail,) = await house.rows(outbox)
    assert (mail["topic"], mail["key"]) == ("trunk_mail", f"trunk_paused:line:{NOW.timestamp() * 1000:.0f}:1")
    assert mail["payload"]["reason"].startswith("5 calls in a row failed")
    assert len(mail["payload"]["failing_calls"]) == 5
    await Trunks(house.database, house.clock).resume("line")
    house.clock.advance(minutes=1)
    for claim in await _claim(ledger, 5):
        await _fail(house, ledger, claim)
    assert [row["topic"] for row in await house.rows(outbox)] == ["trunk_mail"] * 2, "another pause, another mail"


async def test_a_person_pauses_and_resumes(house: House) -> None:
    campaign_id = await house.campaign(people=2)
    store, ledger = Trunks(house.database, house.clock), house.ledger()
    assert (await store.pause("line", "maintenance")).health == "paused"
    house.clock.advance(hours=2)
    assert await store.take_probes(["line"]) == []
    assert await _claim(ledger) == ()
    assert (await house.campaigns.status(campaign_id)).trunk_paused == "maintenance"
    assert (await house.campaigns.route(campaign_id)).told == "trunk paused: maintenance"
    await store.resume("line")
    assert len(await _claim(ledger)) == 2
    assert await house.rows(outbox) == []
    status = await store.status("line")
    assert (status.live_calls, status.channels, status.breaker.health) == (2, 100, "healthy")


async def test_an_unknown_trunk_is_told_with_those_there_are(house: House) -> None:
    store = Trunks(house.database, house.clock)
    for change in (store.status("none"), store.resume("none"), store.pause("none", "x")):
        with pytest.raises(UnknownTrunk, match="known: line"):
            await change


async def test_a_dialer_that_breaks_down_counts_against_its_trunk(house: House) -> None:
    await house.campaign(people=5)
    ledger = house.ledger()
    for claim in await _claim(ledger, 5):
        await ledger.begin(claim.attempt_id, claim.fence)
        broken = NotAnswered(DialStatus.ERROR, house.clock.now(), text="dialer: no route")
        await ledger.settle(claim.attempt_id, claim.fence, Settlement(dial=broken, dialer_failed=True))
    assert await _health(house) == "paused"
