"""Agents' legs: at most one live, each with an id written down before it is dialled, none left behind."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from campaigns.agents import AgentLegs, Way
from storage.clock import SystemClock
from telephony.call import Call, DialRequest, NotAnswered, PhaseListener
from telephony.outcomes import DialStatus, HangupBy
from telephony.transfer import Target
from tests.support_network import Network, NetworkCall, until

TARGET = Target("sales", "+84281234567", ring_s=12.0)
DESK = Target("desk", "204")


def legs_of(network: Any, **options: Any) -> AgentLegs:
    return AgentLegs(Way(network, "+842888", lambda number: f"0{number[3:]}"), SystemClock(), **options)


async def _answered(legs: AgentLegs, target: Target = TARGET) -> Call:
    call = await legs.dial(target)
    assert not isinstance(call, NotAnswered)
    return call


async def test_an_agent_is_dialled_as_the_trunk_wants_it_and_an_extension_as_it_stands() -> None:
    network = Network.answering()
    legs = legs_of(network)
    await _answered(legs)
    await _answered(legs, DESK)
    first, second = network.dialled
    assert (first.number, first.caller_id, first.ring_timeout_s) == ("0281234567", "+842888", 12.0)
    assert second.number == "204"
    assert first.attempt_id != second.attempt_id
    assert {len(first.attempt_id), len(second.attempt_id)} == {32}
    await legs.aclose()


async def test_the_leg_is_written_down_and_has_its_turn_before_it_is_dialled() -> None:
    order: list[str] = []
    network = Network.answering(on_dial=lambda request: order.append(f"dialled {request.attempt_id}"))

    async def write_down(leg_id: str, target: Target) -> None:
        order.append(f"{target.name} {leg_id}")

    async def turn() -> None:
        order.append("turn")

    legs = legs_of(network, write_down=write_down, turn=turn)
    call = await _answered(legs)
    assert order == [f"sales {call.attempt_id}", "turn", f"dialled {call.attempt_id}"]
    await legs.aclose()


async def test_what_cannot_be_written_down_is_not_dialled() -> None:
    network = Network.answering()

    async def away(_leg_id: str, _target: Target) -> None:
        raise ConnectionError("the database is away")

    with capture_logs():
        outcome = await legs_of(network, write_down=away).dial(TARGET)
    assert isinstance(outcome, NotAnswered)
    assert (outcome.dial_status, outcome.text) == (DialStatus.ERROR, "agent: the database is away")
    assert network.dialled == []


@pytest.mark.parametrize("status", [DialStatus.BUSY, DialStatus.NOANSWER])
async def test_an_agent_who_does_not_come_is_told_as_the_network_did(status: DialStatus) -> None:
    network = Network.answering(outcomes={"204": status})
    outcome = await legs_of(network).dial(DESK)
    assert isinstance(outcome, NotAnswered)
    assert outcome.dial_status is status


async def test_a_dialer_that_breaks_is_an_agent_who_did_not_come() -> None:
    with capture_logs():
        outcome = await legs_of(Network.answering(outcomes={"204": OSError("no route")})).dial(DESK)
    assert isinstance(outcome, NotAnswered)
    assert (outcome.dial_status, outcome.text) == (DialStatus.ERROR, "agent: no route")


async def test_a_second_leg_is_placed_only_when_the_first_is_down() -> None:
    network = Network.answering()
    live: list[int] = []
    network.on_dial = lambda _request: live.append(sum(not call._end.done() for call in network.calls))
    legs = legs_of(network)
    await _answered(legs)
    await asyncio.gather(_answered(legs), _answered(legs, DESK))
    assert live == [0, 0, 0]
    assert len(network.calls) == 3
    await legs.aclose()
    assert [call._end.done() for call in network.calls] == [True] * 3


async def test_a_bot_that_gives_up_while_it_rings_leaves_no_leg() -> None:
    network = Network()
    dialling = asyncio.create_task(legs_of(network).dial(TARGET))
    await until(lambda: len(network.dialled) == 1)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert network.cancelled == [network.dialled[0].attempt_id]


async def test_a_bot_that_gives_up_the_moment_an_agent_answers_leaves_no_leg() -> None:
    network = Network.answering()
    legs = legs_of(network)
    dialling = asyncio.create_task(legs.dial(TARGET))

    async def answered(request: DialRequest, _on_phase: PhaseListener) -> Call:
        # The cancellation and the answer come in the same turn of the event loop.
        asyncio.get_running_loop().call_soon(dialling.cancel)
        call = NetworkCall(request.attempt_id, network.clock)
        network.calls.append(call)
        return call

    network.dial = answered  # type: ignore[method-assign, assignment]
    with pytest.raises(asyncio.CancelledError):
        await dialling
    (call,) = network.calls
    assert (await asyncio.wait_for(call.ended(), 30)).hangup_by is HangupBy.BOT


async def test_the_end_of_the_call_ends_a_leg_that_still_rings_and_one_that_talks() -> None:
    network = Network()
    legs = legs_of(network)
    dialling = asyncio.create_task(legs.dial(TARGET))
    await until(lambda: len(network.dialled) == 1)
    await legs.aclose()
    outcome = await dialling
    assert isinstance(outcome, NotAnswered)
    assert (outcome.dial_status, outcome.text) == (DialStatus.CANCEL, "the call is over")
    network.answer.set()
    assert isinstance(await legs.dial(TARGET), NotAnswered)
    assert len(network.dialled) == 1
    talking = legs_of(network)
    call = await _answered(talking)
    await talking.aclose()
    await talking.aclose()
    assert (await asyncio.wait_for(call.ended(), 30)).hangup_by is HangupBy.BOT


async def test_an_answer_that_comes_after_the_end_is_hung_up() -> None:
    network = Network.answering()
    legs = legs_of(network)
    asked = asyncio.Event()

    async def deaf(request: DialRequest, _on_phase: PhaseListener) -> Call:
        asked.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        call = NetworkCall(request.attempt_id, network.clock)
        network.calls.append(call)
        return call

    network.dial = deaf  # type: ignore[method-assign, assignment]
    dialling = asyncio.create_task(legs.dial(TARGET))
    await asked.wait()
    await legs.aclose()
    await dialling
    assert (await asyncio.wait_for(network.calls[0].ended(), 30)).hangup_by is HangupBy.BOT


async def test_a_leg_that_cannot_be_hung_up_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network.answering()
    legs = legs_of(network)
    call = await _answered(legs)

    async def refuse() -> None:
        raise ConnectionError

    monkeypatch.setattr(call, "hangup", refuse)
    with capture_logs() as said:
        await legs.aclose()
    assert [line["event"] for line in said] == ["agent_hangup_failed"]


async def test_a_beginning_transfer_is_told_once_it_is_known_and_not_after_the_end() -> None:
    told: list[str] = []
    legs = legs_of(Network(), on_began=lambda target: told.append(target.name))
    assert legs.rings_until is None
    legs.began(TARGET)
    assert legs.rings_until is not None
    await legs.aclose()
    legs.began(replace(TARGET, name="late"))
    assert told == ["sales"]
