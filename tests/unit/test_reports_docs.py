"""Every figure that a report shows is defined in docs/reference/figures.md, under the name it is shown with."""

from __future__ import annotations

import re
from pathlib import Path

from reports.latency import Latencies
from reports.measures import Totals
from reports.overview import Contacts, Customers, Overview
from reports.presentation import groups
from reports.scope import Scope

_PAGE = Path(__file__).parents[2] / "docs/reference/figures.md"


def _everything() -> Overview:
    return Overview(
        scope=Scope(1),
        campaign=None,
        currency="VND",
        time_zone="UTC",
        totals=Totals(total=2, live=1, not_counted=1, transfers=1),
        codes=(),
        histogram=(),
        contacts=Contacts(),
        customers=Customers(),
        latencies=Latencies(),
        data_as_of=None,
    )


def test_the_reference_page_defines_each_figure_in_order() -> None:
    written = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", _PAGE.read_text(), re.M)
    assert written == [(figure.key, figure.label) for group in groups(_everything()) for figure in group.figures]
