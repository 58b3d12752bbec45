"""`campana script`: check, show, chat with, listen to, test and measure scripts."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bot.errors import BotError, Problem, ScriptErrors
from bot.llm.needs import asks_model, require_model
from bot.script.drawing import as_data, as_dot, as_mermaid, as_tree
from bot.script.graph import graph_of
from bot.script.language import Script
from bot.script.loader import load_script
from bot.script.schema import json_schema
from campana.cli.context import AsJson, console, print_json, settings_of, stderr
from campana.cli.script_chat import chat
from campana.cli.script_evaluate import run_evaluation
from campana.cli.script_rehearse import rehearse
from campana.cli.script_say import say
from campana.cli.script_templates import list_templates, new
from campana.cli.script_test import run_tests

app = typer.Typer(no_args_is_help=True, help="Scripts: check, draw, chat with, listen to, test, measure.")

Files = Annotated[list[Path], typer.Argument(help="Script files.")]
File = Annotated[Path, typer.Argument(help="Script file.")]

app.command("chat", epilog="Example: campana script chat script.yaml --var name=Mary --var amount=5")(chat)
app.command("say", epilog="Example: campana script say script.yaml --step greeting --var name=Mary --var amount=5")(say)
app.command("test", epilog="Example: campana script test script.yaml")(run_tests)
app.command("evaluate", epilog="Example: campana script evaluate examples/demo/script.yaml")(run_evaluation)
app.command("rehearse", epilog="Example: campana script rehearse script.yaml --calls 100")(rehearse)
app.command("templates", epilog="Example: campana script templates --json")(list_templates)
app.command("new", epilog="Example: campana script new reminder --template debt_reminder --language vi")(new)


class Format(StrEnum):
    """How a graph is drawn."""

    TREE = "tree"
    MERMAID = "mermaid"
    DOT = "dot"
    JSON = "json"


@app.command("check", epilog="Example: campana script check examples/demo/script.yaml")
def check(context: typer.Context, files: Files, as_json: AsJson = False) -> None:
    """Find every mistake of scripts, with its line and what to do about it; exit 1 when there is one."""
    found = {file: _problems(file) for file in files}
    lacking = {file: _lacking(context, script) for file, (script, _) in found.items()}
    if as_json:
        print_json([{**_as_data(file, problems), "lacks": lacking[file]} for file, (_, problems) in found.items()])
    else:
        for file, (script, problems) in found.items():
            _tell(file, script, problems)
            for text in lacking[file]:
                stderr.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if any(problems for _, problems in found.values()):
        raise typer.Exit(1)


def _problems(file: Path) -> tuple[Script | None, tuple[Problem, ...]]:
    try:
        script = load_script(file)
        return script, _bad_recordings(script)
    except ScriptErrors as error:
        return None, error.problems
    except BotError as error:
        return None, (Problem(str(file), 0, str(error), ""),)


def _bad_recordings(script: Script) -> tuple[Problem, ...]:
    """The recordings that are not beside the script, or that cannot be played."""
    from bot.speech.recorded import Recorded
    from campana.sounds import named_recordings

    found = []
    for name, line in named_recordings(script).items():
        try:
            Recorded.read(Path(script.file).parent / name, name)
        except BotError as error:
            message, _, remedy = str(error).partition("; ")
            found.append(Problem(script.file, line, message, remedy[:1].upper() + remedy[1:]))
    return tuple(found)


def _lacking(context: typer.Context, script: Script | None) -> list[str]:
    """What this installation lacks for a script that is right in itself."""
    if script is None or not asks_model(script):
        return []
    try:
        require_model(script, settings_of(context).llm.model)
    except BotError as error:
        return [str(error)]
    return []


def _as_data(file: Path, problems: tuple[Problem, ...]) -> dict[str, object]:
    listed = [{"line": one.line or None, "message": one.message, "remedy": one.remedy} for one in problems]
    return {"file": str(file), "ok": not problems, "problems": listed}


def _tell(file: Path, script: Script | None, problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        text = str(problem) if problem.line else problem.message
        stderr.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    if script is not None and not problems:
        steps, intents = len(script.steps), len(script.intents)
        summary = f"{file}: no mistakes ({script.title}, {script.language}, {steps} steps, {intents} intents)"
        console.print(summary, markup=False, highlight=False, soft_wrap=True)


@app.command("show", epilog="Example: campana script show script.yaml --format mermaid")
def show(
    file: File,
    shape: Annotated[Format, typer.Option("--format", help="tree, mermaid, dot (Graphviz) or json.")] = Format.TREE,
    as_json: AsJson = False,
) -> None:
    """Draw the steps of a script: what each says and listens for, and what leads where."""
    graph = graph_of(load_script(file))
    if as_json or shape is Format.JSON:
        print_json(as_data(graph))
        return
    draw = {Format.TREE: as_tree, Format.MERMAID: as_mermaid, Format.DOT: as_dot}[shape]
    typer.echo(draw(graph))


@app.command("schema", epilog="Example: campana script schema --out script.schema.json")
def schema(
    out: Annotated[Path | None, typer.Option("--out", help="File to write; none: standard output.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the JSON Schema of scripts, by which editors complete and check them; it is JSON in any case."""
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if out is None:
        typer.echo(text)
        return
    write_text(out, text + "\n")
    if as_json:
        print_json({"file": str(out)})
    else:
        console.print(f"wrote {out}", markup=False, highlight=False, soft_wrap=True)


def write_text(path: Path, text: str) -> None:
    """Write a file; raises `BotError` when that cannot be done."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BotError(f"{path}: cannot be written: {error.strerror}. Check the folder and its rights") from error
