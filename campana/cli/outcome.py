"""`campana contact code`: the outcome of a call, set by a person afterwards."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from campaigns.outcomes_by_hand import OutcomeSet, SetOutcome, campaign_zone, set_outcome
from campana.application import open_app
from campana.cli.context import AsJson, console, print_json, run, settings_of
from campana.dnc import who
from campana.errors import CampanaError
from campana.mailing import open_outbox
from storage.types import is_tellable

EPILOG = 'Example: campana contact code 5f0c2a PTP --note "pays on Friday"'


def set_code(
    context: typer.Context,
    attempt_id: Annotated[str, typer.Argument(help="The call's id, as its page and the export show it.")],
    code: Annotated[str, typer.Argument(help="An action code of its campaign; docs/reference/action-codes.md.")],
    note: Annotated[str | None, typer.Option(help="Why; kept with the call and in the contact's trail.")] = None,
    call_back_at: Annotated[
        str | None,
        typer.Option(
            help='Call the contact then, such as "2026-03-03 09:30"; in the campaign\'s time zone unless told.'
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who sets it; the user of this machine unless told.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give a call that has ended another action code; the figures follow, and the bill keeps."""
    settings = settings_of(context)

    async def work() -> OutcomeSet:
        async with open_app(settings) as opened:
            zone = await campaign_zone(opened.database, attempt_id)
            at = _instant(call_back_at, zone) if call_back_at else None
            wish = SetOutcome(attempt_id, code, who(by), note, at)
            done = await set_outcome(opened.database, opened.clock, wish)
            if done.finished:
                # No other process may be there to mail the report of the campaign that this has ended.
                async with open_outbox(opened):
                    pass
            return done

    done = run(work())
    if as_json:
        print_json(
            {
                "attempt_id": attempt_id,
                "old_code": done.old_code,
                "code": done.code,
                "class": done.code_class,
                "generic_result": done.generic_result,
                "contact_id": done.contact_id,
                "contact_state": done.contact_state,
                "next_at": done.next_at,
            }
        )
        return
    then = f", called again at {done.next_at:%Y-%m-%d %H:%M} UTC" if done.next_at and call_back_at else ""
    console.print(
        f"attempt {attempt_id}: {done.old_code} is now {done.code} ({done.code_class.value}, {done.generic_result}); "
        f"its contact is {done.contact_state.value}{then}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _instant(text: str, zone: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise CampanaError(f'--call-back-at: {text!r} is no time; write it like "2026-03-03 09:30"') from error
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    if not is_tellable(at):
        raise CampanaError(f'--call-back-at: {text!r} is at the calendar\'s end; write it like "2026-03-03 09:30"')
    return at.astimezone(UTC)
