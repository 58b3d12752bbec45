"""What a workbook says of itself on its second sheet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reports.formatting import NONE, moment
from reports.scope import CampaignHead, Scope

#: Filters that a workbook tells of.
FILTERS = ("phone", "code", "status", "class", "contact", "state", "test", "sort")


def about(
    campaign: CampaignHead | None, scope: Scope, data_as_of: datetime | None, filters: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Names and values; `filters` are those that were set on the page."""
    zone = campaign.time_zone if campaign else "UTC"
    lines = {"time zone of every time": zone}
    if campaign:
        lines |= {"campaign": f"{campaign.code} – {campaign.name}"}
        if campaign.is_test:
            lines["TEST"] = "a rehearsal with simulated customers"
    lines["from"] = moment(scope.from_, zone) if scope.from_ else "the beginning"
    lines["to (excluded)"] = moment(scope.to, zone) if scope.to else "now"
    lines["data as of"] = moment(data_as_of, zone) if data_as_of else NONE
    return lines | {name: value for name, value in (filters or {}).items() if value and name in FILTERS}
