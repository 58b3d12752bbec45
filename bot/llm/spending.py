"""What one answer of a language model used: tokens, and their price."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from bot.llm.config import ModelConfig, Prices
from bot.outcome import LlmUsage

_MILLION: Final = Decimal(1_000_000)
#: About so many characters make a token: for requests that end before the provider has counted.
_CHARS_A_TOKEN: Final = 4


class Spending:
    """Counts one answer: as the provider tells, or by estimate when it was broken off before that."""

    def __init__(self, asked: ModelConfig, messages: Sequence[Mapping[str, object]]) -> None:
        #: Whether the request went out.
        self.begun = False
        #: Whether the model stopped because it may not write more.
        self.cut = False
        self._asked = asked
        self._messages = messages
        self._pieces = 0
        self._told: tuple[int, int] | None = None

    def take(self, chunk: Any) -> None:
        """Count one piece of the answer."""
        self._pieces += 1
        for choice in chunk.choices or ():
            self.cut = self.cut or choice.finish_reason == "length"
        usage = getattr(chunk, "usage", None)
        if usage is not None:
            self._told = (int(usage.prompt_tokens or 0), int(usage.completion_tokens or 0))

    def usage(self, litellm: Any) -> LlmUsage:
        """What it used; the price is None where nobody knows one."""
        prompt, completion = self._told if self._told is not None else (self._estimate(), self._pieces)
        prices = self._asked.prices or _listed(litellm, self._asked)
        cost = None
        if prices is not None:
            cost = (prompt * prices.prompt + completion * prices.completion) / _MILLION
        return LlmUsage(self._asked.name, prompt, completion, cost)

    def _estimate(self) -> int:
        """A request that got no piece of an answer may not have been read; it counts nothing."""
        if not self._pieces:
            return 0
        chars = sum(len(json.dumps(message, ensure_ascii=False)) for message in self._messages)
        return -(-chars // _CHARS_A_TOKEN)


def _listed(litellm: Any, asked: ModelConfig) -> Prices | None:
    """LiteLLM's own list, which gives dollars for one token as floats."""
    try:
        found = litellm.get_model_info(asked.wire_name)
    except Exception:  # it raises whatever its lookup raises
        return None
    each = [found.get(key) for key in ("input_cost_per_token", "output_cost_per_token")]
    if None in each or asked.api_base is not None:
        return None
    prompt, completion = (Decimal(str(price)) * _MILLION for price in each)
    return Prices(prompt, completion)
