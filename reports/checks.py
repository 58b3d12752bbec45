"""What an audit is made of: one equation each, and the rows it speaks of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement

from storage.tables import attempts, contacts


@dataclass(frozen=True)
class Check:
    """One equation: what it should come to, what it came to, and the rows in which it fails."""

    name: str
    ok: bool
    expected: str
    found: str
    rows: tuple[str, ...] = ()


def check(name: str, expected: object, found: object, rows: Iterable[str] = ()) -> Check:
    """The check is passed when both sides are equal and no row differs."""
    differing = tuple(rows)
    return Check(name, expected == found and not differing, str(expected), str(found), differing)


@dataclass(frozen=True)
class Of:
    """One campaign's rows, or all."""

    campaign_id: int | None

    def placed(self) -> list[ColumnElement[bool]]:
        """Attempts that were dialled, test calls included: every one of them must be right."""
        chosen: list[ColumnElement[bool]] = [attempts.c.originated_at.is_not(None)]
        return chosen if self.campaign_id is None else [*chosen, attempts.c.campaign_id == self.campaign_id]

    def ended(self) -> list[ColumnElement[bool]]:
        return [*self.placed(), attempts.c.phase == "ended"]

    def calls(self) -> list[ColumnElement[bool]]:
        """Those that ended on the network: without visits, which have no call status and no recording."""
        return [*self.ended(), attempts.c.call_type != "visitor"]

    def contacts(self) -> list[ColumnElement[bool]]:
        return [] if self.campaign_id is None else [contacts.c.campaign_id == self.campaign_id]
