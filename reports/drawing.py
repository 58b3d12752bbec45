"""Drawing bar charts with altair and vl-convert, in one worker process that is started at the first chart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from storage.worker import WorkerProcess

INK: Final = "#26313d"
_FAINT: Final = "#d5dbe1"
_FONT: Final = "Liberation Sans, DejaVu Sans, Arial, Helvetica, sans-serif"
_WIDTH: Final = 560
_BAR: Final = 26
_IDS: Final = re.compile(r'(id="|url\(#)(clip|gradient)')


@dataclass(frozen=True)
class Bars:
    """Horizontal bars: a row has `label`, `calls`, `class` and `text`; `colours` belong to `classes`, in order."""

    rows: list[dict[str, Any]]
    description: str
    classes: list[str]
    colours: list[str]


async def draw_svg(name: str, bars: Bars) -> str:
    """The bars as an SVG element whose ids begin with `name`."""
    return await worker.run(_svg, name, bars)


async def draw_png(bars: Bars) -> bytes:
    """The bars as PNG at twice their size, on white."""
    return await worker.run(_png, bars)


#: The one process that draws.
worker = WorkerProcess()


def _svg(name: str, bars: Bars) -> str:
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(json.dumps(specification(bars), sort_keys=True))
    return _IDS.sub(rf"\1{name}-\2", drawn)


def _png(bars: Bars) -> bytes:
    import vl_convert

    on_white = specification(bars) | {"background": "white"}
    drawn: bytes = vl_convert.vegalite_to_png(json.dumps(on_white, sort_keys=True), scale=2)
    return drawn


def specification(bars: Bars) -> dict[str, Any]:
    """The chart as Vega-Lite."""
    import altair as alt

    rows = bars.rows

    # Room for the number behind the longest bar.
    most = max((row["calls"] for row in rows), default=0) * 1.12 or 1
    base = alt.Chart(alt.Data(values=rows), description=bars.description).encode(
        y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8)),
        x=alt.X("calls:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most], nice=False)),
    )
    legend = alt.Legend(orient="top", title=None, symbolType="square", offset=10) if len(bars.classes) > 1 else None
    drawn = base.mark_bar(size=_BAR - 8).encode(
        color=alt.Color("class:N", scale=alt.Scale(domain=bars.classes, range=bars.colours), legend=legend),
    )
    labels = base.mark_text(align="left", dx=6, color=INK, fontSize=13).encode(text="text:N")
    chart = (drawn + labels).properties(width=_WIDTH, height=alt.Step(_BAR), background="transparent", padding=2)
    chart = chart.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    # configure() replaces what the other configure_* calls set, so it comes first.
    chart = chart.configure(font=_FONT).configure_view(stroke=None)
    chart = chart.configure_axis(labelFontSize=13, labelColor=INK, labelLimit=180, gridColor=_FAINT)
    found: dict[str, Any] = chart.configure_legend(labelFontSize=13, labelColor=INK).to_dict()
    return found
