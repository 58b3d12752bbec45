"""API tokens: made, found by their secret, listed and revoked. A secret is shown once and kept as its hash alone."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, or_, select, update

from storage.clock import Clock
from storage.database import Database
from storage.tables import api_tokens
from web.errors import WebError

#: So that a secret is known for one when it turns up in a log or a repository.
PREFIX = "campana_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
#: Uses are noted to the minute, which keeps reading requests from writing each time.
_USE_NOTED = timedelta(minutes=1)


class BadToken(WebError):
    """A token cannot be made, or there is none of that name."""


class Scope(StrEnum):
    """What a token may do; `*` is everything."""

    ALL = "*"
    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    CONTACTS_READ = "contacts:read"
    CONTACTS_WRITE = "contacts:write"
    CALLS_WRITE = "calls:write"
    ATTEMPTS_READ = "attempts:read"
    RECORDINGS_READ = "recordings:read"
    DNC_READ = "dnc:read"
    DNC_WRITE = "dnc:write"
    TRUNKS_READ = "trunks:read"
    USAGE_READ = "usage:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"


@dataclass(frozen=True)
class Token:
    """A token without its secret."""

    id: int
    account_id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def state(self, now: datetime) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"

    def may(self, scope: Scope) -> bool:
        return Scope.ALL in self.scopes or scope in self.scopes


def read_scopes(texts: Collection[str]) -> tuple[Scope, ...]:
    """The scopes named; raises `BadToken` with those that exist."""
    known = [scope.value for scope in Scope]
    for text in texts:
        if text not in known:
            raise BadToken(f"there is no scope {text!r}; known are {', '.join(known)}")
    if not texts:
        raise BadToken("a token without scopes may do nothing; name at least one, such as campaigns:read, or *")
    return tuple(sorted({Scope(text) for text in texts}))


class Tokens:
    """The tokens of one account."""

    def __init__(self, database: Database, clock: Clock, account_id: int) -> None:
        self._database = database
        self._clock = clock
        self._account_id = account_id

    async def create(self, name: str, scopes: Sequence[str], *, valid_days: int | None = None) -> tuple[Token, str]:
        """A new token and its secret, which cannot be had again. Raises `BadToken`."""
        if not _NAME.match(name):
            raise BadToken(f"{name!r} cannot name a token; write letters, digits, _ . - and at most 64 of them")
        now = self._clock.now()
        secret = PREFIX + secrets.token_urlsafe(32)
        row = {
            "account_id": self._account_id,
            "name": name,
            "secret_sha256": _hash(secret),
            "scopes": [scope.value for scope in read_scopes(scopes)],
            "created_at": now,
            "expires_at": now + timedelta(days=valid_days) if valid_days is not None else None,
        }
        async with self._database.write() as conn:
            taken = select(api_tokens.c.id).where(
                api_tokens.c.account_id == self._account_id, api_tokens.c.name == name
            )
            if (await conn.execute(taken)).first() is not None:
                raise BadToken(f"there is, or was, a token {name} already; choose another name")
            await conn.execute(insert(api_tokens).values(**row))
            found = select(api_tokens).where(api_tokens.c.secret_sha256 == row["secret_sha256"])
            return _token((await conn.execute(found)).mappings().one()), secret

    async def all(self) -> list[Token]:
        """Every token, the latest first, revoked and expired ones too."""
        mine = select(api_tokens).where(api_tokens.c.account_id == self._account_id).order_by(api_tokens.c.id.desc())
        async with self._database.read() as conn:
            return [_token(row) for row in (await conn.execute(mine)).mappings()]

    async def revoke(self, name: str) -> Token:
        """Refuse the token from now on; raises `BadToken` when there is none of that name."""
        mine = (api_tokens.c.account_id == self._account_id) & (api_tokens.c.name == name)
        async with self._database.write() as conn:
            await conn.execute(
                update(api_tokens).where(mine, api_tokens.c.revoked_at.is_(None)).values(revoked_at=self._clock.now())
            )
            row = (await conn.execute(select(api_tokens).where(mine))).mappings().first()
        if row is None:
            raise BadToken(f"there is no token {name!r}; `campana token list` names them")
        return _token(row)


async def find_token(database: Database, secret: str, now: datetime) -> Token | None:
    """The token with this secret, whatever its state; its use is noted."""
    wanted = select(api_tokens).where(api_tokens.c.secret_sha256 == _hash(secret))
    async with database.read() as conn:
        row = (await conn.execute(wanted)).mappings().first()
    if row is None:
        return None
    token = _token(row)
    if token.state(now) == "valid" and (token.last_used_at is None or token.last_used_at <= now - _USE_NOTED):
        stale = or_(api_tokens.c.last_used_at.is_(None), api_tokens.c.last_used_at <= now - _USE_NOTED)
        async with database.write() as conn:
            await conn.execute(update(api_tokens).where(api_tokens.c.id == token.id, stale).values(last_used_at=now))
    return token


def _hash(secret: str) -> str:
    # A random secret of 256 bits needs no slow hash: it cannot be guessed from a list.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _token(row: Mapping[Any, Any]) -> Token:
    names = ("id", "account_id", "name", "created_at", "expires_at", "last_used_at", "revoked_at")
    return Token(**{name: row[name] for name in names}, scopes=tuple(row["scopes"]))
