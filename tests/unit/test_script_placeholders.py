"""Placeholders with forms and plurals, and values as they are said and written."""

from __future__ import annotations

import pytest

from bot.script.figures import figures
from bot.script.placeholders import (
    Placeholder,
    Reading,
    names_in,
    parse_placeholder,
    pieces,
    plural_forms,
    plural_of,
    secrets_in,
    wrong_part,
)
from bot.script.rendering import Speech, render, spoken
from bot.understanding.forms import ValueForm, ValueKind


def test_a_placeholder_names_a_variable_and_how_it_is_said() -> None:
    assert parse_placeholder(" name ") == Placeholder("name")
    assert parse_placeholder("due | date") == Placeholder("due", Reading.DATE)
    assert parse_placeholder("n|plural: one fish , fish") == Placeholder("n", plural=("one fish", "fish"))


@pytest.mark.parametrize(
    "text", ["{n|}", "{n|weight}", "{n|plural}", "{n|plural:}", "{n|plural: a,,b}", "{n|date: x}", "{|date}"]
)
def test_a_form_that_means_nothing_is_found(text: str) -> None:
    wrong = wrong_part(f"You have {{ok}} and {text}.")
    assert wrong is not None
    assert wrong[0] == text


def test_secrets_are_found_and_are_no_variables() -> None:
    text = "Bearer {secret:CRM_1} of {name}"
    assert (secrets_in(text), names_in(text)) == (("CRM_1",), ("name",))
    assert wrong_part(text, secrets=True) is None
    assert wrong_part(text) == ("{secret:CRM_1}", "A secret can stand only in the headers of a webhook")


@pytest.mark.parametrize(
    ("language", "forms"),
    [("en", ("one", "other")), ("vi", ("other",)), ("pl", ("one", "few", "many", "other")), ("xx", ("one", "other"))],
)
def test_a_language_has_its_plural_forms(language: str, forms: tuple[str, ...]) -> None:
    assert plural_forms(language) == forms


@pytest.mark.parametrize(
    ("value", "language", "word"),
    [
        ("1", "en", "a"),
        ("-1", "en", "a"),
        ("1.5", "en", "b"),
        ("0", "en", "b"),
        ("many", "en", "b"),
        ("", "en", "b"),
        ("NaN", "en", "b"),
        ("3", "pl", "b"),
        ("12", "pl", "c"),
        ("5", "vi", "a"),
    ],
)
def test_a_number_has_its_word(value: str, language: str, word: str) -> None:
    assert plural_of(value, ("a", "b", "c", "d")[: len(plural_forms(language))], language) == word


def test_sentences_are_cut_beside_placeholders_and_never_in_them() -> None:
    text = "You have {n|plural: a bill. Really, bills}. It is {due|date}. " + "word " * 60 + "{n|plural: x, y}."
    found = pieces(text)
    assert found[:2] == ("You have {n|plural: a bill. Really, bills}.", "It is {due|date}.")
    assert found[-1].endswith("{n|plural: x, y}.")
    assert all(wrong_part(piece) is None for piece in found)


def test_values_are_said_in_the_form_of_the_place_else_of_their_kind() -> None:
    values = {"n": "1250", "day": "2026-11-27", "name": "1250", "odd": "soon", "empty": ""}
    forms = {"n": ValueForm(ValueKind.MONEY, currency="EUR"), "day": ValueForm(ValueKind.DATE)}
    speech = Speech("en", "USD")
    said = spoken("{n}. {n|number}. {name|money}. {day}. {odd|date}. {name}. {empty|money}.", values, forms, speech)
    assert said == (
        "one thousand two hundred and fifty euros.",
        "one thousand two hundred and fifty.",
        "one thousand two hundred and fifty dollars.",
        "Friday, November twenty-seventh.",
        "soon.",
        "1250.",
    )


def test_a_value_from_a_list_is_said_although_it_is_grouped_or_has_a_time() -> None:
    values = {"amount": "1,250.50", "day": "2026-11-27 00:00:00"}
    assert spoken("{amount|money}. {day|date}.", values, speech=Speech("en", "USD")) == (
        "one thousand two hundred and fifty dollars and fifty cents.",
        "Friday, November twenty-seventh.",
    )


def test_written_texts_keep_values_as_they_are_unless_a_form_is_asked_for() -> None:
    values = {"n": "1500000", "day": "2026-11-27", "at": "14:30", "x": "soon"}
    text = "{n}; {n|number}; {n|money}; {day|date}; {at|time}; {x|date}; {n|spell}; {n|plural: bill, bills}"
    assert render(text, values, "en", "USD") == (
        "1500000; 1,500,000; $1,500,000.00; Friday, November 27, 2026; 2:30 PM; soon; 1500000; bills"
    )
    assert render("{n|money}", values, "vi", "VND") == "1.500.000 ₫"
    assert render("{n|money}", values) == "1,500,000"


@pytest.mark.parametrize("value", ["", "x", "NaN", "1e99", "2026-13-01", "25:00", "9" * 40])
@pytest.mark.parametrize("reading", list(Reading))
def test_what_is_no_value_of_a_form_is_written_as_it_stands(value: str, reading: Reading) -> None:
    assert figures(value, reading, "en", "USD") == value
