"""What the reference pages promise is what the program has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from billing.currency import EXPONENTS
from billing.tariff import Destination, Tariff, Telecom, parse_tariff
from campaigns.codes import DEFAULTS, STATUS_CODE, GenericResult
from campaigns.columns import ALIASES
from campaigns.resultfile import HEADER
from campaigns.rows import RowStatus

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, without code marks."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(
    "field", [*Tariff.model_fields, *(f"telecom.{name}" for name in Telecom.model_fields), *Destination.model_fields]
)
def test_every_field_of_a_tariff_is_explained(field: str) -> None:
    assert f"`{field}" in page("reference/tariffs-and-billing.md")


def test_every_currency_is_named() -> None:
    text = page("reference/tariffs-and-billing.md")
    assert not [code for code in EXPONENTS if not re.search(rf"\b{code}\b", text)]


def test_the_example_tariff_is_one() -> None:
    match = re.search(r"```yaml\n(.*?)```", page("reference/tariffs-and-billing.md"), re.DOTALL)
    assert match
    example: dict[str, Any] = yaml.safe_load(match[1])
    assert parse_tariff(example).currency == "VND"


def test_the_table_of_codes_is_the_programs() -> None:
    told = {row[0].split(",")[0]: row for row in rows(page("reference/action-codes.md")) if len(row) == 7}
    statuses = {code: status.value for status, code in STATUS_CODE.items()} | {"CB": "any answered"}
    statuses["DNC"] = statuses["CB"]
    assert set(told) - {"code", "---"} == set(DEFAULTS)
    for name, code in DEFAULTS.items():
        family = "its own" if name in {"HUP", "BHU"} else code.family
        expected = [statuses[name], code.code_class.replace("_", " "), family, code.generic_result]
        assert told[name][1:5] == expected


def test_every_generic_result_is_named() -> None:
    text = page("reference/action-codes.md")
    assert not [result for result in GenericResult if f"`{result}`" not in text]


def test_every_column_and_alias_is_named() -> None:
    told = {row[0].split(" ")[0]: row[1].split(", ") for row in rows(page("reference/contact-lists.md"))}
    for name, aliases in ALIASES.items():
        assert sorted(told[name]) == sorted(alias for alias in aliases if alias != name)


def test_every_outcome_and_result_column_is_named() -> None:
    text = page("reference/contact-lists.md")
    assert not [name for name in [*RowStatus, *HEADER] if f"`{name}`" not in text]
