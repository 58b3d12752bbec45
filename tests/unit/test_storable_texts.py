"""Texts of machines, without what a database refuses."""

from __future__ import annotations

from typing import Any

import pytest

from bot.outcome import Alternative, Latency, Speaker, Turn
from campaigns.keeping import turn_row
from storage.texts import storable


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("plain\n\t£😀", "plain\n\t£😀"),
        ("a\x00b\ud83dc\udfffd", "abcd"),
        ({"k\x00": ["a\x00", {"n": ("\ud800", 1, None, 2.5, True)}]}, {"k": ["a", {"n": ["", 1, None, 2.5, True]}]}),
        (None, None),
        (7, 7),
    ],
)
def test_characters_that_no_database_keeps_are_dropped_however_deep(value: Any, kept: Any) -> None:
    assert storable(value) == kept


def test_a_turn_is_kept_without_them() -> None:
    turn = Turn(
        Speaker.CUSTOMER,
        100,
        900,
        "ye\x00s",
        step="ask\ud800",
        heard=(Alternative("ye\x00s", 0.9, "m\x00"),),
        collected={"name": "An\x00na"},
        latency=Latency(),
    )
    row = turn_row("a1", 3, turn)
    assert (row["attempt_id"], row["turn_no"], row["speaker"]) == ("a1", 3, "customer")
    assert (row["start_ms"], row["end_ms"], row["text"], row["step"]) == (100, 900, "yes", "ask")
    assert [(each["text"], each["model"]) for each in row["heard"]] == [("yes", "m")]
    assert row["collected"] == {"name": "Anna"}
    assert row["latency"] is None
