"""docs/reference/numbers-and-dates.md: every example is understood and said as it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.reading import aloud, speak
from bot.understanding.forms import ValueForm, ValueKind
from bot.understanding.values import find_value

PAGE = (Path(__file__).parents[2] / "docs/reference/numbers-and-dates.md").read_text("utf-8")
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
ZONES = {"en": "America/New_York", "vi": "Asia/Ho_Chi_Minh"}


def rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and not cells[0].startswith(("English", "form", "written")):
            yield cells


def understood() -> Iterator[tuple[str, str, str, str | None]]:
    for section in PAGE.split("\n### ")[1:]:
        kind = section.split()[0]
        if kind == "yes_no":
            continue
        for english, vietnamese, kept in rows(section):
            value = None if kept == "nothing" else kept.strip("`")
            for language, cell in (("en", english), ("vi", vietnamese)):
                for said in cell.split(" · "):
                    yield kind, language, said, value


@pytest.mark.parametrize(("kind", "language", "said", "value"), list(understood()))
def test_what_is_understood(kind: str, language: str, said: str, value: str | None) -> None:
    currency = "USD" if re.search(r"\b(?:đô|xu)\b", said) else None
    form = ValueForm(ValueKind(kind), currency=currency)
    assert find_value(said, form, now=NOW, time_zone=ZONES[language], language=language) == value


def test_what_is_said() -> None:
    table = PAGE.partition("## What is said")[2].partition("Whatever else")[0]
    for form, value, *said in rows(table):
        canonical, _, currency = value.strip("`").partition(" ")
        today = NOW.date()
        found = [speak(canonical, form, each, currency=currency or None, today=today) for each in ("en", "vi")]
        assert found == said


def test_what_is_read_aloud() -> None:
    _, english, vietnamese = re.split(r"\| written in \w+ \| said \|", PAGE)
    for language, table in (("en", english), ("vi", vietnamese)):
        found = list(rows(table))
        assert found
        assert [aloud(written, language) for written, _ in found] == [said for _, said in found]
