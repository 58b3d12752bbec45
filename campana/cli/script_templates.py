"""`campana script templates` and `campana script new`: begin with a ready script."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bot.script.templates import copy_template, find_template, templates
from campana.cli.context import AsJson, add_row, console, print_json

_NAME = re.compile(r"[\w-][\w.-]*")


def list_templates(as_json: AsJson = False) -> None:
    """Show the ready scripts: name, language, title."""
    found = templates()
    if as_json:
        print_json(
            [{"name": one.name, "language": one.language, "title": one.title, "about": one.about} for one in found]
        )
        return
    table = Table()
    for heading in ("template", "language", "title", "about"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "template")
    for one in found:
        add_row(table, one.name, one.language, one.title, one.about)
    console.print(table)


def new(
    name: Annotated[Path, typer.Argument(help="Script to write: NAME.yaml, with NAME.tests.yaml beside it.")],
    template: Annotated[str, typer.Option("--template", help="A name of `campana script templates`.")],
    language: Annotated[str, typer.Option("--language", help="Language of the template.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Write a script and its conversation tests from a template; nothing that is there is overwritten."""
    target = name if name.suffix == ".yaml" else name.with_name(f"{name.name}.yaml")
    if not _NAME.fullmatch(target.stem):
        raise typer.BadParameter("use letters, digits, `_`, `-` and `.`", param_hint="NAME")
    written = copy_template(find_template(template, language, templates()), target)
    if as_json:
        print_json({"files": [str(path) for path in written]})
        return
    for path in written:
        console.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"try it: campana script chat {target}", markup=False, highlight=False, soft_wrap=True)
