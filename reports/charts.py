"""The charts: one Vega-Lite specification each, drawn as SVG for the page and as PNG for the mail."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

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
INK: Final = "#26313d"
_FAINT: Final = "#d5dbe1"
_FONT: Final = "Liberation Sans, DejaVu Sans, Arial, Helvetica, sans-serif"
_WIDTH: Final = 560
_BAR: Final = 26
_IDS: Final = re.compile(r'(id="|url\(#)(clip|gradient)')


@dataclass(frozen=True)
class Chart:
    """A chart and what it says in words, for those who cannot see it."""

    name: str
    title: str
    alt: str
    specification: dict[str, Any]


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
    specification = _bars(rows, "Results by action code", {"range": [colours[name] for name in shown], "domain": shown})
    return Chart(
        "codes", "Results by action code", f"Bar chart of finished calls by action code: {said}.", specification
    )


def duration_chart(report: Overview) -> Chart:
    """Answered calls by talk time."""
    rows = [
        {"label": bin_label(one), "calls": one.calls, "class": "Answered", "text": count(one.calls)}
        for one in report.histogram
    ]
    said = ", ".join(f"{row['label']} {row['text']}" for row in rows)
    specification = _bars(rows, "Call duration", {"range": [CLASS_COLOURS["success"]], "domain": ["Answered"]})
    return Chart("durations", "Call duration", f"Bar chart of answered calls by talk time: {said}.", specification)


def _bars(rows: list[dict[str, Any]], description: str, colours: dict[str, list[str]]) -> dict[str, Any]:
    import altair as alt

    # Room for the number behind the longest bar.
    most = max((row["calls"] for row in rows), default=0) * 1.12 or 1
    base = alt.Chart(alt.Data(values=rows), description=description).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8)),
        x=alt.X("calls:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most], nice=False)),
    )
    legend = (
        alt.Legend(orient="top", title=None, symbolType="square", offset=10) if len(colours["domain"]) > 1 else None
    )
    bars = base.mark_bar(size=_BAR - 8).encode(
        color=alt.Color("class:N", scale=alt.Scale(**colours), legend=legend),
    )
    labels = base.mark_text(align="left", dx=6, color=INK, fontSize=13).encode(text="text:N")
    chart = (bars + labels).properties(width=_WIDTH, height=alt.Step(_BAR), background="transparent", padding=2)
    chart = chart.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    # configure() replaces what the other configure_* calls set, so it comes first.
    chart = chart.configure(font=_FONT).configure_view(stroke=None)
    chart = chart.configure_axis(labelFontSize=13, labelColor=INK, labelLimit=180, gridColor=_FAINT)
    specification: dict[str, Any] = chart.configure_legend(labelFontSize=13, labelColor=INK).to_dict()
    return specification


async def svg(chart: Chart) -> str:
    """The chart as an SVG element to stand in a page: unique ids, a title, no style attributes."""
    return await asyncio.to_thread(_svg, chart.name, json.dumps(chart.specification, sort_keys=True))


async def png(chart: Chart) -> bytes:
    """The chart at twice its size, on white, for mails."""
    specification = chart.specification | {"background": "white"}
    return await asyncio.to_thread(_png, json.dumps(specification, sort_keys=True))


@lru_cache(maxsize=64)
def _svg(name: str, specification: str) -> str:
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(specification)
    return _IDS.sub(rf"\1{name}-\2", drawn)


@lru_cache(maxsize=16)
def _png(specification: str) -> bytes:
    import vl_convert

    drawn: bytes = vl_convert.vegalite_to_png(specification, scale=2)
    return drawn
