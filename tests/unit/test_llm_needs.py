"""Scripts that ask a language model need to know which."""

from __future__ import annotations

import pytest

from bot.llm.needs import ModelUnnamed, asks_model, require_model
from tests.support_scripts import script_of

ASKS = "\nsteps: {a: [{llm: {goal: Talk.}}]}\n"
NAMES = "\nsteps: {a: [{llm: {goal: Talk., model: openai/gpt-4o-mini}}]}\n"
SAYS = "\nsteps: {a: [{say: Hello.}, end]}\n"


def test_who_asks() -> None:
    assert [asks_model(script_of(text)) for text in (ASKS, NAMES, SAYS)] == [True, True, False]


def test_a_model_is_named_by_the_step_or_by_the_settings() -> None:
    require_model(script_of(SAYS), None)
    require_model(script_of(NAMES), None)
    require_model(script_of(ASKS), "openai/gpt-4o-mini")
    with pytest.raises(ModelUnnamed, match=r"line \d+: the script asks a language model .*\[llm\]"):
        require_model(script_of(ASKS), None)
