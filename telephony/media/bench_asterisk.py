"""`campana bench media` through a real Asterisk: its RTP as it arrives at a simulated callee in another process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from telephony.ami.account import AmiAccount
from telephony.ami.client import AmiClient
from telephony.media.audiosocket import AudioSocketServer
from telephony.media.bench import Load, MediaFigures, figures, gaps_of, talk
from telephony.media.leg import MediaLeg
from telephony.simulator.process import SimulatorProcess

CALLEE = "+84900000001"
_PERSONA = f"""number: "{CALLEE}"
name: echoes
answer: {{after_ms: 0}}
play:
  - echo
"""
_CONNECT_S = 30.0
_RECORDS_S = 60.0
#: New calls a second: what is measured is audio, not how many calls Asterisk can set up at once.
_CALLS_PER_S = 25


@dataclass(frozen=True)
class Bed:
    """An Asterisk with a trunk that leads to `far_end_port` of this machine.

    `dial` is its dial string with `{number}`; `bind` the address at which Asterisk reaches this process.
    """

    account: AmiAccount
    far_end_port: int
    dial: str = "PJSIP/{number}@trunk"
    bind: str = "127.0.0.1"


async def bench_asterisk(load: Load, bed: Bed) -> MediaFigures:
    """Calls by Originate with the application AudioSocket, answered by a simulated callee who echoes."""
    with tempfile.TemporaryDirectory(prefix="campana-bench-") as name:
        folder = Path(name)
        (folder / "echo.yaml").write_text(_PERSONA, encoding="utf-8")
        heard = folder / "heard"
        async with (
            SimulatorProcess(folder / "echo.yaml", record=heard, wanted_port=bed.far_end_port),
            await AudioSocketServer.open(bed.bind) as server,
            AmiClient(bed.account) as manager,
        ):
            legs = [server.expect(uuid.uuid4(), load.rate_hz) for _ in range(load.calls)]
            for leg in legs:
                await _originate(manager, leg, bed, server.host_port)
                await asyncio.sleep(1 / _CALLS_PER_S)
            await asyncio.gather(*(leg.connected(_CONNECT_S) for leg in legs))
            talked = await talk(legs, load)
            gaps = await _gaps(heard, load.calls)
        return figures("audiosocket by Asterisk", load, legs, gaps, talked)


async def _originate(manager: AmiClient, leg: MediaLeg, bed: Bed, host_port: str) -> None:
    if leg.rate_hz == 8000:
        fields = [("Application", "AudioSocket"), ("Data", f"{leg.call_uuid},{host_port}")]
    else:
        target = f"AudioSocket/{host_port}/{leg.call_uuid}/c(slin16)"
        fields = [("Application", "Dial"), ("Data", target)]
    dial = bed.dial.replace("{number}", CALLEE)
    await manager.action("Originate", [("Channel", dial), ("Async", "true"), ("Timeout", "20000"), *fields])


async def _gaps(heard: Path, calls: int) -> list[float]:
    """Times between two RTP packets of the same call, once every call is recorded; whoever is missing is left out."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_RECORDS_S):
            while _recorded(heard) < calls:  # noqa: ASYNC110 - another process writes the files
                await asyncio.sleep(0.1)
    files = await asyncio.to_thread(lambda: [path.read_text(encoding="utf-8") for path in heard.glob("*.jsonl")])
    return [gap for text in files for gap in gaps_of(_arrivals_ms(text.splitlines()))]


def _recorded(heard: Path) -> int:
    return len(list(heard.glob("*.jsonl")))


def _arrivals_ms(rows: Sequence[str]) -> list[float]:
    return [float(json.loads(row)["at_ms"]) for row in rows if row.endswith("}")]
