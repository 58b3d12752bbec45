"""`campana script chat`: talk to a script in the terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.llm.needs import asks_model
from bot.outcome import OptOut
from bot.script.in_text import Exchange, TextTalk
from bot.script.language import Script
from bot.script.loader import load_script
from bot.script.replies import CallBack, Effect, Keep, Mail, SetCode
from campana.cli.context import AsJson, console, print_json, settings_of, stderr
from campana.cli.script_outside import AskedOf, Typed, read_answers
from campana.settings import Settings

if TYPE_CHECKING:
    from campana.live_model import LiveModel

HELP = (
    "Type what the customer says. /key 1 presses a key, /silence says nothing, /nobody: no agent picks up, /quit ends."
)


def chat(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Script file.")],
    var: Annotated[list[str] | None, typer.Option("--var", help="A variable of the script, name=value.")] = None,
    now: Annotated[
        str | None, typer.Option("--now", help="Instant of the call, such as 2026-11-20T10:00+07:00.")
    ] = None,
    webhook: Annotated[
        Path | None, typer.Option("--webhook", help="JSON file with what web services answer; else you are asked.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Really ask web services and the language model.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show intents with their confidence, and steps.")] = False,
    as_json: AsJson = False,
) -> None:
    """Talk to a script in the terminal by typing; nobody is called, and nothing is sent unless it is --live."""
    settings = settings_of(context)
    script = load_script(file)
    typed = Typed(quiet=as_json)
    model = _live_model(context, settings, script) if live and asks_model(script) else None
    secrets = {name: secret.get_secret_value() for name, secret in settings.secrets.items()} if live else None
    outside = AskedOf(typed, None if webhook is None else read_answers(webhook), model, secrets)
    talk = TextTalk(script, variables_of(var), outside, now=instant_of(now), time_zone=settings.account.time_zone)
    out = _Transcript(explain=explain, silent=as_json)
    if typed.shown:
        stderr.print(HELP, style="dim", markup=False)
    out.bot(talk.start())
    while not talk.ended and (line := typed.line("you: ")) not in (None, "/quit"):
        if not line:
            continue
        exchange = _did(talk, line)
        if exchange is not None:
            out.customer(line)
            out.bot(exchange)
    if as_json:
        print_json({"script": script.name, "code": talk.code, "ended": talk.ended, "turns": out.turns})
    else:
        ending = "the bot hung up" if talk.ended else "the customer hung up"
        console.print(f"{ending}, code {talk.code or 'none'}", highlight=False, style="bold")
        if model is not None:
            note(f"language model: {model.spent}")


def _live_model(context: typer.Context, settings: Settings, script: Script) -> LiveModel:
    """The language model itself, until the command ends; what it needs is loaded only now."""
    from campana.live_model import live_model

    return context.with_resource(live_model(settings.llm, script, note))


def note(text: str) -> None:
    """Something beside the conversation, on standard error."""
    stderr.print(text, markup=False, highlight=False, style="yellow", soft_wrap=True)


def variables_of(given: list[str] | None) -> dict[str, str]:
    """Variables out of `name=value` options."""
    pairs = [pair.partition("=") for pair in given or []]
    if any(not equals for _, equals, _ in pairs):
        raise typer.BadParameter("write name=value", param_hint="--var")
    return {name.strip(): value for name, _, value in pairs}


def instant_of(text: str | None) -> datetime:
    """An aware instant from an option; the present without one."""
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("write an instant such as 2026-11-20T10:00+07:00", param_hint="--now") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _did(talk: TextTalk, line: str) -> Exchange | None:
    """What the bot does about a typed line; None for one that is no turn."""
    command, _, rest = line.partition(" ")
    if not command.startswith("/"):
        return talk.heard(line)
    match command:
        case "/key" if len(rest.strip()) == 1:
            return talk.key(rest.strip())
        case "/silence":
            return talk.silent()
        case "/nobody":
            return talk.not_joined()
        case _:
            stderr.print(HELP, style="yellow", markup=False)
            return None


class _Transcript:
    """Prints the conversation as it goes, or keeps it for --json."""

    def __init__(self, *, explain: bool, silent: bool) -> None:
        self.turns: list[dict[str, Any]] = []
        self._explain = explain
        self._silent = silent

    def customer(self, line: str) -> None:
        self.turns.append({"speaker": "customer", "text": line})
        if not self._silent and not sys.stdin.isatty():
            console.print(f"you: {line}", markup=False, highlight=False)

    def bot(self, exchange: Exchange) -> None:
        understood = exchange.understood
        notes = [words for effect in exchange.effects if (words := effect_words(effect))]
        self.turns.append(
            {
                "speaker": "bot",
                "text": exchange.text,
                "step": exchange.step,
                "intent": understood.intent if understood else None,
                "confidence": understood.confidence if understood else None,
                "asked": list(exchange.asked),
                "notes": notes,
            }
        )
        if self._silent:
            return
        if self._explain and understood:
            self._note(f"understood {understood.intent or 'nothing'} ({understood.confidence:.2f})")
        if self._explain:
            self._note(f"step {exchange.step}")
        for note in (*exchange.asked, *notes):
            self._note(note)
        if exchange.lines:
            console.print(f"bot: {exchange.text}", markup=False, highlight=False, style="cyan", soft_wrap=True)
        if exchange.transfer:
            self._note(f"putting through to {exchange.transfer}; /nobody: nobody picks up, /quit: they talk")

    def _note(self, text: str) -> None:
        console.print(f"     {text}", markup=False, highlight=False, style="dim", soft_wrap=True)


def effect_words(effect: Effect) -> str:
    """An effect in words."""
    match effect:
        case SetCode():
            return f"code {effect.code}"
        case CallBack():
            return f"call back at {effect.at.isoformat() if effect.at else 'a time left open'}"
        case Keep():
            return f"{effect.name} = {effect.value}"
        case Mail():
            return f"e-mail to {effect.to}: {effect.subject}"
        case OptOut():
            return "wants no more calls"
