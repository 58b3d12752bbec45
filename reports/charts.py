"""The charts: what each shows, and drawing it as SVG for the page and as PNG for the mail.

One Vega-Lite specification serves both. It is made and drawn in a process of its own (reports/drawing.py): drawing
holds the interpreter lock for tenths of a second, and calls may be talking in this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reports.drawing import Bars, draw_png, draw_svg
from reports.formatting import count
from reports.overview import Overview
from reports.presentation import bin_label, code_lines
from reports.wording import CLASSES

# Told apart by lightness as well as by hue, so that no kind of colour blindness merges two of them.
CLASS_COLOURS: Final = {
    "success": "#2f80c0",
    "unsuccessful": "#e8a33d",
    "error": "#a92f14",
    "not_counted": "#8b95a1",
}


@dataclass(frozen=True)
class Chart:
    """A chart and what it says in words, for those who cannot see it."""

    name: str
    title: str
    alt: str
    bars: Bars


def charts(report: Overview) -> tuple[Chart, ...]:
    """The charts of an overview; none while no call has ended."""
    if not report.codes:
        return ()
    return codes_chart(report), duration_chart(report)


def codes_chart(report: Overview) -> Chart:
    """Results by action code, coloured by class."""
    lines = code_lines(report)
    rows = [
        {"label": line.code, "calls": line.calls, "class": line.class_text, "text": count(line.calls)} for line in lines
    ]
    colours = {CLASSES[name]: colour for name, colour in CLASS_COLOURS.items()}
    shown = [name for name in colours if any(row["class"] == name for row in rows)]
    said = ", ".join(f"{line.code} ({line.meaning}) {count(line.calls)}" for line in lines)
    title = "Results by action code"
    bars = Bars(rows=rows, description=title, classes=shown, colours=[colours[name] for name in shown])
    return Chart("codes", title, f"Bar chart of finished calls by action code: {said}.", bars)


def duration_chart(report: Overview) -> Chart:
    """Answered calls by talk time."""
    rows = [
        {"label": bin_label(one), "calls": one.calls, "class": "Answered", "text": count(one.calls)}
        for one in report.histogram
    ]
    said = ", ".join(f"{row['label']} {row['text']}" for row in rows)
    bars = Bars(rows=rows, description="Call duration", classes=["Answered"], colours=[CLASS_COLOURS["success"]])
    return Chart("durations", "Call duration", f"Bar chart of answered calls by talk time: {said}.", bars)


async def svg(chart: Chart) -> str:
    """The chart as an SVG element to stand in a page: unique ids, a title, no style attributes."""
    return await draw_svg(chart.name, chart.bars)


async def png(chart: Chart) -> bytes:
    """The chart at twice its size, on white, for mails."""
    return await draw_png(chart.bars)
