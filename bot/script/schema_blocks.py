"""The blocks of a script in JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bot.script.context import LIKENESSES, LONGEST_PATIENCE_MS, LONGEST_SILENCE_MS
from bot.script.language import Group
from bot.script.outside_blocks import LONGEST_WAIT_MS, METHODS
from bot.script.rendering import RUNTIME_VARIABLES
from bot.understanding.forms import ValueKind

Schema = dict[str, Any]


def obj(properties: Mapping[str, Schema], required: Sequence[str] = ()) -> Schema:
    """A mapping with these keys and no others."""
    found: Schema = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    return found | {"required": list(required)} if required else found


def number(lowest: float, highest: float) -> Schema:
    """A number between two bounds."""
    return {"type": "number", "minimum": lowest, "maximum": highest}


def _named(values: Schema, names: Schema | None = None) -> Schema:
    named: Schema = {"type": "object", "additionalProperties": values}
    return named if names is None else named | {"propertyNames": names}


#: YAML reads `5` as a number and `true` as a truth value; the loader takes both as written.
TEXT: Final[Schema] = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
MAY_BE_EMPTY: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}
TEXTS: Final[Schema] = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
STEP: Final[Schema] = {"type": ["string", "number"], "pattern": r"\S"}
FLAG: Final[Schema] = {"type": "boolean"}
CONFIDENCE: Final[Schema] = number(0.1, 1)
VARIABLE: Final[Schema] = {"pattern": "^[a-z_][a-z0-9_]*$", "not": {"enum": sorted(RUNTIME_VARIABLES)}}
INTENT: Final[Schema] = obj({"samples": TEXTS, "keywords": TEXTS, "like": {"enum": list(LIKENESSES)}}) | {
    "anyOf": [{"required": [key]} for key in ("samples", "keywords", "like")]
}
SILENCE_PART: Final[Schema] = obj({"after_ms": number(500, LONGEST_SILENCE_MS), "say": TEXTS, "goto": STEP}) | {
    "description": "What happens when nobody speaks."
}
_PATIENCE: Final = number(200, LONGEST_PATIENCE_MS) | {"description": "Silence that ends an answer, in ms."}
_FORM: Final[Mapping[str, Schema]] = {
    "type": {"enum": list(ValueKind)},
    "choices": {
        "anyOf": [
            {"type": "array", "minItems": 1, "items": TEXT},
            _named({"anyOf": [TEXTS, {"type": "null"}]}) | {"minProperties": 1},
        ]
    },
    "min": {"type": "number"},
    "max": {"type": "number"},
    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
}
_CHOICE: Final[Schema] = {"properties": {"type": {"const": "choice"}}, "required": ["type"]}
#: A choice has choices, and nothing else has.
_FORM_RULE: Final[Schema] = {
    "if": _CHOICE,
    "then": {"required": ["choices"]},
    "else": {"not": {"required": ["choices"]}},
}


def blocks() -> Schema:
    """One block: a word that stands alone, or one key with what belongs to it."""
    alone = ["end", "opt_out", "call_back"]
    kinds = {
        "say": _say(),
        "listen": _listen(),
        "collect": _collect(),
        "assign": _named(MAY_BE_EMPTY, VARIABLE) | {"minProperties": 1},
        "compute": _named(TEXT, VARIABLE) | {"minProperties": 1},
        "if": _if(),
        "code": TEXT,
        "goto": STEP,
        "opt_out": {"enum": [None, True]},
        "call_back": {"anyOf": [{"enum": [None, True]}, obj({"ask": TEXTS})]},
        "transfer": {"anyOf": [TEXT, obj({"to": TEXT, "else": STEP}, required=("to",))]},
        "email": obj({"to": TEXT, "subject": TEXT, "body": TEXT}, required=("to", "subject", "body")),
        "webhook": _webhook(),
        "llm": _llm(),
        "end": {"enum": [None, True]},
    }
    return {"anyOf": [{"enum": alone}, obj(kinds) | {"minProperties": 1, "maxProperties": 1}]}


def _say() -> Schema:
    audio = {"type": "string", "pattern": r"^[^./\\][^\\]*\.wav$", "description": "A WAV file beside the script."}
    return {"anyOf": [TEXT, obj({"text": TEXT, "interruptible": FLAG, "audio": audio}, required=("text",))]}


def _listen() -> Schema:
    declared = dict(INTENT["properties"]) | {"goto": STEP}
    choice = {"anyOf": [STEP, obj(declared, required=("goto",)) | {"anyOf": INTENT["anyOf"]}]}
    value = obj({**_FORM, "goto": STEP}, required=("type", "goto")) | _FORM_RULE
    return obj(
        {
            "ask": TEXT,
            "intents": _named(choice),
            "values": _named(value, VARIABLE),
            "first": {"enum": ["values", "intents"]},
            "keys": _named(STEP, {"pattern": "^[0-9*#]$"}),
            "reprompt": TEXTS,
            "else": STEP,
            "silence": SILENCE_PART,
            "min_confidence": CONFIDENCE,
            "patience_ms": _PATIENCE,
        }
    ) | {"anyOf": [{"required": [key]} for key in ("intents", "values", "keys")]}


def _collect() -> Schema:
    return (
        obj(
            {
                "into": {"type": "string", **VARIABLE},
                **_FORM,
                "ask": TEXT,
                "ask_again": TEXTS,
                "confirm": TEXT,
                "required": FLAG,
                "else": STEP,
                "keys": FLAG,
                "patience_ms": _PATIENCE,
                "silence": SILENCE_PART,
            },
            required=("into", "type", "ask"),
        )
        | _FORM_RULE
    )


def group() -> Schema:
    """A group of conditions; groups may stand within each other."""
    return obj({str(name): _GROUP_PARTS for name in Group}) | {"minProperties": 1, "maxProperties": 1}


_GROUP_PARTS: Final[Schema] = {
    "anyOf": [TEXT, {"type": "array", "minItems": 1, "items": {"anyOf": [TEXT, {"$ref": "#/$defs/group"}]}}]
}


def _if() -> Schema:
    return obj({str(name): _GROUP_PARTS for name in Group} | {"then": STEP, "else": STEP}) | {
        "allOf": [
            {"oneOf": [{"required": [str(name)]} for name in Group]},
            {"anyOf": [{"required": ["then"]}, {"required": ["else"]}]},
        ]
    }


def _webhook() -> Schema:
    path = {"type": ["string", "number"], "description": "Names between dots, such as data.balance."}
    return obj(
        {
            "url": {"type": "string", "pattern": r"^https?://[^\s{}/?#]+([/?][^\s#]*)?$"},
            "method": {"enum": list(METHODS)},
            "headers": _named(MAY_BE_EMPTY),
            "body": _named(MAY_BE_EMPTY),
            "into": _named(path, VARIABLE),
            "timeout_ms": number(100, LONGEST_WAIT_MS),
            "say": TEXT,
            "else": STEP,
        },
        required=("url",),
    )


def _llm() -> Schema:
    value = {"anyOf": [{"enum": list(ValueKind)}, obj(_FORM, required=("type",)) | _FORM_RULE]}
    tools = {
        "codes": TEXTS,
        "collect": _named(value, VARIABLE),
        "transfers": TEXTS,
        "steps": _named(MAY_BE_EMPTY),
        "call_back": FLAG,
        "end": FLAG,
    }
    return obj(
        {
            "persona": TEXT,
            "goal": TEXT,
            "facts": TEXTS,
            "greeting": TEXT,
            "tools": obj(tools) | {"description": "What the model may do beside talking."},
            "model": TEXT,
            "max_turns": number(1, 200),
            "timeout_ms": number(500, 30_000),
            "fallback": TEXT,
            "else": STEP,
            "silence": SILENCE_PART,
        },
        required=("goal",),
    )
