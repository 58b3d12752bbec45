"""Ready scripts that come with the program: `debt_reminder.en.yaml` with `debt_reminder.en.tests.yaml`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.errors import BotError
from bot.script.loader import load_script
from bot.script.nodes import suggestion
from bot.script.test_files import beside

FOLDER: Final = Path(__file__).parents[1] / "templates"
#: What stands beside a script.
KINDS: Final = ("tests", "sentences")
_SCRIPT_NAME: Final = re.compile(r"^script:.*$", re.MULTILINE)


@dataclass(frozen=True)
class Template:
    """One script in one language."""

    name: str
    language: str
    path: Path

    @property
    def title(self) -> str:
        """Its title, in its language."""
        return load_script(self.path).title

    @property
    def about(self) -> str:
        """What its first line says of it, in English; "" when it says nothing."""
        first, _, _ = self.path.read_text(encoding="utf-8").partition("\n")
        return first.lstrip("# ").strip() if first.startswith("#") else ""


def templates(folder: Path = FOLDER) -> tuple[Template, ...]:
    """Every template, by name and language."""
    found = []
    for path in sorted(folder.glob("*.*.yaml")):
        name, _, language = path.stem.partition(".")
        if language.rpartition(".")[2] not in KINDS:
            found.append(Template(name, language, path))
    return tuple(found)


def find_template(name: str, language: str, known: Sequence[Template]) -> Template:
    """The template of a name in a language; raises `BotError` with those that there are."""
    of_name = [template for template in known if template.name == name]
    if not of_name:
        raise BotError(f"there is no template {name!r}. {suggestion(name, {template.name for template in known})}")
    for template in of_name:
        if template.language == language:
            return template
    languages = ", ".join(template.language for template in of_name)
    raise BotError(f"template {name} is not there in {language!r}; its languages: {languages}")


def copy_template(template: Template, target: Path) -> tuple[Path, ...]:
    """Write a template as script `target`, with what stands beside it; the paths written.

    The script is named as its file is. Raises `BotError` when a file is there already or cannot be written.
    """
    files = {target: _SCRIPT_NAME.sub(f"script: {target.stem}", template.path.read_text(encoding="utf-8"), count=1)}
    for kind in KINDS:
        source = beside(template.path, kind)
        if source.exists():
            files[beside(target, kind)] = source.read_text(encoding="utf-8")
    for path in files:
        if path.exists():
            raise BotError(f"{path} is there already. Choose another name, or move it away")
    for path, text in files.items():
        _write(path, text)
    return tuple(files)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BotError(f"{path}: cannot be written: {error.strerror}. Check the folder and its rights") from error
