"""`campana script evaluate`: how well a script understands sentences."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.errors import BotError
from bot.script.asking_models import judge_by_model
from bot.script.evaluating import cross_validate, judge_examples, load_sentences
from bot.script.hearing import model_of
from bot.script.language import Script
from bot.script.loader import load_script
from bot.script.test_files import beside
from bot.understanding.evaluation import NONE, Evaluation, Example, evaluate
from campana.cli.context import AsJson, add_row, console, print_json, settings_of
from campana.cli.script_chat import note

_WORST = 10


def run_evaluation(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Script file.")],
    sentences: Annotated[
        Path | None,
        typer.Option("--sentences", help="File with sentences by intent; bot.sentences.yaml beside bot.yaml if there."),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, max=20, help="Parts to split samples into, where no file is.")] = 5,
    threshold: Annotated[
        float | None, typer.Option(min=0.1, max=1, help="Another min_confidence than the script's.")
    ] = None,
    at_least: Annotated[float, typer.Option("--at-least", min=0, max=1, help="Exit 1 below this accuracy.")] = 0,
    llm: Annotated[
        bool, typer.Option("--llm", help="Have the language model of the settings judge the sentences too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure understanding on sentences kept apart: accuracy, precision, recall, confusions, best threshold."""
    script = load_script(file)
    chosen = sentences or beside(file, "sentences")
    kept_apart = sentences is not None or chosen.exists()
    trained_ms = _milliseconds(lambda: model_of.__wrapped__(script))
    if kept_apart:
        judged = judge_examples(script, load_sentences(chosen, script))
        source = str(chosen)
    else:
        judged = cross_validate(script, folds)
        source = f"the script's own samples, {folds} parts, each judged by a model of the others"
    found = evaluate(judged, script.min_confidence if threshold is None else threshold)
    compared = _by_model(context, script, [one.example for one in judged]) if llm else None
    if as_json:
        data = {"script": str(file), "sentences": source, "training_ms": trained_ms} | _as_data(found)
        print_json(data if compared is None else data | {"llm": _as_data(compared)})
    else:
        _tell(script, source, trained_ms, found)
        _tell_model(compared)
    if found.accuracy < at_least:
        raise typer.Exit(1)


def _by_model(context: typer.Context, script: Script, examples: Sequence[Example]) -> Evaluation:
    """The same sentences as the language model takes them; confidence it has none, so no threshold matters."""
    settings = settings_of(context)
    if settings.llm.model is None:
        raise BotError('the settings name no language model. Write model = "provider/name" under [llm]')
    from campana.live_model import live_model

    with live_model(settings.llm, script, note) as model:
        judged = judge_by_model(script, examples, model.consult)
        note(f"language model: {model.spent}")
    return evaluate(judged, script.min_confidence)


def _tell_model(found: Evaluation | None) -> None:
    if found is not None:
        summary = f"language model: {found.right} of {len(found.judged)} understood as meant ({found.accuracy:.1%})"
        console.print(summary, markup=False, highlight=False, style="bold")
        console.print(_intents(found))
        _tell_confusions(found, sure=False)


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return round((time.thread_time() - began) * 1000, 1)


def _as_data(found: Evaluation) -> dict[str, Any]:
    return {
        "threshold": found.threshold,
        "total": len(found.judged),
        "right": found.right,
        "accuracy": round(found.accuracy, 4),
        "best_threshold": found.best_threshold.threshold,
        "intents": [
            {
                "intent": one.intent,
                "meant": one.meant,
                "taken": one.taken,
                "right": one.right,
                "precision": _rounded(one.precision),
                "recall": _rounded(one.recall),
            }
            for one in found.intents
        ],
        "confusion": found.confusion,
        "thresholds": [
            {
                "threshold": one.threshold,
                "accuracy": round(one.accuracy, 4),
                "mistaken": round(one.mistaken, 4),
                "missed": round(one.missed, 4),
            }
            for one in found.thresholds
        ],
        "confusions": [
            {
                "meant": meant,
                "taken": taken,
                "sentences": [
                    {"text": one.example.text, "line": one.example.line or None, "confidence": one.confidence}
                    for one in sentences
                ],
            }
            for meant, taken, sentences in found.confusions()
        ],
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _tell(script: Script, source: str, trained_ms: float, found: Evaluation) -> None:
    summary = f"{found.right} of {len(found.judged)} understood as meant ({found.accuracy:.1%})"
    console.print(f"{script.title}: {summary}", markup=False, highlight=False, style="bold")
    console.print(
        f"sentences: {source}; training took {trained_ms:.1f} ms of processor time", markup=False, highlight=False
    )
    console.print(_intents(found))
    console.print(_confusion(found))
    console.print(_thresholds(found))
    _tell_confusions(found)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _intents(found: Evaluation) -> Table:
    table = Table(title="Intents", title_justify="left")
    for heading in ("intent", "meant", "taken", "right", "precision", "recall"):
        table.add_column(heading, justify="left" if heading == "intent" else "right")
    for one in found.intents:
        add_row(table, one.intent, one.meant, one.taken, one.right, _share(one.precision), _share(one.recall))
    return table


def _confusion(found: Evaluation) -> Table:
    table = Table(title="Meant (rows), taken for (columns)", title_justify="left")
    table.add_column("")
    names = list(found.confusion)
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for meant, row in found.confusion.items():
        add_row(table, meant, *(row[name] or "" for name in names))
    return table


def _thresholds(found: Evaluation) -> Table:
    best = found.best_threshold.threshold
    table = Table(title=f"min_confidence: {found.threshold:g} now, {best:g} would be best here", title_justify="left")
    for heading in ("at", "right", "taken for another", "not understood"):
        table.add_column(heading, justify="right")
    for one in found.thresholds:
        mark = " *" if one.threshold == best else ""
        add_row(table, f"{one.threshold:g}{mark}", _share(one.accuracy), _share(one.mistaken), _share(one.missed))
    return table


def _tell_confusions(found: Evaluation, *, sure: bool = True) -> None:
    for meant, taken, sentences in list(found.confusions())[:_WORST]:
        what = "not understood" if taken == NONE else f"taken for {taken}"
        console.print(f"{meant} {what}: {len(sentences)}", markup=False, highlight=False, style="yellow")
        for one in sentences:
            line = f"line {one.example.line}: " if one.example.line else ""
            confidence = f" ({one.confidence:.2f})" if sure else ""
            console.print(f"    {line}{one.example.text}{confidence}", markup=False, highlight=False)
