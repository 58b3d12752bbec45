"""Jinja environments of pages and mails, with the figures' formatting as filters."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from reports import formatting, wording


def environment(package: str) -> Environment:
    """Templates of `package`: escaped, with no undefined names, and with the words and forms of reports."""
    made = Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": formatting.count,
        "percent": formatting.percent,
        "money": formatting.money,
        "duration": formatting.duration,
        "clock": formatting.clock,
        "milliseconds": formatting.milliseconds,
        "moment": formatting.moment,
        "local_time": formatting.local_time,
    }
    made.globals |= {
        "words": {
            "trunk_health": wording.TRUNK_HEALTH,
            "campaign_state": wording.CAMPAIGN_STATES,
            "contact_state": wording.CONTACT_STATES,
            "phase": wording.PHASES,
            "call_status": wording.CALL_STATUSES,
            "code_class": wording.CLASSES,
            "hangup_by": wording.HANGUP_BY,
            "transfer_by": wording.TRANSFER_BY,
            "latency": wording.LATENCY_PARTS,
            "ami_reasons": wording.AMI_REASONS,
        },
        "describe_code": wording.describe_code,
        "zone_label": formatting.zone_label,
    }
    return made
