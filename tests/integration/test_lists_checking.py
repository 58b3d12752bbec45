"""Rows checked in a process beside this one come out as they would here, and the process goes with them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaigns import checking, lists
from campaigns.checking import check_rows
from campaigns.columns import read_header
from campaigns.listfile import Record
from campaigns.lists import import_list
from campaigns.rows import RowRules
from storage import worker as worker_module
from storage.database import Database
from storage.tables import contacts
from storage.worker import WorkerProcess
from tests.support_campaigns import House

HEADER = ("Phone", "Name", "Amount", "schedule_at")
RULES = RowRules(read_header(HEADER, source="list.csv", line=1), "VN", "Asia/Ho_Chi_Minh", frozenset({"amount"}))


def _records() -> Iterator[Record]:
    kinds = (
        ("0901234567", "An", "5", "2026-11-30 14:30"),
        ("nobody", "Bo", "5", ""),
        ("84 90 123 45 67", "Nguyễn Lan", "", ""),
        ("0901234567", "An", "5", "tomorrow"),
    )
    for line in range(2, 60):
        yield Record(line, kinds[line % len(kinds)], "not closed" if line == 30 else None)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[WorkerProcess]:
    made: list[WorkerProcess] = []

    def make() -> WorkerProcess:
        made.append(WorkerProcess())
        return made[-1]

    monkeypatch.setattr(checking, "WorkerProcess", make)
    return made


async def test_both_ways_give_the_same_rows_in_order(workers: list[WorkerProcess]) -> None:
    here = [batch async for batch in check_rows(_records(), RULES, 7, beside=False)]
    there = [batch async for batch in check_rows(_records(), RULES, 7, beside=True)]
    assert there == here
    assert [len(batch) for batch in there] == [7] * 8 + [2]
    assert [worker.pids for worker in workers] == [()]


async def test_who_stops_half_way_leaves_no_process(workers: list[WorkerProcess]) -> None:
    rows = check_rows(_records(), RULES, 7, beside=True)
    async with contextlib.aclosing(rows):
        first = await anext(rows)
        (pid,) = workers[0].pids
    assert [row.line for row in first] == list(range(2, 9))
    assert workers[0].pids == ()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_without_a_process_the_rows_are_checked_here(
    workers: list[WorkerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_begin", _dies)
    there = [batch async for batch in check_rows(_records(), RULES, 30, beside=True)]
    assert there == [batch async for batch in check_rows(_records(), RULES, 30, beside=False)]
    assert workers[0].pids == ()


def _dies(_parent: int) -> None:
    os._exit(1)


async def test_where_no_process_can_be_started_the_rows_are_checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", no_more)
    there = [batch async for batch in check_rows(_records(), RULES, 30, beside=True)]
    assert there == [batch async for batch in check_rows(_records(), RULES, 30, beside=False)]


async def test_an_import_that_was_cut_off_goes_on_beside_too(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: list[WorkerProcess]
) -> None:
    monkeypatch.setattr(lists, "_LONG_LINES", 10)
    house = await House(database).build()
    campaign_id, path = await house.campaign(), tmp_path / "list.csv"
    path.write_text("phone\n" + "".join(f"09{n:08d}\n" for n in range(1, 101)))

    def cut(done: int, _lines: int) -> None:
        if done == 40:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await import_list(database, campaign_id, path, clock=house.clock, batch_rows=20, progress=cut)
    summary = await import_list(database, campaign_id, path, clock=house.clock, batch_rows=20)
    assert (summary.rows, summary.added) == (100, 60)
    assert [row["line"] for row in await house.rows(contacts)] == list(range(2, 102))
    assert [worker.pids for worker in workers] == [(), ()]
