"""`campana call`: one call outside any campaign."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from campana.application import open_app
from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr, variables_of
from campana.settings import Settings

if TYPE_CHECKING:
    from bot.outcome import Turn
    from campana.single_call import SingleResult

app = typer.Typer()


@app.command("call", epilog="Example: campana call 0901234567 --script script.yaml --var name=Mary --var amount=5")
def call(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="Whom to call; without country code it is read for the account's.")],
    script: Annotated[Path | None, typer.Option(help="Script file.")] = None,
    bot: Annotated[str | None, typer.Option(help="Stored bot instead: NAME, or NAME@VERSION.")] = None,
    var: Annotated[list[str] | None, typer.Option("--var", help="A variable of the script, name=value.")] = None,
    trunk: Annotated[str | None, typer.Option(help="Trunk; the first of the settings unless told.")] = None,
    voice: Annotated[str | None, typer.Option(help="Voice model; the bot's or the settings' unless told.")] = None,
    as_json: AsJson = False,
) -> None:
    """Call one number with a script or a stored bot, and print how it went. Neither billed nor part of any report."""
    if (script is None) == (bot is None):
        raise typer.BadParameter("name a script file or a stored bot, one of the two", param_hint="--script / --bot")
    variables = variables_of(var)
    settings = settings_of(context)
    from campana.single_call import SingleCall, place

    wanted = SingleCall(number, script, variables, bot=bot, trunk=trunk, voice=voice)

    async def work() -> SingleResult:
        async with open_app(settings) as opened:
            return await place(opened, wanted, lambda phase, _at: stderr.print(phase.value))

    result = run(work())
    recording = _recording(result, settings)
    if as_json:
        print_json(_as_data(result) | {"recording": str(recording) if recording else None})
    else:
        _tell(result)
        for reason in result.unsent:
            stderr.print(f"an e-mail is not sent: {reason}", markup=False)
        if recording:
            console.print(f"recording: {recording}", highlight=False, soft_wrap=True)


def _recording(result: SingleResult, settings: Settings) -> Path | None:
    """Where the recording lies; what could not be recorded has none."""
    made = result.conversation.recording if result.conversation else None
    return None if made is None or made.error else settings.recordings_folder / made.path


def _as_data(result: SingleResult) -> dict[str, Any]:
    from campaigns.settling import usage_row

    talk = result.conversation
    return {
        "attempt_id": result.attempt_id,
        "call_status": result.assigned.call_status.value,
        "code": result.assigned.code,
        "network": result.network,
        "talk_ms": result.talk_ms,
        "messages": talk.messages if talk else 0,
        "transfer": _transfer(result),
        "collected": dict(talk.collected) if talk else {},
        "mails": len(talk.mails) if talk else 0,
        "llm_usage": [usage_row(used) for used in talk.llm_usage] if talk else [],
        "turns": [_turn(turn) for turn in (talk.turns if talk else ())],
    }


def _turn(turn: Turn) -> dict[str, Any]:
    """One turn, without what it does not have."""
    data = asdict(turn)
    data["latency"] = {part: ms for part, ms in data["latency"].items() if ms is not None}
    return {name: value for name, value in data.items() if value or (value == 0 and value is not False)}


def _transfer(result: SingleResult) -> dict[str, Any] | None:
    tried = result.conversation.transfer if result.conversation else None
    if tried is None:
        return None
    times = {"asked_ms": tried.asked_ms, "joined_ms": tried.joined_ms, "agent_ms": tried.agent_ms}
    return {"target": tried.target, "by": tried.by.value, **times, "network": tried.text}


def _tell(result: SingleResult) -> None:
    for turn in result.conversation.turns if result.conversation else ():
        console.print(f"{turn.start_ms / 1000:6.1f} s  {turn.speaker.value:8}  {turn.text}", markup=False)
    for name, value in (result.conversation.collected if result.conversation else {}).items():
        console.print(f"collected: {name} = {value}", markup=False, highlight=False)
    tried = _transfer(result)
    if tried is not None:
        came = "nobody came" if tried["joined_ms"] is None else f"joined at {tried['joined_ms'] / 1000:.1f} s"
        console.print(f"{tried['asked_ms'] / 1000:6.1f} s  transfer  {tried['target']}: {came}", markup=False)
    network = f" ({result.network})" if result.network else ""
    console.print(f"{result.assigned.call_status.value}, code {result.assigned.code}{network}", highlight=False)
