"""The functions that a language model may be offered, and their declarations in the OpenAI protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from bot.script.language import Tools
from bot.understanding.forms import ValueForm, ValueKind


class Function(StrEnum):
    """Everything that a model can ever ask for; the script says which of it is offered."""

    SET_CODE = "set_code"
    KEEP_VALUE = "keep_value"
    CALL_BACK = "call_back"
    TRANSFER = "transfer"
    GO_ON = "go_on"
    END_CALL = "end_call"


NO_TITLES: Final[Mapping[str, str]] = {}
#: How a value of each kind is written (`ValueKind`).
_WRITTEN: Mapping[ValueKind, str] = {
    ValueKind.NUMBER: "a number in figures",
    ValueKind.MONEY: "an amount of money in figures, without the currency",
    ValueKind.DATE: "a date as YYYY-MM-DD, or in the customer's own words",
    ValueKind.TIME: "a time of day as HH:MM, 24 hours",
    ValueKind.PHONE: "a telephone number with its country code, as +84901234567",
    ValueKind.EMAIL: "an e-mail address",
    ValueKind.YES_NO: "yes or no",
    ValueKind.CHOICE: "one of",
    ValueKind.TEXT: "what the customer said about it",
}


def offered(tools: Tools) -> tuple[Function, ...]:
    """The functions of which the script offers anything."""
    has: Mapping[Function, object] = {
        Function.SET_CODE: tools.codes,
        Function.KEEP_VALUE: tools.collect,
        Function.CALL_BACK: tools.call_back,
        Function.TRANSFER: tools.transfers,
        Function.GO_ON: tools.steps,
        Function.END_CALL: tools.end,
    }
    return tuple(function for function, offer in has.items() if offer)


def declarations(tools: Tools, titles: Mapping[str, str] = NO_TITLES) -> tuple[Mapping[str, object], ...]:
    """The declarations of the functions on offer; `titles` says what action codes mean."""
    return tuple(_declared(function, tools, titles) for function in offered(tools))


def _declared(function: Function, tools: Tools, titles: Mapping[str, str]) -> Mapping[str, object]:
    text, properties, required = _parts(function, tools, titles)
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {
        "type": "function",
        "function": {"name": function.value, "description": text, "parameters": parameters},
    }


def _parts(function: Function, tools: Tools, titles: Mapping[str, str]) -> tuple[str, Mapping[str, Any], Sequence[str]]:
    """What a function is for, its parameters, and which of them must be given."""
    match function:
        case Function.SET_CODE:
            meant = {code: titles[code] for code in tools.codes if titles.get(code, code) != code}
            code = {**_one_of(tools.codes), "description": _listed(meant)}
            return "Note how the call went.", {"code": code}, ["code"]
        case Function.KEEP_VALUE:
            value = {"type": "string", "description": _forms(tools.collect)}
            fields = {"name": _one_of(tools.collect), "value": value}
            return "Note something that the customer has told you.", fields, ["name", "value"]
        case Function.CALL_BACK:
            text = (
                "The customer's local time as YYYY-MM-DDTHH:MM, or their own words; leave it out when none was named."
            )
            at = {"type": "string", "description": text}
            return "The customer wants to be called another time.", {"at": at}, []
        case Function.TRANSFER:
            return "Put the customer through to a person.", {"to": _one_of(tools.transfers)}, ["to"]
        case Function.GO_ON:
            step = {**_one_of(tools.steps), "description": _listed(tools.steps)}
            return "Go on with another part of the call.", {"step": step}, ["step"]
        case Function.END_CALL:
            return "Hang up; say goodbye in the same answer.", {}, []


def _one_of(names: Sequence[str] | Mapping[str, object]) -> dict[str, Any]:
    return {"type": "string", "enum": list(names)}


def _listed(meanings: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in meanings.items())


def _forms(collect: Mapping[str, ValueForm]) -> str:
    return _listed({name: _form(form) for name, form in collect.items()})


def _form(form: ValueForm) -> str:
    text = _WRITTEN[form.kind]
    if form.kind is ValueKind.CHOICE:
        text += " " + ", ".join(form.choices)
    if form.currency is not None:
        text += f" ({form.currency})"
    if form.lowest is not None:
        text += f", at least {form.lowest}"
    if form.highest is not None:
        text += f", at most {form.highest}"
    return text
