"""The detailed report on both databases: rows, filters, sorting and paging."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from reports.attempt import attempt_detail, transcripts
from reports.attempts import AttemptFilter, attempts_page, every_attempt
from reports.contacts import ContactFilter, contacts_page, every_contact
from reports.errors import BadFilter, NoSuchAttempt
from reports.paging import Paging, mark
from reports.scope import Scope
from storage.database import Database
from tests.support_reports import Call, Sample, at, number, standard

ALL = AttemptFilter()


async def _found(database: Database, wanted: AttemptFilter, sort: str = "time") -> list[str]:
    async with database.read() as conn:
        page = await attempts_page(conn, Scope(1), wanted, Paging(sort))
    return [row.action_code or "" for row in page.rows]


async def test_a_row_holds_the_attempts_own_figures(database: Database) -> None:
    calls = await standard(database)
    async with database.read() as conn:
        rows = (await attempts_page(conn, Scope(1), ALL, Paging("time"))).rows
    row = next(row for row in rows if row.id == calls["agreed"].id)
    assert (row.campaign, row.external_key, row.number, row.name) == ("C1", "K1", number(1), "Customer 1")
    assert (row.originated_at, row.answered_at, row.ended_at) == (at(0), at(8.25), at(50.75))
    assert (row.dial_ms, row.talk_ms, row.acw_ms) == (8_250, 42_500, 400)
    assert (row.action_code, row.code_class, row.call_status) == ("PTP", "success", "BOT_HANGUP")
    assert row.cost == Decimal("1622.0833")
    busy = next(row for row in rows if row.id == calls["busy"].id)
    assert (busy.dial_ms, busy.talk_ms, busy.sip_code, busy.recording) == (1_500, None, 486, None)


async def test_filters_find_by_phone_code_status_class_and_contact(database: Database) -> None:
    await standard(database)
    assert await _found(database, AttemptFilter(phone="0900 000 003")) == ["BS", "PTP"]
    assert await _found(database, AttemptFilter(phone="+84900000003")) == ["BS", "PTP"]
    assert await _found(database, AttemptFilter(phone="%")) == []
    assert await _found(database, AttemptFilter(code="PTP")) == ["PTP", "PTP"]
    assert await _found(database, AttemptFilter(status="VOICEMAIL")) == ["VM"]
    assert await _found(database, AttemptFilter(code_class="error")) == ["IN"]
    assert await _found(database, AttemptFilter(contact_id=3)) == ["BS", "PTP"]
    assert await _found(database, AttemptFilter(phone="0900000003", code="PTP")) == ["PTP"]


async def test_rows_are_sorted_both_ways(database: Database) -> None:
    await standard(database)
    by_talk = await _found(database, ALL, "talk")
    assert by_talk[3:] == ["SC", "REF", "PTP", "VM", "PTP"]
    assert await _found(database, ALL, "-talk") == list(reversed(by_talk))
    assert await _found(database, ALL, "code") == ["BS", "IN", "NA", "PTP", "PTP", "REF", "SC", "VM"]


async def test_pages_follow_one_another_without_gap_or_repeat(database: Database) -> None:
    await standard(database)
    for sort in ("time", "-time", "no", "-code", "talk", "phone", "status"):
        seen: list[str] = []
        paging: Paging | None = Paging(sort, rows=3)
        async with database.read() as conn:
            whole = [row.id for row in (await attempts_page(conn, Scope(1), ALL, Paging(sort))).rows]
            while paging:
                page = await attempts_page(conn, Scope(1), ALL, paging)
                assert len(page.rows) <= 3
                seen += [row.id for row in page.rows]
                paging = replace(paging, after=page.next) if page.next else None
        assert seen == whole
        assert len(set(seen)) == 8


async def test_a_new_call_does_not_shift_the_next_page(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        first = await attempts_page(conn, Scope(1), ALL, Paging("-time", rows=3))
    await Sample(database).call(Call(8, 5000, "HUP", "success", answer_after_s=1, talk_s=10))
    async with database.read() as conn:
        second = await attempts_page(conn, Scope(1), ALL, Paging("-time", after=first.next, rows=3))
    assert [row.action_code for row in second.rows] == ["SC", "NA", "BS"]


@pytest.mark.parametrize(
    "after",
    [
        *("x", "!!!", "e30", "W1sxXSwyXQ", "WzFd", "W1tb" * 10_000),
        *(mark("text", "id"), mark(2**70, "id"), mark(5, 5), mark(True, "id"), mark(5, "\0"), mark(5, "\ud800")),
    ],
)
async def test_a_damaged_page_mark_is_explained(database: Database, after: str) -> None:
    await standard(database)
    async with database.read() as conn:
        with pytest.raises(BadFilter, match="first page"):
            await attempts_page(conn, Scope(1), ALL, Paging("time", after=after))


async def test_an_unknown_sort_key_and_size_are_explained(database: Database) -> None:
    async with database.read() as conn:
        with pytest.raises(BadFilter, match="cannot sort by 'price'; known are time"):
            await attempts_page(conn, Scope(1), ALL, Paging("price"))
        with pytest.raises(BadFilter, match="1 to 1000 rows"):
            await contacts_page(conn, Scope(1), ContactFilter(), Paging("line", rows=0))


async def test_contacts_show_what_their_calls_came_to(database: Database) -> None:
    calls = await standard(database)
    async with database.read() as conn:
        rows = (await contacts_page(conn, Scope(1), ContactFilter(), Paging("line"))).rows
    assert [row.attempts for row in rows] == [1, 1, 2, 1, 1, 1, 1, 0]
    third, last = rows[2], rows[7]
    assert (third.last_action_code, third.last_talk_ms, third.last_call_at) == ("PTP", 29_999, at(1300))
    assert (third.last_attempt_id, third.approached, third.reached) == (calls["busy_then_talked"].id, True, True)
    assert (rows[3].approached, rows[3].reached) == (True, False)
    assert (last.state, last.approached, last.reached, last.last_call_at) == ("dnc_blocked", False, False, None)


async def test_a_period_bounds_the_calls_of_a_contact_not_the_contacts(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:
        rows = (await contacts_page(conn, Scope(1, to=at(100)), ContactFilter(), Paging("line"))).rows
    assert len(rows) == 8
    assert (rows[2].attempts, rows[2].last_action_code, rows[2].reached) == (1, "BS", False)


async def test_contacts_are_found_by_phone_state_and_last_code(database: Database) -> None:
    await standard(database)
    async with database.read() as conn:

        async def lines(wanted: ContactFilter, sort: str = "line") -> list[int]:
            return [row.line for row in (await contacts_page(conn, Scope(1), wanted, Paging(sort))).rows]

        assert await lines(ContactFilter(phone="000 0007")) == [8]
        assert await lines(ContactFilter(state="exhausted")) == [5, 7]
        assert await lines(ContactFilter(code="PTP")) == [2, 4]
        assert (await lines(ContactFilter(), "-attempts"))[0] == 4
        assert (await lines(ContactFilter(), "-last"))[0] == 4


async def test_contacts_without_a_number_are_listed_with_what_was_given(database: Database) -> None:
    await standard(database)
    await Sample(database).contact(30, phone="abc", number=None, state="invalid")
    async with database.read() as conn:
        page = await contacts_page(conn, Scope(1), ContactFilter(phone="abc"), Paging("phone"))
    assert [(row.phone, row.number) for row in page.rows] == [("abc", None)]


async def test_batches_hold_every_row_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await standard(database)
    monkeypatch.setattr("reports.attempts.MOST_ROWS", 3)
    monkeypatch.setattr("reports.contacts.MOST_ROWS", 3)
    async with database.read() as conn:
        called = [batch async for batch in every_attempt(conn, Scope(1), ALL)]
        people = [batch async for batch in every_contact(conn, Scope(1), ContactFilter())]
    assert [len(batch) for batch in called] == [3, 3, 2]
    assert [row.line for batch in people for row in batch] == list(range(2, 10))


async def test_an_attempt_is_shown_whole(database: Database) -> None:
    calls = await standard(database)
    attempt_id = calls["refused"].id
    sample = Sample(database)
    await sample.event(attempt_id, 5.5, "phase", "ringing")
    await sample.event(attempt_id, 5.0, "phase", "originating")
    async with database.read() as conn:
        detail = await attempt_detail(conn, attempt_id)
        said = await transcripts(conn, [attempt_id, calls["busy"].id])
    assert [event.to_phase for event in detail.events] == ["originating", "ringing"]
    assert [turn.speaker for turn in detail.turns] == ["bot", "customer"] * 3
    assert [turn.voice_to_voice_ms for turn in detail.turns[::2]] == [450, 1200, None]
    assert (detail.answer_to_first_word_ms, detail.trunk, detail.row.origin, detail.recording) == (
        350,
        "trunk",
        "import",
        None,
    )
    assert said[attempt_id].splitlines()[:2] == ["bot: Bot line 1", "customer: Customer line 1"]
    assert calls["busy"].id not in said


async def test_an_unknown_attempt_is_named(database: Database) -> None:
    async with database.read() as conn:
        with pytest.raises(NoSuchAttempt, match="no attempt nope"):
            await attempt_detail(conn, "nope")
