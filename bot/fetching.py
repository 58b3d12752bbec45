"""Asking web services for what a script needs: JSON, within a time and a size, and never of another host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final, NoReturn, Self

import httpx

from bot.errors import BotError
from bot.script.placeholders import with_secrets
from bot.script.rendering import clean
from bot.script.replies import Fetch

#: Longest answer that is read.
LONGEST_BYTES: Final = 256 * 1024
_LONGEST_VALUE: Final = 2000
_MOST_DIGITS: Final = 40
_MOST_CONNECTIONS: Final = 100
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "DELETE"})


class FetchFailed(BotError):
    """A web service gave no answer that the script can use; the text names neither address nor values."""


class WebServices:
    """One client for the calls of a process; open it once."""

    def __init__(self, client: httpx.AsyncClient, secrets: Mapping[str, str]) -> None:
        self._client = client
        self._secrets = {name.upper(): value for name, value in secrets.items()}

    @classmethod
    @asynccontextmanager
    async def open(cls, secrets: Mapping[str, str]) -> AsyncIterator[Self]:
        """`secrets` by name, as headers ask for them: `{secret:NAME}`; capital and small letters are the same."""
        # Neither proxies nor credentials of this machine's user are a service's business.
        async with httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113 - `fetch` bounds the whole call
            limits=httpx.Limits(max_connections=_MOST_CONNECTIONS),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Campana"},
        ) as client:
            yield cls(client, secrets)

    async def fetch(self, wanted: Fetch) -> dict[str, str]:
        """The values that `wanted.into` names, as text; raises `FetchFailed`, at the latest after `timeout_ms`.

        Numbers come as they are written, true and false as "yes" and "no", null as "".
        """
        try:
            async with asyncio.timeout(wanted.timeout_ms / 1000):
                return await self._fetch(wanted)
        except TimeoutError as error:
            raise FetchFailed(f"no answer within {wanted.timeout_ms} ms") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            # Their texts hold the address, which may name the customer.
            raise FetchFailed(f"the service cannot be asked: {type(error).__name__}") from None

    async def _fetch(self, wanted: Fetch) -> dict[str, str]:
        async with self._client.stream(**self._request(wanted)) as response:
            if not response.is_success:
                raise FetchFailed(f"the service answered {response.status_code}")
            if not wanted.into:
                return {}
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise FetchFailed("the answer is compressed, which was not asked for")
            answer = _read(await _bounded(response))
        return {name: _value(answer, path) for name, path in wanted.into.items()}

    def _request(self, wanted: Fetch) -> dict[str, Any]:
        method = wanted.method.upper()
        headers = {name: with_secrets(value, self._secret) for name, value in wanted.headers.items()}
        request: dict[str, Any] = {"method": method, "url": wanted.url, "headers": headers}
        return request if method in _WITHOUT_BODY else request | {"json": dict(wanted.body)}

    def _secret(self, name: str) -> str:
        try:
            return self._secrets[name.upper()]
        except KeyError:
            raise FetchFailed(f"the settings have no secret {name}; write it under [secrets]") from None


async def _bounded(response: httpx.Response) -> bytes:
    answer = bytearray()
    async for part in response.aiter_raw():
        answer += part
        if len(answer) > LONGEST_BYTES:
            raise FetchFailed(f"the answer is longer than {LONGEST_BYTES} bytes")
    return bytes(answer)


def _read(answer: bytes) -> Any:
    try:
        return json.loads(answer, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise FetchFailed("the answer is no JSON") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _value(answer: Any, path: str) -> str:
    """What stands at a dotted path, list places counted from 0, as text."""
    found = answer
    for part in path.split("."):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isascii() and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            raise FetchFailed(f"the answer has no {path}")
    return _text(found, path)


def _text(found: Any, path: str) -> str:
    match found:
        case None:
            return ""
        case bool():
            return "yes" if found else "no"
        case int():
            return str(found)
        case Decimal():
            # 1e999999999 is ten bytes on the wire and a gigabyte when it is written out.
            if abs(found.adjusted()) > _MOST_DIGITS or len(found.as_tuple().digits) > _MOST_DIGITS:
                raise FetchFailed(f"{path} is no usable number in the answer")
            return format(found, "f")
        case str():
            return clean(found)[:_LONGEST_VALUE]
        case _:
            raise FetchFailed(f"{path} is no single value in the answer")
