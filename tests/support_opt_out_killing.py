"""A process that holds one call by the real script and pipeline, and dies of SIGKILL as the bot answers an opt-out.

python -m tests.support_opt_out_killing DATABASE_URL CAMPAIGN_ID LOG speech|key: the customer asks not to be called
again; at the first sound of what the bot says to that, the process kills itself. Each INVITE is written to LOG first.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import structlog
from loguru import logger

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.loopback import LoopbackCall
from campaigns.attempts import Ledger
from campaigns.claiming import Claim
from campaigns.nodes import node_name
from campaigns.runner import Runner, RunnerSettings
from storage.clock import SystemClock
from storage.database import open_database
from telephony.call import Call, CallPhase, DialRequest, NotAnswered, PhaseListener
from tests.support_calls import RATE_HZ, CodedListener, CodedSpeaker, LoudIsVoice, Words
from tests.support_scripts import script_of
from tests.support_speech import AlwaysComplete

_CLOCK = SystemClock()
_SCRIPT = script_of(
    """
    script: reminder
    intents:
      agree: {like: "yes"}
    silence: {after_ms: 60000, say: ["Are you there?"], goto: bye}
    steps:
      greeting:
        - say: Hello this is the bank.
        - listen:
            intents: {agree: bye}
            keys: {"9": out}
            else: bye
      out:
        - opt_out
        - say: We will not call again.
        - end
      bye:
        - say: Goodbye.
        - end
    """
)
#: Silence after which the greeting is over.
_OVER_MS = 300


class OneCustomer:
    """Answers at once, hears the greeting out, and opts out."""

    def __init__(self, log: Path, way: str, words: Words) -> None:
        self._log = log
        self._way = way
        self._words = words
        self._tasks: list[asyncio.Task[None]] = []

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{request.number}\n")
        call = LoopbackCall(request.attempt_id, rate_hz=RATE_HZ, clock=_CLOCK)
        on_phase(CallPhase.ANSWERED, _CLOCK.now())
        self._tasks.append(asyncio.create_task(self._opt_out(call)))
        return call

    async def hangup_stray(self, attempt_id: str) -> bool:
        """The call died with its process."""
        return False

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _opt_out(self, call: LoopbackCall) -> None:
        await self._hear(call)
        quiet_ms = 0
        while quiet_ms < _OVER_MS:
            quiet_ms = 0 if any(await call.far.read()) else quiet_ms + 20
        if self._way == "key":
            await call.far.send_dtmf("9")
        else:
            call.far.say(self._words.say("please stop calling me"))
        await self._hear(call)
        os.kill(os.getpid(), signal.SIGKILL)

    async def _hear(self, call: LoopbackCall) -> None:
        while not any(await call.far.read()):
            pass


async def main(url: str, campaign_id: int, log: Path, way: str) -> None:
    words = Words()
    speech = SpeechRuntime(CodedListener(words), CodedSpeaker(), AlwaysComplete(), LoudIsVoice())

    async def voicebot(_claim: Claim) -> ScriptedConversation:
        return ScriptedConversation(_SCRIPT, speech)

    async with open_database(url) as database:
        ledger = Ledger(database, _CLOCK, node=node_name("opt-out"), lease_s=600)
        dialers = {"line": OneCustomer(log, way, words)}
        runner = Runner(database, ledger, dialers, voicebot, _CLOCK, settings=RunnerSettings(calls=1))
        await runner.run_until_complete(campaign_id)


if __name__ == "__main__":
    logger.remove()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]))
