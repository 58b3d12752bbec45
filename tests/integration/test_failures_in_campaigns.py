"""What fails in the middle of a call: the customer hears a sensible line, the code is true, the slot is free again.

The real pipeline, script and ledger on calls in memory; three slots for five calls, so that a slot which is not given
back holds up the campaign.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.conversation import ScriptedConversation, SpeechRuntime
from bot.errands import ModelFailed, Outside, Piece
from bot.loopback import LoopbackCall
from bot.outcome import LlmUsage
from bot.recording import Recordings
from bot.script.replies import Consult, Fetch
from bot.speech.listening import Heard
from campaigns.claiming import Claim
from campaigns.runner import Runner, RunnerSettings
from campaigns.states import CampaignState
from reports.audit import audit
from storage.clock import SystemClock
from storage.database import Database
from storage.tables import attempts, turns
from telephony.call import Call, CallPhase, DialRequest, NotAnswered, PhaseListener
from telephony.errors import MediaClosed
from tests.support_calls import RATE_HZ, CodedListener, CodedSpeaker, LoudIsVoice, Words
from tests.support_campaigns import House, number
from tests.support_scripts import script_of
from tests.support_speech import AlwaysComplete

_HEAD = """
    script: failures
    codes:
      AG: {title: Agrees, result: Completed}
      LATER: {title: To be written to, result: NoResult}
    intents:
      agree: {like: "yes"}
    handlers: {call_back: agreed, wrong_person: written}
    silence: {after_ms: 6000, say: ["Are you there?"], goto: written}
    steps:
      agreed:
        - code: AG
        - say: Thank you.
        - end
      written:
        - code: LATER
        - say: We will write to you.
        - end
      greeting:
        - say: Hello there.
"""
_LISTEN = """
        - listen:
            intents: {agree: agreed}
            reprompt: Sorry?
            else: written
"""
_HANGS = """
        - webhook: {url: "https://crm.example.com/", into: {sum: sum}, timeout_ms: 300, else: written}
        - goto: agreed
"""
_MODEL = """
        - llm: {persona: Kind., goal: Talk., greeting: May I ask, fallback: Once more please, else: written}
"""
_BROKEN = """
        - listen: {intents: {agree: sum}, else: written}
      sum:
        - compute: {rest: "number(heard) + 1"}
        - say: Never said.
        - end
"""
_START = "    start: greeting\n"
GOOD, HANGS, MODEL, BROKEN, NONSENSE = range(5)
SCRIPTS = {
    kind: script_of(_HEAD.replace("    intents:", f"{_START}    intents:", 1) + tail)
    for kind, tail in {GOOD: _LISTEN, HANGS: _HANGS, MODEL: _MODEL, BROKEN: _BROKEN, NONSENSE: _LISTEN}.items()
}


class Hanging:
    """A web service that never answers, and a language model that always fails."""

    async def fetch(self, wanted: Fetch) -> Mapping[str, str]:
        await asyncio.Event().wait()
        return {}

    async def answer(self, wanted: Consult, spent: Callable[[LlmUsage], None]) -> AsyncGenerator[Piece, None]:
        raise ModelFailed("the provider is away")
        yield ""


class Mishearing:
    """Recognition that makes something up."""

    async def transcribe(self, pcm: bytes, rate_hz: int) -> Heard:
        return Heard("zxq 41 the the the", -2.5, 0.4, len(pcm) // 16, 0, 0)


@dataclass
class Customers:
    """Answers every call with a customer who says yes whenever the bot has come to an end."""

    words: Words
    heard: dict[str, bytearray] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def dial(self, request: DialRequest, on_phase: PhaseListener) -> Call | NotAnswered:
        clock = SystemClock()
        call = LoopbackCall(request.attempt_id, rate_hz=RATE_HZ, clock=clock)
        on_phase(CallPhase.ANSWERED, clock.now())
        self.tasks.append(asyncio.create_task(self._listen(request.number, call)))
        return call

    async def hangup_stray(self, attempt_id: str) -> bool:
        return False

    async def aclose(self) -> None:
        await asyncio.gather(*self.tasks)

    async def _listen(self, phone: str, call: LoopbackCall) -> None:
        heard = self.heard[phone] = bytearray()
        spoke, quiet_ms = False, 0
        with contextlib.suppress(MediaClosed):
            while True:
                frame = await call.far.read()
                heard += frame
                spoke, quiet_ms = (True, 0) if any(frame) else (spoke, quiet_ms + 20)
                if spoke and quiet_ms >= 200:
                    call.far.say(self.words.say("yes", 400))
                    spoke = False


@pytest.fixture
def quick_logs() -> Iterator[None]:
    """Drawing tracebacks for the console takes long."""
    with capture_logs():
        yield


@pytest.mark.usefixtures("quick_logs")
@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_every_failure_ends_in_words_a_true_code_and_a_free_slot(database: Database, tmp_path: Path) -> None:
    house = await House(database, clock=SystemClock()).build()  # type: ignore[arg-type]
    campaign_id = await house.campaign(people=5)
    words, voice, outside, recordings = Words(), CodedSpeaker(), Hanging(), Recordings(tmp_path)

    async def voicebot(claim: Claim) -> ScriptedConversation:
        kind = int(claim.number[-1])
        listener = Mishearing() if kind == NONSENSE else CodedListener(words, delay_s=0)
        speech = SpeechRuntime(listener, voice, AlwaysComplete(), LoudIsVoice())
        return ScriptedConversation(SCRIPTS[kind], speech, recordings=recordings, outside=Outside(outside, outside))

    customers = Customers(words)
    runner = Runner(
        database,
        house.ledger(lease_s=60.0),
        {"line": customers},
        voicebot,
        house.clock,
        settings=RunnerSettings(calls=3),
    )
    async with asyncio.timeout(120):
        assert await runner.run_until_complete(campaign_id) is CampaignState.COMPLETED
        await customers.aclose()
        await recordings.aclose()
    ended = {int(row["number"][-1]): row for row in await house.rows(attempts)}
    codes = {kind: (row["call_status"], row["action_code"]) for kind, row in ended.items()}
    assert codes == {
        GOOD: ("BOT_HANGUP", "AG"),
        HANGS: ("BOT_HANGUP", "LATER"),
        MODEL: ("BOT_HANGUP", "LATER"),
        BROKEN: ("BOT_ERROR", "ER"),
        NONSENSE: ("BOT_HANGUP", "LATER"),
    }
    said = {kind: voice.words.read(bytes(customers.heard[number(1000 + kind)])) for kind in SCRIPTS}
    assert "Thank you." in said[GOOD]
    assert "We will write to you." in said[HANGS]
    assert "Once more please" in said[MODEL]
    assert "We will write to you." in said[MODEL]
    assert "I am sorry, we have a technical problem. Goodbye." in said[BROKEN]
    assert "Never said." not in said[BROKEN]
    assert "Sorry?" in said[NONSENSE]
    assert "We will write to you." in said[NONSENSE]
    assert await house.live() == 0
    heard = [row["text"] for row in await house.rows(turns) if row["attempt_id"] == ended[NONSENSE]["id"]]
    assert "zxq 41 the the the" in heard
    async with database.read() as conn:
        assert [check for check in (await audit(conn, campaign_id, tmp_path)).checks if not check.ok] == []
