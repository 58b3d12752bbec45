"""`campana campaign preview` and `campana campaign import`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from campaigns.columns import parse_mapping
from campaigns.lists import ImportSummary, import_list
from campaigns.previewing import Preview, Reading, preview_for
from campaigns.rows import RowStatus
from campana.application import App, open_app
from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from campana.enrolment import required_variables

PREVIEW_EPILOG = "Example: campana campaign preview SPRING customers.csv --map 'Ref=external_key'"
IMPORT_EPILOG = "Example: campana campaign import SPRING customers.csv"

_AS_FOUND = Reading()

Code = Annotated[str, typer.Argument(help="The campaign's code.")]
File = Annotated[Path, typer.Argument(help="CSV file or workbook (XLSX, XLS, ODS) with one contact a row.")]
Encoding = Annotated[str | None, typer.Option(help="Encoding of the file, such as cp1258; UTF-8 unless told.")]
Delimiter = Annotated[str | None, typer.Option(help="Column separator; found out unless told.")]
Sheet = Annotated[str | None, typer.Option(help="Sheet of a workbook; the first with content unless told.")]
Mapped = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="HEADER=FIELD",
        help="What a column is: phone, name and the like, a variable, or nothing to leave it out. Again for each.",
    ),
]


def preview(
    context: typer.Context,
    code: Code,
    file: File,
    mapped: Mapped = None,
    rows: Annotated[int, typer.Option(min=1, max=100, help="Rows to show.")] = 5,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    as_json: AsJson = False,
) -> None:
    """Show how a list would be read: which column is taken for what, the first rows, what is missing."""
    settings = settings_of(context)
    reading = Reading(encoding, delimiter, sheet, parse_mapping(mapped or ()))

    async def work() -> Preview:
        async with open_app(settings) as opened:
            campaign_id = await opened.campaigns.find(code)
            needed = await required_variables(opened, campaign_id)
            return await preview_for(opened.database, campaign_id, file, reading, required_variables=needed, rows=rows)

    found = run(work())
    if as_json:
        print_json(_as_data(found))
    else:
        _show(found)


def import_contacts(
    context: typer.Context,
    code: Code,
    file: File,
    mapped: Mapped = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Keep the contacts back until `campana contact release` lets them go.")
    ] = False,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    as_json: AsJson = False,
) -> None:
    """Add a contact list; every row gets a result, and a bad row never stops the rest."""
    settings = settings_of(context)
    reading = Reading(encoding, delimiter, sheet, parse_mapping(mapped or ()))

    async def work() -> ImportSummary:
        async with open_app(settings) as opened:
            campaign_id = await opened.campaigns.find(code)
            return await import_with_progress(opened, campaign_id, file, reading, hold=hold)

    summary = run(work())
    if as_json:
        print_json(asdict(summary))
        return
    shown = ", ".join(f"{count} {status.value}" for status, count in summary.counts.items() if count)
    console.print(f"{summary.rows} rows: {shown}", highlight=False)
    if summary.missing_columns:
        console.print(f"the script needs columns that the list has not: {', '.join(summary.missing_columns)}")
    if hold:
        console.print(f"they are held; let them go with: campana contact release {code} --all", highlight=False)
    console.print(f"result of every row: {summary.result_path}", highlight=False, soft_wrap=True)


async def import_with_progress(
    opened: App, campaign_id: int, file: Path, reading: Reading = _AS_FOUND, *, hold: bool = False
) -> ImportSummary:
    """Import with a bar on standard error; the result file goes to the data folder."""
    folder = opened.settings.lists_folder
    folder.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr, transient=True) as bars:
        bar = bars.add_task("rows", total=None)
        return await import_list(
            opened.database,
            campaign_id,
            file,
            **vars(reading),
            hold=hold,
            required_variables=await required_variables(opened, campaign_id),
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
            clock=opened.clock,
            result_path=folder / f"{file.stem}.{campaign_id}.result.csv",
        )


def _meanings(found: Preview) -> list[dict[str, Any]]:
    """Each column with what it is taken for: a reserved column, a variable, or None when it is left out."""
    columns = found.columns
    return [
        {
            "header": header,
            "field": columns.reserved.get(at) or columns.variables.get(at),
            "kind": "reserved" if at in columns.reserved else "variable" if at in columns.variables else "left out",
        }
        for at, header in enumerate(columns.headers)
    ]


def _read_as(found: Preview) -> dict[str, Any]:
    """How the file was read, as far as its kind has it."""
    names = ("encoding", "delimiter", "sheet", "lines")
    return {name: value for name in names if (value := getattr(found.source, name, None)) is not None}


def _as_data(found: Preview) -> dict[str, Any]:
    outcomes = [
        {"line": row.line, "phone": row.phone, "e164": row.number, "status": row.status, "detail": row.detail}
        | {"variables": dict(row.variables)}
        for row in found.checked
    ]
    return {
        "file": str(found.source.path),
        "read_as": _read_as(found),
        "columns": _meanings(found),
        "missing_variables": list(found.missing_columns),
        "rows": outcomes,
    }


def _show(found: Preview) -> None:
    told = ", ".join(f"{name} {value!r}" for name, value in _read_as(found).items())
    console.print(f"{found.source.path}: {told}", markup=False, highlight=False, soft_wrap=True)
    table = Table("column", "taken for", *[f"line {row.line}" for row in found.rows])
    for at, meaning in enumerate(_meanings(found)):
        taken = "(left out)" if meaning["field"] is None else f"{meaning['field']} ({meaning['kind']})"
        table.add_row(*_plain([meaning["header"], taken, *_cells(found, at)]))
    results = [
        row.status.value if row.status is RowStatus.ACCEPTED else f"{row.status.value}: {row.detail}"
        for row in found.checked
    ]
    table.add_section()
    table.add_row(*_plain(["", "number", *[row.number or "" for row in found.checked]]))
    table.add_row(*_plain(["", "result", *results]))
    console.print(table)
    if found.missing_columns:
        console.print(
            f"the script needs columns that the list has not: {', '.join(found.missing_columns)};"
            " name them with --map 'HEADER=FIELD', or add them",
            highlight=False,
            markup=False,
        )


def _cells(found: Preview, at: int) -> Sequence[str]:
    return [row.cells[at] if at < len(row.cells) else "" for row in found.rows]


def _plain(cells: Sequence[str]) -> list[Text]:
    # What stands in a list is never markup.
    return [Text(cell) for cell in cells]
