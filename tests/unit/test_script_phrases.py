"""The sentences to synthesise before a call."""

from __future__ import annotations

import pytest

from bot.errors import MissingVariables
from bot.script.interpreter import Interpreter
from bot.script.loader import load_script
from bot.script.phrases import phrases, static_phrases
from tests.support_scripts import ANNA, DEMO, NOW, SMALL, said, script_of


def test_phrases_are_the_sentences_of_every_part_each_once() -> None:
    found = phrases(script_of(SMALL), {"name": "Anna"})
    assert found[:4] == ["Hello Anna.", "Will you pay on Friday?", "Sorry?", "Once more?"]
    assert {"Are you there?", "It is ten dollars.", "We will not call you again."} <= set(found)
    assert len(found) == len(set(found))


def test_static_phrases_hold_no_variable() -> None:
    found = static_phrases(script_of(SMALL))
    assert "Thank you." in found
    assert not any("Anna" in phrase or "{" in phrase or "Friday" in phrase for phrase in found)


def test_the_time_of_a_call_back_is_not_known_before_the_call() -> None:
    found = phrases(load_script(DEMO), ANNA)
    assert "When may I call you back?" in found
    assert not any(phrase.startswith("All right, I will call you") for phrase in found)


def test_a_contact_without_a_required_variable_is_refused() -> None:
    with pytest.raises(MissingVariables):
        phrases(script_of(SMALL), {})


@pytest.mark.parametrize("name", ["Anna", "J.", "Mr", "Anna. Lee", "{amount}", "O'Neil  "])
def test_everything_a_call_says_was_rendered_before(name: str) -> None:
    script = load_script(DEMO)
    variables = {**ANNA, "name": name}
    ready = set(phrases(script, variables))
    for turns in (["Yes."], ["No."], ["What?", "Who is this?", "How much?", "When is it due?"], ["Wrong number."]):
        conversation = Interpreter(script, variables, now=NOW)
        spoken = said(conversation.start())
        for turn in turns:
            spoken += said(conversation.heard(turn))
        while not conversation.finished:
            spoken += said(conversation.silent())
        assert set(spoken) <= ready
