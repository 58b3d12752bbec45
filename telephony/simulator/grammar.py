"""The words of a persona file and what each stands for; check, schema and reference page are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from telephony.simulator.persona import (
    Act,
    Answer,
    BargeIn,
    Beep,
    Chirp,
    Echo,
    HangUp,
    Keys,
    Noise,
    Reception,
    Refer,
    Reject,
    Repeat,
    RingOut,
    Say,
    Silent,
    Unreachable,
    Voice,
    Wait,
    WaitForBot,
)
from telephony.simulator.settings import Kind, Setting, settings_of

MAX_CALL = Setting("max_call_ms", Kind.WHOLE, "the callee hangs up after so long", False, 120_000, 100, 7_200_000)


@dataclass(frozen=True)
class Word:
    """A word with settings; `short` is the setting that a bare value stands for."""

    stands_for: type[Act] | type[Reception] | type[Voice] | type[Refer]
    short: str | None = None

    @property
    def settings(self) -> tuple[Setting, ...]:
        return settings_of(self.stands_for)

    @property
    def bare(self) -> bool:
        """Whether the word may stand alone."""
        return not any(setting.required for setting in self.settings)


ACTS: Mapping[str, Word] = {
    "say": Word(Say, "text"),
    "wait": Word(Wait, "ms"),
    "wait_for_bot": Word(WaitForBot, "silence_ms"),
    "barge_in": Word(BargeIn, "text"),
    "hangup": Word(HangUp, "after_ms"),
    "beep": Word(Beep, "ms"),
    "tone": Word(Beep, "ms"),
    "chirp": Word(Chirp, "ms"),
    "keys": Word(Keys, "digits"),
    "silent": Word(Silent, "ms"),
    "noise": Word(Noise, "level_db"),
    "echo": Word(Echo, "ms"),
    "repeat": Word(Repeat, "play"),
}
RECEPTIONS: Mapping[str, Word] = {"answer": Word(Answer, "after_ms"), "reject": Word(Reject, "status")}
#: Receptions without settings: `busy: true`.
FLAGS: Mapping[str, Reception] = {"busy": Reject(status=486), "ring_out": RingOut(), "unreachable": Unreachable()}
VOICE = Word(Voice, "speed")
REFER = Word(Refer, "answer")
_BARE_RECEPTIONS = [*RECEPTIONS, *FLAGS]

_NUMBER = {"type": ["string", "integer"], "pattern": r"^(\*|\+?[0-9][0-9x]{1,19})$"}
_CODE = {"type": "string", "minLength": 1}
_TEXT = {"type": ["string", "number", "boolean"]}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one persona, for editors that check YAML while it is written."""
    acts = {name: _word_schema(word) for name, word in ACTS.items()}
    bare = [name for name, word in ACTS.items() if word.bare]
    properties: dict[str, Any] = {
        "number": {"anyOf": [_NUMBER, {"type": "array", "items": _NUMBER, "minItems": 1}]},
        "name": {"type": "string", "minLength": 1},
        "expected_code": {"anyOf": [_CODE, {"type": "array", "items": _CODE, "minItems": 1}]},
        "contact": {"type": "object", "additionalProperties": _TEXT},
        "voice": _word_schema(VOICE),
        "refer": _word_schema(REFER),
        MAX_CALL.name: _setting_schema(MAX_CALL),
        "play": {"$ref": "#/$defs/acts"},
        "play_again": {"$ref": "#/$defs/acts"},
    }
    receptions = {name: _word_schema(word) for name, word in RECEPTIONS.items()}
    receptions |= {name: {"const": True} for name in FLAGS}
    properties |= receptions | {"first": {"type": "array", "items": {"anyOf": _one_word(receptions, _BARE_RECEPTIONS)}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A simulated customer",
        "type": "object",
        "required": ["number", "name"],
        "additionalProperties": False,
        "properties": properties,
        "$defs": {"acts": {"type": "array", "items": {"anyOf": _one_word(acts, bare)}}},
    }


def _one_word(words: Mapping[str, dict[str, Any]], bare: list[str]) -> list[dict[str, Any]]:
    """An entry of a list: one of the words alone, or one word with its value."""
    with_value = [
        {"type": "object", "required": [name], "additionalProperties": False, "properties": {name: schema}}
        for name, schema in words.items()
    ]
    return [{"enum": bare}, *with_value]


def _word_schema(word: Word) -> dict[str, Any]:
    settings = {setting.name: setting for setting in word.settings}
    required = [name for name, setting in settings.items() if setting.required]
    whole = {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {name: _setting_schema(setting) for name, setting in settings.items()},
    }
    return {"anyOf": [_setting_schema(settings[word.short]), whole]} if word.short else whole


def _setting_schema(setting: Setting) -> dict[str, Any]:
    bounds = {"minimum": setting.low, "maximum": setting.high}
    shapes: dict[Kind, dict[str, Any]] = {
        Kind.WHOLE: {"type": "integer", **bounds},
        Kind.NUMBER: {"type": "number", **bounds},
        Kind.TEXT: dict(_TEXT),
        Kind.FLAG: {"type": "boolean"},
        Kind.CHOICE: {"enum": list(setting.choices)},
        Kind.KEYS: {"type": ["string", "integer"], "pattern": "^[0-9*#A-D]+$"},
        Kind.ACTS: {"$ref": "#/$defs/acts"},
    }
    described = {"description": setting.about} if setting.kind is not Kind.ACTS else {}
    default = {} if setting.default is None else {"default": setting.default}
    return shapes[setting.kind] | described | default
