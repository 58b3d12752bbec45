"""The completion report as an e-mail: HTML and plain text with the same figures, charts as pictures inside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from functools import cache
from typing import Any, Final

from jinja2 import Environment

from reports.charts import Chart, charts, png
from reports.overview import Overview
from reports.page import environment
from reports.presentation import Group, bin_label, code_lines, groups
from reports.wording import CAMPAIGN_STATES

_XLSX: Final = "vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: Figures that stand large at the head of the mail.
_HEADLINE: Final = ("total", "answer_rate", "success_rate", "cost")


@dataclass(frozen=True)
class Attachment:
    """A file to go with the mail."""

    file_name: str
    content: bytes


@cache
def _templates() -> Environment:
    return environment("reports")


def subject_of(report: Overview) -> str:
    """`[TEST] SPRING-25 completed: 120 calls, 62.5 % answered`."""
    campaign = report.campaign
    if campaign is None:
        raise ValueError("a completion report is about one campaign")
    mark = "[TEST] " if report.is_test else ""
    rate = next(f.text for g in groups(report) for f in g.figures if f.key == "answer_rate")
    state = CAMPAIGN_STATES.get(campaign.state, campaign.state).lower()
    # A line break in a header would begin another header.
    code = " ".join(campaign.code.split())
    return f"{mark}{code} {state}: {report.totals.total:,} calls, {rate} answered"


def message_id(report: Overview, state: str, sender: str) -> str:
    """The same for every repeat of one report, so that mail programs and people recognise it."""
    campaign = report.campaign
    if campaign is None:
        raise ValueError("a completion report is about one campaign")
    seed = f"{campaign.id}:{campaign.code}:{campaign.created_at.isoformat()}"
    digest = hashlib.sha256(seed.encode()).hexdigest()[:16]
    domain = sender.rpartition("@")[2].strip("> ") or "localhost"
    return f"<report.{campaign.id}.{state}.{digest}@{domain}>"


async def compose(
    report: Overview,
    *,
    state: str,
    sender: str,
    recipients: tuple[str, ...],
    link: str | None = None,
    attachment: Attachment | None = None,
) -> EmailMessage:
    """The mail; `link` is the report's page on the dashboard, when the recipients can open it."""
    drawn = [(chart, await png(chart)) for chart in charts(report)]
    context = _context(report, [chart for chart, _ in drawn], link, attachment)
    message = EmailMessage()
    message["Subject"] = subject_of(report)
    message["From"] = Address("Campana", addr_spec=sender)
    message["To"] = ", ".join(recipients)
    message["Message-ID"] = message_id(report, state, sender)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_templates().get_template("mail.txt").render(context))
    message.add_alternative(_inlined(_templates().get_template("mail.html").render(context)), subtype="html")
    html = message.get_body(("html",))
    assert html is not None
    for chart, picture in drawn:
        html.add_related(
            picture, "image", "png", cid=f"<{chart.name}>", filename=f"{chart.name}.png", disposition="inline"
        )
    if attachment:
        message.add_attachment(attachment.content, maintype="application", subtype=_XLSX, filename=attachment.file_name)
    return message


def _context(report: Overview, drawn: list[Chart], link: str | None, attachment: Attachment | None) -> dict[str, Any]:
    shown = groups(report)
    return {
        "report": report,
        "campaign": report.campaign,
        "groups": shown,
        "headline": _headline(shown),
        "codes": code_lines(report),
        "bins": [(bin_label(one), one.calls) for one in report.histogram],
        "charts": drawn,
        "link": link,
        "attachment": attachment,
    }


def _headline(shown: tuple[Group, ...]) -> list[Any]:
    by_key = {figure.key: figure for group in shown for figure in group.figures}
    return [by_key[key] for key in _HEADLINE]


def _inlined(html: str) -> str:
    """Style rules moved into the elements: most mail programs drop style sheets."""
    import css_inline

    # Nothing is fetched: the mail is written where there may be no network.
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)
    inlined: str = inliner.inline(html)
    return inlined
