"""Importing contact lists on both engines: every row an outcome, nothing twice, interruptions mended."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from xlsxwriter import Workbook

from campaigns import suppression
from campaigns.errors import CampaignError, UnknownCampaign
from campaigns.lists import ImportSummary, ListError, RowStatus, holders, import_list, preview
from campaigns.spreadsheet import TextSource
from campaigns.states import CampaignState
from storage.database import Database, open_database
from storage.tables import campaigns, contacts, list_imports
from tests.support_campaigns import NOW, House

A, B, C, D = "0901234567", "0912345678", "0987654321", "0356789012"


@pytest.fixture
async def house(database: Database) -> House:
    return await House(database).build()


class Desk:
    """Imports files into one campaign and looks at what came of it."""

    def __init__(self, house: House, folder: Path, campaign_id: int) -> None:
        self.house, self.folder, self.campaign_id = house, folder, campaign_id

    def file(self, content: str | bytes, name: str = "list.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    async def take(self, content: str | bytes, name: str = "list.csv", **options: Any) -> ImportSummary:
        path = self.file(content, name)
        return await import_list(self.house.database, self.campaign_id, path, clock=self.house.clock, **options)

    async def contacts(self) -> list[dict[str, Any]]:
        return await self.house.rows(contacts)

    async def states(self) -> dict[str, int]:
        return await self.house.contact_states(self.campaign_id)


@pytest.fixture
async def desk(house: House, tmp_path: Path) -> Desk:
    return Desk(house, tmp_path, await house.campaign())


def outcomes(summary: ImportSummary) -> list[tuple[int, str, str]]:
    with summary.result_path.open(encoding="utf-8-sig", newline="") as file:
        return [(int(row["line"]), row["status"], row["detail"]) for row in csv.DictReader(file)]


def counted(summary: ImportSummary) -> dict[str, int]:
    return {status.value: count for status, count in summary.counts.items() if count}


async def test_a_list_becomes_contacts(desk: Desk) -> None:
    summary = await desk.take(
        "\ufeffSố điện thoại;Họ tên;external_key;Ưu tiên;Từ giờ;Đến giờ;Lịch gọi;Số tiền\n"
        f"{A};Nguyễn Lan;K1;5;8h;17:30;2026-03-05 10:00;5.000.000\n"
        f"+84 (0)91 234 5678;Trần Bo;;;;;;\n"
    )
    assert (summary.rows, summary.added, counted(summary)) == (2, 2, {"accepted": 2})
    first, second = await desk.contacts()
    assert (first["line"], first["phone"], first["number"]) == (2, A, "+84901234567")
    assert (first["name"], first["external_key"], first["priority"]) == ("Nguyễn Lan", "K1", 5)
    assert (first["time_from"], first["time_to"]) == ("08:00", "17:30")
    assert first["next_at"] == datetime(2026, 3, 5, 3, tzinfo=UTC)
    assert first["variables"]["so_tien"] == "5.000.000"
    assert first["variables"]["name"] == "Nguyễn Lan"
    assert (second["state"], second["next_at"], second["priority"]) == ("pending", None, 0)
    assert second["detail"] == "repaired: (0) after the country code"
    assert second["external_key"] is None
    (imported,) = await desk.house.rows(list_imports)
    assert (imported["file_name"], imported["rows"], imported["counts"]) == ("list.csv", 2, {"accepted": 2})
    assert imported["result_path"] == str(desk.folder / "list.C1.result.csv")


async def test_a_workbook_becomes_contacts_as_its_text_would(desk: Desk) -> None:
    path = desk.folder / "list.xlsx"
    with Workbook(path) as book:
        instant, clock = book.add_format({"num_format": "dd/mm/yyyy hh:mm"}), book.add_format({"num_format": "hh:mm"})
        sheet = book.add_worksheet("Khách hàng")
        sheet.write_row(0, 0, ["SĐT", "Họ tên", "external_key", "Từ giờ", "Lịch gọi", "Số tiền"])
        sheet.write_row(1, 0, [84901234567, "Nguyễn Lan", 1001])
        sheet.write(1, 3, time(8, 30), clock)
        sheet.write(1, 4, datetime(2026, 3, 5, 10), instant)  # noqa: DTZ001 - a cell has no zone
        sheet.write(1, 5, 5_000_000)
        sheet.write_row(3, 0, [84901234567, "Trần Bo", 1002])
    summary = await import_list(desk.house.database, desk.campaign_id, path, clock=desk.house.clock)
    assert outcomes(summary) == [(2, "accepted", ""), (4, "duplicate", "the same number as line 2")]
    first, _ = await desk.contacts()
    assert (first["number"], first["external_key"], first["time_from"]) == ("+84901234567", "1001", "08:30")
    assert first["next_at"] == datetime(2026, 3, 5, 3, tzinfo=UTC)
    assert first["variables"]["so_tien"] == "5000000"
    again = await import_list(desk.house.database, desk.campaign_id, path, clock=desk.house.clock)
    assert (again.rows, again.added) == (2, 0)


async def test_every_row_has_an_outcome_and_none_aborts_the_rest(desk: Desk) -> None:
    async with desk.house.database.write() as conn:
        await suppression.add(conn, desk.house.account_id, "+84987654321", suppression.Source.MANUAL, now=NOW)
    summary = await desk.take(
        "phone,amount,external_key\n"
        f"{A},5,K1\n"
        f"{A},6,K2\n"
        f"{B},7,K1\n"
        f"{C},8,K3\n"
        "123,9,\n"
        f"{D},,\n"
        "=1+1,5,\n"
        f'{B},"8\n'
        f"{B},7,K2\n",
        required_variables={"amount"},
    )
    assert outcomes(summary) == [
        (2, "accepted", ""),
        (3, "duplicate", "the same number as line 2"),
        (4, "duplicate", "the same external_key as line 2"),
        (5, "dnc", "on the do-not-call list"),
        (6, "invalid", "phone: too few digits for its country"),
        (7, "missing_variable", "amount"),
        (8, "invalid", "phone: a formula, not a number; save the list with values only"),
        (9, "invalid", "a quotation mark is not closed on this line, or a cell is too long"),
        (10, "accepted", ""),
    ]
    assert await desk.states() == {"pending": 2, "duplicate": 2, "dnc_blocked": 1, "invalid": 4}
    assert counted(summary) == {"accepted": 2, "duplicate": 2, "invalid": 3, "dnc": 1, "missing_variable": 1}
    assert sum(summary.counts.values()) == summary.rows == summary.added == 9


async def test_one_bad_number_in_a_hundred_leaves_the_others_alone(desk: Desk) -> None:
    rows = [f"09{n:08d}" if n % 100 else f"bad {n}" for n in range(1000)]
    summary = await desk.take("Phone\n" + "\n".join(rows) + "\n", batch_rows=64)
    assert counted(summary) == {"accepted": 990, "invalid": 10}
    assert [line for line, status, _ in outcomes(summary) if status == "invalid"] == list(range(2, 1002, 100))
    assert sum((await desk.states()).values()) == 1000


async def test_duplicates_are_found_across_batches_files_and_spellings(desk: Desk) -> None:
    await desk.take(f"phone,external_key\n{A},K1\n{B},\n", "first.csv")
    summary = await desk.take(
        f"phone,external_key\n+84901234567,\n{C},K1\n{D},K2\n84{D[1:]},\n{B}.0,K2\n", batch_rows=1
    )
    assert [(status, detail) for _, status, detail in outcomes(summary)] == [
        ("duplicate", "the same number as a contact that the campaign has already"),
        ("duplicate", "the same external_key as a contact that the campaign has already"),
        ("accepted", ""),
        ("duplicate", "the same number as line 4"),
        ("duplicate", "the same external_key as line 4"),
    ]


async def test_another_campaign_may_have_the_same_people(desk: Desk) -> None:
    content = f"phone,external_key\n{A},K1\n"
    await desk.take(content)
    other = Desk(desk.house, desk.folder, await desk.house.campaign())
    assert counted(await other.take(content)) == {"accepted": 1}


async def test_a_refused_row_may_come_again_mended(desk: Desk) -> None:
    await desk.take(f"phone,external_key,amount\n{A},K1,\n123,K2,5\n", "bad.csv", required_variables={"amount"})
    summary = await desk.take(
        f"phone,external_key,amount\n{A},K1,5\n{B},K2,5\n", "good.csv", required_variables={"amount"}
    )
    assert counted(summary) == {"accepted": 2}


async def test_the_same_file_adds_nothing_and_tells_the_same_outcomes(desk: Desk) -> None:
    content = f"phone\n{A}\n{A}\n12\n"
    first = await desk.take(content)
    told = outcomes(first)
    async with desk.house.database.write() as conn:
        await conn.execute(update(contacts).where(contacts.c.line == 2).values(state="done", detail=None))
    again = await desk.take(content, "renamed.csv")
    assert (again.import_id, again.rows, again.added, again.counts) == (first.import_id, 3, 0, first.counts)
    assert again.result_path == desk.folder / "renamed.C1.result.csv"
    assert outcomes(again) == told
    assert len(await desk.contacts()) == 3


async def test_the_outcomes_are_those_of_the_file_that_was_imported(desk: Desk) -> None:
    first, second = f"phone\n{A}\n", f"phone\n{A}\n{B}\n"
    await desk.take(first)
    await desk.take(second)
    again = await desk.take(first)
    assert (again.added, outcomes(again)) == (0, [(2, "accepted", "")])
    assert len(await desk.house.rows(list_imports)) == 2


class PowerCutError(Exception):
    """The process ends here."""


async def test_an_interrupted_import_goes_on_where_it_stopped(desk: Desk) -> None:
    content = "phone,external_key\n" + "".join(f"09{n:08d},K{n}\n" for n in range(50)) + "12,\n"
    whole = await Desk(desk.house, desk.folder, await desk.house.campaign()).take(content)

    def cut(done: int, lines: int) -> None:
        assert lines == 52
        if done >= 20:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        await desk.take(content, batch_rows=10, progress=cut)
    assert (await desk.states()) == {"pending": 20}
    assert not (desk.folder / "list.C1.result.csv").exists()
    seen: list[int] = []
    rest = await desk.take(content, batch_rows=7, progress=lambda done, _: seen.append(done))
    assert (rest.rows, rest.added, counted(rest)) == (51, 31, {"accepted": 50, "invalid": 1})
    assert seen == [27, 34, 41, 48, 51]
    assert outcomes(rest) == outcomes(whole)
    assert (await desk.states()) == {"pending": 50, "invalid": 1}


async def test_two_imports_of_one_file_at_once_store_each_row_once(desk: Desk) -> None:
    path = desk.file("phone\n" + "".join(f"09{n:08d}\n" for n in range(200)))

    async def one(result: str) -> ImportSummary | ListError:
        try:
            return await import_list(
                desk.house.database,
                desk.campaign_id,
                path,
                clock=desk.house.clock,
                batch_rows=10,
                result_path=desk.folder / result,
            )
        except ListError as error:
            return error

    found = await asyncio.gather(one("a.csv"), one("b.csv"))
    assert sum(isinstance(outcome, ImportSummary) for outcome in found) >= 1
    for error in (outcome for outcome in found if isinstance(outcome, ListError)):
        assert "is being imported by another process; let it finish" in str(error)
    assert (await desk.states()) == {"pending": 200}


async def test_two_files_at_once_do_not_let_one_number_in_twice(desk: Desk) -> None:
    lines = "".join(f"09{n:08d}\n" for n in range(100))
    paths = [desk.file(f"phone{more}\n{lines}", f"{place}.csv") for place, more in enumerate(["", " "])]
    await asyncio.gather(
        *(
            import_list(desk.house.database, desk.campaign_id, path, clock=desk.house.clock, batch_rows=10)
            for path in paths
        )
    )
    assert (await desk.states()) == {"pending": 100, "duplicate": 100}
    async with desk.house.database.read() as conn:
        pending = select(func.count(contacts.c.number.distinct())).where(contacts.c.state == "pending")
        assert (await conn.execute(pending)).scalar_one() == 100


async def test_a_list_may_come_into_a_running_campaign_and_be_dialled(desk: Desk) -> None:
    await desk.take(f"phone,Họ tên,Số tiền\n{A},Lan,5\n")
    await desk.house.campaigns.start(desk.campaign_id)
    await desk.take(f"phone,Họ tên,Số tiền\n{B},Bo,6\n", "more.csv")
    claims = (await desk.house.ledger().claim(["line"], 10)).claims
    assert sorted((claim.number, claim.variables["so_tien"], claim.variables["name"]) for claim in claims) == [
        ("+84901234567", "5", "Lan"),
        ("+84912345678", "6", "Bo"),
    ]


async def test_a_scheduled_contact_waits_for_its_time(desk: Desk) -> None:
    await desk.take(f"phone,schedule_at\n{A},2026-03-02 16:30\n")
    await desk.house.campaigns.start(desk.campaign_id)
    assert not (await desk.house.ledger().claim(["line"], 10)).claims
    desk.house.clock.advance(minutes=30)
    assert len((await desk.house.ledger().claim(["line"], 10)).claims) == 1


@pytest.mark.parametrize("state", [CampaignState.COMPLETED, CampaignState.STOPPED, CampaignState.ARCHIVED])
async def test_a_campaign_that_is_over_takes_no_contacts(desk: Desk, state: CampaignState) -> None:
    async with desk.house.database.write() as conn:
        await conn.execute(update(campaigns).values(state=state.value))
    with pytest.raises(CampaignError, match=f"campaign C1 is {state} and takes no contacts; create another"):
        await desk.take(f"phone\n{A}\n")
    assert await desk.contacts() == []


async def test_a_campaign_that_ends_meanwhile_takes_no_further_batch(desk: Desk) -> None:
    async def end() -> None:
        async with desk.house.database.write() as conn:
            await conn.execute(update(campaigns).values(state="stopped"))

    ended: list[asyncio.Task[None]] = []

    def progress(_done: int, _lines: int) -> None:
        if not ended:
            ended.append(asyncio.ensure_future(end()))

    content = "phone\n" + "".join(f"09{n:08d}\n" for n in range(60))
    with pytest.raises(CampaignError, match="is stopped and takes no contacts"):
        await desk.take(content, batch_rows=1, progress=progress)
    await ended[0]
    assert 0 < len(await desk.contacts()) < 60


async def test_there_is_no_such_campaign(house: House, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text(f"phone\n{A}\n")
    with pytest.raises(UnknownCampaign, match="no campaign with the id 99"):
        await import_list(house.database, 99, path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Phone,Name\n0901234567,Müller\n".encode("cp1252"), "line 2, byte 23: not readable as utf-8"),
        (b"Name,Amount\nLan,5\n", "no phone column among 'Name', 'Amount'"),
        (b"0901234567,Lan\n", "holds data, not column names"),
        (b"", "the file is empty"),
        (b"\n , \n\n", "the file holds blank lines only"),
    ],
)
async def test_a_file_that_cannot_be_read_stores_nothing(desk: Desk, content: bytes, told: str) -> None:
    with pytest.raises(ListError) as caught:
        await desk.take(content)
    assert told in str(caught.value)
    assert await desk.contacts() == []
    assert await desk.house.rows(list_imports) == []


async def test_a_chosen_encoding_and_delimiter(desk: Desk) -> None:
    content = f"Phone|Name\n{A}|Müller\n".encode("cp1252")
    await desk.take(content, encoding="cp1252", delimiter="|")
    assert (await desk.contacts())[0]["name"] == "Müller"


async def test_a_header_without_rows_is_an_empty_list(desk: Desk) -> None:
    summary = await desk.take("phone,name\n")
    assert (summary.rows, summary.added, counted(summary), outcomes(summary)) == (0, 0, {}, [])


async def test_long_cells_fit_the_database(desk: Desk) -> None:
    summary = await desk.take(
        "phone,v\n" + "9" * 300 + ",1\n" + f"{A},{'x' * 5000}\n",
        required_variables=[f"variable_{n}" for n in range(60)],
    )
    assert counted(summary) == {"invalid": 1, "missing_variable": 1}
    first, second = await desk.contacts()
    assert (len(first["phone"]), len(second["detail"])) == (64, 200)
    assert len(second["variables"]["v"]) == 5000


async def test_the_result_file_may_be_put_elsewhere_and_must_be_writable(desk: Desk) -> None:
    elsewhere = desk.folder / "results" / "r.csv"
    content = f"phone\n{A}\n"
    with pytest.raises(ListError, match=r"r\.csv: the result file cannot be written: No such file"):
        await desk.take(content, result_path=elsewhere)
    assert await desk.contacts() == []
    elsewhere.parent.mkdir()
    summary = await desk.take(content, result_path=elsewhere)
    assert summary.result_path == elsewhere
    assert outcomes(summary) == [(2, "accepted", "")]


async def test_formulas_are_stored_as_text_and_neutralised_in_the_result(desk: Desk) -> None:
    summary = await desk.take(f'phone,note\n=cmd|calc,x\n{A},"=HYPERLINK(""http://x"")"\n')
    with summary.result_path.open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.DictReader(file))["phone"] == "'=cmd|calc"
    assert (await desk.contacts())[1]["variables"]["note"] == '=HYPERLINK("http://x")'


@pytest.mark.parametrize(
    ("required", "missing"),
    [((), ()), (("amount", "name", "phone"), ()), (("due", "amount", "code"), ("code", "due"))],
)
async def test_columns_that_the_script_needs_and_the_list_lacks(
    desk: Desk, required: Collection[str], missing: tuple[str, ...]
) -> None:
    content = f"Phone,Amount,Name\n{A},5,Lan\n"
    shown = preview(desk.file(content), required_variables=required)
    assert shown.missing_columns == missing
    summary = await desk.take(content, required_variables=required)
    assert summary.missing_columns == missing
    assert counted(summary) == ({"missing_variable": 1} if missing else {"accepted": 1})


async def test_a_preview_stores_nothing_and_shows_how_the_file_is_read(desk: Desk) -> None:
    lines = "".join(f"09{n:08d};{n}\n" for n in range(30))
    shown = preview(desk.file(f"\ufeffSĐT;Số tiền\n{lines}"), rows=3)
    assert isinstance(shown.source, TextSource)
    assert (shown.source.encoding, shown.source.delimiter, shown.source.lines) == ("utf-8-sig", ";", 31)
    assert (shown.columns.reserved, shown.columns.variables) == ({0: "phone"}, {1: "so_tien"})
    assert [record.cells for record in shown.rows] == [(f"09{n:08d}", str(n)) for n in range(3)]
    assert await desk.contacts() == []
    assert not list(desk.folder.glob("*.result.csv"))


async def test_the_outcome_of_the_do_not_call_list_is_kept_when_the_list_grows(desk: Desk) -> None:
    content = f"phone\n{A}\n{B}\n"
    await desk.take(content)
    async with desk.house.database.write() as conn:
        await suppression.add(conn, desk.house.account_id, "+84901234567", suppression.Source.MANUAL, now=NOW)
        blocked = {"state": "dnc_blocked", "detail": "do_not_call"}
        await conn.execute(update(contacts).where(contacts.c.line == 2).values(blocked))
    again = await desk.take(content)
    assert [status for _, status, _ in outcomes(again)] == ["accepted", "accepted"]
    assert again.counts[RowStatus.DNC] == 0


async def test_a_corrected_list_stumbles_over_no_key_of_a_number_found_invalid_by_dialling(desk: Desk) -> None:
    await desk.take(f"phone,external_key\n{A},K1\n", "first.csv")
    async with desk.house.database.write() as conn:
        await conn.execute(update(contacts).values(state="invalid"))
    summary = await desk.take(f"phone,external_key\n{B},K1\n{A},K2\n{C},K3\n", "corrected.csv")
    assert outcomes(summary) == [
        (2, "duplicate", "the same external_key as a contact that the campaign has already"),
        (3, "accepted", ""),
        (4, "accepted", ""),
    ]


async def test_the_clock_that_was_handed_in_is_used(desk: Desk) -> None:
    desk.house.clock.advance(hours=1)
    await desk.take(f"phone\n{A}\n")
    (contact,) = await desk.contacts()
    (imported,) = await desk.house.rows(list_imports)
    assert contact["entered_at"] == imported["created_at"] == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("column", "index"),
    [("number", "ix_contacts_number (number=?)"), ("external_key", "(campaign_id=? AND external_key=?)")],
)
async def test_looking_for_duplicates_on_sqlite_reads_no_more_than_the_batch(
    tmp_path: Path, column: str, index: str
) -> None:
    query = holders(1, column, ["+84901234567", "+84912345678"], "sqlite")
    async with open_database(f"sqlite:///{tmp_path / 'plan.db'}") as database, database.read() as conn:
        text = str(query.compile(dialect=conn.dialect, compile_kwargs={"literal_binds": True}))
        plan = (await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")).all()
    read = [step for step in (str(row[-1]) for row in plan) if "contacts" in step]
    assert [step.startswith("SEARCH contacts") and step.endswith(index) for step in read] == [True]
