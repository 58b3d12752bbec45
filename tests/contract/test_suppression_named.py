"""Named lists, registers and patterns on both engines: each alone stops a call, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from campaigns import suppression
from campaigns.do_not_call import DoNotCall
from campaigns.errors import CampaignError, NotSuppressed, OptOutKept
from campaigns.lists import import_list
from campaigns.states import AttemptPhase
from campaigns.suppression import Against, Source
from campaigns.suppression_lists import AppliesTo, ListKind, ListState, NewList, SuppressionLists
from storage.database import Database
from storage.tables import (
    accounts,
    attempt_events,
    campaigns,
    contacts,
    suppressed_numbers,
    suppression_events,
    suppression_lists,
)
from tests.support_campaigns import MINUTE, NOW, House

LAN, BO, AN, MAI, HAI = "+84901234567", "+84912345678", "+84987654321", "+84356789012", "+84911111234"
WHY = {"by": "ann", "reason": "asked by letter"}


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


def lists(house: House, account_id: int | None = None) -> SuppressionLists:
    return SuppressionLists(house.database, house.clock, account_id or house.account_id)


def book(house: House, account_id: int | None = None) -> DoNotCall:
    return DoNotCall(house.database, house.clock, account_id or house.account_id)


async def stopped(house: House, campaign: dict[str, Any]) -> dict[str, str]:
    async with house.database.read() as conn:
        found = await suppression.listed(conn, campaign, [LAN, BO, AN, MAI, HAI])
    return {number: one.text for number, one in found.items()}


async def test_each_list_and_pattern_stops_whom_it_is_meant_for_and_nobody_else(house: House) -> None:
    mine, other = await house.campaign(start=False), await house.campaign(start=False)
    async with house.database.write() as conn:
        values = {"name": "Other", "currency": "VND", "time_zone": "UTC", "region": "VN", "created_at": NOW}
        stranger = (await conn.execute(insert(accounts).values(values).returning(accounts.c.id))).scalar_one()
    kept = lists(house)
    await kept.create(NewList("PARTNERS"), by="ann")
    await kept.create(NewList("SPRING", ListKind.CAMPAIGN, mine), by="ann")
    await kept.create(NewList("NATIONAL", ListKind.REGISTER), by="ann")
    await kept.create(NewList("COURT", ListKind.REGISTER, applies_to=AppliesTo.ALL), by="ann")
    for name, number in (("PARTNERS", LAN), ("SPRING", BO), ("NATIONAL", AN), ("COURT", MAI)):
        assert await kept.add(name, [number, number], **WHY) == 1
        assert await kept.add(name, [number], **WHY) == 0
    await book(house).add_pattern("+84*1234", region="VN", campaign_id=mine, **WHY)
    # None of these counts: another account's, and an edition that is still being read.
    await lists(house, stranger).create(NewList("PARTNERS"), by="ann")
    await lists(house, stranger).add("PARTNERS", [HAI], **WHY)
    await book(house, stranger).add_pattern("+849*", region="VN", **WHY)
    await kept.create(NewList("NEWER"), by="ann")
    await kept.add("NEWER", [HAI], **WHY)
    async with house.database.write() as conn:
        loading = update(suppression_lists).where(suppression_lists.c.name == "NEWER")
        await conn.execute(loading.values(state=ListState.LOADING.value))

    row = await house.row(campaigns, mine)
    advertising = {LAN: "on the list PARTNERS", AN: "on the register NATIONAL", MAI: "on the register COURT"}
    of_mine = {BO: "on the list SPRING", HAI: "matches the pattern +84*1234"}
    assert await stopped(house, row) == advertising | of_mine
    assert await stopped(house, row | {"purpose": "advertising"}) == advertising | of_mine
    service = {number: text for number, text in advertising.items() if number != AN}
    assert await stopped(house, row | {"purpose": "service"}) == service | of_mine
    assert await stopped(house, await house.row(campaigns, other)) == advertising
    assert await stopped(house, suppression.whole_account(house.account_id)) == advertising
    async with house.database.write() as conn:
        await suppression.add(conn, house.account_id, BO, Source.OPT_OUT, now=NOW, evidence="stop")
        every = await suppression.standing(conn, row, BO)
        assert not await suppression.standing(conn, row, "+84900000000")
    assert [(one.against, one.text) for one in every] == [
        (Against.OPT_OUT, "on the do-not-call list: opted out on 2026-03-02 (UTC)"),
        (Against.LIST, "on the list SPRING"),
    ]


async def test_what_is_entered_while_a_campaign_runs_takes_contacts_out_at_the_next_look(house: House) -> None:
    campaign_id = await house.campaign(start=False)
    ids = {number: await house.contact(campaign_id, number) for number in (LAN, BO, AN)}
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    await lists(house).create(NewList("PARTNERS"), by="ann")
    (claim,) = (await ledger.claim(["line"], 1)).claims
    assert claim.number == LAN
    await lists(house).add("PARTNERS", [LAN], **WHY)
    await book(house).add_pattern("+8498*", region="VN", **WHY)
    await book(house).add([AN], **WHY)
    begun = await ledger.begin(claim.attempt_id, claim.fence)
    assert (begun.phase, begun.reason) == (AttemptPhase.ENDED, "do_not_call")
    (claim,) = (await ledger.claim(["line"], 10)).claims
    assert claim.number == BO
    rows = {row["number"]: row for row in await house.rows(contacts)}
    assert [rows[number]["state"] for number in (LAN, AN)] == ["dnc_blocked", "dnc_blocked"]
    assert rows[AN]["detail"] == "do_not_call: on the do-not-call list; matches the pattern +8498*"
    assert rows[LAN]["detail"] == "do_not_call: on the list PARTNERS"
    (released,) = [row for row in await house.rows(attempt_events) if row["kind"] == "released"]
    assert released["detail"] == {"reason": "do_not_call", "why": "do_not_call: on the list PARTNERS"}
    assert ids[AN] == rows[AN]["id"]


async def test_an_imported_row_says_which_list_it_is_on(house: House, tmp_path: Path) -> None:
    campaign_id = await house.campaign(start=False)
    await lists(house).create(NewList("NATIONAL", ListKind.REGISTER), by="ann")
    await lists(house).add("NATIONAL", [LAN], **WHY)
    await book(house).add_pattern("0912*", region="VN", campaign_id=campaign_id, **WHY)
    file = tmp_path / "list.csv"
    file.write_text(f"phone\n{LAN}\n{BO}\n{AN}\n")
    summary = await import_list(house.database, campaign_id, file, clock=house.clock)
    told = [line.split(",") for line in summary.result_path.read_text(encoding="utf-8-sig").splitlines()[1:]]
    assert [(row[3], row[4]) for row in told] == [
        ("dnc", "on the register NATIONAL"),
        ("dnc", "matches the pattern +84912*"),
        ("accepted", ""),
    ]


async def test_an_opt_out_of_a_number_that_is_listed_already_is_kept_as_one(house: House) -> None:
    campaign_id = await house.campaign(start=False)
    await house.contact(campaign_id, LAN)
    await house.campaigns.start(campaign_id)
    ledger = house.ledger()
    (claim,) = (await ledger.claim(["line"], 1)).claims
    await house.answer(ledger, claim)
    await book(house).add([LAN], **WHY)
    house.clock.advance(minutes=1)
    for evidence in ("do not call me", "I said no"):
        await ledger.opt_out(claim.attempt_id, claim.fence, evidence)
    (entry,) = [one async for one in book(house).entries()]
    wish = (Source.OPT_OUT, "do not call me", claim.attempt_id, None, NOW + MINUTE)
    assert (entry.source, entry.evidence, entry.attempt_id, entry.by, entry.created_at) == wish
    with pytest.raises(OptOutKept):
        await book(house).remove(LAN, by="bob", reason="slip")


async def test_nothing_is_taken_off_without_a_trace_and_no_opt_out_without_force(house: House) -> None:
    async with house.database.write() as conn:
        await suppression.add(conn, house.account_id, LAN, Source.OPT_OUT, now=NOW, evidence="never again")
    desk = book(house)
    assert await desk.add([LAN, BO, BO], **WHY) == 1
    with pytest.raises(OptOutKept, match=r"opted out on 2026-03-02 \(UTC\): 'never again'; .* --force"):
        await desk.remove(LAN, by="bob", reason="slip")
    removed = await desk.remove(LAN, by="bob", reason="asked to be called again", force=True)
    assert (removed.source, removed.evidence) == (Source.OPT_OUT, "never again")
    with pytest.raises(NotSuppressed):
        await desk.remove(LAN, by="bob", reason="again", force=True)
    (trace,) = await desk.history(LAN)
    assert (trace.kind, trace.by, trace.reason) == ("number_removed", "bob", "asked to be called again")
    assert trace.detail["evidence"] == "never again"
    (entry,) = [one async for one in desk.entries()]
    assert (entry.number, entry.by, entry.evidence) == (BO, "ann", "asked by letter")

    assert await desk.add_pattern("1900*", region="VN", **WHY) == ("+841900*", True)
    assert await desk.add_pattern("+84 1900*", region="US", **WHY) == ("+841900*", False)
    (pattern,) = await desk.patterns()
    assert (pattern.pattern, pattern.campaign, pattern.reason, pattern.by) == ("+841900*", None, WHY["reason"], "ann")
    assert await desk.remove_pattern("1900*", region="VN", by="bob", reason="may be called") == "+841900*"
    with pytest.raises(NotSuppressed):
        await desk.remove_pattern("1900*", region="VN", by="bob", reason="again")
    kinds = [row["kind"] for row in await house.rows(suppression_events)]
    assert kinds == ["number_removed", "pattern_added", "pattern_removed"]


async def test_a_list_is_kept_and_dropped_by_hand(house: House) -> None:
    kept = lists(house)
    await kept.create(NewList("PARTNERS"), by="ann")
    with pytest.raises(CampaignError, match="there is a list PARTNERS already"):
        await kept.create(NewList("PARTNERS"), by="ann")
    with pytest.raises(CampaignError, match="names its campaign"):
        NewList("SPRING", ListKind.CAMPAIGN)
    with pytest.raises(NotSuppressed, match="there is no list OTHERS"):
        await kept.add("OTHERS", [LAN], **WHY)
    await kept.add("PARTNERS", [LAN, BO, AN], **WHY)
    await kept.remove("PARTNERS", BO, by="bob", reason="left the partner")
    with pytest.raises(NotSuppressed):
        await kept.remove("PARTNERS", BO, by="bob", reason="left the partner")
    (one,) = await kept.all()
    assert (one.name, one.kind, one.campaign, one.applies_to, one.numbers, one.file_name, one.complete) == (
        *("PARTNERS", ListKind.ACCOUNT, None, AppliesTo.ALL, 2, None, True),
    )
    assert [number async for number in kept.numbers("PARTNERS")] == sorted([LAN, AN])
    assert await kept.drop("PARTNERS", by="bob", reason="contract ended") == 2
    assert await kept.all() == []
    async with house.database.read() as conn:
        assert (await conn.execute(select(suppressed_numbers))).all() == []
    history = [(trace.kind, trace.list_name, trace.by) for trace in await book(house).history(BO)]
    assert history == [("number_added", "PARTNERS", "ann"), ("number_removed", "PARTNERS", "bob")]
    (dropped,) = [row for row in await house.rows(suppression_events) if row["kind"] == "list_removed"]
    assert (dropped["reason"], dropped["detail"]["numbers"]) == ("contract ended", 2)
    await kept.create(NewList("PARTNERS"), by="ann")
