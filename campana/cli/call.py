"""`campana call`: one call outside any campaign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from campana.application import open_app
from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr

if TYPE_CHECKING:
    from campana.single_call import SingleResult

app = typer.Typer()


@app.command("call", epilog="Example: campana call 0901234567 --script script.yaml --var name=Mary --var amount=5")
def call(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="Whom to call; without country code it is read for the account's.")],
    script: Annotated[Path, typer.Option(help="Script file.")],
    var: Annotated[list[str] | None, typer.Option("--var", help="A variable of the script, name=value.")] = None,
    trunk: Annotated[str | None, typer.Option(help="Trunk; the first of the settings unless told.")] = None,
    voice: Annotated[str | None, typer.Option(help="Voice model; the settings' unless told.")] = None,
    as_json: AsJson = False,
) -> None:
    """Call one number with a script, and print how it went. Neither billed nor part of any report."""
    pairs = [pair.partition("=") for pair in var or []]
    if any(not equals for _, equals, _ in pairs):
        raise typer.BadParameter("write name=value", param_hint="--var")
    settings = settings_of(context)
    from campana.single_call import SingleCall, place

    variables = {name.strip(): value for name, _, value in pairs}
    wanted = SingleCall(number, script, variables, trunk=trunk, voice=voice)

    async def work() -> SingleResult:
        async with open_app(settings) as opened:
            return await place(opened, wanted, lambda phase, _at: stderr.print(phase.value))

    result = run(work())
    if as_json:
        print_json(_as_data(result))
    else:
        _tell(result)


def _as_data(result: SingleResult) -> dict[str, Any]:
    talk = result.conversation
    return {
        "attempt_id": result.attempt_id,
        "call_status": result.assigned.call_status.value,
        "code": result.assigned.code,
        "network": result.network,
        "talk_ms": result.talk_ms,
        "messages": talk.messages if talk else 0,
        "recording": str(talk.recording.path) if talk and talk.recording else None,
        "turns": [
            {"speaker": turn.speaker.value, "start_ms": turn.start_ms, "end_ms": turn.end_ms, "text": turn.text}
            for turn in (talk.turns if talk else ())
        ],
    }


def _tell(result: SingleResult) -> None:
    for turn in result.conversation.turns if result.conversation else ():
        console.print(f"{turn.start_ms / 1000:6.1f} s  {turn.speaker.value:8}  {turn.text}", markup=False)
    network = f" ({result.network})" if result.network else ""
    console.print(f"{result.assigned.call_status.value}, code {result.assigned.code}{network}", highlight=False)
    if result.conversation and result.conversation.recording:
        console.print(f"recording: {result.conversation.recording.path}", highlight=False)
