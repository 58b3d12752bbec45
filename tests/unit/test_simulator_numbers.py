"""Which persona a dialled number belongs to."""

from __future__ import annotations

import pytest

from telephony.simulator.numbers import Directory, normalise
from telephony.simulator.persona import Persona


def _directory(*numbers: str) -> Directory:
    return Directory([Persona((number,), number) for number in numbers])


def _found(directory: Directory, dialled: str) -> str | None:
    persona = directory.find(dialled)
    return persona.name if persona else None


@pytest.mark.parametrize("dialled", ["+84901000001", "0084901000001", "84901000001", "0901000001", "+84 90-100.00(01)"])
def test_every_way_to_dial_a_number_finds_its_owner(dialled: str) -> None:
    assert _found(_directory("+84901000001"), dialled) == "+84901000001"


@pytest.mark.parametrize(
    "dialled", ["+84901000002", "+184901000001", "901000001", "0001000001", "", "anna", "+8490100000"]
)
def test_other_numbers_belong_to_nobody(dialled: str) -> None:
    assert _found(_directory("+84901000001"), dialled) is None


def test_a_pattern_stands_for_a_range() -> None:
    directory = _directory("+8490200xxxx")
    assert _found(directory, "+84902001234") == "+8490200xxxx"
    assert _found(directory, "0902009999") == "+8490200xxxx"
    assert _found(directory, "+84902011234") is None


def test_the_more_exact_claim_wins_and_the_star_comes_last() -> None:
    directory = _directory("*", "+8490200xxxx", "+84902000001", "+849020000xx")
    assert _found(directory, "0902000001") == "+84902000001"
    assert _found(directory, "+84902000002") == "+849020000xx"
    assert _found(directory, "+84902001234") == "+8490200xxxx"
    assert _found(directory, "112") == "*"


def test_local_numbers_match_as_written() -> None:
    directory = _directory("0901", "1000")
    assert _found(directory, "0901") == "0901"
    assert _found(directory, "1000") == "1000"


def test_one_persona_may_have_several_numbers() -> None:
    directory = Directory([Persona(("+84901000001", "+84901000002"), "both")])
    assert _found(directory, "0901000002") == "both"


def test_normalising() -> None:
    assert normalise("+84 (0)") == "840"
    assert normalise("0084") == "84"
    assert normalise("0901") == "0901"
