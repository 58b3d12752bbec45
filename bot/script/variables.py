"""The variables of one conversation: what the contact brought, what the customer gave, what the script set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from bot.errors import MissingVariables
from bot.script.assigned import assigned_names
from bot.script.functions import Value, as_number
from bot.script.language import Script
from bot.script.rendering import CALL_BACK_AT, HEARD, LANGUAGE, TODAY, TODAY_FORM, Speech, clean, render, spoken, write
from bot.understanding.entities import spoken_call_back
from bot.understanding.forms import ValueForm, ValueKind

#: A longer value is cut: nobody says more, and a script that doubles a text in a loop must not fill the memory.
MAX_CHARS: Final = 2000
_NUMBERS: Final = frozenset({ValueKind.NUMBER, ValueKind.MONEY})


class Variables:
    """Values by name, as canonical text, with the form of those whose kind is known.

    `own_words` are those that hold what was said as it was said.
    """

    def __init__(self, script: Script, given: Mapping[str, str], now: datetime, time_zone: str) -> None:
        self.texts = {**dict.fromkeys(assigned_names(script), ""), **fill_variables(script, given)}
        self.forms: dict[str, ValueForm] = {TODAY: TODAY_FORM}
        self.own_words: set[str] = set()
        today = now.astimezone(ZoneInfo(time_zone)).date()
        self.texts |= {LANGUAGE: script.language, TODAY: today.isoformat()}
        self.speech = Speech(script.language, script.currency, today)

    def copy(self) -> Variables:
        """The same values, to change apart."""
        twin = object.__new__(Variables)
        twin.speech, twin.texts, twin.forms = self.speech, dict(self.texts), dict(self.forms)
        twin.own_words = set(self.own_words)
        return twin

    def set(self, name: str, value: str, form: ValueForm | None = None) -> None:
        """Give `name` a value; `form` is its kind, None for a plain text."""
        self.texts[name] = clean(value)[:MAX_CHARS]
        self.forms.pop(name, None)
        self.own_words.discard(name)
        if form is not None:
            self.forms[name] = form
            if form.kind is ValueKind.TEXT:
                self.own_words.add(name)

    def with_value(self, name: str, value: str, form: ValueForm) -> Variables:
        """The variables as they would be with one value more."""
        twin = self.copy()
        twin.set(name, value, form)
        return twin

    def spoken(self, text: str) -> tuple[str, ...]:
        """The sentences of a text, as they are said."""
        return spoken(text, self.texts, self.forms, self.speech)

    def written(self, text: str) -> str:
        """A text as one line, with values as they are kept."""
        return render(text, self.texts, self.speech.language, self.speech.currency)

    def lines(self, text: str) -> str:
        """A text that keeps its own lines, with values as they are kept."""
        speech = self.speech
        return "\n".join(clean(line) for line in write(text, self.texts, speech.language, speech.currency).splitlines())

    def values(self) -> dict[str, Value]:
        """What expressions see: numbers as numbers, yes and no as truth, all else as text."""
        return {name: self._value(name, text) for name, text in self.texts.items()}

    def _value(self, name: str, text: str) -> Value:
        form = self.forms.get(name)
        if form is None or not text:
            return text
        if form.kind is ValueKind.YES_NO:
            return text == "yes"
        return as_number(text) if form.kind in _NUMBERS else text


def fill_variables(script: Script, given: Mapping[str, str]) -> dict[str, str]:
    """Every declared variable with the contact's value or its default.

    Raises `MissingVariables` for required ones that are absent or blank.
    """
    filled: dict[str, str] = {
        CALL_BACK_AT: spoken_call_back(None, datetime.min.replace(tzinfo=UTC), script.language),
        LANGUAGE: script.language,
        HEARD: "",
    }
    missing = []
    for variable in script.variables:
        value = given.get(variable.name, "").strip() or variable.default
        if value is None:
            missing.append(variable.name)
        else:
            filled[variable.name] = value
    if missing:
        raise MissingVariables(script.name, missing)
    return filled
