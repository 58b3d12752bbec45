"""Campaigns through a real Asterisk: a conversation that waits for a word of the test, and a process to kill.

python -m tests.support_asterisk_campaign DATABASE_URL CAMPAIGN_ID AMI_PORT STRAYS [hold]: dials the campaign until it
has ended. STRAYS gets a line of JSON for each call that an earlier process left behind, its folder the recordings;
`hold` never ends a call.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import structlog

from bot.outcome import ConversationResult, EndedBy, Job, Speaker, Turn
from bot.recording import Recorder, Recordings
from bot.timings import CallTime
from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campaigns.nodes import node_name
from campaigns.runner import Runner, RunnerSettings
from reports.audit import audit
from storage.clock import SystemClock
from storage.database import Database, open_database
from storage.tables import attempts, contacts
from telephony.ami.dialer import AsteriskDialer
from telephony.call import Call
from telephony.errors import MediaClosed
from telephony.simulator.persona import Answer, Echo, HangUp, Persona, Reject, RingOut, WaitForBot
from telephony.trunk import AsteriskTrunk
from tests.support_asterisk_config import AMI_SECRET, AMI_USER, HOST
from tests.support_campaigns import House
from tests.support_dialer_asterisk import TIMES

#: By the last figure of a number, when House numbers the people of its first campaign; the others echo.
PERSONAS = (
    Persona(("+99900001xxx",), "echoes", Answer(100), (Echo(),)),
    *(
        Persona(
            (f"+99900001xx{last}",), "hangs up", Answer(100), (WaitForBot(silence_ms=100, max_ms=600_000), HangUp())
        )
        for last in (4, 6)
    ),
    Persona(("+99900001xx5",), "busy", Reject(486, 100)),
    Persona(("+99900001xx7",), "lets it ring", RingOut()),
    Persona(("+99900001xx8",), "nobody has it", Reject(404)),
)
HANGS_UP = frozenset("46")
REFUSED = {"5": "BS", "8": "IN"}
_SAID = b"\x00\x20\x00\xe0" * 80
_SAID_FRAMES = 15
_TURNS = (Turn(Speaker.BOT, 0, 150, "Beep"),)


@dataclass
class Held:
    """A call that goes on."""

    number: str
    call: Call
    frames: int = 0
    go_on: bool = False


class Talks:
    """Makes conversations that listen until they may go on, then say something; whoever `HANGS_UP` ends the call.

    Each is recorded in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.hold = True
        self.held: dict[str, Held] = {}
        self.recordings = Recordings(folder)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.recordings.aclose()

    def release(self) -> None:
        """Hold no call any more."""
        self.hold = False

    async def __call__(self, claim: Claim) -> _Talk:
        return _Talk(self, claim.number)


class _Talk:
    def __init__(self, talks: Talks, number: str) -> None:
        self._talks, self._number = talks, number

    async def run(self, call: Call, job: Job) -> ConversationResult:
        time = CallTime.of(call, SystemClock())
        recorder = self._talks.recordings.begin(call.attempt_id, call.answered_at, time, call.media.rate_hz)
        held = self._talks.held[job.attempt_id] = Held(self._number, call)
        ended_by = EndedBy.CUSTOMER
        try:
            while self._talks.hold and not held.go_on:
                recorder.customer(await call.media.read())
                held.frames += 1
            await self._talk(call, recorder)
            ended_by = EndedBy.BOT
        except MediaClosed:
            pass
        finally:
            del self._talks.held[job.attempt_id]
        await call.hangup()
        talked = (await call.ended()).ended_at - call.answered_at
        recording = await recorder.close(talked // timedelta(milliseconds=1))
        return ConversationResult(
            ended_by, code="YES", messages=1, customer_spoke=True, turns=_TURNS, recording=recording
        )

    async def _talk(self, call: Call, recorder: Recorder) -> None:
        for _ in range(_SAID_FRAMES):
            recorder.bot(_SAID, asyncio.get_running_loop().time())
            await call.media.write(_SAID)
        while call.media.ahead_ms or self._number[-1] in HANGS_UP:
            recorder.customer(await call.media.read())


@dataclass(frozen=True)
class Books:
    """What the database says of a campaign that has ended."""

    attempts: list[dict[str, Any]]

    @property
    def codes(self) -> Counter[str]:
        return Counter(row["action_code"] for row in self.attempts)

    def of(self, ids: object) -> list[dict[str, Any]]:
        return [row for row in self.attempts if row["id"] in ids]  # type: ignore[operator]


async def books_in_order(house: House, campaign_id: int, people: int, recordings: Path) -> Books:
    """Everybody has an outcome of one call, no call is live, and the audit finds nothing wrong."""
    rows = await house.rows(attempts)
    # What failed by a fault of the trunk does not count: the contact is called once more when it is back.
    placed = [row for row in rows if row["originated_at"] and row["counted"]]
    assert len(placed) == len({row["contact_id"] for row in placed}) == people
    assert all(row["phase"] == "ended" and row["settled_at"] and row["action_code"] for row in placed), placed
    assert {row["attempts"] for row in await house.rows(contacts)} == {1}
    assert await house.live() == 0
    async with house.database.read() as conn:
        found = await audit(conn, campaign_id, recordings)
    assert found.ok, [check for check in found.checks if not check.ok]
    return Books(placed)


def trunk_of(ami_port: int) -> AsteriskTrunk:
    """The trunk named "trunk" of a test bed, reached at this port of its manager or of a relay to it."""
    return AsteriskTrunk("line", HOST, "PJSIP/{number}@trunk", AMI_USER, AMI_SECRET, port=ami_port)


class NotingStrays:
    """A dialer that notes every call of an earlier process that it was asked to end."""

    def __init__(self, dialer: AsteriskDialer, notes: Path) -> None:
        self._notes = notes
        self.dial, self.probe, self.aclose = dialer.dial, dialer.probe, dialer.aclose
        self._hangup_stray = dialer.hangup_stray

    async def hangup_stray(self, attempt_id: str) -> bool:
        found = await self._hangup_stray(attempt_id)
        with self._notes.open("a", encoding="utf-8") as notes:
            notes.write(json.dumps({"attempt_id": attempt_id, "found": found}) + "\n")
        return found


async def dial_until_complete(database: Database, campaign_id: int, ami_port: int, strays: Path, *, hold: bool) -> None:
    """What the process does."""
    clock = SystemClock()
    # A long lease: a restarted process must know its dead predecessor at once, without waiting for it.
    ledger = Ledger(database, clock, node=node_name("crash"), lease_s=600)
    async with Talks(strays.parent) as talks, AsteriskDialer(trunk_of(ami_port), times=TIMES) as dialer:
        if not hold:
            talks.release()
        noting = NotingStrays(dialer, strays)
        runner = Runner(database, ledger, {"line": noting}, talks, clock, settings=RunnerSettings(calls=50))
        print("running", os.getpid(), flush=True)
        await runner.run_until_complete(campaign_id)


async def main(url: str, campaign_id: str, ami_port: str, strays: str, *options: str) -> None:
    async with open_database(url) as database:
        await dial_until_complete(database, int(campaign_id), int(ami_port), Path(strays), hold="hold" in options)


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(main(*sys.argv[1:]))
