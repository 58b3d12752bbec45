"""`campana bench who-answered`: how well, and how soon, the bot tells who took the call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from campana.cli.context import AsJson, console, print_json, settings_of, stderr
from campana.settings import Settings

if TYPE_CHECKING:
    from campana.who_bench.figures import Figures, Times
    from campana.who_bench.greetings import Greeting
    from campana.who_bench.running import Judged


def who_answered(
    context: typer.Context,
    split: Annotated[
        str, typer.Option(help="held_out, or dev: the lines that the wordings were tuned on.")
    ] = "held_out",
    takes: Annotated[int, typer.Option(min=1, max=20, help="Takes of each line: pitch, speed, noise, codec.")] = 2,
    seed: Annotated[int, typer.Option(help="Another seed makes other takes.")] = 1,
    model: Annotated[str | None, typer.Option(help="Another recognition model than the settings name.")] = None,
    amd: Annotated[bool, typer.Option(help="Have Asterisk's app_amd judge the same audio, where Asterisk is.")] = True,
    show: Annotated[bool, typer.Option("--show", help="Print every call that was told wrong.")] = False,
    as_json: AsJson = False,
) -> None:
    """Confusion matrix and decision time on greetings made for the bench; Vietnamese is looked at as text."""
    if split not in ("dev", "held_out"):
        raise typer.BadParameter("write dev or held_out", param_hint="--split")
    settings = settings_of(context)
    # What logs at its first import does so after the settings have said how.
    from campana.who_bench.figures import figures
    from campana.who_bench.greetings import read_lines
    from campana.who_bench.texts import judge_texts

    listening = model or settings.models.listening
    judged = _judge(settings, listening, split, takes, seed)
    lines = read_lines()
    found = [
        figures(f"spoken English, {split}, {listening}", judged),
        *_by_amd(split, [one.greeting for one in judged], wanted=amd),
        judge_texts(f"English as text, {split}", lines["en"][split]),
        judge_texts(f"Vietnamese as text, {split}", lines["vi"][split], language="vi"),
    ]
    if show:
        _show_wrong(judged)
    if as_json:
        print_json([each.as_json() for each in found])
        return
    for each in found:
        console.print(_table(each))
        console.print(_summary(each))


def _judge(settings: Settings, listening: str, split: str, takes: int, seed: int) -> list[Judged]:
    from bot.speech.pool import WorkPool
    from bot.speech.voices import PiperVoice
    from bot.speech.whisper import Whisper
    from campana.who_bench.greetings import GreetingMaker, read_lines
    from campana.who_bench.running import InlineListener, Judge
    from models.store import ModelStore

    store = ModelStore(settings.models.folder)
    cache: Path = settings.phrase_folder.parent / "bench-who-answered"
    voice = PiperVoice.load(store.path("tts-en-joe"))
    listener = InlineListener(Whisper.load(store.path(listening), workers=1), listening, "en", cache)
    pool = WorkPool(1)
    judged: list[Judged] = []
    try:
        judge = Judge(listener, pool)
        for greeting in GreetingMaker(voice, cache, takes=takes, seed=seed).make(split, read_lines()["en"]):
            judged.append(judge.judge(greeting))
            if len(judged) % 20 == 0:
                stderr.print(f"{len(judged)} calls")
    finally:
        listener.save()
        asyncio.run(pool.aclose())
    return judged


def _by_amd(split: str, greetings: Sequence[Greeting], *, wanted: bool) -> list[Figures]:
    from campana.who_bench.app_amd import asterisk_program, judge_by_amd
    from campana.who_bench.figures import figures

    program = asterisk_program()
    if not wanted or program is None:
        stderr.print("app_amd left out" + ("" if program else ": no Asterisk here, see scripts/asterisk install"))
        return []
    return [figures(f"app_amd on the same audio, {split}", asyncio.run(judge_by_amd(program, greetings)))]


def _show_wrong(judged: Sequence[Judged]) -> None:
    for one in judged:
        if one.answerer is not one.greeting.answerer:
            last = one.verdicts[-1] if one.verdicts else None
            reason = f"{last.reason}; heard {last.words!r}" if last else "no verdict"
            stderr.print(f"{one.greeting.answerer} taken for {one.answerer}: {one.greeting.name} ({reason})")


def _table(found: Figures) -> Table:
    from campana.who_bench.figures import KINDS

    kinds = [kind for kind in KINDS if found.recall(kind).count or found.precision(kind).count]
    table = Table(title=f"{found.name}: rows are who it was, columns who it was taken for", title_justify="left")
    for name in ("", *(kind.value for kind in kinds), "recall %", "precision %"):
        table.add_column(name)
    for kind in kinds:
        counts = [str(found.matrix.get((kind, other), 0) or "") for other in kinds]
        table.add_row(kind.value, *counts, _pct(found.recall(kind).pct), _pct(found.precision(kind).pct))
    return table


def _pct(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _summary(found: Figures) -> str:
    lines = [
        f"people told as people {_pct(found.humans.pct)} % of {found.humans.count}, "
        f"taken for a machine: {found.humans_lost}; "
        f"machines told as machines {_pct(found.machines.pct)} % of {found.machines.count}"
    ]
    if found.decision is not None:
        lines.append(
            f"decision after the callee's first sound, median / p90 ms: {_times(found.decision)}; "
            f"people {_times(found.decision_human)}; machines {_times(found.decision_machine)}"
        )
    if found.first_word_max_ms is not None:
        lines.append(f"the bot's first word at most {found.first_word_max_ms} ms after the answer")
    return "\n".join(lines) + "\n"


def _times(times: Times | None) -> str:
    return "none" if times is None else f"{times.p50_ms} / {times.p90_ms}"
