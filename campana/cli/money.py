"""`campana account`: balance, top-up, adjust, statement; and `campana campaign budget`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer
from rich.table import Table

from billing.ledger import Book
from billing.statement import Statement
from campaigns.limits import BudgetState, budget_state
from campana import money
from campana.application import open_app
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of
from reports.formatting import money as shown

app = typer.Typer(no_args_is_help=True, help="The account's money: balance, paying in, corrections, statement.")

Key = Annotated[str, typer.Option("--key", help="Your reference of it; the same key again changes nothing.")]
_DAYS = ["%Y-%m-%d"]
#: Books that a correction may be made against.
_AGAINST = [book.value for book in (Book.CASH, Book.BOT, Book.TELECOM, Book.FEES, Book.VAT)]


@app.command("balance", epilog="Example: campana account balance --json")
def balance(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what is paid in, what is reserved for calls that are on, and what further calls may cost."""

    async def work() -> money.Balance:
        async with open_app(settings_of(context)) as opened:
            return await money.read_balance(opened)

    _tell(run(work()), as_json=as_json)


@app.command("top-up", epilog="Example: campana account top-up 5000000 --key bank-2026-0311")
def top_up(
    context: typer.Context,
    amount: Annotated[str, typer.Argument(help="Amount in the account's currency.")],
    key: Key,
    as_json: AsJson = False,
) -> None:
    """Put a payment into the balance. Campaigns that paused for want of it are started again by hand."""
    paid = _amount(amount)

    async def work() -> tuple[bool, money.Balance]:
        async with open_app(settings_of(context)) as opened:
            return await money.pay_in(opened, paid, key), await money.read_balance(opened)

    _changed(*run(work()), key, as_json=as_json)


@app.command(
    "adjust",
    epilog="Example: campana account adjust -2.50 --against bot --key ticket-881",
    context_settings={"ignore_unknown_options": True},
)
def adjust(
    context: typer.Context,
    amount: Annotated[str, typer.Argument(help="Amount that the balance rises by; -2.50 takes away.")],
    key: Key,
    against: Annotated[str, typer.Option(help=f"The book that was wrong: {', '.join(_AGAINST)}.")] = "bot",
    as_json: AsJson = False,
) -> None:
    """Correct the balance against the book that was wrong; nothing that was booked is ever changed."""
    if against not in _AGAINST:
        raise typer.BadParameter(f"choose one of {', '.join(_AGAINST)}", param_hint="--against")
    moved = _amount(amount)

    async def work() -> tuple[bool, money.Balance]:
        async with open_app(settings_of(context)) as opened:
            return await money.correct(opened, moved, Book(against), key), await money.read_balance(opened)

    _changed(*run(work()), key, as_json=as_json)


@app.command("statement", epilog="Example: campana account statement --from 2026-03-01 --to 2026-03-31")
def statement(
    context: typer.Context,
    from_: Annotated[
        datetime | None, typer.Option("--from", formats=_DAYS, help="First day; the month's first unless told.")
    ] = None,
    to: Annotated[datetime | None, typer.Option("--to", formats=_DAYS, help="Last day; today unless told.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show payments, corrections and each day's charges of a period, with the balance before and after."""

    async def work() -> Statement:
        async with open_app(settings_of(context)) as opened:
            return await money.read_statement(opened, _day(from_), _day(to))

    found = run(work())
    if as_json:
        print_json(asdict(found))
    else:
        console.print(_statement_table(found))


def budget(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="The campaign's code.")],
    amount: Annotated[
        str | None, typer.Argument(help="What all its calls may cost, VAT included; none takes the budget away.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a campaign's budget, or set it; a campaign that paused for want of it is started again by hand."""
    wanted = None if amount in {None, "none"} else _amount(str(amount))

    async def work() -> BudgetState:
        async with open_app(settings_of(context)) as opened:
            campaign_id = await opened.campaigns.find(code)
            if amount is not None:
                return await opened.campaigns.set_budget(campaign_id, wanted)
            async with opened.database.read() as conn:
                return await budget_state(conn, campaign_id)

    found = run(work())
    if as_json:
        print_json(asdict(found) | {"campaign": code, "left": found.left})
        return
    table = Table("budget", "spent", "reserved", "left")
    of = found.currency
    total = shown(found.budget, of) if found.budget is not None else "none"
    left = shown(found.left, of) if found.left is not None else ""
    add_row(table, total, shown(found.spent, of), shown(found.reserved, of), left)
    console.print(table)


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise typer.BadParameter(f"{text!r} is no amount; write digits with a point, such as 1500 or 12.50")
    return amount


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _changed(made: bool, found: money.Balance, key: str, *, as_json: bool) -> None:
    if not made and not as_json:
        console.print(f"{key} was booked before; nothing is changed", markup=False, highlight=False)
    _tell(found, as_json=as_json, booked=made)


def _tell(found: money.Balance, *, as_json: bool, booked: bool | None = None) -> None:
    if as_json:
        print_json(asdict(found) | ({} if booked is None else {"booked": booked}))
        return
    table = Table("account", "balance", "reserved", "credit limit", "available")
    limit = shown(found.credit_limit, found.currency) if found.credit_limit is not None else "none"
    available = shown(found.available, found.currency) if found.available is not None else "no limit"
    held = shown(found.reserved, found.currency)
    add_row(table, found.account, shown(found.balance, found.currency), held, limit, available)
    console.print(table)


def _statement_table(found: Statement) -> Table:
    table = Table("day", "what", "postings", "amount", "balance", title=f"{found.from_day} to {found.to_day}")
    total = found.opening
    add_row(table, "", "before", "", "", shown(total, found.currency))
    for line in found.lines:
        total += line.amount
        what = f"{line.kind.replace('_', '-')} {line.key or ''}".strip()
        cells = (str(line.day), what, str(line.count), shown(line.amount, found.currency))
        add_row(table, *cells, shown(total, found.currency))
    add_row(table, "", "after", "", "", shown(found.closing, found.currency))
    return table
