"""Every text of a script: those that are said, and those that are only written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.script.language import (
    AskBack,
    Assign,
    Block,
    CallWebhook,
    Collect,
    Converse,
    Listen,
    Say,
    Script,
    SendEmail,
    Silence,
)
from bot.script.placeholders import secrets_in

#: A text and its line.
Text = tuple[str, int]


def texts(script: Script) -> Iterator[Text]:
    """Every text the bot can say, in the order of the file."""
    for _, block in script.blocks():
        yield from block_texts(block)
    for question in script.questions:
        yield question.answer, question.line
    yield from _silence(script.silence)
    for rule in script.machines.values():
        if rule.message is not None:
            yield rule.message, rule.line
    for person in script.transfers.values():
        if person.whisper is not None:
            yield person.whisper, person.line


def block_texts(block: Block) -> Iterator[Text]:
    """The texts that one block says."""
    match block:
        case Say(text=text, line=line):
            yield text, line
        case AskBack(ask=ask, line=line):
            yield from ((text, line) for text in ask)
        case Listen():
            yield from _lines(block.line, block.ask, *block.reprompt)
            yield from _silence(block.silence)
        case Collect():
            yield from _lines(block.line, block.ask, *block.ask_again, block.confirm)
            yield from _silence(block.silence)
        case CallWebhook():
            yield from _lines(block.line, block.say)
        case Converse():
            yield from _lines(block.line, block.greeting, block.fallback)
            yield from _silence(block.silence)
        case _:
            return


def written_texts(block: Block) -> Iterator[Text]:
    """The texts of one block that nobody hears, but for headers."""
    match block:
        case Assign():
            yield block.text, block.line
        case SendEmail():
            yield from _lines(block.line, block.to, block.subject, block.body)
        case CallWebhook():
            yield from _lines(block.line, block.url, *block.body.values())
        case Converse():
            yield from _lines(block.line, block.persona, block.goal, *block.facts)
        case _:
            return


def header_texts(block: Block) -> Iterator[Text]:
    """The texts of one block that may hold secrets."""
    if isinstance(block, CallWebhook):
        yield from _lines(block.line, *block.headers.values())


def secret_names(script: Script) -> dict[str, int]:
    """The secrets that the headers of a script ask for, each with the line that asks first."""
    found: dict[str, int] = {}
    for _, block in script.blocks():
        for text, line in header_texts(block):
            for name in secrets_in(text):
                found.setdefault(name, line)
    return found


def _lines(line: int, *found: str | None) -> Iterable[Text]:
    return ((text, line) for text in found if text is not None)


def _silence(silence: Silence | None) -> Iterable[Text]:
    return () if silence is None else ((text, silence.line) for text in silence.say)
