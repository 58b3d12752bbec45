"""Action codes: what became of an attempt, in the campaign's own words (VOCABULARY: Default action codes)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self, assert_never

from bot.outcome import ConversationResult, EndedBy, Transferred
from campaigns.errors import CampaignError
from telephony.call import CallEnd, NotAnswered
from telephony.outcomes import CallStatus, DialStatus, HangupBy

SHORT_CALL_MS: Final = 5000
#: Width of the column that holds a code.
CODE_LENGTH: Final = 32
_CODE_FIELDS: Final = frozenset({"generic_result", "class", "family", "title", "group", "rank", "colour"})
_TEXT_LENGTH: Final = 200
_LAST_RANK: Final = 9999
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")


class CodeError(CampaignError):
    """A table of action codes contradicts itself; the message names the code and the remedy."""


class CodeClass(StrEnum):
    """The three classes that partition the attempts of a campaign, and the one that is left out of them."""

    SUCCESS = "success"
    UNSUCCESSFUL = "unsuccessful"
    ERROR = "error"
    NOT_COUNTED = "not_counted"


class GenericResult(StrEnum):
    """The result that every code, default or custom, maps to."""

    COMPLETED = "Completed"
    BUSY = "Busy"
    NO_ANSWER = "NoAnswer"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    NO_RESULT = "NoResult"
    TO_CONTINUE = "ToContinue"
    TALK_ERROR = "TalkError"


#: The class of a family; every other family is a success.
FAMILY_CLASS: Final[Mapping[str, CodeClass]] = {
    "BS": CodeClass.UNSUCCESSFUL,
    "NA": CodeClass.UNSUCCESSFUL,
    "CU": CodeClass.ERROR,
    "XC": CodeClass.NOT_COUNTED,
}


@dataclass(frozen=True)
class ActionCode:
    """One row of a code table; `code_class` follows from the family, so that the two never disagree."""

    code: str
    generic_result: GenericResult
    family: str
    #: For lists and editors: what it means, its group, its place in it, and its colour (#rrggbb).
    title: str | None = None
    group: str | None = None
    rank: int = 0
    colour: str | None = None

    @property
    def code_class(self) -> CodeClass:
        return FAMILY_CLASS.get(self.family, CodeClass.SUCCESS)


def _table(*rows: tuple[str, GenericResult, str]) -> dict[str, ActionCode]:
    return {code: ActionCode(code, result, family) for code, result, family in rows}


DEFAULTS: Final[Mapping[str, ActionCode]] = _table(
    ("HUP", GenericResult.COMPLETED, "HUP"),
    ("BHU", GenericResult.COMPLETED, "BHU"),
    ("BS", GenericResult.BUSY, "BS"),
    ("NA", GenericResult.NO_ANSWER, "NA"),
    ("CU", GenericResult.FAILED, "CU"),
    ("CG", GenericResult.FAILED, "CU"),
    ("RJ", GenericResult.CANCELLED, "BS"),
    ("OS", GenericResult.FAILED, "NA"),
    ("IN", GenericResult.FAILED, "CU"),
    ("SC", GenericResult.NO_RESULT, "SC"),
    ("VM", GenericResult.NO_ANSWER, "NA"),
    ("SL", GenericResult.NO_RESULT, "SL"),
    ("CB", GenericResult.TO_CONTINUE, "CB"),
    ("DNC", GenericResult.COMPLETED, "DNC"),
    ("TR", GenericResult.COMPLETED, "TR"),
    ("ANP", GenericResult.TO_CONTINUE, "ANP"),
    ("AHU", GenericResult.COMPLETED, "AHU"),
    ("TO", GenericResult.COMPLETED, "TO"),
    ("ER", GenericResult.TALK_ERROR, "CU"),
    ("XC", GenericResult.CANCELLED, "XC"),
)

STATUS_CODE: Final[Mapping[CallStatus, str]] = {
    CallStatus.USER_HANGUP: "HUP",
    CallStatus.BOT_HANGUP: "BHU",
    CallStatus.BUSY: "BS",
    CallStatus.NOANSWER: "NA",
    CallStatus.CHANUNAVAIL: "CU",
    CallStatus.CONGESTION: "CG",
    CallStatus.REJECTED: "RJ",
    CallStatus.OUT_OF_SERVICE: "OS",
    CallStatus.INVALID_NUMBER: "IN",
    CallStatus.SHORT_CALL: "SC",
    CallStatus.VOICEMAIL: "VM",
    CallStatus.SILENT: "SL",
    CallStatus.TRANSFERRED: "TR",
    CallStatus.AGENT_NOT_PICK_UP: "ANP",
    CallStatus.DIAL_HANGUP: "AHU",
    CallStatus.MAX_DURATION: "TO",
    CallStatus.BOT_ERROR: "ER",
    CallStatus.CANCELLED: "XC",
}
_SCRIPT_MAY_NAME: Final = frozenset({CallStatus.USER_HANGUP, CallStatus.BOT_HANGUP})


@dataclass(frozen=True)
class Assigned:
    """What is written on the attempt when it ends."""

    call_status: CallStatus
    code: str
    code_class: CodeClass
    #: BS, NA, CU, or the code's own name.
    family: str
    generic_result: GenericResult
    #: The row of the default table that applies (its billing and retry columns), whatever the code is called.
    default_code: str


@dataclass(frozen=True)
class CodeTable:
    """The codes of one campaign: the default table, its own strings for it, and the script's codes."""

    #: Default code → the campaign's string for it.
    overrides: Mapping[str, str] = field(default_factory=dict)
    #: A script's code → its row.
    custom: Mapping[str, ActionCode] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for default, shown in self.overrides.items():
            if default not in DEFAULTS:
                raise CodeError(f"codes: {default!r} is no default code; those are {', '.join(DEFAULTS)}")
            _check_string(shown)
        shown_codes = [self.overrides.get(code, code) for code in DEFAULTS] + list(self.custom)
        for code in shown_codes:
            if shown_codes.count(code) > 1:
                raise CodeError(f"codes: {code!r} stands for two different results; give one of them another string")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """From the campaign's `codes`.

        `{"NA": "KNM"}` gives a default code another string; `{"PTP": {"generic_result": "Completed",
        "class": "success", "family": "PTP"}}` declares a script's code, where class or family may be left out
        when the other tells it. Raises `CodeError` naming the code and the remedy.
        """
        overrides: dict[str, str] = {}
        custom: dict[str, ActionCode] = {}
        for code, value in data.items():
            if isinstance(value, str):
                overrides[code] = value
            elif isinstance(value, Mapping):
                custom[code] = _custom_code(code, value)
            else:
                raise CodeError(f"codes.{code}: expected a string, or a mapping with generic_result and class")
        return cls(overrides, custom)

    def chosen(self, code: str) -> ActionCode | None:
        """The row of a code that a person sets: one of the table, which tells of a call that took place; else None."""
        shown = {self.overrides.get(name, name) for name in DEFAULTS}
        return self.script(code) if code in self.custom or code in shown else None

    def codes(self) -> list[ActionCode]:
        """Those that a person may set, in the order of groups and ranks, the default ones last."""
        own = sorted(self.custom.values(), key=lambda row: (row.group or "", row.rank, row.code))
        return own + [self.default(name) for name in DEFAULTS if DEFAULTS[name].code_class is not CodeClass.NOT_COUNTED]

    def default(self, name: str) -> ActionCode:
        """The default code's row under the campaign's string for it."""
        row = DEFAULTS[name]
        return ActionCode(self.overrides.get(name, name), row.generic_result, row.family)

    def script(self, code: str) -> ActionCode | None:
        """The row of a code that the script set; an undeclared one is a completed success of its own family.

        None for a code that no script may set.
        """
        if code in self.custom:
            return self.custom[code]
        shown = {self.overrides.get(name, name): name for name in DEFAULTS}
        name = shown.get(code, code)
        if name in DEFAULTS:
            # A call that took place cannot have been cancelled, whatever a script says.
            return None if DEFAULTS[name].code_class is CodeClass.NOT_COUNTED else self.default(name)
        return ActionCode(code[:CODE_LENGTH], GenericResult.COMPLETED, code[:CODE_LENGTH])


STANDARD: Final = CodeTable()


def assign(
    dial: NotAnswered | None,
    end: CallEnd | None,
    result: ConversationResult | None,
    *,
    talk_ms: int | None,
    table: CodeTable = STANDARD,
    short_call_ms: int = SHORT_CALL_MS,
) -> Assigned:
    """The call status and action code of an attempt that has ended.

    Unanswered: `dial` and nothing else. Answered: `end` and `result`, with `talk_ms` from answer to end; a
    missing `result` means that the conversation was lost (a crash) and counts as the bot's error. With neither
    dial nor talk time nothing is known of the call, which counts as not placeable.
    """
    if dial is not None:
        return _assigned(_unanswered(dial.dial_status), table)
    if talk_ms is None:
        return _assigned(CallStatus.CHANUNAVAIL, table)
    status = _answered(end, result, talk_ms, short_call_ms)
    if result is not None and result.opted_out:
        return _assigned(status, table, default_code="DNC")
    if result is not None and result.callback:
        return _assigned(status, table, default_code="CB")
    if result is not None and result.code and status in _SCRIPT_MAY_NAME:
        return _assigned(status, table, row=table.script(result.code))
    return _assigned(status, table)


def _assigned(
    status: CallStatus, table: CodeTable, *, default_code: str | None = None, row: ActionCode | None = None
) -> Assigned:
    name = default_code or STATUS_CODE[status]
    row = row or table.default(name)
    return Assigned(status, row.code, row.code_class, row.family, row.generic_result, name)


def _unanswered(status: DialStatus) -> CallStatus:  # noqa: PLR0911 - one return a status
    match status:
        case DialStatus.BUSY:
            return CallStatus.BUSY
        case DialStatus.NOANSWER:
            return CallStatus.NOANSWER
        case DialStatus.REJECTED:
            return CallStatus.REJECTED
        case DialStatus.CONGESTION:
            return CallStatus.CONGESTION
        case DialStatus.INVALID:
            return CallStatus.INVALID_NUMBER
        case DialStatus.OUT_OF_SERVICE:
            return CallStatus.OUT_OF_SERVICE
        case DialStatus.CANCEL:
            return CallStatus.CANCELLED
        # An answer without a call is a fault of the way out, like the two others.
        case DialStatus.CHANUNAVAIL | DialStatus.ERROR | DialStatus.ANSWER:
            return CallStatus.CHANUNAVAIL
        case _:
            assert_never(status)


def _answered(end: CallEnd | None, result: ConversationResult | None, talk_ms: int, short_call_ms: int) -> CallStatus:
    """The precedence after answer (VOCABULARY: Call status)."""
    if result is None or result.ended_by is EndedBy.ERROR:
        return CallStatus.BOT_ERROR
    if result.voicemail:
        return CallStatus.VOICEMAIL
    if result.transfer is not None:
        return _transferred(result.transfer, end)
    if end is not None and end.hangup_by is HangupBy.AGENT:
        return CallStatus.DIAL_HANGUP
    return _talked(result, _customer_hung_up(end, result), talk_ms < short_call_ms)


def _transferred(transfer: Transferred, end: CallEnd | None) -> CallStatus:
    if transfer.joined_ms is None:
        return CallStatus.AGENT_NOT_PICK_UP
    return CallStatus.DIAL_HANGUP if agent_hung_up(transfer, end) else CallStatus.TRANSFERRED


def agent_hung_up(transfer: Transferred | None, end: CallEnd | None) -> bool:
    """Whether an agent ended the call: told by the transfer, or by the network after a call was handed over."""
    by_agent = end is not None and end.hangup_by is HangupBy.AGENT
    return by_agent or (transfer is not None and transfer.joined_ms is not None and transfer.ended_by_agent)


def _talked(result: ConversationResult, by_customer: bool, short: bool) -> CallStatus:
    if by_customer and short:
        return CallStatus.SHORT_CALL
    if not result.customer_spoke:
        return CallStatus.SILENT
    if result.ended_by is EndedBy.MAX_DURATION:
        return CallStatus.MAX_DURATION
    return CallStatus.USER_HANGUP if by_customer else CallStatus.BOT_HANGUP


def _customer_hung_up(end: CallEnd | None, result: ConversationResult) -> bool:
    # The network saw who sent the BYE; the conversation only saw the audio stop.
    if end is not None and end.hangup_by in {HangupBy.CUSTOMER, HangupBy.BOT}:
        return end.hangup_by is HangupBy.CUSTOMER
    return result.ended_by is EndedBy.CUSTOMER


def _check_string(code: Any) -> None:
    if not isinstance(code, str) or not code.strip() or code != code.strip() or len(code) > CODE_LENGTH:
        raise CodeError(f"codes: {code!r} is no code; use 1 to {CODE_LENGTH} characters without blanks around them")


def _custom_code(code: str, value: Mapping[str, Any]) -> ActionCode:
    _check_string(code)
    if code in DEFAULTS:
        raise CodeError(f"codes.{code}: a default code keeps its meaning; give it another string, or rename yours")
    unknown = set(value) - _CODE_FIELDS
    if unknown:
        raise CodeError(f"codes.{code}: unknown field {min(unknown)!r}; known are {', '.join(sorted(_CODE_FIELDS))}")
    try:
        result = GenericResult(value["generic_result"])
    except (KeyError, ValueError) as error:
        raise CodeError(f"codes.{code}.generic_result: must be one of {', '.join(GenericResult)}") from error
    family = _family(code, value.get("class"), value.get("family"))
    return ActionCode(code, result, family, **_shown(code, value))


def _shown(code: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """How lists and editors show a code."""
    for name in ("title", "group"):
        text = value.get(name)
        if text is not None and (not isinstance(text, str) or not text.strip() or len(text) > _TEXT_LENGTH):
            raise CodeError(f"codes.{code}.{name}: {text!r} must be a text of at most {_TEXT_LENGTH} characters")
    rank, colour = value.get("rank", 0), value.get("colour")
    if isinstance(rank, bool) or not isinstance(rank, int) or not 0 <= rank <= _LAST_RANK:
        raise CodeError(f"codes.{code}.rank: {rank!r} must be a whole number from 0 to {_LAST_RANK}, the least first")
    if colour is not None and (not isinstance(colour, str) or not _COLOUR.fullmatch(colour)):
        raise CodeError(f'codes.{code}.colour: {colour!r} is no colour; write "#2a9d8f", in quotes')
    return {"title": value.get("title"), "group": value.get("group"), "rank": rank, "colour": colour}


def _family(code: str, code_class: Any, family: Any) -> str:
    """The family that class and family together name; they must agree."""
    if code_class is None and family is None:
        raise CodeError(f"codes.{code}: class is missing; write success, unsuccessful or error")
    if family is None:
        natural = {"success": code, "unsuccessful": "NA", "error": "CU"}
        if code_class not in natural:
            raise CodeError(f"codes.{code}.class: {code_class!r} must be success, unsuccessful or error")
        return natural[code_class]
    if family not in {"BS", "NA", "CU", code}:
        raise CodeError(f"codes.{code}.family: {family!r} must be BS, NA, CU or {code} itself")
    implied = FAMILY_CLASS.get(family, CodeClass.SUCCESS)
    if code_class is not None and code_class != implied:
        raise CodeError(f"codes.{code}: the family {family} is {implied}, not {code_class}; change one of them")
    return str(family)
