"""Fields of a persona file, each with its kind, bounds and meaning: the one source of check, schema and page."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any


class Kind(Enum):
    """What a YAML value must be; the value is the word used in messages."""

    WHOLE = "a whole number"
    NUMBER = "a number"
    TEXT = "a text"
    FLAG = "true or false"
    CHOICE = "one of the words"
    KEYS = "keys in quotes (0-9 * # A-D)"
    ACTS = "a list of acts"


@dataclass(frozen=True)
class Setting:
    """One field; `low` and `high` are inclusive bounds of a number."""

    name: str
    kind: Kind
    about: str
    required: bool
    default: Any
    low: float | None
    high: float | None
    #: The words of a choice.
    choices: tuple[str, ...] = ()


_KEY = "persona_setting"


def whole(default: int | None, low: int, high: int, about: str) -> Any:
    """A whole number with bounds; a default of None means that it may be left out."""
    return _field(Kind.WHOLE, about, default=default, low=low, high=high)


def number(default: float | None, low: float, high: float, about: str) -> Any:
    """A number with bounds."""
    return _field(Kind.NUMBER, about, default=default, low=low, high=high)


def flag(default: bool, about: str) -> Any:
    """True or false."""
    return _field(Kind.FLAG, about, default=default)


def choice(default: str, choices: tuple[str, ...], about: str) -> Any:
    """One of some words."""
    return field(default=default, metadata={_KEY: (Kind.CHOICE, about, None, None, choices)})


def text(about: str) -> Any:
    """A required, non-empty text."""
    return field(metadata={_KEY: (Kind.TEXT, about, None, None)})


def keys(about: str) -> Any:
    """Required telephone keys."""
    return field(metadata={_KEY: (Kind.KEYS, about, None, None)})


def acts(about: str) -> Any:
    """A required list of acts."""
    return field(metadata={_KEY: (Kind.ACTS, about, None, None)})


def _field(kind: Kind, about: str, *, default: Any, low: float | None = None, high: float | None = None) -> Any:
    return field(default=default, metadata={_KEY: (kind, about, low, high)})


def settings_of(cls: type) -> tuple[Setting, ...]:
    """The settings of a dataclass that was written with the functions above, in their order."""
    found = []
    for one in fields(cls):
        if _KEY in one.metadata:
            kind, about, low, high, *choices = one.metadata[_KEY]
            default = one.default
            required = not isinstance(default, (int, float, str, bool, type(None)))
            given = None if required else default
            found.append(Setting(one.name, kind, about, required, given, low, high, *choices))
    return tuple(found)
