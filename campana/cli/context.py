"""What every command shares: the settings it runs with and how it speaks to people and to programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from campana.settings import Settings, load_settings

T = TypeVar("T")

#: People read this; programs read standard output with --json.
console = Console()
stderr = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


@dataclass
class Invocation:
    """The global options of one run of the command."""

    config: Path | None = None

    def settings(self) -> Settings:
        """Settings of this run; logging is set up with them."""
        from campana.logs import configure_logs

        settings = load_settings(self.config)
        configure_logs(settings.log_level)
        return settings


def settings_of(context: typer.Context) -> Settings:
    """The settings that the global options ask for."""
    invocation = context.find_root().obj
    return invocation.settings() if isinstance(invocation, Invocation) else load_settings()


def variables_of(pairs: list[str] | None) -> dict[str, str]:
    """What `--var name=value` gives, any number of times."""
    parts = [pair.partition("=") for pair in pairs or []]
    if any(not (equals and name.strip()) for name, equals, _ in parts):
        raise typer.BadParameter("write name=value", param_hint="--var")
    return {name.strip(): value for name, _, value in parts}


def add_row(table: Table, *cells: object) -> None:
    """Add a row of plain text; what people, lists and networks have written is never markup."""
    table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part to its end; raises `KeyboardInterrupt` when the user broke it off."""
    try:
        return asyncio.run(work)
    except asyncio.CancelledError as error:
        raise KeyboardInterrupt from error


def print_json(data: Any) -> None:
    """One JSON document on standard output: keys in order, instants and amounts as strings."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))
