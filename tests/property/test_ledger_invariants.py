"""Whatever nodes, customers, owners and crashes do, in whatever order: the ledger's sums hold (DESIGN: Invariants).

`python -m tests.support_state_machine` plays the same machine for as many steps as one likes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support_postgres import fresh_postgres
from tests.support_state_machine import fresh_sqlite, play


def test_no_order_of_events_breaks_the_books(sqlite_template: Path) -> None:
    assert play(fresh_sqlite(sqlite_template), examples=8, steps=40) > 0


@pytest.mark.postgres
def test_no_order_of_events_breaks_the_books_of_a_server(postgres_server: str, postgres_template: str) -> None:
    assert play(lambda: fresh_postgres(postgres_server, postgres_template), examples=3, steps=30) > 0
