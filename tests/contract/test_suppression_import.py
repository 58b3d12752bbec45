"""Files of numbers that may not be called, on both engines: nothing aborts, nothing twice, a newer one at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from xlsxwriter import Workbook

from campaigns import suppression, suppression_lists
from campaigns.do_not_call import DoNotCall
from campaigns.errors import CampaignError
from campaigns.listfile import ListError
from campaigns.suppression_file import Batch
from campaigns.suppression_import import Imported, NumberFile, NumberImports
from campaigns.suppression_lists import AppliesTo, ListKind, NewList, SuppressionLists
from storage.database import Database
from storage.tables import suppressed_numbers, suppression_events, suppression_imports
from storage.tables import suppression_lists as lists_table
from tests.support_campaigns import House

REGISTER = NewList("NATIONAL", ListKind.REGISTER)


def phone(place: int) -> str:
    return f"090{place:07d}"


def e164(*places: int) -> list[str]:
    return [f"+8490{place:07d}" for place in places]


class Desk:
    """Imports files into the lists of one account and looks at what came of it."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.folder = house, folder
        self.lists = SuppressionLists(house.database, house.clock, house.account_id)

    def file(self, content: str, name: str = "numbers.csv") -> Path:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return path

    async def take(self, path: Path, into: NewList | None = REGISTER, **options: Any) -> Imported:
        add = options.pop("add", False)
        imports = NumberImports(self.house.database, self.house.clock, self.house.account_id, by="ann", batch_rows=3)
        return await imports.run(NumberFile(path, "VN", **options), into, add=add)

    async def on(self, name: str = "NATIONAL") -> list[str]:
        return [number async for number in self.lists.numbers(name)]

    async def stored(self) -> int:
        return len(await self.house.rows(suppressed_numbers))


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(await House(database).build(), tmp_path)


async def test_every_row_is_listed_known_or_told_why_it_is_not(desk: Desk) -> None:
    # A file whose numbers are not found stores nothing.
    with pytest.raises(ListError, match=r"no column is known to hold numbers: 'a', 'b'; name one with --column"):
        await desk.take(desk.file(f"a,b\nx,{phone(1)}\n"))
    with pytest.raises(ListError, match=r"no column 'c' in line 1: 'a', 'b'"):
        await desk.take(desk.file(f"a,b\nx,{phone(1)}\n"), column="c")
    with pytest.raises(ListError, match="several columns hold numbers"):
        await desk.take(desk.file(f"{phone(1)},{phone(2)}\n"))
    assert await desk.lists.all() == []
    rows = ["Name;Số điện thoại", f"Lan;{phone(1)}", "Bo;", f"An;+84 90 000 00 02;{phone(9)}", "Mai;12345"]
    rows += [f"Hai;{phone(1)}", f"Tu;{phone(3)}", '"Nam;', f"Ba;{phone(4)}"]
    done = await desk.take(desk.file("\n".join(rows) + "\n"))
    assert (done.rows, done.done_now, done.replaced) == (8, 8, None)
    assert done.counts == {"listed": 4, "duplicate": 1, "invalid": 3}
    assert await desk.on() == e164(1, 2, 3, 4)
    assert done.result_path is not None
    told = [line.split(",") for line in done.result_path.read_text(encoding="utf-8-sig").splitlines()]
    assert told[0] == ["line", "phone", "e164", "status", "detail"]
    assert [(row[0], row[3]) for row in told[1:]] == [("3", "invalid"), ("5", "invalid"), ("8", "invalid")]
    (one,) = await desk.lists.all()
    assert (one.kind, one.applies_to, one.numbers, one.file_name, one.complete) == (
        *(ListKind.REGISTER, AppliesTo.ADVERTISING, 4, "numbers.csv", True),
    )


@pytest.mark.parametrize(
    ("content", "options", "numbers"),
    [
        (f"{phone(1)}\n{phone(2)}\n", {}, e164(1, 2)),
        (f"blocked\n{phone(1)}\n", {}, e164(1)),
        (f"id,when,x\n7,2026-01-01,{phone(1)}\n", {"column": "X"}, e164(1)),
        (f"7|{phone(1)}\n8|{phone(2)}\n", {}, e164(1, 2)),
        (f"who,mobile\na,{phone(1)}\n", {}, e164(1)),
    ],
)
def test_the_column_with_the_numbers_is_found(
    tmp_path: Path, content: str, options: Mapping[str, str], numbers: list[str]
) -> None:
    from campaigns.listfile import inspect
    from campaigns.suppression_file import _normalised, open_numbers

    path = tmp_path / "numbers.txt"
    path.write_text(content)
    batch: Batch = _normalised(list(open_numbers(inspect(path), "VN", **options)), "VN")
    assert (list(batch.numbers), list(batch.refused)) == (numbers, [])


async def test_an_import_that_was_broken_off_goes_on_where_it_stopped(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = desk.file("\n".join(["phone", *(phone(n) for n in range(1, 5)), "nobody", *(phone(n) for n in (5, 6, 7))]))
    stored, insert_numbers = [], suppression_lists.insert_numbers

    async def fails_the_second_time(conn: Any, list_id: int, numbers: list[str]) -> int:
        stored.append(numbers)
        if len(stored) == 2:
            raise OSError("the disk is full")
        return await insert_numbers(conn, list_id, numbers)

    with monkeypatch.context() as patch:
        patch.setattr("campaigns.suppression_import._SORTED_BATCHES", 1)
        patch.setattr("campaigns.suppression_import.insert_numbers", fails_the_second_time)
        with pytest.raises(OSError, match="disk is full"):
            await desk.take(path)
    # A first file counts as far as it was read.
    assert await desk.on() == e164(1, 2, 3)
    (one,) = await desk.lists.all()
    assert (one.complete, one.numbers) == (False, 3)
    done = await desk.take(path)
    assert (done.rows, done.done_now, done.replaced) == (8, 5, None)
    assert done.counts == {"listed": 7, "duplicate": 0, "invalid": 1}
    assert await desk.on() == e164(*range(1, 8))
    assert [row["rows"] for row in await desk.house.rows(suppression_imports)] == [8]


async def test_a_newer_register_takes_the_place_of_the_former_one_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppression_lists, "_PURGED_AT_ONCE", 2)
    await desk.take(
        desk.file("\n".join(phone(n) for n in range(1, 7)), "march.csv"), NewList("NATIONAL", ListKind.REGISTER)
    )
    await desk.lists.create(NewList("PARTNERS"), by="ann")
    await desk.lists.add("PARTNERS", e164(1, 4), by="ann", reason="partners")
    april = desk.file("\n".join(phone(n) for n in range(4, 12)), "april.csv")
    seen: list[list[str]] = []
    imports = NumberImports(desk.house.database, desk.house.clock, desk.house.account_id, by="ann", batch_rows=3)
    insert_numbers = suppression_lists.insert_numbers

    async def looks_then_fails(conn: Any, list_id: int, numbers: list[str]) -> int:
        found = await suppression.listed(conn, suppression.whole_account(desk.house.account_id), e164(2, 4, 10))
        seen.append(sorted(found))
        if len(seen) == 3:
            raise OSError("the disk is full")
        return await insert_numbers(conn, list_id, numbers)

    with monkeypatch.context() as patch:
        patch.setattr("campaigns.suppression_import.insert_numbers", looks_then_fails)
        with pytest.raises(OSError, match="disk is full"):
            await imports.run(NumberFile(april, "VN"), NewList("NATIONAL"))
    assert seen == [e164(2, 4)] * 3
    assert await desk.on() == e164(*range(1, 7))
    done = await imports.run(NumberFile(april, "VN"), NewList("NATIONAL"))
    assert (done.rows, done.done_now, done.replaced, done.counts["listed"]) == (8, 8, 6, 8)
    assert await desk.on() == e164(*range(4, 12))
    # The former edition is gone; what other lists hold is not.
    assert await desk.stored() == 10
    kept = {one.name: (one.kind, one.numbers, one.file_name) for one in await desk.lists.all()}
    assert kept["NATIONAL"] == (ListKind.REGISTER, 8, "april.csv")
    (event,) = [row for row in await desk.house.rows(suppression_events) if row["kind"] == "list_replaced"]
    assert (event["list_name"], event["by"]) == ("NATIONAL", "ann")
    assert event["detail"] | {"list_id": 0} == {"list_id": 0, "file": "april.csv", "numbers": 8, "before": 6}


async def test_a_file_is_added_to_a_list_or_to_the_accounts_own(desk: Desk) -> None:
    await desk.take(desk.file(f"{phone(1)}\n"), NewList("PARTNERS"))
    more = desk.file(f"{phone(1)}\n{phone(2)}\n", "more.csv")
    done = await desk.take(more, NewList("PARTNERS"), add=True)
    assert (done.counts["listed"], done.counts["duplicate"], done.replaced) == (1, 1, None)
    assert await desk.on("PARTNERS") == e164(1, 2)
    with pytest.raises(CampaignError, match="is kept with kind account, not register"):
        await desk.take(more, NewList("PARTNERS", ListKind.REGISTER), add=True)
    done = await desk.take(more, None)
    assert (done.list_name, done.counts, done.result_path) == (None, {"listed": 2, "duplicate": 0, "invalid": 0}, None)
    book = DoNotCall(desk.house.database, desk.house.clock, desk.house.account_id)
    found = [(entry.number, entry.source.value, entry.evidence, entry.by) async for entry in book.entries()]
    assert found == [(number, "import", "more.csv", "ann") for number in e164(1, 2)]
    # A workbook is read like a text file.
    path = desk.folder / "register.xlsx"
    with Workbook(path) as made:
        sheet = made.add_worksheet()
        sheet.write_row(0, 0, ["No", "SĐT"])
        sheet.write_row(1, 0, [1, 84900000001])
        sheet.write_row(2, 0, [2, "0900000002"])
    done = await desk.take(path)
    assert (done.counts["listed"], await desk.on()) == (2, e164(1, 2))


async def test_a_broken_off_edition_gives_way_to_another_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.take(desk.file(f"{phone(1)}\n"))
    with monkeypatch.context() as patch:
        patch.setattr("campaigns.suppression_import._move", None)
        with pytest.raises(TypeError):
            await desk.take(desk.file(f"{phone(2)}\n", "april.csv"))
    await desk.take(desk.file(f"{phone(3)}\n", "may.csv"))
    assert await desk.on() == e164(3)
    states = sorted(row["state"] for row in await desk.house.rows(lists_table))
    assert states == ["in_force", "removed", "replaced"]
    assert await desk.stored() == 1


async def test_a_file_that_another_one_overtakes_never_comes_into_force_in_part(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.take(desk.file(f"{phone(1)}\n"))
    april = desk.file("\n".join(phone(n) for n in range(11, 21)), "april.csv")
    may = desk.file("\n".join(phone(n) for n in range(31, 34)), "may.csv")
    stored, insert_numbers = [], suppression_lists.insert_numbers

    async def overtaken(conn: Any, list_id: int, numbers: list[str]) -> int:
        stored.append(numbers)
        return await insert_numbers(conn, list_id, numbers)

    store_step = NumberImports._store_step

    async def may_comes_between(imports: NumberImports, *what: Any) -> None:
        if len(stored) == 2:
            stored.append([])
            await desk.take(may)
        await store_step(imports, *what)

    with monkeypatch.context() as patch:
        patch.setattr("campaigns.suppression_import.insert_numbers", overtaken)
        patch.setattr(NumberImports, "_store_step", may_comes_between)
        with pytest.raises(ListError, match="by another process as well, from this file or another; let that one"):
            await desk.take(april)
    assert await desk.on() == e164(31, 32, 33)
    assert await desk.stored() == 3
    # Imported again it is read from its beginning, and replaces the other one whole.
    assert (await desk.take(april)).counts["listed"] == 10
    assert await desk.on() == e164(*range(11, 21))


async def test_a_list_that_is_no_longer_being_loaded_does_not_come_into_force(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.take(desk.file(f"{phone(1)}\n"))
    finish = NumberImports._finish

    async def after_it_was_removed(imports: NumberImports, *what: Any) -> int | None:
        async with desk.house.database.write() as conn:
            loading = lists_table.c.state == "loading"
            await conn.execute(update(lists_table).where(loading).values(state="removed"))
        return await finish(imports, *what)

    monkeypatch.setattr(NumberImports, "_finish", after_it_was_removed)
    with pytest.raises(ListError, match=r"list NATIONAL was taken away while may\.csv was read; import the file again"):
        await desk.take(desk.file(f"{phone(2)}\n", "may.csv"))
    assert await desk.on() == e164(1)


async def test_of_two_imports_of_one_file_at_once_one_stores_it_and_the_other_is_told(desk: Desk) -> None:
    path = desk.file("\n".join(phone(n) for n in range(1, 31)))
    done = await asyncio.gather(desk.take(path), desk.take(path, REGISTER), return_exceptions=True)
    assert await desk.on() == e164(*range(1, 31))
    (one,) = await desk.lists.all()
    assert (one.numbers, one.complete) == (30, True)
    told = [one for one in done if isinstance(one, BaseException)]
    assert all(isinstance(one, ListError) and "by another process" in str(one) for one in told)
    finished = [row["finished_at"] is not None for row in await desk.house.rows(suppression_imports)]
    assert finished.count(True) == len(finished)
