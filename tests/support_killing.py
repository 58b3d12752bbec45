"""A process that dials a campaign and can be killed at any instant: what the crash tests start.

python -m tests.support_killing DATABASE_URL CAMPAIGN_ID LOG [PACE]: every INVITE is written to LOG, and flushed to the
file, before anything else happens to the call; LOG stands for the telephone network, which remembers what it saw. With
PACE everything takes so many times longer.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import structlog

from bot.outcome import ConversationResult, EndedBy, Job, Speaker, Turn
from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campaigns.nodes import node_name
from campaigns.runner import Runner, RunnerSettings
from storage.clock import SystemClock
from storage.database import open_database
from storage.notify import open_notices
from telephony.call import Call, CallPhase, DialRequest, NotAnswered, PhaseListener
from telephony.outcomes import DialStatus
from tests.support_network import NetworkCall

_CLOCK = SystemClock()


class LoggedNetwork:
    """Rings a few milliseconds; two of three answer, the rest are busy."""

    def __init__(self, path: Path, pace: float) -> None:
        self._log = path.open("a", encoding="utf-8")
        self._longest_s = 0.02 * pace

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        self._log.write(f"{request.number} {request.attempt_id}\n")
        self._log.flush()
        await asyncio.sleep(random.uniform(0, self._longest_s))
        on_phase(CallPhase.RINGING, _CLOCK.now())
        await asyncio.sleep(random.uniform(0, self._longest_s))
        if int(request.number[-1]) % 3 == 0:
            return NotAnswered(DialStatus.BUSY, _CLOCK.now(), rang=True, sip_code=486)
        on_phase(CallPhase.ANSWERED, _CLOCK.now())
        return NetworkCall(request.attempt_id, _CLOCK)

    async def hangup_stray(self, attempt_id: str) -> bool:
        """The call died with its process."""
        return False

    async def aclose(self) -> None:
        self._log.close()


class ShortTalk:
    """A few milliseconds of talk."""

    async def run(self, call: Call, job: Job) -> ConversationResult:
        await asyncio.sleep(random.uniform(0, 0.03))
        await call.hangup()
        return ConversationResult(EndedBy.BOT, messages=1, customer_spoke=True, turns=(Turn(Speaker.BOT, 0, 1, "Hi"),))


async def _voicebot(_claim: Claim) -> ShortTalk:
    return ShortTalk()


async def main(url: str, campaign_id: int, log: Path, pace: float) -> None:
    async with open_database(url) as database, open_notices(database) as notices:
        # A long lease: a restarted process must know its dead predecessor at once, without waiting for it.
        ledger = Ledger(database, _CLOCK, node=node_name("crash"), lease_s=600)
        settings = RunnerSettings(calls=6)
        dialers = {"line": LoggedNetwork(log, pace)}
        runner = Runner(database, ledger, dialers, _voicebot, _CLOCK, settings=settings, notices=notices)
        print("running", os.getpid(), flush=True)
        await runner.run_until_complete(campaign_id)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), float([*sys.argv, "1"][4])))
