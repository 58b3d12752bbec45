"""The example that uses every block holds its own conversation tests."""

from __future__ import annotations

from typing import get_args

import pytest

from bot.script.language import Block
from bot.script.loader import load_script
from bot.script.phrases import phrases
from bot.script.test_files import load_cases
from bot.script.testing import Case, run_case
from tests.support_scripts import ROOT

EXAMPLE = ROOT / "examples" / "every-block" / "script.yaml"
SCRIPT = load_script(EXAMPLE)
CASES = load_cases(EXAMPLE.with_suffix(".tests.yaml"))


def test_every_block_of_the_language_is_in_it() -> None:
    assert {type(block) for _, block in SCRIPT.blocks()} == set(get_args(Block))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_its_conversations_go_as_written(case: Case) -> None:
    result = run_case(SCRIPT, case)
    assert [str(failure) for failure in result.failures] == []


def test_what_it_can_say_before_anything_is_known_is_synthesised_before_the_call() -> None:
    found = phrases(SCRIPT, {"name": "Anna", "customer": "4711"})
    assert {"Hello Anna, this is Bell Service.", "On which day?", "One moment please."} <= set(found)
    assert not any("{" in phrase for phrase in found)
