"""`campana call`: one call outside any campaign."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from campana.application import open_app
from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from campana.settings import Settings

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
    recording = _recording(result, settings)
    if as_json:
        print_json(_as_data(result) | {"recording": str(recording) if recording else None})
    else:
        _tell(result)
        if recording:
            console.print(f"recording: {recording}", highlight=False, soft_wrap=True)


def _recording(result: SingleResult, settings: Settings) -> Path | None:
    """Where the recording lies; what could not be recorded has none."""
    made = result.conversation.recording if result.conversation else None
    return None if made is None or made.error else settings.recordings_folder / made.path


def _as_data(result: SingleResult) -> dict[str, Any]:
    talk = result.conversation
    return {
        "attempt_id": result.attempt_id,
        "call_status": result.assigned.call_status.value,
        "code": result.assigned.code,
        "network": result.network,
        "talk_ms": result.talk_ms,
        "messages": talk.messages if talk else 0,
        "transfer": _transfer(result),
        "turns": [
            {"speaker": turn.speaker.value, "start_ms": turn.start_ms, "end_ms": turn.end_ms, "text": turn.text}
            for turn in (talk.turns if talk else ())
        ],
    }


def _transfer(result: SingleResult) -> dict[str, Any] | None:
    tried = result.conversation.transfer if result.conversation else None
    if tried is None:
        return None
    times = {"asked_ms": tried.asked_ms, "joined_ms": tried.joined_ms, "agent_ms": tried.agent_ms}
    return {"target": tried.target, "by": tried.by.value, **times, "network": tried.text}


def _tell(result: SingleResult) -> None:
    for turn in result.conversation.turns if result.conversation else ():
        console.print(f"{turn.start_ms / 1000:6.1f} s  {turn.speaker.value:8}  {turn.text}", markup=False)
    tried = _transfer(result)
    if tried is not None:
        came = "nobody came" if tried["joined_ms"] is None else f"joined at {tried['joined_ms'] / 1000:.1f} s"
        console.print(f"{tried['asked_ms'] / 1000:6.1f} s  transfer  {tried['target']}: {came}", markup=False)
    network = f" ({result.network})" if result.network else ""
    console.print(f"{result.assigned.call_status.value}, code {result.assigned.code}{network}", highlight=False)
