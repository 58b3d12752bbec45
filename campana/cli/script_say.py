"""`campana script say`: listen to the lines of a script before anybody is called."""

from __future__ import annotations

import asyncio
import contextlib
import re
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from bot.errors import BotError
from bot.script.language import Script
from bot.script.lines import ScriptLine, lines_of
from bot.script.loader import load_script
from campana.cli.context import AsJson, add_row, console, print_json, run, settings_of, stderr
from campana.cli.script_chat import variables_of
from campana.settings import Settings

if TYPE_CHECKING:
    from bot.speech.recorded import RecordedLines
    from bot.speech.speaking import Speaker

_SAMPLE_BYTES: Final = 2


@dataclass(frozen=True)
class SaidLine:
    """A line with its file; None where a value that it holds is not known."""

    line: ScriptLine
    file: Path | None
    ms: int


def say(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Script file.")],
    step: Annotated[str | None, typer.Option("--step", help="One step; all unless told.")] = None,
    var: Annotated[list[str] | None, typer.Option("--var", help="A variable of the script, name=value.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the WAV files; bot.lines unless told.")] = None,
    voice: Annotated[
        str | None,
        typer.Option("--voice", help="Voice: a model, a service, espeak-ng:LANGUAGE; else that of the language."),
    ] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.5, max=2, help="1 is the voice's own.")] = 1.0,
    rate: Annotated[int, typer.Option("--rate", min=8000, max=48000, help="Hz; 8000 as on most telephones.")] = 16000,
    as_json: AsJson = False,
) -> None:
    """Synthesise the lines of a script into WAV files, one for each sentence, to be listened to."""
    settings = settings_of(context)
    script = load_script(file)
    zone = settings.account.time_zone
    lines = lines_of(script, variables_of(var), now=datetime.now(UTC), time_zone=zone, step=step)
    folder = out or Path(f"{file.stem}.lines")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BotError(f"{folder}: cannot be made: {error.strerror}. Choose another with --out") from error
    said = run(_synthesise(settings, script, voice, lines, _Target(folder, rate, speed)))
    if as_json:
        print_json([_as_data(one) for one in said])
    else:
        _tell(said, folder)


async def _synthesise(
    settings: Settings, script: Script, voice: str | None, lines: Sequence[ScriptLine], target: _Target
) -> list[SaidLine]:
    from bot.speech.pool import WorkPool
    from campana.local_ears import open_local_ears
    from campana.sounds import recordings_beside
    from campana.speech import Speech
    from models.store import ModelStore

    async with contextlib.AsyncExitStack() as stack:
        pool = WorkPool(settings.models.workers, name="speech")
        stack.push_async_callback(pool.aclose)
        speech = Speech(settings, ModelStore(settings.models.folder), pool, stack, open_local_ears)
        sounds = _Sounds(
            await speech.speaker(script.language, voice), speech.recorded(await recordings_beside(script)), target
        )
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=stderr, transient=True) as bars:
            task = bars.add_task("speaking", total=len(lines))
            said = []
            for place, line in enumerate(lines, 1):
                said.append(await sounds.make(place, line))
                bars.update(task, completed=place)
            return said


@dataclass(frozen=True)
class _Target:
    """Where the files go, and how they sound."""

    folder: Path
    rate_hz: int
    speed: float


@dataclass(frozen=True)
class _Sounds:
    """Makes one file for each line."""

    speaker: Speaker
    recorded: RecordedLines
    target: _Target

    async def make(self, place: int, line: ScriptLine) -> SaidLine:
        """The line in a file, unless a value of it is not known."""
        if line.unknown:
            return SaidLine(line, None, 0)
        path, rate_hz = self.target.folder / _name(place, line), self.target.rate_hz
        if line.audio is None:
            pcm = await self.speaker.synthesise(line.text, rate_hz=rate_hz, speed=self.target.speed)
        else:
            pcm = await self.recorded.sound(line.audio, rate_hz)
        await asyncio.to_thread(_write, path, pcm, rate_hz)
        return SaidLine(line, path, len(pcm) // _SAMPLE_BYTES * 1000 // rate_hz)


def _write(path: Path, pcm: bytes, rate_hz: int) -> None:
    try:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(_SAMPLE_BYTES)
            file.setframerate(rate_hz)
            file.writeframes(pcm)
    except OSError as error:
        raise BotError(f"{path}: cannot be written: {error.strerror}. Choose another folder with --out") from error


def _name(place: int, line: ScriptLine) -> str:
    return f"{place:03d}-{re.sub(r'[^A-Za-z0-9_-]+', '_', line.step) or 'any'}.wav"


def _as_data(said: SaidLine) -> dict[str, Any]:
    return {
        "step": said.line.step or None,
        "text": said.line.text,
        "file": None if said.file is None else str(said.file),
        "ms": said.ms,
        "recording": said.line.audio,
        "unknown": list(said.line.unknown),
    }


def _tell(said: Sequence[SaidLine], folder: Path) -> None:
    table = Table(title=f"Lines in {folder}", title_justify="left")
    for heading in ("step", "text", "file", "seconds"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "seconds" else "left")
    for one in said:
        add_row(table, one.line.step or "any", one.line.text, _where(one), f"{one.ms / 1000:.1f}" if one.file else "")
    console.print(table)


def _where(said: SaidLine) -> str:
    if said.file is not None:
        return f"{said.file.name} (recording)" if said.line.audio else said.file.name
    return f"give {', '.join(f'--var {name}=…' for name in said.line.unknown)}"
