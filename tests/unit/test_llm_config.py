"""How a language model is asked: where the question goes, with which key, and what it costs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.llm.config import ModelConfig, Prices
from bot.script.replies import Consult

PRICES = Prices(Decimal(1), Decimal(2))
WANTED = Consult(({"role": "user", "content": "Hello."},), (), None, 4000)
OWN = ModelConfig("qwen", api_base="http://127.0.0.1:1/v1", api_key="hush", prices=PRICES)
HOSTED = ModelConfig("openai/gpt-4o-mini", api_key="hush", prices=PRICES)


def test_a_bare_name_at_an_address_is_an_openai_compatible_server() -> None:
    assert OWN.request(WANTED)["model"] == "openai/qwen"
    assert ModelConfig("gpt-4o-mini").request(WANTED)["model"] == "gpt-4o-mini"


def test_a_server_without_a_key_is_given_one_that_means_nothing() -> None:
    assert ModelConfig("qwen", api_base="http://127.0.0.1:1/v1").request(WANTED)["api_key"] == "none"
    assert "api_key" not in ModelConfig("openai/gpt-4o-mini").request(WANTED)


def test_the_settings_model_is_asked_unless_the_step_names_another() -> None:
    assert HOSTED.for_model(None) is HOSTED
    assert HOSTED.for_model("openai/gpt-4o-mini") is HOSTED


@pytest.mark.parametrize(
    ("config", "other", "goes_with"),
    [
        (HOSTED, "openai/gpt-4o", True),
        (HOSTED, "gpt-4o", False),
        (OWN, "llama", True),
        (OWN, "openai/llama", True),
        (HOSTED, "anthropic/claude", False),
        (OWN, "anthropic/claude", False),
        (ModelConfig("", api_key="hush"), "anthropic/claude", False),
        (ModelConfig("gpt-4o", api_key="hush"), "openai/gpt-4o-mini", False),
        (ModelConfig("gpt-4o", api_key="hush"), "gpt-4o-mini", False),
    ],
)
def test_a_key_is_never_sent_to_another_provider(config: ModelConfig, other: str, goes_with: bool) -> None:
    found = config.for_model(other)
    assert (found.api_key is not None) == goes_with
    assert (found.api_base is not None) == (goes_with and config.api_base is not None)
    assert found.prices is None, "prices are those of one model"


def test_nothing_is_tried_again() -> None:
    request = HOSTED.request(WANTED)
    assert (request["max_retries"], request["num_retries"]) == (0, 0)


def test_a_key_is_not_shown() -> None:
    assert "hush" not in repr(HOSTED)
