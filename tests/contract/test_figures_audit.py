"""The audit on both databases: it passes good books and names each row of bad ones."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update

from reports.audit import AuditResult, audit
from reports.checks import Check
from reports.errors import NoSuchCampaign
from storage.database import Database
from storage.tables import attempts, contacts, ledger_entries, recordings
from tests.support_reports import START, Call, Sample, standard


async def _books(database: Database, folder: Path) -> dict[str, Call]:
    calls = await standard(database)
    for call in calls.values():
        if call.answer_after_s is not None:
            await Sample(database).recording(call, folder)
    return calls


async def _audit(database: Database, folder: Path, campaign_id: int | None = None) -> AuditResult:
    async with database.read() as conn:
        return await audit(conn, campaign_id, folder)


async def _failed(database: Database, folder: Path) -> dict[str, Check]:
    result = await _audit(database, folder)
    return {check.name: check for check in result.checks if not check.ok}


async def test_good_books_balance_for_one_campaign_and_for_all(database: Database, tmp_path: Path) -> None:
    await _books(database, tmp_path)
    for result in (await _audit(database, tmp_path, 1), await _audit(database, tmp_path)):
        assert [check for check in result.checks if not check.ok] == []
        assert result.ok
        assert len(result.checks) == 15


async def test_empty_books_balance(database: Database, tmp_path: Path) -> None:
    assert (await _audit(database, tmp_path)).ok


async def test_an_unknown_campaign_is_named(database: Database, tmp_path: Path) -> None:
    with pytest.raises(NoSuchCampaign):
        await _audit(database, tmp_path, 5)


async def test_a_contact_left_over_or_stranded_is_named(database: Database, tmp_path: Path) -> None:
    await _books(database, tmp_path)
    async with database.write() as conn:
        await conn.execute(update(contacts).where(contacts.c.id == 2).values(state="pending"))
        await conn.execute(update(contacts).where(contacts.c.id == 3).values(state="lost_somewhere"))
    failed = await _failed(database, tmp_path)
    check = failed["contacts = contact states"]
    assert check.rows == ("contact 2 is pending", "contact 3 is lost_somewhere")
    assert (check.expected, check.found) == ("8", "7")


async def test_a_busy_contact_without_a_call_is_named_while_the_campaign_runs(
    database: Database, tmp_path: Path
) -> None:
    await standard(database, state="running", finished_at=None)
    sample = Sample(database)
    await sample.contact(9, state="in_progress", attempts=1)
    await sample.call(Call(9, 2000, None, answer_after_s=5, phase="talking"))
    await sample.contact(10, state="in_progress")
    failed = await _failed(database, tmp_path)
    assert failed["contacts = contact states"].rows == ("contact 10 is in_progress",)


async def test_a_wrong_count_of_attempts_is_named(database: Database, tmp_path: Path) -> None:
    await _books(database, tmp_path)
    async with database.write() as conn:
        await conn.execute(update(contacts).where(contacts.c.id == 1).values(attempts=2))
    failed = await _failed(database, tmp_path)
    assert failed["contacts' attempts = attempts"].rows == ("contact 1 counts 2 attempts and has 1",)


async def test_an_attempt_without_a_code_is_named(database: Database, tmp_path: Path) -> None:
    calls = await _books(database, tmp_path)
    async with database.write() as conn:
        await conn.execute(update(attempts).where(attempts.c.id == calls["short"].id).values(action_code=None))
    failed = await _failed(database, tmp_path)
    assert calls["short"].id in failed["attempts = codes"].rows[0]
    assert (failed["attempts = codes"].expected, failed["attempts = codes"].found) == ("8", "7")


async def test_a_missing_charge_is_named_with_its_amount(database: Database, tmp_path: Path) -> None:
    calls = await _books(database, tmp_path)
    async with database.write() as conn:
        await conn.execute(delete(ledger_entries).where(ledger_entries.c.attempt_id == calls["refused"].id))
    failed = await _failed(database, tmp_path)
    assert failed["attempts = charges + unbilled"].rows == (
        f"attempt {calls['refused'].id} costs 715.5000 and is not charged",
    )
    assert failed["cost of attempts = ledger"].found == "4090.0833"


async def test_a_double_charge_is_named(database: Database, tmp_path: Path) -> None:
    calls = await _books(database, tmp_path)
    again = {
        "account_id": 1,
        "posting_key": "charge:again",
        "kind": "charge",
        "currency": "VND",
        "attempt_id": calls["short"].id,
        "created_at": START,
    }
    async with database.write() as conn:
        await conn.execute(
            insert(ledger_entries),
            [again | {"book": "prepaid", "amount": Decimal(-578)}, again | {"book": "bot", "amount": Decimal(578)}],
        )
    failed = await _failed(database, tmp_path)
    assert failed["charged attempts = charges"].rows == (f"attempt {calls['short'].id} is charged 2 times",)
    assert "charged 1156.0000" in failed["cost of attempts = ledger"].rows[0]


async def test_a_rehearsal_that_was_charged_to_the_prepaid_book_is_named(database: Database, tmp_path: Path) -> None:
    calls = await _books(database, tmp_path)
    refused, entry = calls["refused"].id, ledger_entries.c
    async with database.write() as conn:
        await conn.execute(update(attempts).where(attempts.c.id == refused).values(is_test=True))
    failed = await _failed(database, tmp_path)
    assert failed["cost of attempts = ledger"].rows == (f"attempt {refused} costs 715.5000, charged 0.0000",)
    async with database.write() as conn:
        mine = (entry.attempt_id == refused) & (entry.book == "prepaid")
        await conn.execute(update(ledger_entries).where(mine).values(book="rehearsal"))
    assert "cost of attempts = ledger" not in await _failed(database, tmp_path)


async def test_a_posting_that_does_not_sum_to_nought_is_named(database: Database, tmp_path: Path) -> None:
    calls = await _books(database, tmp_path)
    entry = ledger_entries.c
    async with database.write() as conn:
        await conn.execute(
            update(ledger_entries)
            .where(entry.attempt_id == calls["agreed"].id, entry.book == "vat")
            .values(amount=Decimal("120.5"))
        )
    for campaign_id in (None, 1):
        result = await _audit(database, tmp_path, campaign_id)
        (check,) = [one for one in result.checks if not one.ok]
        assert check.name == "ledger postings = postings that sum to nought"
        assert check.rows == (f"posting charge:{calls['agreed'].id} sums to 0.5000 in 1 currency",)


async def test_messages_that_nobody_said_are_named(database: Database, tmp_path: Path) -> None:
    calls = await _books(database, tmp_path)
    async with database.write() as conn:
        await conn.execute(update(attempts).where(attempts.c.id == calls["short"].id).values(messages=3))
    failed = await _failed(database, tmp_path)
    assert failed["messages = bot turns"].rows == (f"attempt {calls['short'].id} counts 3 messages and has 1 turns",)


async def test_recordings_are_measured_by_their_samples_not_by_their_rows(database: Database, tmp_path: Path) -> None:
    calls = await _books(database, tmp_path)
    (tmp_path / f"{calls['agreed'].id}.wav").unlink()
    (tmp_path / f"{calls['refused'].id}.wav").write_bytes(b"no sound at all")
    cut = tmp_path / f"{calls['voicemail'].id}.wav"
    cut.write_bytes(cut.read_bytes()[: 44 + 29 * 8000 * 4])
    async with database.write() as conn:
        await conn.execute(delete(recordings).where(recordings.c.attempt_id == calls["short"].id))
    failed = await _failed(database, tmp_path)
    check = failed["recordings' length = talk time"]
    text = "\n".join(check.rows)
    assert (check.expected, check.found) == ("5", "1")
    assert f"{calls['agreed'].id}.wav: No such file" in text
    assert f"{calls['refused'].id}.wav is no WAV file" in text
    assert f"{calls['voicemail'].id} talked 30000 ms, its recording has 29000 ms" in text
    assert f"{calls['short'].id} was answered and has no recording" in text


async def test_a_recording_may_lie_100_ms_from_the_talk_time_and_no_more(database: Database, tmp_path: Path) -> None:
    calls = await standard(database)
    sample = Sample(database)
    for call in calls.values():
        if call.answer_after_s is not None:
            await sample.recording(call, tmp_path, seconds=(call.talk_s or 0) + 0.1)
    assert (await _audit(database, tmp_path)).ok
    call = calls["agreed"]
    async with database.write() as conn:
        await conn.execute(delete(recordings).where(recordings.c.attempt_id == call.id))
    await sample.recording(call, tmp_path, seconds=(call.talk_s or 0) + 0.102)
    assert list(await _failed(database, tmp_path)) == ["recordings' length = talk time"]


async def test_known_losses_are_not_held_against_the_books(database: Database, tmp_path: Path) -> None:
    calls = await _books(database, tmp_path)
    async with database.write() as conn:
        await conn.execute(
            update(recordings)
            .where(recordings.c.attempt_id == calls["agreed"].id)
            .values(error="No space left on device", duration_ms=100)
        )
        await conn.execute(delete(recordings).where(recordings.c.attempt_id == calls["short"].id))
        await conn.execute(update(attempts).where(attempts.c.id == calls["short"].id).values(lost=True))
    assert (await _audit(database, tmp_path)).ok


async def test_a_report_that_differs_from_the_recount_is_named(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _books(database, tmp_path)
    monkeypatch.setattr("reports.recount.HISTOGRAM_EDGES_S", (5, 16, 30))
    failed = await _failed(database, tmp_path)
    check = failed["report = recount from attempts"]
    assert check.rows == ("campaign 1: histogram is reported as [1, 0, 2, 2], counted as [1, 1, 1, 2]",)
