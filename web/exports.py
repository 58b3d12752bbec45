"""Downloads: attempts, contacts and usage as CSV or XLSX, with the filters of the page they were asked from."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.background import BackgroundTask

from reports.about import about
from reports.export import Sheet, csv_chunks, write_xlsx
from reports.mail import file_stem
from reports.rows import ATTEMPT_COLUMNS, CONTACT_COLUMNS, USAGE_COLUMNS, attempt_cells, contact_cells, usage_cells
from reports.scope import CampaignHead, Scope, campaign_head
from web.query import Query, attempt_filter, contact_filter, paging_of, scope_of
from web.state import CampaignId, Shared, SharedDep
from web.usage import usage_of

router = APIRouter()
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class View(StrEnum):
    ATTEMPTS = "attempts"
    CONTACTS = "contacts"


class Form(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"


@router.get("/campaigns/{campaign_id}/export/{view}.{form}")
async def export(campaign_id: CampaignId, view: View, form: Form, request: Request, shared: SharedDep) -> Response:
    """The detailed report as a file."""
    query = request.query_params
    async with shared.database.read() as conn:
        head = await campaign_head(conn, campaign_id)
        # What is wrong with the filters must be said before the first byte.
        scope = scope_of(query, campaign_id, head.time_zone)
        _sheet(conn, view, scope, query, head)
    name = f"{file_stem(head.code)}-{view.value}.{form.value}"
    if form is Form.CSV:
        return _csv_response(_csv(shared, view, scope, query, head), name)
    path = _temporary(name)
    async with shared.database.read() as conn:
        await write_xlsx(_sheet(conn, view, scope, query, head), path, about(head, scope, None, dict(query)))
    return _xlsx_response(path)


def _sheet(conn: AsyncConnection, view: View, scope: Scope, query: Query, head: CampaignHead) -> Sheet:
    if view is View.ATTEMPTS:
        sort = paging_of(query, "time").sort
        cells = attempt_cells(conn, scope, attempt_filter(query), sort)
        return Sheet("attempts", ATTEMPT_COLUMNS, cells, head.time_zone)
    cells = contact_cells(conn, scope, contact_filter(query), paging_of(query, "line").sort)
    return Sheet("contacts", CONTACT_COLUMNS, cells, head.time_zone)


async def _csv(shared: Shared, view: View, scope: Scope, query: Query, head: CampaignHead) -> AsyncIterator[bytes]:
    async with shared.database.read() as conn:
        async for chunk in csv_chunks(_sheet(conn, view, scope, query, head)):
            yield chunk


@router.get("/usage/export.{form}")
async def export_usage(form: Form, request: Request, shared: SharedDep) -> Response:
    """The usage table as a file."""
    async with shared.database.read() as conn:
        rows, first, last, zone = await usage_of(conn, request.query_params, shared.clock)
    sheet = Sheet("usage", USAGE_COLUMNS, usage_cells(rows), zone)
    name = f"usage-{first}-{last}.{form.value}"
    if form is Form.CSV:
        return _csv_response(csv_chunks(sheet), name)
    path = _temporary(name)
    await write_xlsx(sheet, path, {"months": f"{first} to {last}", "time zone": zone})
    return _xlsx_response(path)


def _csv_response(chunks: AsyncIterator[bytes], name: str) -> StreamingResponse:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks, media_type="text/csv; charset=utf-8", headers=headers)


def _temporary(name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix="campana-export-")) / name


def _xlsx_response(path: Path) -> FileResponse:
    clean = BackgroundTask(shutil.rmtree, path.parent, ignore_errors=True)
    return FileResponse(path, media_type=_XLSX, filename=path.name, background=clean)
