"""Bodies and parameters as they come in, before any field is looked at: bounded, JSON, and storable as text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from fastapi import Request
from starlette.requests import ClientDisconnect

from web.api.problems import FieldProblem, Refused

#: Room for a thousand contacts with their variables.
LONGEST_BODY: Final = 4 * 1024 * 1024
_DEEPEST: Final = 32
_LARGEST: Final = 2**63 - 1


async def read_body(request: Request) -> bytes:
    """The body, at most `LONGEST_BODY` of it; raises `Refused` with 413."""
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and (len(announced) > 18 or int(announced) > LONGEST_BODY):
        raise _too_long()
    chunks, length = [], 0
    try:
        async for chunk in request.stream():
            length += len(chunk)
            if length > LONGEST_BODY:
                raise _too_long()
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise Refused(400, "the connection ended before the body did") from error
    body = b"".join(chunks)
    # Where Starlette keeps what its own `body()` has read.
    request._body = body
    return body


def check_body(request: Request, body: bytes) -> None:
    """Refuse what is no JSON that can be stored (415, 400, 422); what was read is kept for the route."""
    if not body:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        told = f"not {kind[:60]}" if kind.isascii() and kind.isprintable() and kind else "and must say so"
        raise Refused(415, f"a body is application/json, {told}; set the header Content-Type")
    parsed = _parse(body)
    check_values("body", parsed)
    request._json = parsed


def check_query(request: Request) -> None:
    """Refuse parameters that no database can store."""
    for name, text in request.query_params.multi_items():
        check_values(name[:60].replace("\0", ""), text)


def check_values(field: str, value: Any) -> None:
    """Refuse text and numbers that not every database can store."""
    found = [
        FieldProblem(field=where.removeprefix("body.") or "body", problem=why) for where, why in _bad(field, value)
    ]
    if found:
        raise Refused(422, f"{found[0].field}: {found[0].problem}", errors=found[:20])


def _too_long() -> Refused:
    megabytes = LONGEST_BODY // 1024 // 1024
    return Refused(413, f"a body has at most {megabytes} MiB; send fewer at once", headers={"connection": "close"})


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise Refused(400, f"the body is no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise Refused(422, f"the body is nested more than {_DEEPEST} levels deep") from error
    except ValueError as error:
        raise Refused(422, "the body holds a number that cannot be read; write one of at most 18 digits") from error


def _no_number(name: str) -> NoReturn:
    raise Refused(400, f"{name} is no number in JSON (RFC 8259 §6)")


def _bad(field: str, top: Any) -> Iterator[tuple[str, str]]:
    """Where something cannot be stored, and why; without recursion, which a hostile body could exhaust."""
    waiting: list[tuple[str, Any, int]] = [(field, top, 1)]
    while waiting:
        where, value, depth = waiting.pop()
        if depth > _DEEPEST:
            yield where[:100], f"nested more than {_DEEPEST} levels deep"
            return
        match value:
            case dict():
                for key, each in value.items():
                    if (why := _bad_text(key)) is not None:
                        yield where, f"has a field whose name {why}"
                    else:
                        waiting.append((f"{where}.{key[:60]}", each, depth + 1))
            case list():
                waiting += [(f"{where}.{place}", each, depth + 1) for place, each in enumerate(value)]
            case str():
                if (why := _bad_text(value)) is not None:
                    yield where, why
            case int() if abs(value) > _LARGEST:
                yield where, "this number is too large; write one of at most 18 digits"
            case float() if not math.isfinite(value):
                yield where, "this number is too large"


def _bad_text(text: str) -> str | None:
    if "\0" in text:
        return "holds the character NUL, which no database stores; leave it out"
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        return "holds half of a surrogate pair, which is no character; write the whole pair, or UTF-8"
    return None
