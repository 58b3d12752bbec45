"""Errors of language model providers, each told with its remedy and without anything that was said."""

from __future__ import annotations

from typing import Final

from bot.errands import ModelFailed
from bot.llm.config import ModelConfig

#: By the names of LiteLLM's exceptions, the narrower before the wider.
TELLING: Final = (
    ("AuthenticationError", "refuses the key; set llm.api_key"),
    ("PermissionDeniedError", "may not be used with this key; set llm.api_key or llm.model"),
    ("NotFoundError", "is not known there; set llm.model or llm.api_base"),
    ("LiteLLMUnknownProvider", "names no provider; write it as provider/model, or set llm.api_base"),
    ("ContextWindowExceededError", "cannot read so much; shorten the facts, or lower max_turns"),
    ("ContentPolicyViolationError", "refused by its content rules; change persona, goal or facts"),
    ("RateLimitError", "is asked too often; raise the limit at the provider, or call less at once"),
    ("Timeout", "does not answer in time; use a faster model, or raise timeout_ms of the step"),
    ("BadRequestError", "refuses the request; check that llm.model can chat, and call functions if the script has any"),
)
_RETRYABLE: Final = frozenset({"RateLimitError", "Timeout"})


def failure_of(error: BaseException, asked: ModelConfig) -> ModelFailed:
    """`error` as this package tells it; its own text is left out, since providers repeat the request in it."""
    cause = getattr(error, "original_exception", None) or error
    if _unreachable(cause):
        return _failed(asked, "cannot be reached; check llm.api_base and the network", retryable=True)
    kinds = {kind.__name__ for kind in type(cause).__mro__}
    if "provider not provided" in str(cause).lower():
        kinds = {"LiteLLMUnknownProvider"}
    for name, remedy in TELLING:
        if name in kinds:
            return _failed(asked, remedy, retryable=name in _RETRYABLE)
    status = getattr(cause, "status_code", None)
    told = f"answered {status}" if isinstance(status, int) else f"failed ({type(cause).__name__})"
    return _failed(asked, f"{told}; see whether the provider is well, and that llm.model is right", retryable=True)


def _failed(asked: ModelConfig, what: str, *, retryable: bool) -> ModelFailed:
    failure = ModelFailed(f"language model {asked.name}: {what}")
    failure.retryable = retryable
    return failure


def _unreachable(error: BaseException) -> bool:
    """LiteLLM tells a connection that cannot be had as an error of the server, and much else as one of connecting."""
    seen: BaseException | None = error
    while seen is not None:
        if type(seen).__name__ in ("ConnectError", "ConnectTimeout", "ClientConnectorError"):
            return True
        seen = seen.__cause__ or seen.__context__
    return str(error).endswith("Connection error.")
