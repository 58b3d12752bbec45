"""`campana script rehearse`: conversation tests as real calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr

if TYPE_CHECKING:
    from campana.rehearsing import RehearsalResult

_MOST_CALLS = 2000


def rehearse(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Script files.")],
    calls: Annotated[int, typer.Option(min=1, max=_MOST_CALLS, help="Calls of each script.")] = 20,
    at_once: Annotated[int, typer.Option(min=1, max=50, help="Calls at a time.")] = 6,
    tests: Annotated[
        Path | None, typer.Option("--tests", help="File with the tests; bot.tests.yaml beside bot.yaml unless told.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for recordings and all else that it makes.")] = Path("rehearsal"),
    as_json: AsJson = False,
) -> None:
    """Hold the conversation tests of scripts as calls on this machine, by SIP and speech; exit 1 below 95 % of codes.

    The simulated customers say aloud what the tests say in text. Tests that need a web service, a language model or
    a person to be put through to are left out, and named.
    """
    if tests is not None and len(files) > 1:
        raise typer.BadParameter("goes with one script", param_hint="--tests")
    if len({file.stem for file in files}) < len(files):
        raise typer.BadParameter("two scripts have one name; rehearse them one by one, each with its own --out")
    # Speech libraries are imported here, after logging is set up and only for the command that speaks.
    from bot.script.test_files import beside
    from campana.rehearsing import Rehearsal

    models, screen = settings_of(context).models, stderr if as_json else console
    found = []
    for file in files:
        wanted = tests or beside(file, "tests")
        one = Rehearsal(file, wanted, out / file.stem, screen, models, calls=calls, at_once=at_once)
        found.append(run(one.run()))
        if not as_json:
            _tell(console, found[-1])
    if as_json:
        print_json([result.as_json() for result in found])
    if not all(result.right * 100 >= 95 * len(result.calls) for result in found):
        raise typer.Exit(1)


def _tell(screen: Console, result: RehearsalResult) -> None:
    share = 100 * result.right / len(result.calls)
    told = f"{result.script}: {result.right} of {len(result.calls)} calls ended with the expected code ({share:.1f} %)"
    screen.print(told, highlight=False, soft_wrap=True)
    for name, reason in result.left_out.items():
        screen.print(f"  left out: {name}: {reason}", highlight=False, markup=False, soft_wrap=True)
    others = [call for call in result.calls if not call.as_expected]
    if others:
        table = Table(title="came out otherwise", title_justify="left")
        for heading in ("test", "expected", "found", "recording"):
            table.add_column(heading)
        for call in others:
            table.add_row(call.case, call.expected, call.found, call.recording or "")
        screen.print(table)
