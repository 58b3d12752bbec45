"""Calls handed over to the dialplan of a real Asterisk: who picks up, and who hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from telephony.ami.client import AmiState
from telephony.ami.dialer import AsteriskDialer
from telephony.call import Call, CallEnd
from telephony.outcomes import HangupBy
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Beep, Persona, Reject, Repeat, RingOut, Wait
from telephony.transfer import HandOver, HandsOver, Target
from tests.support_asterisk import Asterisk
from tests.support_dialer_asterisk import answered, dialer, shared_asterisk
from tests.support_relay import Relay
from tests.support_sip import Listener, loud_ms

CUSTOMER, AGENT, BUSY, RINGS, LATE = "+84900000001", "101", "103", "104", "105"
_BEEPS = Repeat((Beep(ms=100), Wait(100)))
_PERSONAS = (
    Persona((CUSTOMER, AGENT), "beeps on", Answer(0), (_BEEPS,)),
    Persona((BUSY,), "busy", Reject(486)),
    Persona((RINGS,), "lets it ring", RingOut()),
    Persona((LATE,), "picks up late", Answer(1500), (_BEEPS,)),
)
_AGENT = "PJSIP/trunk/sip:{number}@127.0.0.1:${{AGENTS}}"
_DIALPLAN = f"""
[agents]
exten => _1XX,1,Dial({_AGENT.format(number="${EXTEN}")},60)
 same => n,Hangup()
exten => _21XX,1,Dial(Local/${{EXTEN:1}}@agents,60)
exten => _31XX,1,Queue(sales)
exten => 4104,1,Dial({_AGENT.format(number=RINGS)},1)
exten => 5000,1,Echo()
[other]
exten => 700,1,Goto(agents,{AGENT},1)
[outbound]
exten => _[+0-9]!,1,Dial(PJSIP/trunk/sip:${{EXTEN}}@127.0.0.1:${{AGENTS}})
"""
_QUEUES = f"[sales]\nstrategy = ringall\ntimeout = 60\nmember => Local/{AGENT}@agents/n\n"


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    more = {"extensions.conf": _DIALPLAN, "queues.conf": _QUEUES, "modules.conf": "load = app_queue.so\n"}
    with shared_asterisk(tmp_path_factory.mktemp("asterisk"), extra=more) as running:
        yield running


@pytest.fixture
async def network() -> AsyncIterator[SimulatedNetwork]:
    async with SimulatedNetwork(_PERSONAS, own_thread=False) as simulated:
        yield simulated


def leave(network: SimulatedNetwork, number: str) -> None:
    """Whoever was called by this number hangs up."""
    for leg, call in tuple(network._exchange._live.items()):
        if call.record.invite.number == number:
            leg.hangup(asyncio.get_running_loop().time())


@pytest.fixture
async def trunk(pbx: Asterisk, network: SimulatedNetwork) -> AsyncIterator[AsteriskDialer]:
    async with dialer(pbx, network.port, transfer_context="agents") as opened:
        await know_agents(opened, network)
        yield opened
    await until_channels(pbx, 0)


async def until_channels(pbx: Asterisk, count: int) -> None:
    """Asterisk has so many channels.

    What a Redirect leaves of the old channel is not one of them: once in hundreds Asterisk 22.10 keeps it in its list,
    without a thread or a call.
    """
    async with asyncio.timeout(60):
        while True:
            lines = (await pbx.cli("core show channels concise")).splitlines()
            if sum("!" in line and not line.startswith("Surrogate/") for line in lines) == count:
                return
            await asyncio.sleep(0.05)


async def know_agents(opened: AsteriskDialer, network: SimulatedNetwork) -> None:
    await opened.client.action("Setvar", [("Variable", "AGENTS"), ("Value", str(network.port))])


async def handed_over(call: Call, number: str, ring_s: float = 60.0) -> HandOver:
    assert isinstance(call, HandsOver)
    async with asyncio.timeout(60):
        return await call.hand_over(Target("agent", number, ring_s=ring_s))


async def ended(call: Call) -> CallEnd:
    async with asyncio.timeout(60):
        return await call.ended()


async def test_the_customer_hangs_up_on_the_agent(trunk: AsteriskDialer, network: SimulatedNetwork) -> None:
    call = await answered(trunk, CUSTOMER)
    result = await handed_over(call, AGENT)
    assert (result.answered, result.kept, result.text) == (True, False, "picked up at 101@agents")
    before = network.calls[0].packets_heard
    await network.until(lambda net: min(net.calls[0].packets_heard - before, net.calls[1].packets_heard) > 50)
    leave(network, CUSTOMER)
    end = await ended(call)
    assert (end.hangup_by, end.text) == (HangupBy.CUSTOMER, None)
    assert end.ended_at >= result.at >= call.answered_at
    customer, agent = await network.all_ended(2)
    assert (customer.ended_by, agent.ended_by) == ("callee", "caller")
    assert min(loud_ms(customer.heard_pcm, 8000), loud_ms(agent.heard_pcm, 8000)) > 200, "they do not hear each other"
    assert trunk.live_calls == 0


@pytest.mark.parametrize("number", [AGENT, f"2{AGENT}", f"3{AGENT}", "700@other"])
async def test_the_agent_hangs_up(trunk: AsteriskDialer, network: SimulatedNetwork, number: str) -> None:
    """An extension, one behind a Local channel, a queue, another context."""
    call = await answered(trunk, CUSTOMER)
    assert (await handed_over(call, number)).answered
    leave(network, AGENT)
    assert (await ended(call)).hangup_by is HangupBy.AGENT
    customer, agent = await network.all_ended(2)
    assert (customer.ended_by, agent.ended_by) == ("caller", "callee")


async def test_our_hangup_still_ends_it(trunk: AsteriskDialer, network: SimulatedNetwork) -> None:
    call = await answered(trunk, CUSTOMER)
    assert (await handed_over(call, AGENT)).answered
    await call.hangup()
    assert (await ended(call)).hangup_by is HangupBy.BOT
    assert {record.ended_by for record in await network.all_ended(2)} == {"caller"}


@pytest.mark.parametrize("by", [HangupBy.CUSTOMER, HangupBy.AGENT, HangupBy.BOT])
async def test_a_customer_behind_a_local_channel_that_asterisk_takes_out(
    pbx: Asterisk, trunk: AsteriskDialer, network: SimulatedNetwork, by: HangupBy
) -> None:
    async with dialer(pbx, "Local/{number}@outbound", transfer_context="agents") as local:
        call = await answered(local, CUSTOMER)
        assert (await handed_over(call, AGENT)).answered
        await until_channels(pbx, 2)
        assert local.live_calls == 1
        if by is HangupBy.BOT:
            await call.hangup()
        else:
            leave(network, AGENT if by is HangupBy.AGENT else CUSTOMER)
        assert (await ended(call)).hangup_by is by
        await network.all_ended(2)


@pytest.mark.parametrize("behind_local", [True, False])
async def test_a_handed_over_call_of_a_dead_node_is_hung_up(
    pbx: Asterisk, trunk: AsteriskDialer, network: SimulatedNetwork, behind_local: bool
) -> None:
    target = "Local/{number}@outbound" if behind_local else network.port
    async with dialer(pbx, target, transfer_context="agents") as dead:
        call = await answered(dead, CUSTOMER)
        assert (await handed_over(call, AGENT)).answered
        await until_channels(pbx, 2)
        assert await trunk.hangup_stray(call.attempt_id)
        await network.all_ended(2)
        await ended(call)
        assert not await trunk.hangup_stray(call.attempt_id)


async def test_a_busy_agent(trunk: AsteriskDialer) -> None:
    call = await answered(trunk, CUSTOMER)
    result = await handed_over(call, BUSY)
    assert (result.answered, result.kept) == (False, False)
    assert "is busy (BUSY)" in (result.text or "")
    assert (await ended(call)).hangup_by is HangupBy.NETWORK


async def test_an_agent_who_does_not_answer(trunk: AsteriskDialer, network: SimulatedNetwork) -> None:
    call = await answered(trunk, CUSTOMER)
    result = await handed_over(call, RINGS, ring_s=1.0)
    assert (result.answered, result.kept) == (False, False)
    assert result.text == "104@agents: the agent's telephone was not picked up within 1 s"
    assert (await ended(call)).hangup_by is HangupBy.BOT
    await network.all_ended(2)


async def test_a_dialplan_that_gives_up_before_we_do(trunk: AsteriskDialer) -> None:
    call = await answered(trunk, CUSTOMER)
    result = await handed_over(call, "4104")
    assert not result.answered
    assert "was not picked up (NOANSWER)" in (result.text or "")
    assert (await ended(call)).hangup_by is HangupBy.NETWORK


async def test_an_extension_without_a_telephone_is_nobody(trunk: AsteriskDialer) -> None:
    call = await answered(trunk, CUSTOMER)
    result = await handed_over(call, "5000", ring_s=1.0)
    assert result.text == "5000@agents: no telephone rang within 1 s"
    assert (await ended(call)).hangup_by is HangupBy.BOT


async def test_a_customer_who_waits_no_longer(trunk: AsteriskDialer, network: SimulatedNetwork) -> None:
    call = await answered(trunk, CUSTOMER)
    handing = asyncio.create_task(handed_over(call, RINGS))
    await network.until(lambda net: len(net.calls) == 2)
    leave(network, CUSTOMER)
    result = await handing
    assert (result.answered, result.kept) == (False, False)
    assert (result.text or "").startswith("the customer hung up")
    assert (await ended(call)).hangup_by is HangupBy.CUSTOMER
    await network.all_ended(2)


@pytest.mark.parametrize("number", ["999", "101@nowhere", "101\r\nAction: Command"])
async def test_a_customer_whom_asterisk_cannot_redirect_stays(trunk: AsteriskDialer, number: str) -> None:
    call = await answered(trunk, CUSTOMER)
    result = await handed_over(call, number)
    assert (result.answered, result.kept) == (False, True)
    assert "no extension" in (result.text or "")
    listener = Listener(call)
    await listener.until_frames(25)
    await listener.stop()
    await call.hangup()
    assert (await ended(call)).hangup_by is HangupBy.BOT


@pytest.fixture
async def wide(pbx: Asterisk, trunk: AsteriskDialer, network: SimulatedNetwork) -> AsyncIterator[AsteriskDialer]:
    """With a channel for the audio, as chan_websocket has it too: Asterisk cannot redirect such a call."""
    async with dialer(pbx, network.port, transfer_context="agents", wideband=True) as opened:
        yield opened


@pytest.mark.parametrize("by", [HangupBy.CUSTOMER, HangupBy.AGENT, HangupBy.BOT])
async def test_a_call_with_wideband_audio_is_bridged(
    wide: AsteriskDialer, network: SimulatedNetwork, by: HangupBy
) -> None:
    call = await answered(wide, CUSTOMER)
    assert (await handed_over(call, AGENT)).answered
    if by is HangupBy.BOT:
        await call.hangup()
    else:
        leave(network, AGENT if by is HangupBy.AGENT else CUSTOMER)
    assert (await ended(call)).hangup_by is by
    await network.all_ended(2)
    assert wide.live_calls == 0


async def test_a_customer_behind_a_local_channel_with_wideband_audio(
    pbx: Asterisk, trunk: AsteriskDialer, network: SimulatedNetwork
) -> None:
    async with dialer(pbx, "Local/{number}@outbound", transfer_context="agents", wideband=True) as local:
        call = await answered(local, CUSTOMER)
        await Listener(call).until_frames(50)
        assert (await handed_over(call, AGENT)).answered
        leave(network, AGENT)
        assert (await ended(call)).hangup_by is HangupBy.AGENT
        await network.all_ended(2)


@pytest.mark.parametrize(
    ("number", "ring_s", "said"),
    [(BUSY, 60.0, "103@agents: Busy"), (RINGS, 1.0, "104@agents: "), ("999", 60.0, "no extension '999'")],
)
async def test_a_customer_with_wideband_audio_stays_when_nobody_picks_up(
    wide: AsteriskDialer, network: SimulatedNetwork, number: str, ring_s: float, said: str
) -> None:
    call = await answered(wide, CUSTOMER)
    result = await handed_over(call, number, ring_s=ring_s)
    assert (result.answered, result.kept, said in (result.text or "")) == (False, True, True), result
    listener = Listener(call)
    await listener.until_frames(25)
    assert wide.live_calls == 1
    assert (await handed_over(call, AGENT)).answered
    leave(network, CUSTOMER)
    assert (await ended(call)).hangup_by is HangupBy.CUSTOMER
    await listener.stop()


async def test_a_customer_with_wideband_audio_who_waits_no_longer(
    wide: AsteriskDialer, network: SimulatedNetwork
) -> None:
    call = await answered(wide, CUSTOMER)
    handing = asyncio.create_task(handed_over(call, RINGS))
    await network.until(lambda net: len(net.calls) == 2)
    leave(network, CUSTOMER)
    result = await handing
    assert (result.answered, result.kept) == (False, False)
    assert (await ended(call)).hangup_by is HangupBy.CUSTOMER
    await network.all_ended(2)
    assert wide.live_calls == 0


async def test_an_agent_is_called_off_when_nobody_wants_the_transfer_any_more(
    wide: AsteriskDialer, network: SimulatedNetwork
) -> None:
    call = await answered(wide, CUSTOMER)
    handing = asyncio.create_task(handed_over(call, RINGS))
    await network.until(lambda net: len(net.calls) == 2)
    handing.cancel()
    await asyncio.wait([handing])
    agent = network.calls[1]
    await network.until(lambda _: agent.complete)
    assert (agent.answered_at, agent.ended_by) == (None, "caller")
    listener = Listener(call)
    await listener.until_frames(25)
    await listener.stop()
    await call.hangup()
    assert (await ended(call)).hangup_by is HangupBy.BOT


@pytest.mark.parametrize("wideband", [False, True])
async def test_an_agent_who_picks_up_while_the_manager_is_away(
    pbx: Asterisk, trunk: AsteriskDialer, network: SimulatedNetwork, wideband: bool
) -> None:
    async with (
        Relay.to(pbx.ami_port) as relay,
        dialer(pbx, network.port, port=relay.port, transfer_context="agents", wideband=wideband) as cut,
    ):
        call = await answered(cut, CUSTOMER)
        handing = asyncio.create_task(handed_over(call, LATE))
        await network.until(lambda net: len(net.invites) == 2)
        async with relay.broken():
            await disconnected(cut)
            await (until_channels(pbx, 2) if wideband else pbx.until_cli("bridge show all", "     2 basic", 30))
        assert (await handing).answered
        await call.hangup()
        assert (await ended(call)).hangup_by is HangupBy.BOT


async def test_a_handed_over_call_that_ends_while_the_manager_is_away(
    pbx: Asterisk, trunk: AsteriskDialer, network: SimulatedNetwork
) -> None:
    async with (
        Relay.to(pbx.ami_port) as relay,
        dialer(pbx, network.port, port=relay.port, transfer_context="agents") as cut,
    ):
        call = await answered(cut, CUSTOMER)
        assert (await handed_over(call, AGENT)).answered
        async with relay.broken():
            await disconnected(cut)
            await pbx.cli("channel request hangup all")
            await until_channels(pbx, 0)
        end = await ended(call)
        assert end.hangup_by is HangupBy.NETWORK
        assert "does not know the call any more" in (end.text or "")


async def disconnected(cut: AsteriskDialer) -> None:
    async with asyncio.timeout(30):
        while cut.client.state is not AmiState.DISCONNECTED:  # noqa: ASYNC110 - the other side does it
            await asyncio.sleep(0.01)
