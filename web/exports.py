"""Downloads: attempts, contacts and usage as CSV or XLSX, with the filters of the page they were asked from."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from reports.about import about
from reports.export import Sheet, write_csv, write_xlsx
from reports.mail import file_stem
from reports.rows import USAGE_COLUMNS, usage_cells
from reports.scope import CampaignHead, Scope, campaign_head
from reports.sheets import attempt_sheet, contact_sheet
from web.query import Query, attempt_filter, contact_filter, paging_of, scope_of
from web.state import CampaignId, SharedDep
from web.usage import usage_of

router = APIRouter()


class View(StrEnum):
    ATTEMPTS = "attempts"
    CONTACTS = "contacts"


class Form(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"


_MEDIA: Final = {
    Form.CSV: "text/csv; charset=utf-8",
    Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@router.get("/campaigns/{campaign_id}/export/{view}.{form}")
async def export(campaign_id: CampaignId, view: View, form: Form, request: Request, shared: SharedDep) -> Response:
    """The detailed report as a file."""
    query = request.query_params
    async with shared.database.read() as conn:
        head = await campaign_head(conn, campaign_id)
        # What is wrong with the filters must be said before the first byte.
        scope = scope_of(query, campaign_id, head.time_zone)
        await _sheet(conn, view, scope, query, head)
    name = f"{file_stem(head.code)}-{view.value}.{form.value}"
    with _temporary(name) as path:
        async with shared.database.read() as conn:
            sheet = await _sheet(conn, view, scope, query, head)
            await _write(sheet, form, path, about(head, scope, None, dict(query)))
        return _Download(path, form)


async def _sheet(conn: AsyncConnection, view: View, scope: Scope, query: Query, head: CampaignHead) -> Sheet:
    if view is View.ATTEMPTS:
        sort = paging_of(query, "time").sort
        return await attempt_sheet(conn, scope, attempt_filter(query), head.time_zone, sort)
    return await contact_sheet(conn, scope, contact_filter(query), head.time_zone, paging_of(query, "line").sort)


@router.get("/usage/export.{form}")
async def export_usage(form: Form, request: Request, shared: SharedDep) -> Response:
    """The usage table as a file."""
    async with shared.database.read() as conn:
        rows, first, last, zone = await usage_of(conn, request.query_params, shared.clock)
    sheet = Sheet("usage", USAGE_COLUMNS, usage_cells(rows), zone)
    name = f"usage-{first}-{last}.{form.value}"
    with _temporary(name) as path:
        await _write(sheet, form, path, {"months": f"{first} to {last}", "time zone": zone})
        return _Download(path, form)


async def _write(sheet: Sheet, form: Form, path: Path, about_it: Mapping[str, str]) -> None:
    if form is Form.CSV:
        await write_csv(sheet, path)
    else:
        await write_xlsx(sheet, path, about_it)


@contextlib.contextmanager
def _temporary(name: str) -> Iterator[Path]:
    """A file in a folder of its own, which goes when the block fails."""
    folder = Path(tempfile.mkdtemp(prefix="campana-export-"))
    try:
        yield folder / name
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class _Download(FileResponse):
    """Sends a temporary file; its folder goes with the answer, whether or not the client took all of it.

    The file is whole before the first byte is sent: a slow reader would otherwise hold a connection to the database.
    """

    def __init__(self, path: Path, form: Form) -> None:
        super().__init__(path, media_type=_MEDIA[form], filename=path.name)

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            shutil.rmtree(Path(self.path).parent, ignore_errors=True)
