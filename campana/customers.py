"""Simulated customers at the far end of the line: what the demo and the rehearsals of scripts share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from campana.voicebots import Voicebots
from telephony.simulator import Lines, Persona, render

#: The trunk that leads to them.
TRUNK: Final = "rehearsal"
#: Two new calls a second, so that not every customer speaks at the same instant.
CPS: Final = 2.0


async def learn_lines(
    voicebots: Voicebots, people: Sequence[Persona], voice: str, folder: Path, console: Console
) -> Lines:
    """Speak the customers' lines into files of `folder`, for the running network only plays them."""
    speaker = await voicebots.speaker(voice)
    columns = (TextColumn("the customers learn their lines"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("lines", total=len({line for person in people for line in person.lines()}))

        async def synthesise(text: str, rate_hz: int, speed: float) -> bytes:
            bars.advance(bar)
            return await speaker.synthesise(text, rate_hz=rate_hz, speed=speed)

        return await render(people, synthesise, folder)
