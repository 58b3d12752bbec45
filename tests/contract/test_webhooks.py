"""Webhooks on both databases: events with the change that causes them, signed deliveries, patience, giving up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.states import CampaignState
from campaigns.webhook_delivery import GIVE_UP_AFTER, KEPT, PATIENCE, WebhookSender
from campaigns.webhook_events import TOPIC, Event, EventType, active_hooks, tell_hooks, tell_moved
from campaigns.webhook_signing import signature
from campaigns.webhook_targets import BadWebhook
from campaigns.webhooks import UnknownWebhook, Webhooks
from campana.application import App
from campana.settings import Settings, WebhookSettings
from campana.telling import open_webhooks
from models.store import ModelStore
from storage.database import Database
from storage.outbox import OutboxWorker, enqueue
from storage.outbox_pool import OutboxPool
from storage.tables import attempts, outbox, webhook_deliveries, webhooks
from tests.support_campaigns import NOW, House
from tests.support_receiver import Receiver, open_receiver


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


def _hooks(house: House) -> Webhooks:
    return Webhooks(house.database, house.clock, house.account_id)


def _worker(house: House, sender: WebhookSender) -> OutboxWorker:
    return OutboxWorker(house.database, house.clock, {TOPIC: sender.deliver}, patience=PATIENCE)


async def _deliver_all(house: House, **options: Any) -> None:
    async with WebhookSender(house.database, house.clock, **{"private_targets": True} | options) as sender:
        worker = _worker(house, sender)
        while await worker.run_once():
            pass


async def test_a_campaigns_life_is_told_with_its_changes_and_signed(house: House, receiver: Receiver) -> None:
    hook, secret = await _hooks(house).add(receiver.url)
    only_ends, _ = await _hooks(house).add(receiver.url + "/ends", ["campaign.completed"])
    campaign_id = await house.campaign(people=2, max_attempts=1)
    other, _ = await _hooks(house).add(receiver.url + "/other", campaign_id=await house.campaign(people=1))
    await house.campaigns.pause(campaign_id)
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    first, second = (await ledger.claim(["line"], 2, campaign_ids=[campaign_id])).claims
    await house.talk(ledger, first)
    await house.miss(ledger, second)
    await _deliver_all(house)

    kinds = [each.data["type"] for each in receiver.received if each.path == "/hook"]
    assert kinds[:4] == ["campaign.started", "campaign.started", "campaign.paused", "campaign.resumed"]
    assert kinds[4:] == ["call.ended", "contact.finished"] * 2 + ["campaign.completed"]
    assert [each.data["type"] for each in receiver.received if each.path == "/hook/ends"] == ["campaign.completed"]
    assert not [each for each in receiver.received if each.path == "/hook/other"]

    call = next(each for each in receiver.received if each.data["type"] == "call.ended")
    data = call.data["data"]
    row = await house.row(attempts, first.attempt_id)
    assert data["number"] == row["number"]
    assert (data["campaign_id"], data["attempt_id"]) == (campaign_id, first.attempt_id)
    assert (data["call_status"], data["action_code"]) == (row["call_status"], row["action_code"])
    assert (data["talk_ms"], data["contact_state"]) == (12_000, "done")
    assert Decimal(data["cost_bot"]) == row["cost_bot"] > 0
    said = [call.headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")]
    assert said[2] == f"v1,{signature(secret, said[0], said[1], call.body)}"
    assert said[2] != f"v1,{signature(secret, said[0], said[1], call.body + b' ')}"
    log = await _hooks(house).deliveries(hook.id)
    assert {(each.state, each.tries, each.response_status) for each in log} == {("delivered", 1, 204)}
    assert (await _hooks(house).deliveries(only_ends.id))[0].payload.encode() in {e.body for e in receiver.received}
    assert await _hooks(house).deliveries(other.id) == []


async def test_opt_outs_and_call_backs_are_told_in_every_campaign_concerned(house: House, receiver: Receiver) -> None:
    await _hooks(house).add(receiver.url, ["contact.finished", "contact.callback"])
    campaign_id = await house.campaign(people=2)
    elsewhere = await house.campaign(start=False)
    ledger = house.ledger()
    first, second = (await ledger.claim(["line"], 2)).claims
    waiting = await house.contact(elsewhere, first.number, external_key="K1")
    await house.answer(ledger, first)
    await ledger.opt_out(first.attempt_id, first.fence, "said so")
    await ledger.settle(first.attempt_id, first.fence, house.talked())
    await house.talk(ledger, second, callback=True, callback_at=house.clock.now() + timedelta(hours=3))
    await _deliver_all(house)
    told = {(e.data["type"], e.data["data"]["campaign_id"], e.data["data"]["state"]) for e in receiver.received}
    assert told == {
        ("contact.finished", elsewhere, "dnc_blocked"),
        ("contact.finished", campaign_id, "opted_out"),
        ("contact.callback", campaign_id, "callback"),
    }
    blocked = next(e.data["data"] for e in receiver.received if e.data["data"]["campaign_id"] == elsewhere)
    assert (blocked["contact_id"], blocked["external_key"], blocked["number"]) == (waiting, "K1", first.number)


async def test_a_change_that_is_rolled_back_is_not_told_and_without_webhooks_nothing_is_kept(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    assert await house.rows(webhook_deliveries) == []
    await _hooks(house).add("https://example.com/hook")

    async def told_then_undone(conn: AsyncConnection) -> None:
        await tell_moved(conn, campaign_id, CampaignState.RUNNING, CampaignState.PAUSED, house.clock.now())
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await house.database.transact(told_then_undone)
    assert await house.rows(webhook_deliveries) == []
    assert [row for row in await house.rows(outbox) if row["topic"] == TOPIC] == []


async def test_what_is_not_taken_is_tried_again_and_told_once(house: House, receiver: Receiver) -> None:
    hook, _ = await _hooks(house).add(receiver.url)
    receiver.answers = [500, 302, 200]
    asked = await _hooks(house).test(hook.id)
    await _deliver_all(house)
    (after,) = await _hooks(house).deliveries(hook.id)
    assert (after.state, after.tries, after.response_status, after.error) == ("pending", 1, 500, "answered 500")
    for _ in range(2):
        house.clock.advance(minutes=1)
        await _deliver_all(house)
    (after,) = await _hooks(house).deliveries(hook.id)
    assert (after.state, after.tries, after.error, after.id) == ("delivered", 3, None, asked.id)
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1
    assert [each.path for each in receiver.received] == ["/hook"] * 3
    assert (await _hooks(house).get(hook.id)).failures == 0

    again = await _hooks(house).redeliver(hook.id, asked.id)
    assert (again.state, again.tries) == ("pending", 0)
    with pytest.raises(BadWebhook, match="still being tried"):
        await _hooks(house).redeliver(hook.id, asked.id)
    await _deliver_all(house)
    assert len(receiver.received) == 4
    assert receiver.received[3].headers["webhook-id"] == receiver.received[0].headers["webhook-id"]


async def test_a_receiver_that_takes_nothing_is_left_alone_then_given_up_with_the_reason(
    house: House, receiver: Receiver
) -> None:
    hook, _ = await _hooks(house).add(receiver.url)
    receiver.answers = [503]
    for _ in range(5):
        await _hooks(house).test(hook.id)
    await _deliver_all(house)
    # The fourth and fifth wait for the quiet time's end, untried.
    assert len(receiver.received) == 3
    house.clock.advance(minutes=1)
    await _deliver_all(house)
    found = await _hooks(house).get(hook.id)
    assert found.quiet_until is not None
    assert found.quiet_until > house.clock.now()
    house.clock.advance(hours=GIVE_UP_AFTER.total_seconds() / 3600)
    await _deliver_all(house)
    found = await _hooks(house).get(hook.id)
    assert not found.active
    assert "nothing was taken since" in (found.disabled_reason or "")
    assert {each.state for each in await _hooks(house).deliveries(hook.id)} == {"failed", "pending"}
    house.clock.advance(hours=2)
    await _deliver_all(house)
    assert {each.state for each in await _hooks(house).deliveries(hook.id)} == {"failed"}
    campaign_id = await house.campaign(people=1)
    await house.campaigns.pause(campaign_id)
    assert len(await _hooks(house).deliveries(hook.id)) == 5

    await _hooks(house).change(hook.id, active=True)
    receiver.answers = [410]
    await _hooks(house).test(hook.id)
    await _deliver_all(house)
    assert "410" in ((await _hooks(house).get(hook.id)).disabled_reason or "")


async def test_a_quiet_time_puts_off_all_that_its_webhook_is_to_be_told_at_once(
    house: House, receiver: Receiver
) -> None:
    dead, _ = await _hooks(house).add(receiver.url + "/dead")
    well, _ = await _hooks(house).add(receiver.url + "/well")
    receiver.answers = [503, 503, 503, 204]
    for _ in range(8):
        await _hooks(house).test(dead.id)
    failed = await _hooks(house).deliveries(dead.id, limit=1)
    await _hooks(house).test(well.id)
    async with house.database.write() as conn:
        await enqueue(conn, key="report:1", topic="mail", payload={}, now=house.clock.now())
        # In the hands of another process.
        leased = update(outbox).where(outbox.c.key.contains(failed[0].event_id))
        await conn.execute(leased.values(lease_until=house.clock.now() + timedelta(minutes=1)))
    async with WebhookSender(house.database, house.clock, private_targets=True) as sender:
        worker = _worker(house, sender)
        for _ in range(3):
            assert await worker.run_once()
        # The first row of the quiet time takes the other ones with it, so the next is the other receiver's.
        assert await worker.run_once()
        assert await worker.run_once()
        assert not await worker.run_once()
    assert [each.path.rpartition("/")[2] for each in receiver.received] == ["dead"] * 3 + ["well"]
    quiet_until = (await _hooks(house).get(dead.id)).quiet_until
    rows = {row["id"]: row for row in await house.rows(outbox)}
    waits = [row["next_at"] for row in rows.values() if row["payload"].get("webhook_id") == dead.id]
    assert waits == [quiet_until] * 7 + [house.clock.now()]
    assert [row["tries"] for row in rows.values()] == [1, 1, 1, 0, 0, 0, 0, 0, 1, 0]
    assert [row["next_at"] for row in rows.values() if row["topic"] == "mail"] == [house.clock.now()]


async def test_a_receiver_that_hangs_holds_up_nobody_else(house: House, receiver: Receiver) -> None:
    async with open_receiver() as hanging:
        hanging.answers = [None]
        stuck, _ = await _hooks(house).add(hanging.url)
        well, _ = await _hooks(house).add(receiver.url)
        await _hooks(house).test(stuck.id)
        await _hooks(house).test(well.id)
        async with WebhookSender(house.database, house.clock, private_targets=True, timeout_s=60) as sender:
            pool = OutboxPool(house.database, house.clock, {TOPIC: sender.deliver}, lease_s=120, at_once=2)
            running = asyncio.create_task(pool.run())
            async with asyncio.timeout(45):
                await asyncio.gather(receiver.told.wait(), hanging.told.wait())
                # The row is written by another task's transaction.
                while (await _hooks(house).deliveries(well.id))[0].state != "delivered":  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert (await _hooks(house).deliveries(stuck.id))[0].state == "pending"
            running.cancel()
            await asyncio.wait({running})
    # Given back when its worker was cancelled, and no try is counted.
    row = next(r for r in await house.rows(outbox) if r["payload"].get("webhook_id") == stuck.id)
    assert (row["state"], row["tries"], row["lease_until"]) == ("pending", 0, None)
    await _deliver_all(house, timeout_s=0.2)


async def test_a_delivery_ends_by_its_own_count_however_often_its_worker_died(
    house: House, receiver: Receiver, tmp_path: Path
) -> None:
    settings = Settings(data_folder=tmp_path, webhooks=WebhookSettings(private_targets=True))
    app = App(settings, house.database, house.clock, ModelStore(tmp_path), house.account_id)
    hook, _ = await _hooks(house).add(receiver.url)
    asked = await _hooks(house).test(hook.id)
    receiver.answers = [500]
    # The row counts a try when it is taken, the delivery when it was made.
    for row_tries, tries, state in ((PATIENCE.tries, 3, "pending"), (PATIENCE.tries * 2, PATIENCE.tries - 1, "failed")):
        async with house.database.write() as conn:
            await conn.execute(update(outbox).values(tries=row_tries, next_at=house.clock.now()))
            await conn.execute(update(webhook_deliveries).values(tries=tries))
        async with open_webhooks(app), asyncio.timeout(45):
            # The row is written by another task's transaction.
            while (await _hooks(house).deliveries(hook.id))[0].tries == tries:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        (row,) = await house.rows(outbox)
        (after,) = await _hooks(house).deliveries(hook.id)
        assert (after.state, after.tries) == (state, tries + 1)
        assert (row["state"], row["tries"]) == ("pending" if state == "pending" else "done", row_tries + 1)
    assert (await _hooks(house).redeliver(hook.id, asked.id)).state == "pending"
    receiver.answers = [204]
    await _deliver_all(house)
    # Rows that were given up are forgotten like those that are done.
    async with house.database.write() as conn:
        await conn.execute(update(outbox).where(outbox.c.id == row["id"]).values(state="dead", done_at=None))
        for key, topic in (("webhook:new", TOPIC), ("report:1", "mail")):
            await enqueue(conn, key=key, topic=topic, payload={"webhook_id": hook.id, "event_id": "none"}, now=NOW)
        await conn.execute(update(outbox).where(outbox.c.topic == "mail").values(state="dead"))
    house.clock.advance(hours=KEPT.total_seconds() / 3600 + 1)
    await _deliver_all(house)
    assert [row["key"] for row in await house.rows(outbox)] == ["webhook:new", "report:1"]
    assert await _hooks(house).deliveries(hook.id) == []


async def test_private_receivers_are_refused_unless_allowed(house: House, receiver: Receiver) -> None:
    hook, _ = await _hooks(house).add(receiver.url.replace("127.0.0.1", "localhost"))
    await _hooks(house).test(hook.id)
    await _deliver_all(house, private_targets=False)
    (after,) = await _hooks(house).deliveries(hook.id)
    assert after.state == "pending"
    assert "private network" in (after.error or "")
    assert receiver.received == []


async def test_what_cannot_be_a_webhook_is_refused_and_another_accounts_is_not_there(house: House) -> None:
    hooks = _hooks(house)
    for url in ("ftp://a.example", "https://", "https://u:p@a.example", "https://a.example:99999", "x" * 3000):
        with pytest.raises(BadWebhook, match="url"):
            await hooks.add(url)
    with pytest.raises(BadWebhook, match=r"known are \*, call\.ended"):
        await hooks.add("https://a.example", ["call.begun"])
    hook, _ = await hooks.add("https://a.example", ["call.ended", "call.ended"])
    # No event at all is not every event.
    for nothing in (hooks.add("https://a.example", []), hooks.change(hook.id, events=[])):
        with pytest.raises(BadWebhook, match=r"events: name at least one of \*, call\.ended"):
            await nothing
    assert (await hooks.get(hook.id)).events == ("call.ended",)
    foreign = Webhooks(house.database, house.clock, house.account_id + 1)
    with pytest.raises(UnknownWebhook):
        await foreign.get(hook.id)
    with pytest.raises(UnknownWebhook):
        await hooks.redeliver(hook.id, 999)
    await hooks.test(hook.id)
    await hooks.remove(hook.id)
    assert await hooks.all() == []
    await _deliver_all(house)


async def _until_they_wait(house: House, *tasks: asyncio.Task[Any]) -> None:
    """Until each task waits for a lock of PostgreSQL, or has ended; SQLite's one writer has them wait by itself."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(45):
        while not house.database.is_sqlite and (left := [task for task in tasks if not task.done()]):
            async with house.database.read() as conn:
                if await conn.scalar(waiting) == len(left):
                    return
            await asyncio.sleep(0.01)


async def test_a_webhook_that_is_removed_while_it_is_to_be_told_breaks_nothing(house: House) -> None:
    campaign_id = await house.campaign(people=1)
    first, _ = await _hooks(house).add("https://a.example")
    async with house.database.write() as conn:
        hooks = await active_hooks(conn)
        removing = asyncio.create_task(_hooks(house).remove(first.id))
        await _until_they_wait(house, removing)
        paused = Event(EventType.CAMPAIGN_PAUSED, house.account_id, campaign_id, {})
        await tell_hooks(conn, hooks, [paused], house.clock.now())
    async with asyncio.timeout(45):
        await removing
    assert await house.rows(webhook_deliveries) == await house.rows(webhooks) == []

    second, _ = await _hooks(house).add("https://a.example")
    async with house.database.write() as conn:
        await conn.execute(delete(webhooks))
        pausing = asyncio.create_task(house.campaigns.pause(campaign_id))
        trying = asyncio.create_task(_hooks(house).test(second.id))
        await _until_they_wait(house, pausing, trying)
    async with asyncio.timeout(45):
        await pausing
        with pytest.raises(UnknownWebhook):
            await trying
    assert await house.rows(webhook_deliveries) == []
