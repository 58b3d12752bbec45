"""`campana contact`: list, show, add, edit, hold, release, delete, visit, code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from campaigns.contacts import Contact, History, Visit
from campaigns.states import ContactState
from campana.application import App, open_app
from campana.cli import outcome
from campana.cli.context import AsJson, console, print_json, run, settings_of
from campana.dnc import who
from campana.enrolment import required_variables
from campana.errors import CampanaError
from campana.mailing import open_outbox
from storage.types import is_tellable

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Contacts: look up, add, change, hold, release, delete, visits, codes.")
app.command("code", epilog=outcome.EPILOG)(outcome.set_code)

Code = Annotated[str, typer.Argument(help="The campaign's code.")]
One = Annotated[str, typer.Argument(metavar="CONTACT", help="Its external key, id, or telephone number.")]
Some = Annotated[
    list[str] | None, typer.Argument(metavar="[CONTACT]...", help="External keys, ids, or telephone numbers.")
]
Columns = Annotated[
    list[str],
    typer.Argument(
        metavar="COLUMN=VALUE...",
        help="As in a list: phone=0901234567 name=Lan amount=5; docs/reference/contact-lists.md.",
    ),
]
By = Annotated[str | None, typer.Option("--by", help="Who asks for it; your login name unless told.")]
All = Annotated[bool, typer.Option("--all", help="All of the campaign that can be.")]
Limit = Annotated[
    int | None, typer.Option(min=1, help="At most so many, highest priority and first in the list first.")
]


@app.command("list", epilog="Example: campana contact list SPRING --state held")
def list_(
    context: typer.Context,
    code: Code,
    state: Annotated[ContactState | None, typer.Option(help="Only contacts in this state.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Only contacts behind the one with this id.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show contacts in the order in which they came in."""

    async def work(opened: App, campaign_id: int) -> list[Contact]:
        return await opened.contacts.page(campaign_id, state=state, after_id=after, limit=limit)

    found = _in_campaign(context, code, work)
    if as_json:
        print_json([asdict(contact) for contact in found])
        return
    if not found:
        console.print("no such contact")
        return
    console.print(_contacts_table(found))
    if len(found) == limit:
        console.print(f"there may be more: --after {found[-1].id}", highlight=False)


@app.command("show", epilog="Example: campana contact show SPRING 0901234567")
def show(context: typer.Context, code: Code, contact: One, as_json: AsJson = False) -> None:
    """Show one contact with its calls, its visits, and who decided what on it."""

    async def work(opened: App, campaign_id: int) -> tuple[Contact, History]:
        found = await opened.contacts.find(campaign_id, contact)
        return found, await opened.contacts.history(found.id)

    found, history = _in_campaign(context, code, work)
    if as_json:
        print_json(asdict(found) | asdict(history))
        return
    console.print(_facts_table(found))
    if history.tries:
        console.print(_tries_table(history))
    if history.events:
        console.print(_events_table(history))


@app.command("add", epilog="Example: campana contact add SPRING phone=0901234567 name=Lan amount=5 external_key=K17")
def add(
    context: typer.Context,
    code: Code,
    columns: Columns,
    update: Annotated[
        bool, typer.Option("--update", help="Change the contact that has this external_key already.")
    ] = False,
    hold: Annotated[bool, typer.Option("--hold", help="Keep it back until it is released.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Add one contact. A known external_key with the same columns adds nothing."""
    given = _parsed(columns)

    async def work(opened: App, campaign_id: int) -> Any:
        needed = await required_variables(opened, campaign_id)
        return await opened.contacts.add(
            campaign_id, given, by=who(by), required_variables=needed, update=update, hold=hold
        )

    made = _in_campaign(context, code, work)
    done = "added" if made.created else "updated" if made.updated else "there already, nothing changed"
    if as_json:
        print_json(asdict(made))
    else:
        _say(f"contact {made.contact.id} ({made.contact.number}): {done}; it is {made.contact.state.value}")


@app.command("edit", epilog="Example: campana contact edit SPRING K17 amount=7 'name=Nguyễn Lan' time_from=")
def edit(
    context: typer.Context, code: Code, contact: One, columns: Columns, by: By = None, as_json: AsJson = False
) -> None:
    """Change columns of a contact that is not in a call; an empty value takes one away."""
    changes = _parsed(columns)

    async def work(opened: App, campaign_id: int) -> Contact:
        found = await opened.contacts.find(campaign_id, contact)
        needed = await required_variables(opened, campaign_id)
        return await opened.contacts.edit(found.id, changes, by=who(by), required_variables=needed)

    changed = _in_campaign(context, code, work)
    if as_json:
        print_json(asdict(changed))
    else:
        _say(f"contact {changed.id} ({changed.number}): changed; it is {changed.state.value}")


@app.command("delete", epilog="Example: campana contact delete SPRING K17 --yes")
def delete(
    context: typer.Context,
    code: Code,
    contact: One,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Take a contact out: wholly if it was never called, else it is cancelled and its calls stay in the books."""
    if not yes:
        typer.confirm(f"Delete contact {contact} of campaign {code}?", abort=True)

    async def work(opened: App, campaign_id: int) -> Any:
        found = await opened.contacts.find(campaign_id, contact)
        # Where it was the last one, this completes the campaign, and no other process may be there to mail its report.
        async with open_outbox(opened):
            return await opened.contacts.delete(found.id, by=who(by))

    gone = _in_campaign(context, code, work)
    if as_json:
        print_json(asdict(gone))
    else:
        _say(f"contact {gone.contact_id} is {'deleted' if gone.removed else 'cancelled; its calls stay in the books'}")


@app.command("hold", epilog="Example: campana contact hold SPRING 0901234567 0912345678")
def hold(
    context: typer.Context,
    code: Code,
    contacts: Some = None,
    everyone: All = False,
    limit: Limit = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Keep waiting contacts from being called until they are released."""

    async def work(opened: App, campaign_id: int) -> int:
        ids = await _ids(opened, campaign_id, contacts)
        return await opened.contacts.hold(campaign_id, ids, by=who(by), limit=limit)

    _require_some(contacts, everyone, limit)
    _tell_moved(_in_campaign(context, code, work), "held", as_json=as_json)


@app.command("release", epilog="Example: campana contact release SPRING --limit 500")
def release(
    context: typer.Context,
    code: Code,
    contacts: Some = None,
    everyone: All = False,
    limit: Limit = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Let held contacts be called."""

    async def work(opened: App, campaign_id: int) -> int:
        ids = await _ids(opened, campaign_id, contacts)
        return await opened.contacts.release(campaign_id, ids, by=who(by), limit=limit)

    _require_some(contacts, everyone, limit)
    _tell_moved(_in_campaign(context, code, work), "released", as_json=as_json)


@app.command("visit", epilog='Example: campana contact visit SPRING K17 --code PTP --note "paid at the branch"')
def visit(
    context: typer.Context,
    code: Code,
    contact: One,
    action_code: Annotated[str, typer.Option("--code", help="What came of it: one of the campaign's action codes.")],
    note: Annotated[str | None, typer.Option(help="Kept with the visit.")] = None,
    at: Annotated[
        str | None, typer.Option(help="When it was, such as '2026-03-02 14:30', in the campaign's zone; else now.")
    ] = None,
    call_back_at: Annotated[str | None, typer.Option(help="When the customer wants to be called, likewise.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Enter the outcome for a contact that was met outside the dialler: no call, and no cost."""

    async def work(opened: App, campaign_id: int) -> Any:
        found = await opened.contacts.find(campaign_id, contact)
        zone = await opened.campaigns.time_zone(campaign_id)
        wish = Visit(action_code, _instant("--at", at, zone), note, _instant("--call-back-at", call_back_at, zone))
        async with open_outbox(opened):
            return await opened.contacts.visit(found.id, wish, by=who(by))

    made = _in_campaign(context, code, work)
    if as_json:
        print_json(asdict(made))
    else:
        _say(f"contact {made.contact_id}: visit entered as {made.code}; it is {made.state.value}")


def _in_campaign(context: typer.Context, code: str, work: Callable[[App, int], Awaitable[T]]) -> T:
    settings = settings_of(context)

    async def opening() -> T:
        async with open_app(settings) as opened:
            return await work(opened, await opened.campaigns.find(code, account_id=opened.account_id))

    return run(opening())


async def _ids(opened: App, campaign_id: int, references: Sequence[str] | None) -> list[int] | None:
    if not references:
        return None
    return [(await opened.contacts.find(campaign_id, reference)).id for reference in references]


def _require_some(contacts: Collection[str] | None, everyone: bool, limit: int | None) -> None:
    if bool(contacts) + (everyone or limit is not None) != 1:
        raise typer.BadParameter("name contacts, or write --all, or --limit N")


def _parsed(columns: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for column in columns:
        name, equals, value = column.partition("=")
        if not equals:
            raise typer.BadParameter(f"{column!r}: write COLUMN=VALUE, such as name=Lan")
        given[name.strip()] = value.strip()
    return given


def _instant(option: str, text: str | None, zone: str) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise CampanaError(f"{option}: {text!r} is no point in time; write it like '2026-03-02 14:30'") from error
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    if not is_tellable(at):
        raise CampanaError(f"{option}: {text!r} is at the calendar's end; write it like '2026-03-02 14:30'")
    return at.astimezone(UTC)


def _tell_moved(count: int, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({what: count})
    else:
        _say(f"{count} contact{'' if count == 1 else 's'} {what}")


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _row(table: Table, *cells: object) -> None:
    # What people and lists have written is never markup.
    table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells))


def _contacts_table(found: Sequence[Contact]) -> Table:
    table = Table("id", "external key", "phone", "name", "state", "attempts", "not before (UTC)", "detail")
    for one in found:
        phone = one.number or one.phone
        _row(
            table,
            one.id,
            one.external_key,
            phone,
            one.name,
            one.state.value,
            one.attempts,
            _when(one.next_at),
            one.detail,
        )
    return table


def _facts_table(contact: Contact) -> Table:
    table = Table("field", "value")
    for name, value in asdict(contact).items():
        if value not in (None, "", {}):
            shown = ", ".join(f"{key}={text}" for key, text in value.items()) if isinstance(value, dict) else value
            _row(table, name, f"{_when(value)} UTC" if isinstance(value, datetime) else shown)
    return table


def _tries_table(history: History) -> Table:
    table = Table("at (UTC)", "kind", "no.", "phase", "call status", "code", "class", "talk (s)", "id")
    for one in history.tries:
        talk = f"{one.talk_ms / 1000:.1f}" if one.talk_ms is not None else ""
        told = (one.phase, one.call_status, one.action_code, one.code_class, talk, one.id)
        _row(table, _when(one.at), one.call_type, one.attempt_no, *told)
    return table


def _events_table(history: History) -> Table:
    table = Table("at (UTC)", "by", "what", "clause", "detail")
    for one in history.events:
        detail = ", ".join(f"{key}: {value}" for key, value in (one.detail or {}).items())
        _row(table, _when(one.at), one.by, one.kind, one.clause, detail)
    return table
