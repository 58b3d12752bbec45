"""Handing over against a scripted manager interface, and the state machine behind it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from telephony.ami import legs, redirect
from telephony.ami.handover import Destination, Handover, destination
from telephony.ami.protocol import Event
from telephony.call import Call
from telephony.errors import InvalidTrunk
from telephony.outcomes import HangupBy
from telephony.transfer import HandOver, HandsOver, Target
from telephony.trunk import AsteriskTrunk
from tests.support_scripted_dialer import talking

TARGET = Target("sales", "700", ring_s=60.0)


async def handing(call: Call) -> HandOver:
    assert isinstance(call, HandsOver)
    return await call.hand_over(TARGET)


def event(name: str, number: str, **fields: str) -> Event:
    return Event((("Event", name), ("Uniqueid", number), *fields.items()))


async def test_a_redirect_names_channel_and_place() -> None:
    async with talking() as (peer, call, _):
        task = asyncio.create_task(handing(call))
        (action,) = await peer.until_received("Redirect")
        del action["ActionID"]
        assert action == {
            **{"Action": "Redirect", "Channel": "a1"},
            **{"Context": "from-internal", "Exten": "700", "Priority": "1"},
        }
        (asked,) = [each["Variable"] for each in peer.received("Getvar") if "DIALPLAN" in each["Variable"]]
        assert asked == "DIALPLAN_EXISTS(from-internal,700,1)"
        peer.event("BridgeEnter", Uniqueid="a1", Linkedid="a1", BridgeUniqueid="b", BridgeNumChannels="2")
        assert (await task).answered


@pytest.mark.parametrize("reason", ["Permission denied", "Channel does not exist: a1"])
async def test_a_refused_redirect_leaves_the_customer_here(reason: str) -> None:
    async with talking() as (peer, call, audio):
        peer.refused["Redirect"] = reason
        result = await handing(call)
        assert (result.answered, result.kept) == (False, True)
        assert ("lacks call" if reason == "Permission denied" else reason) in (result.text or "")
        assert not audio.over.is_set()


async def test_a_connection_lost_at_the_redirect_leaves_the_customer_where_the_audio_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redirect, "_UNCONFIRMED_S", 0.05)
    async with talking() as (peer, call, _):
        peer.silent.update({"Redirect", "Status"})
        task = asyncio.create_task(handing(call))
        await peer.until_received("Redirect")
        peer.cut()
        result = await task
        assert (result.answered, result.kept) == (False, True)
        await peer.until_received("Status")


async def test_a_connection_lost_at_a_redirect_that_was_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redirect, "_UNCONFIRMED_S", 60.0)
    async with talking() as (peer, call, audio):
        peer.silent.update({"Redirect", "Status"})
        task = asyncio.create_task(handing(call))
        await peer.until_received("Redirect")
        audio.hang_up()
        peer.cut()
        (status,) = await peer.until_received("Status")
        number = status["ActionID"]
        peer.tell(b"Response: Success\r\nActionID: " + number.encode() + b"\r\n\r\n")
        peer.event("Status", ActionID=number, Uniqueid="a1", Channel="PJSIP/t-1", BridgeID="b", ChannelState="6")
        peer.event("StatusComplete", ActionID=number, EventList="Complete")
        assert (await task).answered
        peer.event("HangupRequest", Uniqueid="x", Linkedid="a1", Channel="PJSIP/agent-1", Cause="16")
        peer.event("Hangup", Uniqueid="a1", Linkedid="a1", Channel="PJSIP/t-1", Cause="16")
        assert (await call.ended()).hangup_by is HangupBy.AGENT


async def test_a_hangup_ends_a_handed_over_call_though_the_manager_is_away() -> None:
    async with talking() as (peer, call, audio):
        task = asyncio.create_task(handing(call))
        await peer.until_received("Redirect")
        peer.event("BridgeEnter", Uniqueid="a1", Linkedid="a1", BridgeUniqueid="b", BridgeNumChannels="2")
        assert (await task).answered
        audio.hang_up()
        peer.event("HangupRequest", Uniqueid="a1", Linkedid="a1", Channel="PJSIP/t-1", Cause="16")
        peer.refused["Login"] = "Authentication failed"
        peer.cut()
        await call.hangup()
        assert (await call.ended()).hangup_by in (HangupBy.CUSTOMER, HangupBy.BOT)


async def test_a_handed_over_call_of_an_asterisk_that_stays_away_ended_when_it_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(legs, "_FORSAKEN_S", 0.5)
    async with talking() as (peer, call, audio):
        task = asyncio.create_task(handing(call))
        await peer.until_received("Redirect")
        peer.event("BridgeEnter", Uniqueid="a1", Linkedid="a1", BridgeUniqueid="b", BridgeNumChannels="2")
        assert (await task).answered
        audio.hang_up()
        peer.refused["Login"] = "Authentication failed"
        peer.cut()
        end = await call.ended()
        ended = datetime.now(UTC)
        assert end.hangup_by is HangupBy.NETWORK
        assert "manager connection was lost" in (end.text or "")
        assert ended - end.ended_at >= timedelta(seconds=0.5)


async def test_nothing_is_handed_over_twice() -> None:
    async with talking() as (peer, call, _):
        task = asyncio.create_task(handing(call))
        await peer.until_received("Redirect")
        again = await handing(call)
        assert (again.answered, again.kept) == (False, False)
        peer.event("Hangup", Uniqueid="a1", Linkedid="a1", Channel="PJSIP/t-1", Cause="16")
        result = await task
        assert (result.answered, result.kept) == (False, False)
        assert "no telephone rang" in (result.text or "")
        assert len(peer.received("Redirect")) == 1


async def test_a_parked_customer_is_with_nobody() -> None:
    handover = Handover("a1", ["a1"])
    lot = {"BridgeUniqueid": "lot", "BridgeTechnology": "holding_bridge"}
    handover.event(event("BridgeEnter", "a1", BridgeNumChannels="2", **lot))
    handover.event(event("BridgeEnter", "a2", BridgeNumChannels="3", **lot))
    assert not handover.joined


async def test_somebody_who_joins_the_customers_conference_has_picked_up() -> None:
    handover = Handover("a1", ["a1"])
    handover.event(event("BridgeEnter", "a1", BridgeNumChannels="1", BridgeUniqueid="room"))
    handover.event(event("BridgeEnter", "x1", BridgeNumChannels="2", BridgeUniqueid="other"))
    assert not handover.joined
    handover.event(event("BridgeEnter", "x2", BridgeNumChannels="2", BridgeUniqueid="room"))
    assert handover.joined
    assert handover.decided.is_set()


async def test_who_was_busy_has_not_hung_up_on_anybody() -> None:
    handover = Handover("a1", ["a1"])
    handover.event(event("DialBegin", "a1"))
    handover.event(event("HangupRequest", "x1", Channel="PJSIP/agent-1"))
    handover.event(event("DialEnd", "a1", DialStatus="BUSY"))
    handover.event(event("BridgeEnter", "a1", BridgeNumChannels="2", BridgeUniqueid="b"))
    handover.event(event("HangupRequest", "x3", Channel="Local/9@c-1;2"))
    assert (handover.joined, handover.agent_hung_up) == (True, False)
    handover.event(event("HangupRequest", "x2", Channel="PJSIP/agent-2"))
    assert handover.agent_hung_up


@pytest.mark.parametrize(
    ("number", "place"),
    [
        ("700", Destination("700", "here")),
        ("*45#@queues-2", Destination("*45#", "queues-2")),
        ("+84912345678", Destination("+84912345678", "here")),
        ("sales.vn@ext_local", Destination("sales.vn", "ext_local")),
    ],
)
def test_extensions_that_can_be_called(number: str, place: Destination) -> None:
    assert destination(number, "here") == place


@pytest.mark.parametrize(
    "number",
    [
        "",
        "@here",
        "700@",
        "7 0",
        "700,1",
        "700\r\nAction: Command",
        "${X}",
        "7&8",
        "a@b@c",
        "_X.",
        "7|1",
        "7" * 90,
        "7@x y",
    ],
)
def test_what_would_be_read_as_something_else_is_no_extension(number: str) -> None:
    assert destination(number, "here") is None


@pytest.mark.parametrize("context", ["", "from internal", "a,b", "x\r\ny", "a@b"])
def test_a_context_is_one_name(context: str) -> None:
    with pytest.raises(InvalidTrunk, match="transfer_context"):
        AsteriskTrunk("pbx", "192.0.2.1", "PJSIP/{number}@t", "u", "p", transfer_context=context)
