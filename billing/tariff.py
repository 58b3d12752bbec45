"""A tariff: what a block, a minute on the line, a call and a message cost (VOCABULARY: Billing).

Amounts are written as whole numbers or as decimals in quotes; a float is refused wherever it stands.
"""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from billing.blocks import Increment
from billing.currency import EXPONENTS
from billing.errors import TariffError

ScriptType = Literal["conversation", "static"]
#: Unit prices may carry this many digits more than the currency's smallest unit.
EXTRA_DIGITS = 4
DOCS = "docs/reference/tariffs-and-billing.md"
#: Prices are less than this: what a thousand of the longest calls cost still fits the columns of money.
_TOO_DEAR = 10**7
_DECIMAL = re.compile(r"\d{1,12}(\.\d{1,10})?\Z", re.ASCII)
_PREFIX = re.compile(r"\+[1-9]\d{0,14}\Z", re.ASCII)


def _price(value: Any) -> Decimal:
    amount = _exact(value)
    if amount >= _TOO_DEAR:
        raise ValueError(f"{value!r} is too large; write an amount of less than {_TOO_DEAR}")
    return amount


def _exact(value: Any) -> Decimal:
    if isinstance(value, float):
        raise ValueError(f'{value!r} is a float, which is not exact; write it in quotes: "{value!r}"')  # noqa: TRY004 - pydantic collects ValueError
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        return Decimal(value)
    if isinstance(value, str) and _DECIMAL.match(value.strip()):
        return Decimal(value.strip())
    raise ValueError(f'{value!r} is no amount; write digits with a point, such as 150 or "0.0125"')


def _increment(value: Any) -> Increment:
    return value if isinstance(value, Increment) else Increment.parse(str(value))


def _count(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise ValueError(f"{value!r} is no whole number")  # noqa: TRY004 - pydantic collects ValueError
    return value


Amount = Annotated[
    Decimal, BeforeValidator(_price), Field(ge=0), PlainSerializer(lambda amount: format(amount, "f"), return_type=str)
]
Whole = Annotated[int, BeforeValidator(_count)]
WrittenIncrement = Annotated[Increment, BeforeValidator(_increment), PlainSerializer(str, return_type=str)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Tier(_Part):
    """The block price from the `from_blocks`-th block of the month on (the first block is number 0)."""

    from_blocks: Whole = Field(ge=0)
    price: Amount


class Destination(_Part):
    """Numbers that begin alike and cost alike."""

    name: str = Field(min_length=1, max_length=64)
    prefixes: tuple[str, ...] = Field(min_length=1)
    price_per_min: Amount
    #: None: the tariff's own.
    increment: WrittenIncrement | None = None

    @field_validator("prefixes", mode="before")
    @classmethod
    def _begin_with_plus(cls, value: Any) -> Any:
        for prefix in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(prefix, str) or not _PREFIX.match(prefix):
                raise ValueError(f'{prefix!r} is no prefix; write it as E.164 in quotes, such as "+8490"')
        return value


class Telecom(_Part):
    """What the line costs; `price_per_min` is for every number that no destination names."""

    increment: WrittenIncrement = Increment(1, 1)
    price_per_min: Amount = Decimal(0)
    destinations: tuple[Destination, ...] = ()

    @model_validator(mode="after")
    def _prefix_once(self) -> Self:
        owners: dict[str, str] = {}
        for destination in self.destinations:
            for prefix in destination.prefixes:
                if prefix in owners:
                    raise ValueError(f"the prefix {prefix} stands in {owners[prefix]} and again in {destination.name}")
                owners[prefix] = destination.name
        return self

    def destination(self, number: str) -> Destination | None:
        """The destination with the longest prefix of the E.164 number, None when none fits."""
        fits = [(len(p), d) for d in self.destinations for p in d.prefixes if number.startswith(p)]
        return max(fits, key=lambda fit: fit[0])[1] if fits else None


class Tariff(_Part):
    """All prices of one agreement; they exclude VAT."""

    currency: str
    valid_from: datetime
    name: str = Field("tariff", min_length=1, max_length=200)
    vat_pct: Annotated[Amount, Field(le=100)] = Decimal(0)
    block_s: Whole = Field(ge=1, le=3600)
    min_blocks_on_answer: Whole = Field(1, ge=0, le=100)
    block_price: dict[ScriptType, tuple[Tier, ...]]
    per_call_fee: Amount = Decimal(0)
    per_message_fee: Amount = Decimal(0)
    free_s: Whole = Field(0, ge=0, le=3600)
    charge_short_calls: bool = True
    charge_voicemail: bool = True
    telecom: Telecom = Telecom()

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str) -> str:
        if value not in EXPONENTS:
            raise ValueError(f"unknown currency {value!r}; known are {', '.join(EXPONENTS)}")
        return value

    @field_validator("valid_from", mode="before")
    @classmethod
    def _instant(cls, value: Any, info: ValidationInfo) -> datetime:
        zone: tzinfo = (info.context or {}).get("zone", UTC)
        try:
            return _instant(value, zone)
        except OverflowError as error:
            raise ValueError(f"{value} is beyond the calendar; write it like 2026-01-01") from error

    @field_validator("block_price", mode="before")
    @classmethod
    def _tiers(cls, value: Any) -> Any:
        by_type = value if isinstance(value, Mapping) else {"conversation": value}
        return {kind: price if isinstance(price, list | tuple) else [_flat(price)] for kind, price in by_type.items()}

    @field_validator("block_price")
    @classmethod
    def _tiers_rise(cls, value: dict[ScriptType, tuple[Tier, ...]]) -> dict[ScriptType, tuple[Tier, ...]]:
        if "conversation" not in value:
            raise ValueError("the price for script type conversation is missing; static uses it too when not named")
        for kind, tiers in value.items():
            if not tiers or tiers[0].from_blocks != 0:
                raise ValueError(f"{kind}: the first tier must have from_blocks: 0")
            if any(before.from_blocks >= after.from_blocks for before, after in pairwise(tiers)):
                raise ValueError(f"{kind}: from_blocks must rise from tier to tier")
        return value

    @model_validator(mode="after")
    def _prices_fine_enough(self) -> Self:
        digits = EXPONENTS[self.currency] + EXTRA_DIGITS
        for field, amount in self._amounts():
            if -int(amount.as_tuple().exponent) > digits:
                raise ValueError(f"{field}: {amount} has more than the {digits} decimals that {self.currency} may have")
        return self

    def _amounts(self) -> list[tuple[str, Decimal]]:
        return [
            ("per_call_fee", self.per_call_fee),
            ("per_message_fee", self.per_message_fee),
            ("telecom.price_per_min", self.telecom.price_per_min),
            *((f"telecom.destinations.{d.name}.price_per_min", d.price_per_min) for d in self.telecom.destinations),
            *((f"block_price.{kind}", tier.price) for kind, tiers in self.block_price.items() for tier in tiers),
        ]

    def tiers(self, script_type: str) -> tuple[Tier, ...]:
        """The block price tiers of a script type, conversation's for one that is not named."""
        for kind, tiers in self.block_price.items():
            if kind == script_type:
                return tiers
        return self.block_price["conversation"]

    def snapshot(self, number: str | None = None) -> dict[str, Any]:
        """The tariff as plain JSON, decimals as strings; `parse_tariff` reads it back unchanged.

        With a number only the destination that fits it is kept: what one attempt needs and no more.
        """
        plain = self.model_dump(mode="json", exclude_none=True)
        if number is not None:
            fit = self.telecom.destination(number)
            kept = [] if fit is None else [fit.model_dump(mode="json", exclude_none=True)]
            plain["telecom"]["destinations"] = kept
        return plain


def parse_tariff(data: Mapping[str, Any], *, source: str = "tariff", zone: tzinfo = UTC) -> Tariff:
    """A tariff from a mapping (YAML, JSON, or a snapshot).

    A `valid_from` without a clock time begins at midnight in `zone`. Raises `TariffError` that tells every
    mistake with source, field and remedy.
    """
    try:
        return Tariff.model_validate(data, context={"zone": zone})
    except ValidationError as error:
        raise TariffError(_explain(error, source)) from error


@dataclasses.dataclass(frozen=True)
class Stored:
    """A definition or snapshot as it was stored, and what was made of it."""

    data: Mapping[str, Any]
    tariff: Tariff
    _snapshots: dict[tuple[str, ...], dict[str, Any]] = dataclasses.field(default_factory=dict)

    def snapshot(self, number: str) -> dict[str, Any]:
        """`Tariff.snapshot` for an E.164 number; those of one destination share it, so it must not be changed."""
        found = self.tariff.telecom.destination(number)
        key = () if found is None else found.prefixes
        if key not in self._snapshots:
            self._snapshots[key] = self.tariff.snapshot(number)
        return self._snapshots[key]


#: What was read last: the calls of a campaign to one destination are rated by equal snapshots.
_READ_LATELY: Final[deque[Stored]] = deque(maxlen=8)


def stored(data: Mapping[str, Any], *, source: str = "tariff") -> Stored:
    """What was stored, read as `parse_tariff` does; what was read lately is not read again.

    `data` must not be changed afterwards.
    """
    for place, known in enumerate(_READ_LATELY):
        if known.data == data:
            del _READ_LATELY[place]
            _READ_LATELY.appendleft(known)
            return known
    read = Stored(data, parse_tariff(data, source=source))
    _READ_LATELY.appendleft(read)
    return read


def stored_tariff(data: Mapping[str, Any], *, source: str = "tariff") -> Tariff:
    """The tariff alone of what was `stored`."""
    return stored(data, source=source).tariff


def with_destination(snapshot: Mapping[str, Any], tariff: Mapping[str, Any], number: str) -> dict[str, Any]:
    """A snapshot that was reduced to one number's destination, with that of a further number.

    `tariff` is what the snapshot was taken of. The first number's destination stays the longest that fits it.
    """
    found = stored_tariff(tariff).telecom.destination(number)
    telecom = {"destinations": [], **snapshot.get("telecom", {})}
    if found is None:
        return dict(snapshot)
    added = found.model_dump(mode="json", exclude_none=True)
    if added in telecom["destinations"]:
        return dict(snapshot)
    return dict(snapshot) | {"telecom": telecom | {"destinations": [*telecom["destinations"], added]}}


def load_tariff(path: Path, *, zone: tzinfo = UTC) -> Tariff:
    """A tariff from a YAML file; raises `TariffError` naming file, line or field, and remedy."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise TariffError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TariffError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise TariffError(f"{path}{line}: not readable as YAML: {getattr(error, 'problem', error)}") from error
    except RecursionError as error:
        raise TariffError(f"{path}: nested too deeply to be read; take out surplus brackets and levels") from error
    except ValueError as error:
        # YAML reads 2026-99-01 as a date, which it is not.
        raise TariffError(f"{path}: valid_from: no such day ({error}); write it like 2026-01-31") from error
    if not isinstance(data, dict):
        raise TariffError(f"{path}: expected `field: value` lines at the top; see {DOCS}")
    return parse_tariff(data, source=str(path), zone=zone)


def _flat(price: Any) -> Any:
    return {"from_blocks": 0, "price": price}


def _instant(value: Any, zone: tzinfo) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if "T" in value or " " in value else date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is no date; write 2026-01-01 or 2026-01-01T00:00:00+07:00") from error
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no UTC offset; write 2026-01-01T00:00:00+07:00, or the date alone")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time.min, zone).astimezone(UTC)
    raise ValueError(f"{value!r} is no date; write 2026-01-01")


def _explain(error: ValidationError, source: str) -> str:
    lines = []
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"]) or "tariff"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "unknown field; look for a misspelling"
        elif item["type"] == "missing":
            message = "this field is required"
        lines.append(f"{source}: {field}: {message}")
    return "\n".join([*lines, f"Every field is explained in {DOCS}."])
