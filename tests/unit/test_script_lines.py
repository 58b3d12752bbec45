"""The lines of a script as they would be said."""

from __future__ import annotations

import pytest

from bot.errors import BotError, MissingVariables
from bot.script.lines import ScriptLine, lines_of
from tests.support_scripts import NOW, script_of

SCRIPT = script_of("""
variables: {name: required, n: {default: "2"}}
faq: {price: {samples: [how much], say: Five dollars.}}
silence: {say: [Are you there]}
transfers: {sales: {number: "100", whisper: "This is {name}."}}
steps:
  first:
    - say: "Hello {name}. You have {n} {n|plural: letter, letters}."
    - say: {text: Listen to this. Please., audio: sounds/this.wav}
    - collect: {into: day, type: date, ask: "Which day?", confirm: "{day}, right?", ask_again: "Which day?"}
    - assign: {word: x}
    - goto: second
  second:
    - say: "You said {word} and {heard}. Goodbye {name}."
    - transfer: sales
""")


def lines(step: str | None = None, **given: str) -> list[ScriptLine]:
    return list(lines_of(SCRIPT, {"name": "Anna", **given}, now=NOW, time_zone="UTC", step=step))


def test_every_line_comes_once_with_its_step_and_what_belongs_to_none_last() -> None:
    found = [(line.step, line.text) for line in lines()]
    assert found == [
        ("first", "Hello Anna."),
        ("first", "You have 2 letters."),
        ("first", "Listen to this. Please."),
        ("first", "Which day?"),
        ("first", "{day}, right?"),
        ("second", "You said {word} and {heard}."),
        ("second", "Goodbye Anna."),
        ("_opt_out", "I am sorry for the trouble."),
        ("_opt_out", "We will not call you again."),
        ("_opt_out", "Goodbye."),
        ("_call_back", "All right, we will call you another time."),
        ("_call_back", "Goodbye."),
        ("_wrong_person", "I am sorry, I have the wrong person."),
        ("_wrong_person", "Goodbye."),
        ("", "Five dollars."),
        ("", "Are you there"),
        ("", "This is Anna."),
    ]


def test_what_only_a_call_knows_is_named_unless_it_is_given() -> None:
    assert [line.unknown for line in lines("second")] == [("word", "heard"), ()]
    (said, _) = lines("second", word="yes", heard="no")
    assert (said.text, said.unknown) == ("You said yes and no.", ())
    (confirmed,) = [line.text for line in lines("first", day="2026-03-06") if "right?" in line.text]
    assert "March" in confirmed


def test_a_recording_is_named_as_a_whole() -> None:
    assert ScriptLine("first", "Listen to this. Please.", "sounds/this.wav") in lines()


def test_what_is_missing_or_unknown_is_told() -> None:
    with pytest.raises(BotError, match="there is no step 'third'; known are first, second"):
        lines("third")
    with pytest.raises(MissingVariables):
        lines_of(SCRIPT, {}, now=NOW, time_zone="UTC")
