"""Rendering of pages: one Jinja environment for all of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from reports.page import environment
from web.control import OFFERED


@cache
def templates() -> Environment:
    """The pages' templates."""
    made = environment("web")
    made.globals |= {"offered": OFFERED}
    return made


def page(request: Request, name: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """The template as a whole page; `url` is the present address with its query."""
    path = request.url.path
    query = request.url.query
    context |= {"path": path, "url": f"{path}?{query}" if query else path, "query": request.query_params}
    return HTMLResponse(templates().get_template(name).render(context), status_code=status)


def fragment(name: str, **context: Any) -> str:
    """A part of a page."""
    return templates().get_template(name).render(context)
