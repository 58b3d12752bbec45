"""A campaign whose every call ends busy: attempts a second, who is unaccounted for, and the calls of any one second."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from bot.outcome import Conversation
from campaigns.attempts import Ledger
from campaigns.bench import prepare_null_campaign
from campaigns.claiming import Claim
from campaigns.nodes import node_name
from campaigns.runner import Runner, RunnerSettings
from campana.calls_bench.bed import Bed, Standing, channels_left, standing
from storage.clock import SystemClock
from storage.database import open_database, upgrade
from storage.tables import attempts, trunks
from telephony.ami.dialer import AsteriskDialer
from telephony.call import Call, DialRequest, NotAnswered, PhaseListener
from telephony.simulator.record import read_log

_PERSONA: Final = "busy: true\n"
_NO_LIMIT: Final = 1_000_000.0


@dataclass(frozen=True)
class BusyFigures:
    """One run; `cps` 0 is without a limit.

    `unaccounted` are contacts without an attempt that ended busy with SIP code 486, or that got more or less than one
    INVITE. `most_in_a_second` is the largest number of calls in any one second: as they left us, and as their INVITEs
    arrived at the far end. `shortest_span_ms`: the least time in which one call more than `cps` arrived, 0 without a
    limit; above 1000 no second held too many.
    """

    attempts: int
    cps: float
    at_once: int
    wall_s: float
    attempts_per_s: float
    unaccounted: int
    most_in_a_second_sent: int
    most_in_a_second_arrived: int
    shortest_span_ms: int
    leaked_channels: int
    leaked_calls: int
    load_average: float


class _Noting:
    """The dialer; notes when each call left."""

    def __init__(self, dialer: AsteriskDialer) -> None:
        self._dialer = dialer
        self.left: list[float] = []
        self.hangup_stray, self.aclose = dialer.hangup_stray, dialer.aclose

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        self.left.append(time.monotonic())
        return await self._dialer.dial(request, on_phase)


async def _nobody(_claim: Claim) -> Conversation:
    """Nobody answers, so nobody need talk."""
    return None  # type: ignore[return-value]


async def bench_busy(bed: Bed, wanted: int, cps: float, at_once: int) -> BusyFigures:
    """A campaign of so many contacts on a SQLite database of its own; raises `TelephonyError` without a bed."""
    async with standing(bed, _PERSONA) as ready:
        url = f"sqlite:///{ready.folder / 'bench.db'}"
        await upgrade(url)
        noting = _Noting(ready.dialer)
        wall_s, codes = await _run(url, noting, wanted, cps, at_once)
        left = await channels_left(ready.dialer)
        times, arrived = _invites(ready)
    return BusyFigures(
        attempts=wanted,
        cps=cps,
        at_once=at_once,
        wall_s=round(wall_s, 1),
        attempts_per_s=round(wanted / wall_s, 1),
        unaccounted=sum(codes[to] != [("BS", 486)] or times[to] != 1 for to in {*codes, *times}) + wanted - len(codes),
        most_in_a_second_sent=most_in_a_second(noting.left),
        most_in_a_second_arrived=most_in_a_second(arrived),
        shortest_span_ms=_shortest_span_ms(arrived, int(cps)),
        leaked_channels=left,
        leaked_calls=ready.dialer.live_calls,
        load_average=round(os.getloadavg()[0], 1),
    )


async def _run(
    url: str, dialer: _Noting, wanted: int, cps: float, at_once: int
) -> tuple[float, dict[str, list[tuple[str, int]]]]:
    """How long it took, and what the books say became of each number."""
    clock, codes = SystemClock(), dict[str, list[tuple[str, int]]]()
    async with open_database(url) as database:
        campaign_id = await prepare_null_campaign(database, clock, wanted)
        async with database.write() as conn:
            await conn.execute(update(trunks).values(cps=cps or _NO_LIMIT))
        ledger = Ledger(database, clock, node=node_name("bench"))
        runner = Runner(database, ledger, {"null": dialer}, _nobody, clock, settings=RunnerSettings(calls=at_once))
        started = time.monotonic()
        await runner.run_until_complete(campaign_id)
        wall_s = time.monotonic() - started
        async with database.read() as conn:
            asked = select(attempts.c.number, attempts.c.action_code, attempts.c.sip_code)
            for to, code, sip_code in (await conn.execute(asked)).all():
                codes.setdefault(to, []).append((code, sip_code))
    return wall_s, codes


def _invites(ready: Standing) -> tuple[Counter[str], list[float]]:
    """How many INVITEs each number got, and when each came, in seconds."""
    rows = list(read_log(ready.folder / "log", "invite"))
    at = sorted(datetime.fromisoformat(str(row["at"])).timestamp() for row in rows)
    return Counter(str(row["number"]) for row in rows), at


def most_in_a_second(times_s: Sequence[float]) -> int:
    """The largest number of these instants (in order) in any window of one second."""
    most = first = 0
    for place, at in enumerate(times_s):
        while times_s[first] <= at - 1:
            first += 1
        most = max(most, place - first + 1)
    return most


def _shortest_span_ms(times_s: Sequence[float], cps: int) -> int:
    spans = [later - first for first, later in zip(times_s, times_s[cps:], strict=False)]
    return round(1000 * min(spans)) if cps and spans else 0
