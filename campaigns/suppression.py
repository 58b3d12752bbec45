"""Numbers that may not be called: the account's own do-not-call list, named lists and registers, and patterns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    RowMapping,
    bindparam,
    cast,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.patterns import matcher
from storage.many import member
from storage.rows import insert_new
from storage.tables import do_not_call, suppressed_numbers, suppression_lists, suppression_patterns
from storage.types import UtcTime

CampaignRow = Mapping[str, Any] | RowMapping
#: A campaign of this purpose keeps only to lists that apply to all; any other, or none, counts as advertising.
SERVICE: Final = "service"
_IN_FORCE: Final[ColumnElement[str]] = literal_column("'in_force'")


class Source(StrEnum):
    """How a number came onto the account's own list."""

    OPT_OUT = "opt_out"
    IMPORT = "import"
    MANUAL = "manual"


class Against(StrEnum):
    """What can stand against a number, in the order in which it is told."""

    OPT_OUT = "opt_out"
    #: The account's own list, by hand or by import.
    DO_NOT_CALL = "do_not_call"
    LIST = "list"
    PATTERN = "pattern"


@dataclass(frozen=True)
class Suppressed:
    """An entry of the account's own list, and why it is there."""

    number: str
    source: Source
    #: What was said or pressed, for an opt-out; for one by hand, why.
    evidence: str | None
    attempt_id: str | None
    created_at: datetime
    by: str | None = None


@dataclass(frozen=True)
class Standing:
    """One thing that stands against calling a number."""

    against: Against
    #: Of the list, or the pattern itself; empty for the account's own list.
    name: str
    #: For a person: "on the list PARTNERS".
    text: str


def whole_account(account_id: int) -> dict[str, Any]:
    """Stands for a campaign where there is none: what the whole account keeps to, advertising or not."""
    return {"account_id": account_id, "id": None, "purpose": None}


async def listed(conn: AsyncConnection, campaign: CampaignRow, numbers: Collection[str]) -> dict[str, Standing]:
    """Those of the numbers (at most some thousands) that the campaign, a row of its table, may not call, and why."""
    return {number: found[0] for number, found in (await against(conn, campaign, numbers)).items()}


async def standing(conn: AsyncConnection, campaign: CampaignRow, number: str) -> list[Standing]:
    """Everything that stands against the campaign's calling the number; empty when nothing does."""
    return (await against(conn, campaign, [number])).get(number, [])


async def against(conn: AsyncConnection, campaign: CampaignRow, numbers: Collection[str]) -> dict[str, list[Standing]]:
    """All that stands against each of the numbers (at most some thousands), in the order in which it is told."""
    if not numbers:
        return {}
    service = campaign.get("purpose") == SERVICE
    wanted = {"numbers": numbers, "account": campaign["account_id"], "campaign": campaign["id"]}
    found: dict[str, list[Standing]] = {}
    patterns: list[str] = []
    for kind, number, name, at in (await conn.execute(_STATEMENTS[service], wanted)).all():
        if kind == Against.PATTERN:
            patterns.append(name)
        else:
            found.setdefault(number, []).append(_told(kind, name, at))
    if patterns:
        matching = matcher(tuple(sorted(patterns)))
        for number in numbers:
            for pattern in matching(number):
                told = Standing(Against.PATTERN, pattern, f"matches the pattern {pattern}")
                found.setdefault(number, []).append(told)
    order = list(Against)
    return {number: sorted(each, key=lambda one: order.index(one.against)) for number, each in found.items()}


def _told(kind: str, name: str, at: datetime) -> Standing:
    if kind == "own":
        if name != Source.OPT_OUT:
            return Standing(Against.DO_NOT_CALL, "", "on the do-not-call list")
        return Standing(Against.OPT_OUT, "", f"on the do-not-call list: opted out on {at:%Y-%m-%d} (UTC)")
    word = "register" if kind == "register" else "list"
    return Standing(Against.LIST, name, f"on the {word} {name}")


def _statement(*, service: bool) -> CompoundSelect[Any]:
    """One statement for all three, so that a claim asks once."""
    account: BindParameter[Any] = bindparam("account")
    campaign: BindParameter[Any] = bindparam("campaign")
    own, lists, of_list, patterns = do_not_call.c, suppression_lists.c, suppressed_numbers.c, suppression_patterns.c
    never = cast(null(), UtcTime)
    from_own = select(literal_column("'own'"), own.number, own.source, own.created_at).where(
        own.account_id == account, member(own.number, "numbers")
    )
    from_lists = (
        select(lists.kind, of_list.number, lists.name, never)
        .join(suppression_lists, lists.id == of_list.list_id)
        .where(member(of_list.number, "numbers"), lists.account_id == account, lists.state == _IN_FORCE)
        .where(or_(lists.campaign_id.is_(None), lists.campaign_id == campaign))
    )
    if service:
        from_lists = from_lists.where(lists.applies_to == literal_column("'all'"))
    from_patterns = select(literal_column("'pattern'"), literal_column("''"), patterns.pattern, never).where(
        patterns.account_id == account, or_(patterns.campaign_id.is_(None), patterns.campaign_id == campaign)
    )
    return union_all(from_own, from_lists, from_patterns)


_STATEMENTS: Final = {service: _statement(service=service) for service in (False, True)}


async def add(
    conn: AsyncConnection,
    account_id: int,
    number: str,
    source: Source,
    *,
    now: datetime,
    attempt_id: str | None = None,
    evidence: str | None = None,
    by: str | None = None,
) -> bool:
    """Put an E.164 number onto the account's own list; False when it stood there already: its first entry is kept,
    but that an opt-out takes the place of one by hand or by import."""
    values: Mapping[str, Any] = {
        "account_id": account_id,
        "number": number,
        "source": source.value,
        "attempt_id": attempt_id,
        "evidence": evidence,
        "by": by,
        "created_at": now,
    }
    if source is Source.OPT_OUT:
        known = select(do_not_call.c.id).where(do_not_call.c.account_id == account_id, do_not_call.c.number == number)
        is_new = await conn.scalar(known) is None
        await add_opt_outs(conn, [values])
        return is_new
    return bool(await insert_new(conn, do_not_call, [values], "id"))


async def add_opt_outs(conn: AsyncConnection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Put customers' own wishes, rows of do_not_call with the same columns, onto the accounts' lists.

    A number that is listed by hand or by import becomes an opt-out, so that nobody takes it off unasked; of several
    opt-outs the first is kept.
    """
    first: dict[tuple[int, str], Mapping[str, Any]] = {}
    for row in rows:
        first.setdefault((row["account_id"], row["number"]), row)
    if not first:
        return
    make: Any = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    statement = make(do_not_call)
    statement = statement.on_conflict_do_update(
        index_elements=["account_id", "number"],
        set_={name: statement.excluded[name] for name in ("source", "evidence", "attempt_id", "by", "created_at")},
        where=do_not_call.c.source != Source.OPT_OUT.value,
    )
    # In one order, so that two who list the same numbers wait for one another in turn.
    await conn.execute(statement, [dict(first[key]) for key in sorted(first)])


async def entries(conn: AsyncConnection, account_id: int) -> AsyncIterator[Suppressed]:
    """The account's own list in the order in which it grew, streamed."""
    columns = do_not_call.c
    rows = await conn.stream(
        select(columns.number, columns.source, columns.evidence, columns.attempt_id, columns.created_at, columns.by)
        .where(columns.account_id == account_id)
        .order_by(columns.id)
    )
    async for row in rows:
        yield Suppressed(row.number, Source(row.source), row.evidence, row.attempt_id, row.created_at, row.by)
