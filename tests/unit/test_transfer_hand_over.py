"""Conversations whose call is handed over to the network, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.loopback import LoopbackCall
from bot.outcome import ConversationResult, EndedBy
from telephony.outcomes import HangupBy
from telephony.transfer import HandOver, Target, TransferBy
from tests.support_calls import Line, LoopClock, World, texts
from tests.support_scripts import script_of
from tests.support_transfer import Office, hold_with, office_of, recordings_in, ringing, until, world_of

SCRIPT = script_of(
    """
    script: handed
    language: vi
    intents:
      agent: {samples: [let me talk to a person]}
      agree: {like: "yes", samples: [I will pay]}
    silence: {after_ms: 20000, say: ["Are you there?"], goto: goodbye}
    transfers:
      desk: {number: 7001@from-internal, by: hand_over, ring_s: 8}
    steps:
      greeting:
        - say: Hello this is a bot.
        - listen: {ask: "Will you pay?", intents: {agent: person}, else: goodbye}
      person:
        - say: One moment please.
        - transfer: {to: desk, else: alone}
      alone:
        - say: Nobody is free.
        - listen: {ask: "May we call again?", intents: {agree: goodbye}, else: goodbye}
      goodbye:
        - say: Goodbye.
        - end
    """
)
ASK = "let me talk to a person"


@dataclass
class Network:
    """What the network makes of a call that is handed over, after `rings_s`."""

    answered: bool = True
    kept: bool = False
    rings_s: float = 5.0
    #: Who ends an answered call 30 s later, None when its audio goes on as before.
    ends: HangupBy | None = HangupBy.AGENT
    asked: list[Target] = field(default_factory=list)
    given_up_at: list[float] = field(default_factory=list)


def call_over(network: Network) -> type[LoopbackCall]:
    class Handed(LoopbackCall):
        """Implements `telephony.transfer.HandsOver`."""

        async def hand_over(self, target: Target) -> HandOver:
            network.asked.append(target)
            try:
                await asyncio.sleep(network.rings_s)
            except asyncio.CancelledError:
                network.given_up_at.append(asyncio.get_running_loop().time())
                raise
            if network.answered and network.ends is not None:
                asyncio.get_running_loop().call_later(30, self._finish, network.ends)
            if not network.answered and not network.kept:
                self._finish(HangupBy.NETWORK)
            return HandOver(network.answered, LoopClock().now(), network.kept, "as the network said")

    return Handed


def held(network: Network, **changes: object) -> tuple[ConversationResult, Line, Office]:
    subject = world_of(SCRIPT)
    subject.answered = call_over(network)
    for name, value in changes.items():
        setattr(subject, name, value)
    office = office_of(subject)
    result, line = hold_with(subject, office, _asks)
    return result, line, office


async def _asks(line: Line) -> None:
    await until(3)
    line.say(ASK)
    await until(16)
    line.say("yes")
    await line.call.ended()


@pytest.mark.parametrize(
    ("ends", "by_agent", "ended_by"),
    [
        (HangupBy.AGENT, True, EndedBy.BOT),
        (HangupBy.CUSTOMER, False, EndedBy.CUSTOMER),
        (HangupBy.NETWORK, False, EndedBy.CUSTOMER),
    ],
)
def test_a_call_that_was_taken_lasts_until_its_true_end(
    ends: HangupBy, by_agent: bool, ended_by: EndedBy, tmp_path: Path
) -> None:
    network = Network(ends=ends)
    result, _, office = held(network, max_call_s=15.0, recordings=recordings_in(tmp_path))
    went = result.transfer
    assert went is not None
    assert (went.target, went.number, went.by) == ("desk", "7001@from-internal", TransferBy.HAND_OVER)
    assert (went.ended_by_agent, went.agent_ms, went.text) == (by_agent, 0, "as the network said")
    assert (result.ended_by, result.error) == (ended_by, None)
    assert went.joined_ms is not None
    assert went.joined_ms - went.asked_ms == pytest.approx(5000, abs=20)
    assert office.dialled == []
    assert [target for target, _ in office.began_at] == network.asked
    # What the network holds is not in the recording, not even as silence.
    assert result.recording is not None
    assert result.recording.duration_ms == pytest.approx(went.joined_ms, abs=40)


def test_until_the_network_tells_of_an_answer_the_customer_hears_ringing() -> None:
    result, line, _ = held(Network())
    went = result.transfer
    assert went is not None
    assert went.joined_ms is not None
    rang = bytes(line.heard)[went.asked_ms * 16 : went.joined_ms * 16]
    assert ringing(rang[:16000], 425) > 0.95
    assert not any(rang[1100 * 16 : 4800 * 16])


def test_a_customer_who_was_kept_goes_on_with_the_script() -> None:
    result, line, _ = held(Network(answered=False, kept=True))
    assert texts(line.spans())[-3:] == ["Nobody is free.", "May we call again?", "Goodbye."]
    assert result.transfer is not None
    assert (result.transfer.joined_ms, result.transfer.text) == (None, "as the network said")
    assert result.ended_by is EndedBy.BOT


def test_a_customer_whom_the_network_did_not_give_back_is_gone() -> None:
    result, line, _ = held(Network(answered=False, kept=False))
    assert "Nobody is free." not in texts(line.spans())
    assert result.transfer is not None
    assert result.transfer.joined_ms is None
    assert (result.ended_by, result.error) == (EndedBy.CUSTOMER, None)


def test_a_call_that_cannot_be_handed_over_goes_on_with_the_script() -> None:
    subject = World(SCRIPT)
    result, line = hold_with(subject, office_of(subject), _asks)
    assert "Nobody is free." in texts(line.spans())
    assert result.transfer is not None
    assert result.transfer.text == "Calls of this trunk cannot be handed over"


def test_a_network_that_never_tells_is_given_up() -> None:
    network = Network(rings_s=1000.0)
    result, line, _ = held(network)
    assert "Nobody is free." in texts(line.spans())
    assert len(network.given_up_at) == 1
    assert result.error is None


def test_a_call_that_is_too_long_before_an_answer_ends() -> None:
    network = Network(rings_s=18.0)
    result, _, _ = held(network, max_call_s=12.0)
    assert network.given_up_at == [12.0]
    assert result.ended_by is EndedBy.MAX_DURATION


def test_the_longest_transfer_ends_a_call_of_the_network() -> None:
    result, _, _ = held(Network(ends=None), max_transfer_s=100.0)
    assert result.ended_by is EndedBy.MAX_DURATION
    assert result.transfer is not None
    assert not result.transfer.ended_by_agent
