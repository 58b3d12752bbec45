"""What a call may cost is set aside before it is placed: budgets, balances, and campaigns that pause by themselves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from billing.ledger import Book, adjust, top_up
from campaigns.attempts import Ledger
from campaigns.claiming import Claiming
from campaigns.clauses import Clause
from campaigns.errors import CampaignError
from campaigns.limits import allows_one_more, budget_state, set_credit_limit
from campaigns.states import CampaignState
from reports.audit import audit
from storage.database import Database
from storage.tables import accounts, attempts, campaigns, ledger_entries, outbox
from telephony.outcomes import DialStatus
from tests.support_campaigns import NOW, House, number

#: What a call of 300 s and the runner's overtime may cost by the house's tariff: 57 blocks.
MOST = Decimal("0.57")


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


async def _limit(house: House, limit: str | None, paid: str | None = None) -> None:
    async with house.database.write() as conn:
        await set_credit_limit(conn, house.account_id, None if limit is None else Decimal(limit), NOW)
        if paid is not None:
            await _pay(conn, house, paid)


async def _pay(conn: Any, house: House, amount: str) -> None:
    await top_up(conn, account_id=house.account_id, amount=Decimal(amount), currency="USD", key="pay", now=NOW)


async def _claim(house: House, ledger: Ledger, limit: int = 10) -> list[Any]:
    return list((await ledger.claim(["line"], limit)).claims)


async def _books(house: House) -> dict[str, Decimal]:
    """Sums of the ledger's books; they are audited on the way."""
    async with house.database.read() as conn:
        result = await audit(conn, None, Path())
        entry = ledger_entries.c
        rows = (await conn.execute(select(entry.book, entry.amount))).all()
    money = {"reserved for live attempts = ledger", "campaigns' spent and reserved = attempts"}
    money |= {"accounts' balances = ledger", "ledger postings = postings that sum to nought"}
    assert [one for one in result.checks if one.name in money and not one.ok] == []
    books: dict[str, Decimal] = {}
    for book, amount in rows:
        books[book] = books.get(book, Decimal(0)) + amount
    return books


async def _short(house: House, campaign_id: int) -> Any:
    async with house.database.read() as conn:
        return await allows_one_more(conn, campaign_id)


async def _mails(house: House) -> list[dict[str, Any]]:
    return [row["payload"] for row in await house.rows(outbox) if row["topic"] == "pause_mail"]


async def test_only_so_many_are_claimed_as_the_budget_pays_for(house: House) -> None:
    ledger, budget = house.ledger(), Decimal("1.20")
    campaign_id = await house.campaign(people=5, budget=budget)
    claims = await _claim(house, ledger)
    assert len(claims) == 2
    row = await house.row(campaigns, campaign_id)
    assert (row["spent"], row["reserved"]) == (0, 2 * MOST)
    assert (await _books(house)) == {"prepaid": -2 * MOST, "reserved": 2 * MOST}
    assert await _claim(house, ledger) == []
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.RUNNING

    await house.talk(ledger, claims[0])
    assert (await house.row(campaigns, campaign_id))["spent"] == Decimal("0.02")
    (third,) = await _claim(house, ledger)
    assert (await _books(house))["reserved"] == 2 * MOST

    await house.miss(ledger, claims[1])
    await ledger.release(third.attempt_id, third.fence, "shutdown")
    row = await house.row(campaigns, campaign_id)
    assert (row["spent"], row["reserved"]) == (Decimal("0.02"), 0)
    assert await _books(house) == {"prepaid": Decimal("-0.02"), "reserved": 0, "bot": Decimal("0.02")}
    kinds = [entry["kind"] for entry in await house.rows(ledger_entries) if entry["book"] == "reserved"]
    assert (kinds.count("reservation"), kinds.count("release")) == (3, 3)
    assert (await house.row(attempts, third.attempt_id))["reserved"] == MOST


async def test_a_campaign_that_can_pay_for_no_call_pauses_with_one_mail_and_resumes_with_more(house: House) -> None:
    ledger = house.ledger()
    campaign_id = await house.campaign(people=5, budget=Decimal("0.60"), report_emails=["a@example.com"])
    (claim,) = await _claim(house, ledger)
    # What is reserved for the live call may still come back.
    assert await _claim(house, ledger) == []
    assert await _mails(house) == []
    await house.talk(ledger, claim, seconds=60)
    for _ in range(2):
        assert await _claim(house, ledger) == []
    status = await house.campaigns.status(campaign_id)
    assert status.state is CampaignState.PAUSED
    assert status.pause_reason is not None
    assert "budget used up: the next call may cost 0.57, and there are 0.50 USD left of the budget of 0.60" in (
        status.pause_reason
    )
    (mail,) = await _mails(house)
    assert (mail["campaign_id"], mail["clause"]) == (campaign_id, "budget")

    with pytest.raises(CampaignError, match=r"cannot pay.*budget used up.*campaign budget C1 AMOUNT"):
        await house.campaigns.start(campaign_id)
    short = await _short(house, campaign_id)
    assert (short.clause, short.may_pass) == (Clause.BUDGET, False)
    state = await house.campaigns.set_budget(campaign_id, Decimal("0.70"))
    assert (state.left, state.spent) == (Decimal("0.60"), Decimal("0.10"))
    await house.campaigns.start(campaign_id)
    status = await house.campaigns.status(campaign_id)
    assert (status.state, status.pause_reason) == (CampaignState.RUNNING, None)
    (claim,) = await _claim(house, ledger)
    await house.talk(ledger, claim, seconds=60)
    assert await _claim(house, ledger) == []
    assert len(await _mails(house)) == 2
    await _books(house)


async def test_calls_kept_for_call_backs_do_not_hide_that_the_money_is_gone(house: House) -> None:
    ledger = house.ledger()
    campaign_id = await house.campaign(people=4, budget=2 * MOST, callback_reserve=2, concurrency=5)
    for _ in range(2):
        for claim in await _claim(house, ledger):
            await house.talk(ledger, claim, seconds=300)
    assert await _claim(house, ledger) == []
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.PAUSED
    assert len(await _mails(house)) == 1


async def test_it_pauses_at_once_when_even_the_live_calls_cannot_free_enough(house: House) -> None:
    ledger = house.ledger()
    campaign_id = await house.campaign(people=9, budget=Decimal("1.20"))
    one, two = await _claim(house, ledger)
    await house.answer(ledger, two)
    await house.talk(ledger, one, seconds=120)
    await house.campaigns.set_budget(campaign_id, Decimal("0.77"))
    assert await _claim(house, ledger) == []
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.RUNNING
    await house.campaigns.set_budget(campaign_id, Decimal("0.76"))
    assert await _claim(house, ledger) == []
    assert (await house.campaigns.status(campaign_id)).state is CampaignState.PAUSED
    await ledger.settle(two.attempt_id, two.fence, house.talked())
    assert (await _books(house))["reserved"] == 0


async def test_the_balance_is_one_for_all_campaigns_of_the_account(house: House) -> None:
    ledger = house.ledger()
    first, second = await house.campaign(people=3), await house.campaign(people=3)
    await _limit(house, "0.50", paid="1.30")
    claims = await _claim(house, ledger)
    assert len(claims) == 3
    assert (await house.row(accounts, house.account_id))["prepaid"] == Decimal("1.30") - 3 * MOST
    assert (await _books(house))["prepaid"] == Decimal("1.30") - 3 * MOST
    for claim in claims:
        await house.talk(ledger, claim, seconds=120)
    claims = await _claim(house, ledger)
    assert len(claims) == 2
    for claim in claims:
        await house.talk(ledger, claim, seconds=300)
    assert await _claim(house, ledger) == []
    paused = [(await house.campaigns.status(i)).pause_reason for i in (first, second)]
    assert all(reason is None or reason.startswith("balance used up") for reason in paused)
    assert any(paused)
    held_up = first if paused[0] else second
    with pytest.raises(
        CampaignError, match=r"there are 0\.20 USD left of the balance, a credit of 0\.50 included.*top-up"
    ):
        await house.campaigns.start(held_up)
    async with house.database.write() as conn:
        await adjust(
            conn,
            account_id=house.account_id,
            amount=Decimal("0.60"),
            against=Book.BOT,
            currency="USD",
            key="k",
            now=NOW,
        )
    await house.campaigns.start(held_up)
    assert len(await _claim(house, ledger)) == 1
    assert (await _books(house))["prepaid"] >= Decimal("-0.50")


async def test_a_rehearsal_keeps_to_its_budget_and_touches_no_balance(house: House) -> None:
    ledger = house.ledger()
    await _limit(house, "0")
    free = await house.campaign(people=2, is_test=True)
    limited = await house.campaign(people=3, is_test=True, budget=Decimal("0.60"))
    real = await house.campaign(people=1, start=False)
    with pytest.raises(CampaignError, match="balance used up"):
        await house.campaigns.start(real)
    claims = await _claim(house, ledger)
    assert sorted(claim.campaign_id for claim in claims) == [free, free, limited]
    assert await _books(house) == {"rehearsal": -MOST, "reserved": MOST}
    for claim in claims:
        await house.talk(ledger, claim)
    assert (await _books(house))["rehearsal"] == Decimal("-0.06")
    assert (await house.row(accounts, house.account_id))["prepaid"] == 0
    assert (await house.row(campaigns, free))["spent"] is None


async def test_a_limit_that_comes_in_mid_call_reserves_for_the_calls_that_are_on(house: House) -> None:
    ledger = house.ledger()
    campaign_id = await house.campaign(people=4)
    one, two = await _claim(house, ledger, limit=2)
    assert await house.rows(ledger_entries) == []
    state = await house.campaigns.set_budget(campaign_id, Decimal("1.50"))
    assert (state.reserved, state.left) == (2 * MOST, Decimal("0.36"))
    await _limit(house, "5")
    assert (await house.row(accounts, house.account_id))["prepaid"] == -2 * MOST
    assert await _claim(house, ledger) == []
    await house.talk(ledger, one)
    assert len(await _claim(house, ledger)) == 1
    await _limit(house, None)
    await house.campaigns.set_budget(campaign_id, None)
    await house.talk(ledger, two)
    assert (await house.row(campaigns, campaign_id))["reserved"] is None
    assert (await house.row(accounts, house.account_id))["prepaid"] is None
    assert len(await _claim(house, ledger)) == 1
    assert (await _books(house))["reserved"] == MOST
    await _limit(house, "5")
    assert (await _books(house))["reserved"] == 2 * MOST


async def test_a_dead_nodes_reservations_come_back(house: House) -> None:
    dead, alive = house.ledger("dead"), house.ledger("alive")
    campaign_id = await house.campaign(people=2, budget=Decimal("1.20"))
    claims = await _claim(house, dead)
    await house.answer(dead, claims[0])
    house.clock.advance(seconds=60)
    await alive.reap(_no_stray)
    row = await house.row(campaigns, campaign_id)
    assert (row["spent"], row["reserved"]) == (0, 0)
    assert (await _books(house))["reserved"] == 0


async def _no_stray(_trunk: str, _attempt_id: str) -> bool:
    return False


async def test_nodes_that_claim_at_once_overspend_neither_budget_nor_balance(house: House) -> None:
    nodes = [house.ledger(f"node-{place}") for place in range(3)]
    # On trunks of their own, so that only the account makes the claims of the two campaigns wait for one another.
    await house.trunk("other")
    ids = [await house.campaign(people=12, budget=Decimal("2.00")), await house.campaign(people=12, trunk="other")]
    await _limit(house, "0", paid="3.00")
    spoken = 0

    async def one(node: Ledger, turn: int) -> None:
        nonlocal spoken
        for claim in (await node.claim([("line", "other")[turn % 2]], 3)).claims:
            if turn % 3 == 0:
                await house.miss(node, claim, DialStatus.NOANSWER)
            else:
                await house.answer(node, claim)
                house.clock.advance(seconds=40)
                await node.settle(claim.attempt_id, claim.fence, house.talked())
                spoken += 1

    for turn in range(3):
        await asyncio.gather(*(one(node, turn + place) for place, node in enumerate(nodes)))
        row = await house.row(campaigns, ids[0])
        assert row["spent"] + row["reserved"] <= Decimal("2.00")
        assert (await house.row(accounts, house.account_id))["prepaid"] >= 0
    await _books(house)
    assert spoken > 2
    assert all(mail["clause"] in {"budget", "balance"} for mail in await _mails(house))


async def test_the_audit_names_what_was_not_released_and_every_sum_that_went_astray(house: House) -> None:
    await _limit(house, "0", paid="5.00")
    campaign_id = await house.campaign(people=2, budget=Decimal(3))
    claims = await _claim(house, house.ledger())
    left_over = claims[0].attempt_id
    async with house.database.write() as conn:
        await conn.execute(update(attempts).where(attempts.c.id == left_over).values(phase="ended"))
        await conn.execute(update(campaigns).values(spent=Decimal("0.25")))
        await conn.execute(update(accounts).values(prepaid=Decimal(9)))
    for of in (campaign_id, None):
        async with house.database.read() as conn:
            failed = {one.name: one.rows for one in (await audit(conn, of, Path())).checks if not one.ok}
        assert failed["reserved for live attempts = ledger"] == (
            f"attempt {left_over} should have 0.0000 reserved, the ledger holds 0.5700 after 1 postings",
        )
        assert failed["campaigns' spent and reserved = attempts"] == (
            "campaign C1 counts 1.3900 spent or reserved, its attempts 0.5700",
        )
        assert failed["accounts' balances = ledger"] == ("account Acme counts a balance of 9.0000, its ledger 3.8600",)


async def test_a_claim_waits_for_one_that_may_spend_the_same_balance(house: House) -> None:
    await house.trunk("other")
    await house.campaign(people=2)
    await house.campaign(people=2, trunk="other")
    await _limit(house, "0", paid="0.60")
    lease, ahead = timedelta(seconds=15), timedelta(seconds=1)
    async with house.database.write() as conn:
        claiming = Claiming(conn, node="a", now=house.clock.now(), lease=lease, ahead=ahead)
        first = await claiming.run(["line"], 5, None)
        other = asyncio.create_task(house.ledger("b").claim(["other"], 5))
        while not house.database.is_sqlite and not other.done() and not await _waits_for_a_lock(house):  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.01)
        assert not other.done()
    second = await other
    assert (len(first.claims), len(second.claims)) == (1, 0)
    assert (await house.row(accounts, house.account_id))["prepaid"] == Decimal("0.03")


async def test_a_limit_that_is_set_during_a_payment_counts_it(house: House) -> None:
    async with house.database.write() as conn:
        await _pay(conn, house, "5.00")
        other = asyncio.create_task(_limit(house, "0"))
        while not house.database.is_sqlite and not other.done() and not await _waits_for_a_lock(house):  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0.01)
        assert not other.done()
    await other
    assert (await house.row(accounts, house.account_id))["prepaid"] == Decimal("5.00")


async def _waits_for_a_lock(house: House) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with house.database.read() as conn:
        return bool((await conn.execute(text(waiting))).scalar_one())


async def test_the_dearer_destination_is_what_is_reserved_for(database: Database) -> None:
    tariff = {
        "currency": "USD",
        "valid_from": "2026-01-01T00:00:00+00:00",
        "block_s": 60,
        "block_price": {"conversation": [{"from_blocks": 0, "price": "0.01"}]},
        "telecom": {
            "increment": "60+60",
            "destinations": [{"name": "far", "prefixes": [number(0)[:9]], "price_per_min": "1"}],
        },
    }
    house = await House(database).build(tariff=tariff)
    ledger = house.ledger()
    campaign_id = await house.campaign(budget=Decimal("6.20"))
    for phone in (number(1), "+84901234567", "+84901234568"):
        await house.contact(campaign_id, phone)
    await house.campaigns.start(campaign_id)
    claims = await _claim(house, ledger)
    amounts = {c.number: (await house.row(attempts, c.attempt_id))["reserved"] for c in claims}
    assert amounts == {number(1): Decimal("6.06"), "+84901234567": Decimal("0.06"), "+84901234568": Decimal("0.06")}
    async with house.database.read() as conn:
        near, far = [await allows_one_more(conn, campaign_id, number=n) for n in ("+84901", number(5))]
        assert (await budget_state(conn, campaign_id)).left == Decimal("0.02")
    assert near is not None
    assert far is not None
    assert (near.needed, far.needed) == (Decimal("0.06"), Decimal("6.06"))
