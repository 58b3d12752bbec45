"""Runs the blocks of a step until one waits or the call ends."""

from __future__ import annotations

import re
from typing import Final, assert_never

from bot.script import collecting, consulting, webhooks
from bot.script.expressions import ExpressionError, parse
from bot.script.functions import Value, as_text
from bot.script.language import (
    AskBack,
    AskOut,
    Assign,
    Block,
    Branch,
    CallWebhook,
    Collect,
    Compute,
    Condition,
    Converse,
    End,
    Goto,
    Group,
    Label,
    Listen,
    PutThrough,
    Say,
    SendEmail,
)
from bot.script.listening import call_back_time
from bot.script.placeholders import names_in
from bot.script.progress import Progress, ScriptFailed
from bot.script.rendering import HEARD
from bot.script.replies import Mail
from bot.understanding.forms import ValueForm, ValueKind

_ADDRESS: Final = re.compile(r"[^\s@,;:<>()\"\\]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}")
_NUMBER: Final = ValueForm(ValueKind.NUMBER)
_TRUTH: Final = ValueForm(ValueKind.YES_NO)
_OWN_WORDS: Final = ValueForm(ValueKind.TEXT)


def run(progress: Progress) -> None:
    """Run blocks until one waits or ends; raises `ScriptFailed`."""
    while not progress.finished:
        progress.count_block()
        if not _perform(progress, progress.block):
            break
    progress.prompt = tuple(progress.lines)


def _perform(progress: Progress, block: Block) -> bool:
    """Do one block; whether the next one follows at once."""
    match block:
        case Collect() | CallWebhook() | Listen() | PutThrough() | Converse():
            _stop(progress, block)
            return False
        case AskBack():
            return _ask_back(progress, block)
        case End():
            progress.leave(None)
        case Goto():
            progress.go(block.step)
        case Branch():
            _branch(progress, block)
        case Say() | Label() | AskOut() | Assign() | Compute() | SendEmail():
            _act(progress, block)
            progress.pass_on()
        case _:
            assert_never(block)
    return True


def _stop(progress: Progress, block: Collect | CallWebhook | Listen | PutThrough | Converse) -> None:
    """Come to a block that waits."""
    match block:
        case Collect():
            collecting.begin(progress, block)
        case CallWebhook():
            webhooks.begin(progress, block)
        case Converse():
            consulting.begin(progress, block)
        case Listen() if block.ask is not None:
            progress.say(block.ask)


def _act(progress: Progress, block: Say | Label | AskOut | Assign | Compute | SendEmail) -> None:
    match block:
        case Say():
            progress.lines.extend(progress.line(block))
        case Label():
            progress.set_code(block.code)
        case AskOut():
            progress.record_opt_out(progress.heard)
        case Assign():
            taken = _is_own_words(progress, names_in(block.text))
            progress.variables.set(block.into, progress.variables.written(block.text), _OWN_WORDS if taken else None)
        case Compute():
            _compute(progress, block)
        case SendEmail():
            _mail(progress, block)
        case _:
            assert_never(block)


def _ask_back(progress: Progress, block: AskBack) -> bool:
    """The wish is recorded at once, for the customer may hang up before naming a time."""
    at, asks = call_back_time(progress, progress.heard), progress.asked.call_back_asks
    if at is not None or asks == 0:
        progress.record_call_back(at)
    if at is None and asks < len(block.ask):
        progress.say(block.ask[asks])
        progress.asked.call_back_asks += 1
        return False
    progress.pass_on()
    return True


def _branch(progress: Progress, block: Branch) -> None:
    target = block.then if _holds(progress, block.when, progress.variables.values()) else block.otherwise
    if target is None:
        progress.pass_on()
    else:
        progress.go(target.step)


def _holds(progress: Progress, condition: Condition, values: dict[str, Value]) -> bool:
    parts = (
        _holds(progress, part, values) if isinstance(part, Condition) else bool(_value(progress, part, values))
        for part in condition.parts
    )
    match condition.group:
        case Group.ALL:
            return all(parts)
        case Group.ANY:
            return any(parts)
        case Group.NONE:
            return not any(parts)
        case _:
            assert_never(condition.group)


def _compute(progress: Progress, block: Compute) -> None:
    value = _value(progress, block.expression, progress.variables.values())
    form = _TRUTH if isinstance(value, bool) else None if isinstance(value, str) else _NUMBER
    if form is None and _is_own_words(progress, parse(block.expression).names):
        form = _OWN_WORDS
    progress.variables.set(block.into, as_text(value), form)


def _value(progress: Progress, expression: str, values: dict[str, Value]) -> Value:
    try:
        return parse(expression).value(values)
    except ExpressionError as error:
        where = f"script {progress.script.name}, step {progress.step.name}"
        raise ScriptFailed(f"{where}: {error}") from error


def _is_own_words(progress: Progress, names: tuple[str, ...]) -> bool:
    """Whether a text made of these variables may hold what the customer said, word for word."""
    return not {HEARD, *progress.variables.own_words}.isdisjoint(names)


def _mail(progress: Progress, block: SendEmail) -> None:
    """Nothing is sent where the address is none: a contact without one is no failure."""
    to = progress.variables.written(block.to)
    if _ADDRESS.fullmatch(to):
        variables = progress.variables
        progress.effects.append(Mail(to, variables.written(block.subject), variables.lines(block.body)))
