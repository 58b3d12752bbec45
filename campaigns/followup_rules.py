"""Reading post-conditions, as the campaign file and the table campaigns have them, with every mistake named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.errors import BadFollowUp, BadRetryRule
from campaigns.followups import End, Rule, Since, Then, When
from campaigns.retries import outcomes_of
from campaigns.rows import PRIORITIES, READERS
from campaigns.states import ContactState
from storage.tables import bots

#: States in which a rule may end a contact.
ENDS = (ContactState.DONE, ContactState.EXHAUSTED, ContactState.CANCELLED)
_WHEN = (
    "waiting_h",
    "waiting_days",
    "since",
    "attempts",
    "attempts_at_most",
    "last",
    "priority_at_least",
    "priority_at_most",
    "language",
    "bot",
)
_THEN = ("priority", "language", "variables", "bot", "call_after_min", "call_at", "end")
_LONGEST_WAIT_H = 24 * 366
_LONGEST_REASON = 150
_LANGUAGE_LENGTH = 16
#: Attempts that a condition may speak of; `max_attempts` goes no further.
_MOST_ATTEMPTS = 21
_PRIORITY_RANGE = (PRIORITIES.start, PRIORITIES.stop - 1)
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_VARIABLE = re.compile(r"[a-z_][a-z0-9_]*")


def parse_follow_ups(rows: Any) -> tuple[Rule, ...]:
    """The rules of a campaign; raises `BadFollowUp` naming rule, field and remedy.

    A rule is `{"when": {...}, "then": {...}}` in the words of docs/reference/campaign-file.md; `bot_ids` beside
    `when.bot` and `bot_id` beside `then.bot` are what `resolve_bots` has found for the names.
    """
    if not isinstance(rows, list | tuple):
        raise BadFollowUp("post_conditions: write a list of rules, each with `when` and `then`")
    return tuple(_rule(number, row) for number, row in enumerate(rows, start=1))


def numbered(rows: Iterable[Mapping[str, Any]] | None) -> list[tuple[int, Rule]]:
    """The rules as the table campaigns keeps them, each with its number."""
    return list(enumerate(parse_follow_ups(list(rows or ())), start=1))


async def resolve_bots(
    conn: AsyncConnection, account_id: int, rows: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The rules with the ids of the bots that they name: every version in a condition, the newest in an action.

    Raises `BadFollowUp` for a name that no bot of the account has.
    """
    rules = [{"when": dict(row["when"]), "then": dict(row["then"])} for row in rows]
    names = {part["bot"] for rule in rules for part in rule.values() if "bot" in part}
    if not names:
        return rules
    found = select(bots.c.name, bots.c.id).where(bots.c.account_id == account_id, bots.c.name.in_(names))
    versions: dict[str, list[int]] = {}
    for name, bot_id in (await conn.execute(found.order_by(bots.c.version))).all():
        versions.setdefault(name, []).append(bot_id)
    for number, rule in enumerate(rules, start=1):
        for part, values in rule.items():
            if "bot" in values and values["bot"] not in versions:
                raise BadFollowUp(
                    f"post_conditions: rule {number}: {part}.bot: no bot of the account is called {values['bot']!r}; "
                    "it is stored with the first campaign whose file describes it"
                )
        if "bot" in rule["when"]:
            rule["when"]["bot_ids"] = versions[rule["when"]["bot"]]
        if "bot" in rule["then"]:
            rule["then"]["bot_id"] = versions[rule["then"]["bot"]][-1]
    return rules


def _rule(number: int, row: Any) -> Rule:
    read = _Reader(number)
    if not isinstance(row, Mapping):
        raise read.wrong("", "write `when` and `then`, each with fields of its own")
    read.only(row, ("when", "then"), "")
    when, then = row.get("when"), row.get("then")
    if not isinstance(when, Mapping) or not when:
        raise read.wrong("when", f"name at least one condition: {', '.join(_WHEN)}")
    if not isinstance(then, Mapping) or not then:
        raise read.wrong("then", f"name at least one effect: {', '.join(_THEN)}")
    return Rule(_when(read, when), _then(read, then))


class _Reader:
    """Reads fields of one rule; its errors name them."""

    def __init__(self, number: int) -> None:
        self._number = number

    def wrong(self, where: str, remedy: str) -> BadFollowUp:
        place = f"{where}: " if where else ""
        return BadFollowUp(f"post_conditions: rule {self._number}: {place}{remedy}")

    def only(self, row: Mapping[str, Any], known: Iterable[str], where: str) -> None:
        for name in row:
            if name not in known:
                field = f"{where}.{name}" if where else str(name)
                raise self.wrong(field, f"unknown field; known are {', '.join(known)}")

    def whole(self, value: Any, where: str, least: int, most: int) -> int | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(where, f"{value!r} must be a whole number from {least} to {most}")
        return value

    def amount(self, value: Any, where: str, most: int) -> Decimal | None:
        if value is None:
            return None
        try:
            amount = Decimal(str(value))
        except InvalidOperation as exc:
            raise self.wrong(where, f"{value!r} is no number") from exc
        if isinstance(value, bool) or not amount.is_finite() or not 0 <= amount <= most:
            raise self.wrong(where, f"{value} must be a number from 0 to {most}")
        return amount

    def text(self, value: Any, where: str, longest: int) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            raise self.wrong(where, f"{value!r} must be a text of at most {longest} characters")
        return value.strip()


def _when(read: _Reader, row: Mapping[str, Any]) -> When:
    read.only(row, (*_WHEN, "bot_ids"), "when")
    statuses, codes = _last(read, row.get("last"))
    languages = row.get("language", ())
    languages = (languages,) if isinstance(languages, str) else languages
    if not isinstance(languages, list | tuple) or not all(isinstance(one, str) and one for one in languages):
        raise read.wrong("when.language", "write one language, such as vi, or a list of them")
    read.text(row.get("bot"), "when.bot", 200)
    ids = row.get("bot_ids")
    return When(
        waiting=_waiting(read, row),
        since=_since(read, row),
        attempts=read.whole(row.get("attempts"), "when.attempts", 0, _MOST_ATTEMPTS) or 0,
        attempts_at_most=read.whole(row.get("attempts_at_most"), "when.attempts_at_most", 0, _MOST_ATTEMPTS),
        statuses=statuses,
        codes=codes,
        priority_at_least=read.whole(row.get("priority_at_least"), "when.priority_at_least", *_PRIORITY_RANGE),
        priority_at_most=read.whole(row.get("priority_at_most"), "when.priority_at_most", *_PRIORITY_RANGE),
        languages=frozenset(languages),
        # A name that has not been looked up yet is nobody's.
        bot_ids=frozenset(ids or ()) if ids is not None or "bot" in row else None,
    )


def _waiting(read: _Reader, row: Mapping[str, Any]) -> timedelta | None:
    if "waiting_h" in row and "waiting_days" in row:
        raise read.wrong("when.waiting_days", "give the waiting time once, in hours or in days")
    hours = read.amount(row.get("waiting_h"), "when.waiting_h", _LONGEST_WAIT_H)
    days = read.amount(row.get("waiting_days"), "when.waiting_days", _LONGEST_WAIT_H // 24)
    if hours is None and days is None:
        if "since" in row:
            raise read.wrong("when.since", "says from when waiting_h or waiting_days counts; add one of them")
        return None
    return timedelta(milliseconds=int((hours if hours is not None else (days or Decimal(0)) * 24) * 3_600_000))


def _since(read: _Reader, row: Mapping[str, Any]) -> Since:
    try:
        return Since(row.get("since", Since.IMPORT))
    except ValueError as exc:
        raise read.wrong("when.since", f"{row['since']!r} must be one of {', '.join(Since)}") from exc


def _last(read: _Reader, value: Any) -> tuple[frozenset[str], frozenset[str]]:
    words = (value,) if isinstance(value, str) else value or ()
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise read.wrong("when.last", "write a list of outcomes as in call_backs, such as [busy, code:XY]")
    try:
        statuses, codes = outcomes_of(words)
    except BadRetryRule as exc:
        raise read.wrong("when.last", str(exc)) from exc
    return frozenset(statuses), codes


def _then(read: _Reader, row: Mapping[str, Any]) -> Then:
    read.only(row, (*_THEN, "bot_id"), "then")
    read.text(row.get("bot"), "then.bot", 200)
    after = read.amount(row.get("call_after_min"), "then.call_after_min", _LONGEST_WAIT_H * 60)
    at = row.get("call_at")
    if at is not None and (not isinstance(at, str) or not _TIME.fullmatch(at)):
        raise read.wrong("then.call_at", f'{at!r} is no time of the day; write "18:30", in quotes')
    if after is not None and at is not None:
        raise read.wrong("then.call_at", "say when to call next once: call_after_min or call_at")
    return Then(
        priority=read.whole(row.get("priority"), "then.priority", *_PRIORITY_RANGE),
        language=_language(read, row.get("language")),
        variables=_variables(read, row.get("variables", {})),
        bot_id=row.get("bot_id"),
        call_after=None if after is None else timedelta(milliseconds=int(after * 60_000)),
        call_at=at,
        end=_end(read, row.get("end")),
    )


def _language(read: _Reader, value: Any) -> str | None:
    """Read as in a contact list: else nobody could edit the contact afterwards."""
    text = read.text(value, "then.language", _LANGUAGE_LENGTH)
    try:
        return None if text is None else str(READERS["language"](text))
    except ValueError as exc:
        raise read.wrong("then.language", str(exc).removeprefix("language: ")) from exc


def _variables(read: _Reader, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise read.wrong("then.variables", "write the variables by name, such as {tone: urgent}")
    for name, text in value.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise read.wrong("then.variables", f"{name!r} is no variable's name; write it like amount_due")
        if not isinstance(text, str | int | Decimal | float) or isinstance(text, bool):
            raise read.wrong(f"then.variables.{name}", f"{text!r} must be a text or a number")
    return {name: str(text) for name, text in value.items()}


def _end(read: _Reader, value: Any) -> End | None:
    if value is None:
        return None
    row = {"state": value} if isinstance(value, str) else value
    if not isinstance(row, Mapping):
        raise read.wrong("then.end", f"write one of {', '.join(ENDS)}, or {{state: …, reason: …}}")
    read.only(row, ("state", "reason"), "then.end")
    if row.get("state") not in ENDS:
        raise read.wrong("then.end.state", f"{row.get('state')!r} must be one of {', '.join(ENDS)}")
    reason = read.text(row.get("reason"), "then.end.reason", _LONGEST_REASON)
    return End(ContactState(row["state"]), reason or "post_condition")
