"""The dialer against a scripted manager interface: what a real Asterisk does only when something is broken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from telephony.ami import dialer as dialer_module
from telephony.ami.dialer import AsteriskDialer
from telephony.call import Call, CallPhase, DialRequest, NotAnswered
from telephony.outcomes import DialStatus
from tests.support_dialer_asterisk import Phases
from tests.support_scripted_dialer import opened

D = DialStatus


def dialling(dialer: AsteriskDialer, phases: Phases | None = None, **changes: Any) -> asyncio.Task[Call | NotAnswered]:
    request = DialRequest(**{"attempt_id": "a1", "number": "100", "ring_timeout_s": 30.0, **changes})
    return asyncio.create_task(dialer.dial(request, phases if phases is not None else Phases()))


async def outcome(task: asyncio.Task[Call | NotAnswered]) -> NotAnswered:
    async with asyncio.timeout(30):
        result = await task
    assert isinstance(result, NotAnswered)
    return result


async def test_an_originate_says_all_that_asterisk_needs() -> None:
    async with opened(caller_id="842873000000") as (peer, dialer):
        attempt = "6f1c6b2e8f0b4b5e9d1c2a3b4c5d6e7f"
        task = dialling(dialer, attempt_id=attempt, ring_timeout_s=2.5, headers={"X-Campaign": "a,b"})
        (action,) = await peer.until_received("Originate")
        peer.event("OriginateResponse", ActionID=attempt, Response="Failure", Reason="0")
        await outcome(task)
        assert action == {
            "Action": "Originate",
            "ActionID": attempt,
            "Channel": "PJSIP/100@t",
            "ChannelId": attempt,
            "Application": "AudioSocket",
            "Data": f"6f1c6b2e-8f0b-4b5e-9d1c-2a3b4c5d6e7f,{dialer.media_address}",
            "Timeout": "2500",
            "Async": "true",
            "CallerID": "<842873000000>",
            "Variable": "PJSIP_HEADER(add,X-Campaign)=a\\,b",
        }


@pytest.mark.parametrize(
    ("changes", "dial_status", "said"),
    [
        ({"number": "100&PJSIP/1"}, D.INVALID, "number"),
        ({"number": ""}, D.INVALID, "number"),
        ({"caller_id": 'x" <1>'}, D.ERROR, "caller ID"),
        ({"attempt_id": "a b"}, D.ERROR, "attempt"),
        ({"attempt_id": "a\r\nAction: Command"}, D.ERROR, "attempt"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, D.ERROR, "X-A"),
        ({"headers": {"Via": "x"}}, D.ERROR, "Via"),
    ],
)
async def test_what_may_not_be_sent_is_not(changes: dict[str, Any], dial_status: DialStatus, said: str) -> None:
    async with opened() as (peer, dialer):
        result = await outcome(dialling(dialer, **changes))
        assert not peer.received("Originate")
    assert result.dial_status is dial_status
    assert said in (result.text or "")


@pytest.mark.parametrize("reason", ["Permission denied", "Originate Access Forbidden: app or data blacklisted"])
async def test_a_refused_originate_ends_at_once_with_its_reason(reason: str) -> None:
    async with opened() as (peer, dialer):
        peer.refused["Originate"] = reason
        result = await outcome(dialling(dialer))
        assert dialer.live_calls == 0
    assert result.dial_status is D.CHANUNAVAIL
    assert ("lacks originate" if reason == "Permission denied" else reason) in (result.text or "")


async def test_a_connection_lost_at_the_originate_is_never_answered_by_another() -> None:
    async with opened() as (peer, dialer):
        peer.silent.add("Originate")
        task = dialling(dialer)
        await peer.until_received("Originate")
        peer.cut()
        (status,) = await peer.until_received("Status")
        peer.event("StatusComplete", ActionID=status["ActionID"])
        result = await outcome(task)
        assert len(peer.received("Originate")) == 1
        assert (result.dial_status, result.rang) == (D.ERROR, False)
        peer.event("Newchannel", Uniqueid="a1", Linkedid="a1", ChannelState="0")
        (hangup,) = await peer.until_received("Hangup")
        assert hangup["Channel"] == "a1", "should it show after all, it must not ring on"


async def test_without_any_event_the_guard_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialer_module, "_GUARD_S", 0.05)
    monkeypatch.setattr(dialer_module, "_HANGUP_S", 0.05)
    async with opened() as (peer, dialer):
        result = await outcome(dialling(dialer, ring_timeout_s=0.05))
        assert [action["Channel"] for action in peer.received("Hangup")] == ["a1"]
        assert dialer.live_calls == 0
    assert (result.dial_status, result.rang, result.q850) == (D.CHANUNAVAIL, False, 19)


async def test_a_pbx_that_is_away_places_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialer_module, "_RECONNECT_S", 0.05)
    async with opened() as (peer, dialer):
        peer.refused["Login"] = "Authentication failed"
        peer.cut()
        async with asyncio.timeout(20):
            while dialer.client.connected:  # noqa: ASYNC110 - the client's own task does it
                await asyncio.sleep(0.005)
        phases = Phases()
        result = await outcome(dialling(dialer, phases))
        assert not peer.received("Originate")
    assert result.dial_status is D.CHANUNAVAIL
    assert phases == []


async def test_events_that_were_too_many_are_made_up_for_by_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as (peer, dialer):
        phases = Phases()
        task = dialling(dialer, phases)
        await peer.until_received("Originate")
        (subscription,) = [each for each in dialer.client._subscriptions if not each.closed]
        monkeypatch.setattr(subscription, "_limit", 0)
        peer.event("Newstate", Uniqueid="a1", ChannelState="5")
        (status,) = await peer.until_received("Status")
        number = status["ActionID"]
        peer.event("Status", ActionID=number, Uniqueid="a1", ChannelState="5")
        peer.event("StatusComplete", ActionID=number)
        async with asyncio.timeout(20):
            while CallPhase.RINGING not in phases:  # noqa: ASYNC110 - told by another task
                await asyncio.sleep(0.005)
        peer.event("Hangup", Uniqueid="a1", Cause="17")
        peer.event("OriginateResponse", ActionID="a1", Response="Failure", Reason="0")
        assert (await outcome(task)).dial_status is D.BUSY


async def test_a_restarted_pbx_is_asked_for_nothing_before_it_knows_the_trunk() -> None:
    async with opened(value="PJSIP/t/sip:192.0.2.1") as (peer, dialer):
        peer.value = ""
        peer.cut()
        await peer.until_received("Getvar", 4)
        task = dialling(dialer)
        await peer.until_received("Getvar", 6)
        assert not peer.received("Originate")
        probe = await dialer.probe()
        assert (probe.ok, "is starting" in probe.text) == (False, True)
        peer.value = "PJSIP/t/sip:192.0.2.1"
        await peer.until_received("Originate")
        assert (await dialer.probe()).ok
        peer.event("OriginateResponse", ActionID="a1", Response="Failure", Reason="0")
        await outcome(task)


async def test_hanging_up_without_an_audio_or_an_event_to_come_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialer_module, "_MEDIA_S", 0.05)
    monkeypatch.setattr(dialer_module, "_HANGUP_S", 0.05)
    async with opened() as (peer, dialer):
        task = dialling(dialer)
        await peer.until_received("Originate")
        peer.event("Newstate", Uniqueid="a1", ChannelState="6")
        result = await outcome(task)
        assert peer.received("Hangup")
        assert dialer.live_calls == 0
    assert result.dial_status is D.ERROR
    assert "media_advertise" in (result.text or "")
