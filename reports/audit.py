"""Do the books balance? Contacts, attempts, codes, charges, recordings and report, checked against one another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from reports import audit_books, audit_calls, audit_money, audit_transfers
from reports.checks import Check, Of
from reports.scope import campaign_head

__all__ = ["AuditResult", "Check", "audit"]


@dataclass(frozen=True)
class AuditResult:
    """All checks, in the order in which they are shown."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(one.ok for one in self.checks)


async def audit(conn: AsyncConnection, campaign_id: int | None, recordings_dir: Path) -> AuditResult:
    """Check one campaign, or every one; raises `NoSuchCampaign`.

    `conn` should be a `Database.read()` connection: calls that end meanwhile then disturb nothing.
    """
    if campaign_id is not None:
        await campaign_head(conn, campaign_id)
    of = Of(campaign_id)
    return AuditResult(
        (
            await audit_books.contact_states(conn, of),
            await audit_books.contact_attempts(conn, of),
            await audit_books.codes(conn, of),
            await audit_books.charges(conn, of),
            await audit_books.charged_once(conn, of),
            await audit_books.charged_cost(conn, of),
            await audit_books.postings(conn, of),
            await audit_money.reservations(conn, of),
            await audit_money.budgets(conn, of),
            await audit_money.balances(conn, of),
            await audit_transfers.bots_time(conn, of),
            await audit_transfers.rated_again(conn, of),
            await audit_calls.messages(conn, of),
            await audit_calls.recorded(conn, of, recordings_dir),
            await audit_calls.report(conn, of),
        )
    )
