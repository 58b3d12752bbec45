"""docs/reference/database.md tells of every table and column, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

from storage.tables import metadata

PAGE = (Path(__file__).parents[2] / "docs/reference/database.md").read_text(encoding="utf-8")


def _documented() -> dict[str, dict[str, bool]]:
    tables: dict[str, dict[str, bool]] = {}
    for section in PAGE.split("\n## ")[1:]:
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE)
        tables[section.split("\n", 1)[0]] = {name: kind.strip().endswith("?") for name, kind in rows}
    return tables


def test_the_page_lists_every_table_and_column_and_which_may_be_null() -> None:
    assert _documented() == {
        table.name: {column.name: bool(column.nullable) for column in table.columns} for table in metadata.sorted_tables
    }


def test_the_page_names_the_states_as_the_code_does() -> None:
    from campaigns.states import AttemptPhase, CampaignState, ContactState

    for states in (AttemptPhase, CampaignState, ContactState):
        assert f"`{' '.join(state.value for state in states)}`" in PAGE
