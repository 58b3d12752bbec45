"""The pages on language models: what they show works, and what exists is named."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal

import pytest

from bot.llm.failures import TELLING
from bot.llm.functions import Function
from bot.llm.needs import asks_model
from bot.script.loader import load_script
from bot.script.test_files import beside, load_cases
from bot.script.testing import run_case
from campana.settings import LlmSettings
from tests.support_scripts import ROOT, script_of

HOW_TO = (ROOT / "docs/how-to/use-a-language-model.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```yaml\n(script:.*?)```", HOW_TO, re.DOTALL)
TESTS = re.findall(r"```yaml\n(tests:.*?)```", HOW_TO, re.DOTALL)
SETTINGS = re.findall(r"```toml\n(.*?)```", HOW_TO, re.DOTALL)
EXAMPLE = ROOT / "examples/language-model/script.yaml"
CASES = load_cases(beside(EXAMPLE, "tests"))


def test_the_scripts_are_right() -> None:
    assert len(SCRIPTS) == 2
    assert all(asks_model(script_of(text)) for text in SCRIPTS)


def test_the_test_passes() -> None:
    (case,) = load_cases(TESTS[0])
    assert run_case(script_of(SCRIPTS[0]), case).failures == ()


def test_the_settings_are_right() -> None:
    hosted, own = (LlmSettings(**tomllib.loads(text)["llm"]) for text in SETTINGS)
    assert hosted.model == "openai/gpt-4o-mini"
    assert own.prompt_price == Decimal(0)


@pytest.mark.parametrize("name", Function)
def test_every_function_is_named(name: str) -> None:
    assert f"| `{name}` |" in HOW_TO


@pytest.mark.parametrize("told", [told for _, told in TELLING])
def test_every_failure_is_named(told: str) -> None:
    assert told.partition(";")[0] in HOW_TO


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_example_does_what_its_tests_say(case: object) -> None:
    assert run_case(load_script(EXAMPLE), case).failures == ()  # type: ignore[arg-type]
