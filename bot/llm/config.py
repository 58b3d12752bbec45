"""Which language model answers, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from bot.script.replies import Consult

#: OpenAI-compatible servers of one's own often want no key, and LiteLLM wants one.
_NO_KEY: Final = "none"
_LONGEST_S: Final = 60.0


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens."""

    prompt: Decimal
    completion: Decimal


@dataclass(frozen=True)
class ModelConfig:
    """A model as LiteLLM names it ("openai/gpt-4o-mini"), and how it is reached.

    With `api_base` a bare name means an OpenAI-compatible server there. `prices` go before LiteLLM's own list.
    """

    name: str
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False)
    temperature: float | None = None
    max_tokens: int = 300
    prices: Prices | None = None

    def for_model(self, name: str | None) -> ModelConfig:
        """The way to another model: address and key go with the provider, prices with the model."""
        if name is None or name == self.name:
            return self
        other = replace(self, name=name, prices=None)
        if self._provider and other._provider == self._provider:
            return other
        # Where either is unknown it may be another's: no key goes to whom it was not given for.
        return replace(other, api_base=None, api_key=None)

    @property
    def _provider(self) -> str:
        """The provider, "" where LiteLLM is left to find it by the name."""
        provider, slash, _ = self.wire_name.partition("/")
        return provider if slash else ""

    @property
    def wire_name(self) -> str:
        """The name with its provider."""
        return f"openai/{self.name}" if self.api_base is not None and "/" not in self.name else self.name

    def request(self, wanted: Consult) -> dict[str, Any]:
        """The arguments of LiteLLM's `acompletion`."""
        request: dict[str, Any] = {
            "model": self.wire_name,
            "messages": [dict(message) for message in wanted.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": self.max_tokens,
            # Whoever waits on the telephone is better served by the fallback line than by a second attempt.
            "max_retries": 0,
            "num_retries": 0,
            # The client keeps the time itself; this bounds what it has left behind.
            "timeout": max(wanted.timeout_ms / 1000, _LONGEST_S),
            "no-log": True,
            # The functions are the script's: LiteLLM need not look for servers of such, with a package not installed.
            "_skip_mcp_handler": True,
        }
        if wanted.tools:
            request["tools"] = [dict(tool) for tool in wanted.tools]
        if self.temperature is not None:
            request["temperature"] = self.temperature
        if self.api_base is not None:
            request["api_base"] = self.api_base
        if self.api_key is not None or self.api_base is not None:
            request["api_key"] = self.api_key or _NO_KEY
        return request
