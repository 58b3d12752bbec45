"""The command line as it is, and the page docs/reference/command-line.md that says so.

`python -m tests.support_command_line` writes the page anew after a command or an option has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from campana.cli.main import app

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command-line.md"


@dataclass(frozen=True)
class Parameter:
    """An argument or option."""

    written: str
    meaning: str
    default: str
    is_option: bool


@dataclass(frozen=True)
class Command:
    """One command that does something; groups are part of its name."""

    name: str
    summary: str
    example: str
    parameters: tuple[Parameter, ...]

    @property
    def has_json(self) -> bool:
        return any(one.written == "--json" for one in self.parameters)

    def section(self) -> str:
        """Its part of the page."""
        lines = [f"## {self.name}", "", self.summary, "", "```", self.example, "```", ""]
        if self.parameters:
            lines += ["| | default | meaning |", "|---|---|---|"]
            lines += [f"| `{one.written}` | {one.default} | {one.meaning} |" for one in self.parameters]
            lines.append("")
        return "\n".join(lines)


def commands() -> list[Command]:
    """Every command of the program."""
    return list(_walk(typer.main.get_command(app), "campana"))


def _walk(command: Any, name: str) -> Iterator[Command]:
    below = getattr(command, "commands", None)
    if below is None:
        yield _command(command, name)
        return
    for part, one in below.items():
        yield from _walk(one, f"{name} {part}")


def _command(command: Any, name: str) -> Command:
    example = (command.epilog or "").removeprefix("Example: ")
    parameters = tuple(_parameter(one) for one in command.params if one.name != "help")
    return Command(name, " ".join((command.help or "").split()), example, parameters)


def _parameter(one: Any) -> Parameter:
    is_option = isinstance(one, typer.core.TyperOption)
    written = " / ".join([*one.opts, *one.secondary_opts]) if is_option else one.name.upper()
    return Parameter(written, (one.help or "").replace("|", "\\|"), _default(one), is_option)


def _default(one: Any) -> str:
    if one.required:
        return "required"
    if isinstance(one.default, bool):
        return ("yes" if one.default else "no") if one.secondary_opts else ""
    return "" if one.default is None else f"`{one.default}`"


def page() -> str:
    """The whole page: its introduction as it stands, and a section for every command."""
    introduction, _, _ = PAGE.read_text(encoding="utf-8").partition("\n## campana ")
    return "\n".join([introduction, *(command.section() for command in commands())]).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
