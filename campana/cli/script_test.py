"""`campana script test`: conversation tests, in text."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.errors import BotError
from bot.script.loader import load_script
from bot.script.test_files import beside, load_cases
from bot.script.testing import Result, run_case
from campana.cli.context import AsJson, console, print_json

Outcome = dict[Path, list[Result]]


def run_tests(
    files: Annotated[list[Path], typer.Argument(help="Script files.")],
    tests: Annotated[
        Path | None, typer.Option("--tests", help="File with the tests; bot.tests.yaml beside bot.yaml unless told.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", help="Run the tests alone whose names hold these words.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print every conversation, not only those that failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold the conversations written beside scripts and compare; exit 1 when one is not as expected."""
    if tests is not None and len(files) > 1:
        raise typer.BadParameter("goes with one script", param_hint="--tests")
    found = {file: _run(file, tests or beside(file, "tests"), only) for file in files}
    if not any(found.values()):
        raise BotError(f"no test is called {only!r}; campana script test --json lists their names")
    if as_json:
        print_json([_as_data(file, result) for file, results in found.items() for result in results])
    else:
        _tell(found, show)
    if not all(result.passed for results in found.values() for result in results):
        raise typer.Exit(1)


def _run(file: Path, tests: Path, only: str | None) -> list[Result]:
    script, cases = load_script(file), load_cases(tests)
    wanted = [case for case in cases if only is None or only.casefold() in case.name.casefold()]
    return [run_case(script, case) for case in wanted]


def _as_data(file: Path, result: Result) -> dict[str, Any]:
    return {
        "script": str(file),
        "tests": result.case.file,
        "name": result.case.name,
        "line": result.case.line,
        "passed": result.passed,
        "failures": [asdict(failure) for failure in result.failures],
        "talk": [{"customer": str(turn), "bot": list(exchange.lines)} for turn, exchange in result.exchanges],
    }


def _tell(found: Outcome, show: bool) -> None:
    for file, results in found.items():
        for result in results:
            mark = "[green]passed[/green]" if result.passed else "[red]FAILED[/red]"
            console.print(mark, end=" ")
            console.print(f"{file}: {result.case.name}", markup=False, highlight=False, soft_wrap=True)
            if show or not result.passed:
                _tell_talk(result)
    results = [result for every in found.values() for result in every]
    failed = sum(not result.passed for result in results)
    console.print(f"{len(results)} tests, {failed} failed" if failed else f"{len(results)} tests passed")


def _tell_talk(result: Result) -> None:
    for turn, exchange in result.exchanges:
        if turn.doing is not None:
            console.print(f"    customer: {turn.what or turn.doing.value}", markup=False, highlight=False)
        console.print(f"    bot:      {exchange.text or '(nothing)'}", markup=False, highlight=False, style="cyan")
    for failure in result.failures:
        console.print(str(failure), markup=False, highlight=False, soft_wrap=True, style="red")
