"""`campana demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from campana.cli.context import AsJson, console, print_json, run, settings_of, stderr
from campana.cli.figures import print_checks, print_overview

if TYPE_CHECKING:
    from campana.demo import DemoResult

app = typer.Typer()


@app.command("demo", epilog="Example: campana demo --out demo-out")
def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes; replaced at each run.")] = Path(
        "demo-out"
    ),
    as_json: AsJson = False,
) -> None:
    """Run a whole campaign on this machine against simulated customers, with bill and mailed report."""
    models = settings_of(context).models
    # Speech libraries are imported here, after logging is set up and only for the command that speaks.
    from campana.demo import Demo

    result = run(Demo(out, stderr if as_json else console, models).run())
    summary = result.summary()
    (out / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if as_json:
        print_json(summary)
    else:
        _tell(console, out, result)
    if not (result.audit.ok and result.mails):
        raise typer.Exit(1)


def _serve_command(settings_file: Path) -> str:
    """What shows this demo again: the make target where that finds it."""
    return "make serve" if settings_file == Path("demo-out/campana.toml") else f"campana --config {settings_file} serve"


def _tell(screen: Console, out: Path, result: DemoResult) -> None:
    print_overview(screen, result.report)
    print_checks(screen, result.audit)
    if result.surprises:
        table = Table(title="came out otherwise than its persona expects", title_justify="left")
        for heading in ("number", "persona", "expected", "found"):
            table.add_column(heading)
        for surprise in result.surprises:
            table.add_row(surprise.number, surprise.name, surprise.expected, surprise.found or "no call")
        screen.print(table)
    else:
        screen.print("every persona got the code that its file expects")
    mail = result.mails[0] if result.mails else "the report has not been mailed; see the outbox"
    for what, where in (
        ("report mail", mail),
        ("recordings", out / "data" / "recordings"),
        ("figures", out / "summary.json"),
        ("dashboard", f"{result.dashboard_url}, while this runs: {_serve_command(result.settings_file)}"),
    ):
        screen.print(f"{what:12} {where}", highlight=False, soft_wrap=True)
    screen.print(f"the campaign took {result.wall_s:.0f} s", highlight=False)
