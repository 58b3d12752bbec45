"""From text and variables to the sentences that are spoken."""

from __future__ import annotations

import pytest

from bot.script.rendering import malformed, placeholders, render, spoken


def test_variables_are_filled_in_as_they_stand() -> None:
    assert render("Hello {name}, {amount}!", {"name": "Anna", "amount": "10 €"}) == "Hello Anna, 10 €!"


def test_doubled_braces_stand_for_themselves() -> None:
    assert render("{{name}} {name}", {"name": "x"}) == "{name} x"
    assert placeholders("{{name}} {name}") == ("name",)


def test_a_value_is_never_read_as_a_placeholder() -> None:
    assert render("Hi {name}", {"name": "{secret}", "secret": "1234"}) == "Hi {secret}"


def test_a_value_becomes_one_printable_line() -> None:
    assert render("Hi {name}", {"name": "An\x00na\n\tLee\u200b"}) == "Hi An na Lee"


def test_a_variable_without_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="name"):
        render("Hi {name}", {})


@pytest.mark.parametrize(
    ("text", "broken"), [("{a b}", "{a b}"), ("a { b", "{"), ("}", "}"), ("{}", "{}"), ("{ok} {{x}}", None)]
)
def test_braces_that_mean_nothing_are_found(text: str, broken: str | None) -> None:
    assert malformed(text) == broken


def test_text_is_cut_into_sentences() -> None:
    assert spoken("Hello Mr. {name}. How are you?", {"name": "Lee"}) == ("Hello Mr. Lee.", "How are you?")


def test_a_value_never_makes_or_unmakes_a_sentence() -> None:
    assert spoken("Hello {name}. Goodbye.", {"name": "St. John. Lee"}) == ("Hello St. John. Lee.", "Goodbye.")


def test_a_sentence_that_an_empty_value_leaves_without_words_is_not_spoken() -> None:
    assert spoken("Hello. {note}. Goodbye.", {"note": ""}) == ("Hello.", "Goodbye.")
