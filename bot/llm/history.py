"""What has passed between a language model and the customer, as the interpreter keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.script.replies import ToolCall


@dataclass(frozen=True)
class CustomerSaid:
    """What the customer said."""

    text: str


@dataclass(frozen=True)
class BotSaid:
    """What was spoken of an answer; `results` tells the model what came of each of `calls`, in their order."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    results: tuple[str, ...] = ()


Past = CustomerSaid | BotSaid
