"""The hours that the calls of a contact keep to: the campaign's, the contact's own, and the law's where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from campaigns.clauses import Clause
from campaigns.errors import BadSchedule
from campaigns.legal import LegalHours, LegalRule, Purpose
from campaigns.windows import Schedule, campaign_schedule, contact_schedule, next_common_opening, zone_of
from campaigns.zones import UnknownZone, contact_zone, whereabouts


def check_hours(campaign: Mapping[str, Any]) -> None:
    """Raise `BadSchedule` for a row of the table campaigns whose hours cannot be understood."""
    campaign_schedule(campaign)
    if campaign["contact_time_zone"]:
        zone_of(campaign["contact_time_zone"])
    if campaign["purpose"] not in {None, *Purpose}:
        raise BadSchedule(f"purpose {campaign['purpose']!r}: write {' or '.join(Purpose)}")


@dataclass(frozen=True)
class ContactHours:
    """What holds for one contact."""

    #: The campaign's schedule first, then the contact's own window and the law's, where there are any.
    schedules: Mapping[Clause, Schedule]
    #: The contact's zone, where the campaign keeps legal hours; why not, where it cannot be told.
    zone: str | UnknownZone | None = None
    rule: LegalRule | None = None


class Hours:
    """The hours of many contacts at one instant; what they share is worked out once."""

    def __init__(self, now: datetime, legal: LegalHours) -> None:
        self.now = now
        self._legal = legal
        self._campaigns: dict[int, Schedule] = {}
        self._openings: dict[tuple[Schedule, ...], datetime | None] = {}

    def of(self, campaign: Mapping[str, Any], row: Mapping[str, Any]) -> ContactHours:
        """The hours of a row of the table contacts, which has a number."""
        schedules = {Clause.CAMPAIGN_WINDOW: self._of_campaign(campaign)}
        if row["time_from"] or row["time_to"]:
            schedules[Clause.OWN_WINDOW] = contact_schedule(row, campaign["time_zone"])
        if not campaign["purpose"]:
            return ContactHours(schedules)
        country, purpose = whereabouts(row["number"]).country, Purpose(campaign["purpose"])
        zone = contact_zone(row["number"], row["time_zone"], campaign["contact_time_zone"], self.now)
        if not isinstance(zone, UnknownZone):
            schedules[Clause.LEGAL_HOURS] = self._legal.schedule(country, purpose, zone)
        return ContactHours(schedules, zone, self._legal.rule(country, purpose))

    def opening(self, hours: ContactHours) -> datetime | None:
        """The first instant, now or later, at which all of them are open; None when there is none within days."""
        together = tuple(hours.schedules.values())
        if together not in self._openings:
            self._openings[together] = next_common_opening(together, self.now)
        return self._openings[together]

    def _of_campaign(self, campaign: Mapping[str, Any]) -> Schedule:
        if campaign["id"] not in self._campaigns:
            self._campaigns[campaign["id"]] = campaign_schedule(campaign)
        return self._campaigns[campaign["id"]]
