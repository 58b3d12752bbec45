"""The rules that every campaign keeps to, out of the settings."""

from __future__ import annotations

from campaigns.frequency import MOST, Caps
from campaigns.legal import load_legal_hours, preset
from campaigns.rules import CallingRules
from campana.settings import Settings


def calling_rules(settings: Settings) -> CallingRules:
    """What nodes are given, and what explains them; raises `BadLegalHours`."""
    calling = settings.calling
    caps = Caps(**{name: getattr(calling, name) for name in MOST})
    file = calling.legal_hours
    return CallingRules(legal=load_legal_hours(file) if file else preset(), caps=caps)
