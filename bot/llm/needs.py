"""Whether a script asks a language model, and whether it says which."""

from __future__ import annotations

from bot.errors import BotError
from bot.script.language import Converse, Script


class ModelUnnamed(BotError):
    """A script asks a language model, and nobody says which."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(
            f"{file}, line {line}: the script asks a language model and the settings name none. "
            'Write model = "provider/name" under [llm], see docs/reference/settings.md'
        )


def asks_model(script: Script) -> bool:
    """Whether any step hands the conversation to a language model."""
    return any(isinstance(block, Converse) for _, block in script.blocks())


def require_model(script: Script, model: str | None) -> None:
    """Raises `ModelUnnamed` when a step names no model and `model`, that of the settings, is None."""
    for _, block in script.blocks():
        if isinstance(block, Converse) and block.model is None and model is None:
            raise ModelUnnamed(script.file, block.line)
