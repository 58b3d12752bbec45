"""Lists a page at a time: a cursor marks the last row seen, so that rows that are added shift nothing."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select
from sqlalchemy.ext.asyncio import AsyncConnection

from reports.paging import Page, Paging, order, page_of

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=200, description="Rows a page.")]
Cursor = Annotated[
    str | None, Query(max_length=500, description="The mark that the page before gave in `next`; none: the first page.")
]


class Listed(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T] = Field(description="The page's rows.")
    next: str | None = Field(description="Address of the next page; null on the last one.")


def next_address(request: Request, mark: str | None) -> str | None:
    """The address of the page after this one."""
    if mark is None:
        return None
    kept = [(name, text) for name, text in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', mark)])}"


def listed(request: Request, response: Response, rows: list[T], mark: str | None) -> Listed[T]:
    """The page as it is answered; the address of the next one is also a Link header (RFC 8288)."""
    address = next_address(request, mark)
    if address is not None:
        response.headers["link"] = f'<{address}>; rel="next"'
    return Listed(data=rows, next=address)


async def by_id(
    conn: AsyncConnection, statement: Select[Any], key: ColumnElement[Any], limit: int, cursor: str | None
) -> Page[dict[str, Any]]:
    """A page of a statement with a column `id`, the newest first; raises `BadFilter`."""
    paging = Paging("-id", cursor, limit)
    rows = (await conn.execute(order(statement, paging, {"id": key}, key))).mappings().all()
    return page_of(rows, paging, dict)
