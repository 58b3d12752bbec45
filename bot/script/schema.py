"""The JSON Schema of scripts, for editors: docs/reference/script.schema.json is written from here.

It is looser than `bot.script.loader`, which alone knows what steps, codes and variables there are.
"""

from __future__ import annotations

from typing import Final

from bot.script.codes import CLASSES, GENERIC_RESULTS, SYSTEM_CODES
from bot.script.language import BUILT_IN_CODES, BuiltIn, MachinePolicy
from bot.script.loader import DEFAULT_MIN_CONFIDENCE, HANDLED, OWN_WORDING, SILENCE
from bot.script.schema_blocks import (
    CONFIDENCE,
    INTENT,
    SILENCE_PART,
    STEP,
    TEXT,
    VARIABLE,
    Schema,
    blocks,
    group,
    number,
    obj,
)
from bot.script.transfers import LONGEST_RING_S, SHORTEST_RING_S
from telephony.transfer import TransferBy

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_CURRENCY: Final = {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217, of money that names none."}
#: Names of intents that are built in.
_RESERVED: Final = sorted(set(BuiltIn) - OWN_WORDING)
_TAG: Final = {"type": "string", "pattern": "^[a-z]{2,3}(-[A-Za-z0-9]+)*$"}


def json_schema() -> Schema:
    """The schema of a whole script."""
    return {
        "$schema": DIALECT,
        "title": "Campana script",
        "description": "What a bot may say and understand: docs/reference/script-language.md",
        **obj(_top(), required=("steps",)),
        "$defs": {"block": blocks(), "group": group()},
    }


def _top() -> Schema:
    return {
        "script": TEXT | {"description": "Name of the script; the file's name unless given."},
        "title": TEXT | {"description": "Name for people."},
        "language": _TAG | {"description": "Language tag, such as en or vi.", "default": "en"},
        "currency": _CURRENCY,
        "start": STEP | {"description": "The step that begins the call; the first unless given."},
        "variables": {
            "description": "What each contact brings.",
            "type": "object",
            "propertyNames": VARIABLE,
            "additionalProperties": {
                "anyOf": [{"const": "required"}, obj({"required": {"type": "boolean"}, "default": _ANYTHING})]
            },
        },
        "codes": _codes(),
        "intents": {
            "description": "What customers may mean.",
            "type": "object",
            "propertyNames": {"not": {"enum": _RESERVED}},
            "additionalProperties": INTENT,
        },
        "handlers": obj(dict.fromkeys((*HANDLED, SILENCE), STEP))
        | {"description": "Steps for what may be said at any moment."},
        "faq": {
            "description": "Questions that may be asked at any moment.",
            "type": "object",
            "propertyNames": {"not": {"enum": _RESERVED}},
            "additionalProperties": _question(),
        },
        "silence": SILENCE_PART,
        "min_confidence": CONFIDENCE | {"default": DEFAULT_MIN_CONFIDENCE},
        "machines": _machines(),
        "transfers": {
            "description": "People to whom a customer can be put through.",
            "type": "object",
            "additionalProperties": _person(),
        },
        "steps": {
            "description": "The conversation: each step is a list of blocks.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": r"^[^_\s][^\s]*$"},
            "additionalProperties": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/block"}},
        },
    }


_ANYTHING: Final = {"type": ["string", "number", "boolean", "null"]}


def _codes() -> Schema:
    parts = {
        "title": TEXT | {"description": "Words for reports."},
        "result": {"enum": list(GENERIC_RESULTS)},
        "class": {"enum": list(CLASSES)},
        "family": TEXT,
    }
    return {
        "description": "Action codes that the script sets.",
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z0-9_-]{1,32}$", "not": {"enum": sorted(SYSTEM_CODES)}},
        "properties": {code: obj(parts) for code in sorted(BUILT_IN_CODES)},
        "additionalProperties": obj(parts, required=("result",)),
    }


def _question() -> Schema:
    samples = dict(INTENT["properties"])
    return obj(samples | {"say": TEXT, "repeat": number(1, 20)}, required=("say",)) | {"anyOf": INTENT["anyOf"]}


def _machines() -> Schema:
    words: Schema = {"enum": [str(MachinePolicy.HANG_UP), str(MachinePolicy.TALK_ON)]}
    message = obj({"message": TEXT}, required=("message",))
    either: Schema = {"anyOf": [words, message]}
    kinds = {"voicemail": either, "screening": either, "ivr": words, "fax": words}
    return obj(kinds) | {"description": "What happens when no person takes the call."}


def _person() -> Schema:
    return obj(
        {
            "number": {"type": ["string", "integer"], "description": "+ and 7 to 15 digits, or an extension."},
            "by": {"enum": list(TransferBy)},
            "ring_s": number(SHORTEST_RING_S, LONGEST_RING_S),
            "whisper": TEXT | {"description": "What the agent alone hears first."},
        },
        required=("number",),
    )
