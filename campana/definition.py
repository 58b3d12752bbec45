"""A campaign as its owner writes it: one YAML file, checked field by field before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import MAXYEAR, MINYEAR, date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from campaigns.codes import CodeError, CodeTable
from campaigns.errors import BadCap, BadFollowUp
from campaigns.followup_rules import parse_follow_ups
from campaigns.frequency import Caps
from campaigns.legal import Purpose
from campaigns.retargeting import parse_retarget
from campana.errors import CampanaError
from campana.fields import Amount, Calendar, CallerId, Zone
from campana.machines import check_machines

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DefinitionError(CampanaError):
    """A campaign file cannot be used as it is."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BotPart(_Part):
    """Who speaks."""

    name: str = Field("Bot", max_length=200)
    language: str = Field("en", max_length=16)
    voice: str | None = Field(None, max_length=64)
    speed: float = Field(1.0, ge=0.5, le=2.0)
    ears: str | None = Field(None, max_length=64)


class Window(_Part):
    """A span of the day in the campaign's time zone; written `08:00-11:30`."""

    opens: time
    closes: time

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        opens, dash, closes = value.partition("-")
        if not dash:
            raise ValueError(f"a window is written 08:00-11:30, not {value!r}")
        return {"opens": opens.strip(), "closes": closes.strip()}

    @model_validator(mode="after")
    def _runs_forward(self) -> Window:
        if self.closes <= self.opens:
            raise ValueError(f"the window {self.opens:%H:%M}-{self.closes:%H:%M} closes before it opens")
        return self


class CallBackRule(_Part):
    """Call again when an attempt ended so (REQUIREMENTS A2)."""

    when: tuple[str, ...] = Field(min_length=1)
    times: int = Field(1, ge=1, le=20)
    after_min: Decimal = Field(Decimal(20), ge=0, le=10080)
    multiply: Decimal = Field(Decimal(1), ge=1, le=10)


class SlowStart(_Part):
    """Calls at once from each start or resumption on: so many, then `step` more every so often."""

    # `from` is a word of Python's own.
    first: int = Field(1, ge=1, le=1000, alias="from")
    step: int = Field(1, ge=1, le=1000)
    every_s: int = Field(30, ge=1, le=3600)


class CampaignDefinition(_Part):
    """Everything of REQUIREMENTS A1 that is known before the list."""

    name: str = Field(min_length=1, max_length=200)
    code: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    script: Path
    script_type: Literal["conversation", "static"] = "conversation"
    bot: BotPart = BotPart()
    tariff: Path
    trunk: str
    trunks: tuple[str, ...] = ()
    overflow: bool = False
    machines: dict[str, Any] | None = None
    caller_id: CallerId | None = None
    region: str | None = Field(None, pattern="^[A-Z]{2}$")
    time_zone: Zone | None = None
    start: date | None = None
    end: date | None = None
    windows: tuple[Window, ...] = ()
    weekdays: tuple[Weekday, ...] = ()
    closed_dates: tuple[date, ...] = ()
    holidays: Calendar | None = None
    purpose: Purpose | None = None
    contact_time_zone: Zone | None = None
    concurrency: int = Field(5, ge=1, le=1000)
    share: int = Field(1, ge=1, le=100)
    callback_reserve: int = Field(0, ge=0, le=999)
    slow_start: SlowStart | None = None
    max_call_s: int = Field(300, ge=5, le=7200)
    ring_timeout_s: int = Field(45, ge=5, le=180)
    max_attempts: int = Field(1, ge=1, le=20)
    call_backs: tuple[CallBackRule, ...] = ()
    lost_calls: Literal["as_rule", "never"] = "as_rule"
    caps: dict[str, int] | None = None
    post_conditions: tuple[dict[str, Any], ...] = ()
    retarget: dict[str, Any] | None = None
    codes: dict[str, Any] = Field(default_factory=dict)
    report_emails: tuple[str, ...] = ()
    contact_expires_days: int | None = Field(None, ge=1, le=3650)
    budget: Amount | None = Field(None, gt=0)
    rehearsal: bool = False
    stays_open: bool = False

    @model_validator(mode="before")
    @classmethod
    def _first_of_trunks(cls, data: Any) -> Any:
        named = data.get("trunks") if isinstance(data, dict) else None
        if "trunk" in (data if isinstance(data, dict) else ()) or not (isinstance(named, list) and named):
            return data
        return {**data, "trunk": named[0]}

    @field_validator("trunks", mode="before")
    @classmethod
    def _trunks_in_order(cls, value: Any, info: ValidationInfo) -> Any:
        if not (isinstance(value, list | tuple) and value):
            raise ValueError("trunks are a list, in the order in which calls go out by them: [main, backup]")
        for place, name in enumerate(value):
            if name in value[:place]:
                raise ValueError(f"{name} is named twice; name each trunk once")
        if info.data.get("trunk", value[0]) != value[0]:
            raise ValueError("trunk names one trunk and trunks several; leave one of the two fields out")
        return value

    @field_validator("overflow")
    @classmethod
    def _overflows_somewhere(cls, value: bool, info: ValidationInfo) -> bool:
        if value and len(info.data.get("trunks", ("", ""))) < 2:
            raise ValueError("calls can only overflow to a second trunk; name several: trunks: [main, backup]")
        return value

    @field_validator("caps")
    @classmethod
    def _sensible_caps(cls, value: dict[str, int] | None) -> dict[str, int] | None:
        try:
            Caps.from_json(value)
        except BadCap as error:
            raise ValueError(str(error).removeprefix("caps.")) from error
        return value

    @field_validator("callback_reserve")
    @classmethod
    def _leaves_some_for_the_others(cls, value: int, info: ValidationInfo) -> int:
        if value and value >= info.data.get("concurrency", value + 1):
            raise ValueError("it must be less than concurrency: with all calls kept for call-backs nobody is called")
        return value

    @field_validator("report_emails")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            local, at, domain = address.rpartition("@")
            if not (at and local and domain) or any(c.isspace() for c in address):
                raise ValueError(f"{address!r} is no e-mail address")
        return value

    @field_validator("start", "end")
    @classmethod
    def _day_with_an_instant(cls, value: date | None) -> date | None:
        # Midnight of the calendar's first and last days may fall outside of it in another time zone.
        if value is not None and not MINYEAR < value.year < MAXYEAR:
            raise ValueError(f"the year {value.year} cannot be meant; write it like 2026-01-31")
        return value

    @field_validator("post_conditions")
    @classmethod
    def _follow_ups(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        try:
            parse_follow_ups(value)
        except BadFollowUp as error:
            raise ValueError(str(error).removeprefix("post_conditions: ")) from error
        return value

    @field_validator("codes")
    @classmethod
    def _code_table(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            CodeTable.from_json(value)
        except CodeError as error:
            raise ValueError(str(error)) from error
        return value

    @model_validator(mode="after")
    def _goes_on_elsewhere(self) -> CampaignDefinition:
        try:
            parse_retarget(self.retarget, code=self.code, max_attempts=self.max_attempts)
        except BadFollowUp as error:
            raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _dates_in_order(self) -> CampaignDefinition:
        if self.start and self.end and self.end < self.start:
            raise ValueError("end: the campaign ends before it starts")
        return self

    @property
    def keeps_to(self) -> Purpose | None:
        """Whose legal hours hold: unless told otherwise the stricter ones, and none where nobody is called."""
        return self.purpose or (None if self.rehearsal else Purpose.ADVERTISING)

    @property
    def ways(self) -> tuple[str, ...]:
        """Its trunks, in the order in which calls go out by them."""
        return self.trunks or (self.trunk,)

    @property
    def iso_weekdays(self) -> list[int]:
        """Weekdays with Monday = 1; empty means every day."""
        return [WEEKDAYS.index(day) + 1 for day in self.weekdays]


def load_definition(path: Path) -> CampaignDefinition:
    """Read a campaign file; its script and tariff paths are taken relative to it.

    Raises `DefinitionError` naming file, field and remedy.
    """
    data = read_yaml(path)
    for name in ("script", "tariff"):
        if isinstance(data.get(name), str):
            data[name] = path.parent / data[name]
    mistakes = check_machines(path)
    try:
        definition = CampaignDefinition.model_validate(data)
    except ValidationError as error:
        raise DefinitionError(_explain(_lines(error, path) + mistakes)) from error
    if mistakes:
        raise DefinitionError(_explain(mistakes))
    return definition


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping from a file; raises `DefinitionError` naming file and line."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DefinitionError(f"{path}: no such file") from error
    except OSError as error:
        raise DefinitionError(f"{path}: cannot be read: {error.strerror}; name a campaign file") from error
    except UnicodeDecodeError as error:
        raise DefinitionError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise DefinitionError(f"{path}{line}: not readable as YAML: {getattr(error, 'problem', error)}") from error
    except RecursionError as error:
        raise DefinitionError(f"{path}: nested too deeply to be read; take out surplus brackets and levels") from error
    except ValueError as error:
        # YAML reads 2026-99-01 as a date, which it is not.
        raise DefinitionError(f"{path}: start or end: no such day ({error}); write it like 2026-01-31") from error
    if not isinstance(data, dict):
        raise DefinitionError(f"{path}: expected `field: value` lines at the top; see examples/demo/campaign.yaml")
    return data


def _explain(lines: Sequence[str]) -> str:
    return "\n".join([*lines, "Every field is explained in docs/reference/campaign-file.md."])


def _lines(error: ValidationError, path: Path) -> list[str]:
    lines = []
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"]) or "file"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = f"unknown field; known are {', '.join(CampaignDefinition.model_fields)}"
        elif item["type"] == "missing":
            message = "this field is required"
        lines.append(f"{path}: {field}: {message}")
    return lines
