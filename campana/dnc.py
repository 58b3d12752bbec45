"""What `campana dnc` does with an open application, apart from how it is told."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import phonenumbers
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns import frequency, suppression
from campaigns.do_not_call import DoNotCall, Trace
from campaigns.frequency import Capped
from campaigns.numbers import InvalidNumber, normalise
from campaigns.suppression import CampaignRow, Standing
from campaigns.suppression_lists import KeptList, SuppressionLists
from campana.application import App
from campana.calling import calling_rules
from campana.errors import CampanaError
from storage.tables import campaigns


class BadNumber(CampanaError):
    """What was given is no telephone number, or no country of one."""


@dataclass(frozen=True)
class Checked:
    """What stands against calling a number, and what was done about it."""

    #: E.164.
    number: str
    against: Sequence[Standing]
    caps: Sequence[Capped]
    trace: Sequence[Trace]

    @property
    def may_be_called(self) -> bool:
        return not (self.against or self.caps)

    def lines(self) -> Iterator[str]:
        """The same for a person."""
        yield from (one.text for one in self.against)
        for cap in self.caps:
            until = f", until {cap.until:%Y-%m-%d %H:%M} (UTC)" if cap.until else ""
            yield f"{cap.clause.value}: {cap.text}{until}"
        for one in self.trace:
            where = f" ({one.list_name})" if one.list_name else ""
            yield f"{one.at:%Y-%m-%d %H:%M} (UTC) {one.kind}{where} by {one.by}: {one.reason}"


def who(by: str | None) -> str:
    """Who gives the command, as far as the system knows."""
    try:
        return by or getpass.getuser()
    except (OSError, KeyError):
        return "command line"


def region_of(app: App, region: str | None) -> str:
    """The region that numbers without a country code are of; raises `BadNumber` for one that there is not."""
    wanted = (region or app.settings.account.region).upper()
    if wanted not in phonenumbers.SUPPORTED_REGIONS:
        raise BadNumber(f"--region {region}: there is no such country; write two letters, such as VN")
    return wanted


def read_numbers(texts: Sequence[str], region: str) -> list[str]:
    """Numbers as people write them, in E.164; raises `BadNumber`."""
    found = []
    for text in texts:
        number = normalise(text, region)
        if isinstance(number, InvalidNumber):
            raise BadNumber(f"{text!r} is no number: {number.reason}; write it with country code, such as +84901234567")
        found.append(number.e164)
    return found


def book(app: App) -> DoNotCall:
    """The account's own list and patterns."""
    return DoNotCall(app.database, app.clock, app.account_id)


def _lists(app: App) -> SuppressionLists:
    return SuppressionLists(app.database, app.clock, app.account_id)


async def add(app: App, numbers: Sequence[str], *, list_name: str | None, reason: str, by: str) -> int:
    """Put E.164 numbers onto the account's own list, or a named one; how many were new."""
    if list_name is None:
        return await book(app).add(numbers, by=by, reason=reason)
    return await _lists(app).add(list_name, numbers, by=by, reason=reason)


async def remove(app: App, number: str, *, list_name: str | None, reason: str, by: str, force: bool) -> None:
    """Take a number off the account's own list, or a named one."""
    if list_name is None:
        await book(app).remove(number, by=by, reason=reason, force=force)
    else:
        await _lists(app).remove(list_name, number, by=by, reason=reason)


async def numbers(app: App, list_name: str | None, limit: int) -> list[dict[str, Any]]:
    """The first numbers of a list; of the account's own with their evidence."""
    found: list[dict[str, Any]] = []
    if list_name is not None:
        async for number in _lists(app).numbers(list_name):
            found.append({"number": number})
            if len(found) == limit:
                break
        return found
    async for entry in book(app).entries():
        row = {"number": entry.number, "source": entry.source.value, "since": f"{entry.created_at:%Y-%m-%d %H:%M} UTC"}
        found.append(row | {"evidence": entry.evidence, "by": entry.by, "attempt_id": entry.attempt_id})
        if len(found) == limit:
            break
    return found


def told(one: KeptList) -> dict[str, Any]:
    """A row of the table of lists."""
    return {
        "list": one.name,
        "kind": one.kind.value,
        "campaign": one.campaign or "all",
        "applies to": one.applies_to.value,
        "numbers": one.numbers,
        "changed (UTC)": f"{one.updated_at:%Y-%m-%d %H:%M}",
        "file": one.file_name if one.complete else f"{one.file_name}, broken off: import it again",
    }


async def check(app: App, number: str, campaign: str | None) -> Checked:
    """Every list, pattern and cap against an E.164 number: for a campaign, by its code, or the whole account."""
    campaign_id = await app.campaigns.find(campaign, account_id=app.account_id) if campaign else None
    caps = calling_rules(app.settings).caps
    trace = await book(app).history(number)
    async with app.database.read() as conn:
        row = await _campaign(conn, app, campaign_id)
        against = await suppression.standing(conn, row, number)
        capped = await frequency.of_number(conn, row, number, now=app.clock.now(), caps=caps)
    return Checked(number, against, capped, trace)


async def _campaign(conn: AsyncConnection, app: App, campaign_id: int | None) -> CampaignRow:
    if campaign_id is None:
        zone = app.settings.account.time_zone
        return suppression.whole_account(app.account_id) | {"caps": None, "is_test": False, "time_zone": zone}
    return (await conn.execute(select(campaigns).where(campaigns.c.id == campaign_id))).mappings().one()
