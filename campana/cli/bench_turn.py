"""`campana bench turn`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from campana.cli.spread import spread
from campana.settings import Settings

if TYPE_CHECKING:
    from bot.bench import Spread, TurnFigures
    from bot.bench_idle import IdleFigures
    from bot.conversation import SpeechRuntime

#: Names under which Whisper's sizes are known, beside those of the catalogue.
_MODELS = {"base": "stt-base", "tiny.en": "stt-tiny-en", "small": "stt-small"}
_MOST_CALLS = 200


class Scenario(StrEnum):
    ALL = "all"
    ANSWER = "answer"
    TALK = "talk"
    IDLE = "idle"


class Lines(StrEnum):
    CACHED = "cached"
    UNCACHED = "uncached"


@dataclass(frozen=True)
class _Wanted:
    scenarios: frozenset[Scenario]
    calls: tuple[int, ...]
    answers: int
    idle: int
    runs: int
    turns: int
    seconds: float
    listening: str | None
    lines: Lines


@dataclass
class _Found:
    """Figures of all runs; a turn every 6.5 s in each call, each third one into the words of the bot."""

    listening: str
    lines: str
    runs: int
    answer_to_first_word: list[Spread | None] = field(default_factory=list)
    talk: list[TurnFigures] = field(default_factory=list)
    idle: list[IdleFigures] = field(default_factory=list)


def turn(
    context: typer.Context,
    scenario: Annotated[Scenario, typer.Option(help="What is measured.")] = Scenario.ALL,
    calls: Annotated[str, typer.Option(help="talk: simultaneous calls, each number measured in turn.")] = "1,16",
    answers: Annotated[int, typer.Option(min=1, max=_MOST_CALLS, help="answer: calls answered at one moment.")] = 8,
    idle: Annotated[int, typer.Option(min=1, max=_MOST_CALLS, help="idle: calls in which nobody speaks.")] = 50,
    runs: Annotated[int, typer.Option(min=1, max=20, help="Runs of each; the figures are their medians.")] = 3,
    turns: Annotated[
        int,
        typer.Option(
            min=0, max=2000, help="talk: turns of all calls together in one run; 0: five a call, 12 at least."
        ),
    ] = 0,
    seconds: Annotated[float, typer.Option(min=2, max=600, help="idle: how long is measured.")] = 20,
    model: Annotated[
        str | None, typer.Option(help="base, tiny.en, or a model of the catalogue; none: as the settings have it.")
    ] = None,
    lines: Annotated[Lines, typer.Option(help="Whether the bot's lines are in the phrase cache.")] = Lines.CACHED,
    no_stt: Annotated[bool, typer.Option("--no-stt", help="Recognise by a stand-in without delay.")] = False,
    as_json: AsJson = False,
) -> None:
    """Answer to first word, voice to voice, barge-in stop and what an idle call costs, real voices both ways."""
    settings = settings_of(context)
    listening = None if no_stt else _MODELS.get(model or "", model) or settings.models.listening
    scenarios = frozenset(Scenario) if scenario is Scenario.ALL else frozenset({scenario})
    wanted = _Wanted(scenarios, _numbers(calls), answers, idle, runs, turns, seconds, listening, lines)
    found = _run(settings, wanted)
    if as_json:
        print_json(asdict(found))
    else:
        _show(found)


def _numbers(calls: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in calls.split(","))
    except ValueError as error:
        raise typer.BadParameter("write whole numbers with commas, such as 1,16,32", param_hint="--calls") from error
    if not all(1 <= number <= _MOST_CALLS for number in numbers):
        raise typer.BadParameter(f"a number of calls is from 1 to {_MOST_CALLS}", param_hint="--calls")
    return numbers


def _run(settings: Settings, wanted: _Wanted) -> _Found:
    from models.errors import ModelError

    try:
        return run(_measure(settings, wanted))
    except ModelError as error:
        stderr.print(str(error))
        raise typer.Exit(1) from error


async def _measure(settings: Settings, wanted: _Wanted) -> _Found:
    from bot.bench import bench_answer, bench_turn, utterances
    from bot.bench_idle import bench_idle

    found = _Found(wanted.listening or "stand-in without delay", wanted.lines.value, wanted.runs)
    async with AsyncExitStack() as stack:
        speech = await _speech(settings, wanted, stack)
        spoken = await utterances(speech.speaker, speech.voice_model) if Scenario.TALK in wanted.scenarios else []
        for number in range(1, wanted.runs + 1):
            if Scenario.IDLE in wanted.scenarios:
                stderr.print(f"run {number} of {wanted.runs}: {wanted.idle} idle calls")
                found.idle.append(await bench_idle(wanted.idle, speech=speech, seconds=wanted.seconds))
            if Scenario.ANSWER in wanted.scenarios:
                stderr.print(f"run {number} of {wanted.runs}: {wanted.answers} answers at once")
                found.answer_to_first_word.append(await bench_answer(wanted.answers, speech=speech))
            for calls in wanted.calls if spoken else ():
                stderr.print(f"run {number} of {wanted.runs}: {calls} calls")
                turns = wanted.turns or max(12, 5 * calls)
                found.talk.append(await bench_turn(calls, speech=speech, spoken=spoken, turns=turns, seed=number))
    return found


async def _speech(settings: Settings, wanted: _Wanted, stack: AsyncExitStack) -> SpeechRuntime:
    """Ears and voice; the cache of lines is the bench's own, so that no other's is filled."""
    from bot.bench import HEARD_AT_ONCE, Uncached
    from bot.conversation import SpeechRuntime
    from bot.speech.listening import CannedListener
    from bot.speech.pool import WorkPool
    from bot.speech.speaking import open_speaker
    from campana.local_ears import open_local_ears
    from models.store import ModelStore

    store, pool = ModelStore(settings.models.folder), WorkPool(settings.models.workers)
    stack.push_async_callback(pool.aclose)
    if wanted.listening is None:
        listener: Any = CannedListener([HEARD_AT_ONCE])
    else:
        chosen = settings.models.model_copy(update={"listening": wanted.listening})
        listener = await asyncio.to_thread(open_local_ears, store, chosen, pool)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="campana-bench-")))
    speaker = await asyncio.to_thread(open_speaker, store, settings.models.speaking, cache_dir=folder, pool=pool)
    stack.push_async_callback(speaker.aclose)
    voice = speaker if wanted.lines is Lines.CACHED else Uncached(speaker)
    return await stack.enter_async_context(SpeechRuntime.open(listener, voice, pool=pool))


def _show(found: _Found) -> None:
    title = f"recognition: {found.listening}; lines {found.lines}; median of {found.runs} runs (smallest-largest), ms"
    if found.answer_to_first_word:
        console.print(_table("answers at one moment", found.answer_to_first_word, _ANSWER))
    if found.talk:
        console.print(_by_calls(title, found.talk, _TALK | {"heard by another model": _by_others(found.listening)}))
        console.print(_by_calls("where the time of a reply goes, ms", found.talk, _PARTS))
    if found.idle:
        console.print(_table(f"{found.idle[0].calls} idle calls, of one call", found.idle, _IDLE))


def _table(title: str, figures: Sequence[Any], measures: dict[str, Callable[[Any], float | None]]) -> Table:
    table = Table(*measures, title=title, title_justify="left")
    table.add_row(*(spread([of(one) for one in figures]) for of in measures.values()))
    return table


def _by_calls(title: str, figures: Sequence[TurnFigures], measures: dict[str, Callable[[Any], float | None]]) -> Table:
    numbers = list(dict.fromkeys(one.calls for one in figures))
    table = Table("calls", *map(str, numbers), title=title, title_justify="left")
    for name, of in measures.items():
        table.add_row(name, *(spread([of(one) for one in figures if one.calls == number]) for number in numbers))
    return table


def _by_others(listening: str) -> Callable[[TurnFigures], float]:
    return lambda figures: sum(turns for model, turns in figures.heard_by.items() if model != listening)


def _p50(found: Spread | None) -> float | None:
    return found.p50_ms if found else None


def _p95(found: Spread | None) -> float | None:
    return found.p95_ms if found else None


_ANSWER: dict[str, Callable[[Any], float | None]] = {
    "first word p50 ms": _p50,
    "first word p95 ms": _p95,
    "answers": lambda f: f.count if f else None,
}
_TALK: dict[str, Callable[[Any], float | None]] = {
    "first word p95": lambda f: _p95(f.answer_to_first_word),
    "voice to voice p50": lambda f: _p50(f.voice_to_voice),
    "voice to voice p95": lambda f: _p95(f.voice_to_voice),
    "turns": lambda f: f.voice_to_voice.count if f.voice_to_voice else 0,
    "barge-in stop p50": lambda f: _p50(f.barge_in_stop),
    "barge-in stop p95": lambda f: _p95(f.barge_in_stop),
    "unanswered": lambda f: f.unanswered,
    "cores used": lambda f: f.cores,
}
_PARTS: dict[str, Callable[[Any], float | None]] = {
    "endpointing": lambda f: f.parts.endpointing,
    "STT wait": lambda f: f.parts.recognition_wait,
    "STT work": lambda f: f.parts.recognition_work,
    "STT after the silence": lambda f: f.parts.recognition_late,
    "understanding": lambda f: f.parts.understanding,
    "TTS first byte": lambda f: f.parts.voice,
    "pipeline": lambda f: f.parts.pipeline,
    "transport": lambda f: f.parts.transport,
}
_IDLE: dict[str, Callable[[Any], float | None]] = {
    "CPU % of a core": lambda f: f.cpu_pct,
    "of its in-memory line %": lambda f: f.line_pct,
    "memory MB": lambda f: f.memory_mb,
}
