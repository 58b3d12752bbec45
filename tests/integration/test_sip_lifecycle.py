"""The SIP stack of the process: shared, closed with its last user, started again; accounts and codecs."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.clock import ManualClock
from telephony.call import DialRequest, NotAnswered
from telephony.errors import MediaClosed, RegistrationFailed, SipStackError
from telephony.outcomes import DialStatus, HangupBy
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, Persona, Reject
from telephony.sip.call import SipCall
from telephony.sip.dialer import SipDialer
from telephony.sip.runtime import SipRuntime
from telephony.sip.settings import SipSettings
from telephony.trunk import TrunkConfig
from tests.support_sip import ECHO, RING, Listener, chirp, simulated
from tests.support_sipp import HOST, answer, challenge, registrar, sipp

BUSY = "+84900000005"
LOOPBACK = SipSettings(bind=HOST)


def quiet(_phase: object, _at: object) -> None:
    """A listener who does not care."""


def stack_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("baresip")]


async def test_trunks_share_one_stack_and_the_last_one_closes_it() -> None:
    people = (Persona((ECHO,), "echo", Answer(0), (Echo(),)),)
    async with SimulatedNetwork(people) as first, SimulatedNetwork(people) as second:
        one = await SipDialer.open(TrunkConfig("one", HOST, first.port), LOOPBACK)
        two = await SipDialer.open(TrunkConfig("two", HOST, second.port), LOOPBACK)
        assert len(stack_threads()) == 2, "the stack's own and its log's"
        call = await two.dial(DialRequest("a", ECHO), quiet)
        await one.aclose()
        assert not isinstance(call, NotAnswered)
        assert await call.media.read(), "another trunk's calls go on"
        await two.aclose()
    assert stack_threads() == []
    assert (await call.ended()).hangup_by is HangupBy.BOT


async def test_the_stack_starts_again_after_it_was_closed() -> None:
    async with SimulatedNetwork((Persona((BUSY,), "busy", Reject(486)),)) as network:
        trunk = TrunkConfig("again", HOST, network.port)
        for attempt in range(5):
            async with SipDialer(trunk, LOOPBACK) as dialer:
                result = await dialer.dial(DialRequest(f"a-{attempt}", BUSY), quiet)
            assert isinstance(result, NotAnswered)
            assert result.dial_status is DialStatus.BUSY


async def test_opening_while_the_last_one_closes_waits_for_it() -> None:
    trunk = TrunkConfig("t", HOST)
    first = await SipDialer.open(trunk, LOOPBACK)
    _, second = await asyncio.gather(first.aclose(), SipDialer.open(trunk, LOOPBACK))
    assert len(stack_threads()) == 2
    await second.aclose()


async def test_other_settings_than_the_running_stacks_are_refused() -> None:
    async with SipDialer(TrunkConfig("one", HOST), LOOPBACK):
        with pytest.raises(SipStackError, match="same settings"):
            await SipDialer.open(TrunkConfig("two", HOST), SipSettings(bind=HOST, rtp_timeout_s=5))


async def test_another_event_loop_cannot_join_the_stack() -> None:
    async def elsewhere() -> str:
        with pytest.raises(SipStackError) as refused:
            await SipDialer.open(TrunkConfig("two", HOST), LOOPBACK)
        return str(refused.value)

    async with SipDialer(TrunkConfig("one", HOST), LOOPBACK):
        told = await asyncio.to_thread(asyncio.run, elsewhere())
    assert "another event loop" in told


async def test_an_attempt_is_never_live_twice(tmp_path: Path) -> None:
    async with simulated(RING, tmp_path) as far_end:
        dialling = asyncio.create_task(far_end.dialer.dial(DialRequest("same", RING, ring_timeout_s=1.0), quiet))
        assert far_end.network is not None
        await far_end.network.until(lambda net: len(net.invites) == 1)
        second = await far_end.dialer.dial(DialRequest("same", RING), quiet)
        assert isinstance(second, NotAnswered)
        assert second.dial_status is DialStatus.ERROR
        await dialling
        assert [invite.attempt for invite in far_end.network.invites] == ["same"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"number": "12;34"}, DialStatus.INVALID),
        ({"number": ""}, DialStatus.INVALID),
        ({"caller_id": "a@b"}, DialStatus.ERROR),
        ({"headers": {"X-A": "b\r\nRoute: <sip:evil>"}}, DialStatus.ERROR),
        ({"headers": {"From": "x"}}, DialStatus.ERROR),
        ({"attempt_id": "a\r\nX-B: c"}, DialStatus.ERROR),
    ],
)
async def test_nothing_is_sent_that_could_forge_a_request(
    changes: dict[str, object], status: DialStatus, tmp_path: Path
) -> None:
    request = DialRequest(**{"attempt_id": "a", "number": ECHO, **changes})  # type: ignore[arg-type]
    async with simulated(ECHO, tmp_path) as far_end:
        result = await far_end.dialer.dial(request, quiet)
        assert isinstance(result, NotAnswered)
        assert result.dial_status is status
        assert result.text
        assert far_end.network is not None
        assert far_end.network.invites == []


async def test_times_come_from_the_injected_clock() -> None:
    start = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    clock = ManualClock(start)
    people = (Persona((ECHO,), "echo", Answer(0), (Echo(),)),)
    async with (
        SimulatedNetwork(people) as network,
        SipDialer(TrunkConfig("t", HOST, network.port), LOOPBACK, clock) as dialer,
    ):
        call = await dialer.dial(DialRequest("a", ECHO), quiet)
        assert not isinstance(call, NotAnswered)
        clock.advance(seconds=42)
        await call.hangup()
        end = await call.ended()
    assert (call.answered_at, (end.ended_at - start).total_seconds()) == (start, 42.0)


@pytest.mark.sipp
async def test_a_far_end_that_is_killed_is_the_network(tmp_path: Path) -> None:
    settings = SipSettings(bind=HOST, rtp_timeout_s=2)
    async with contextlib.AsyncExitStack() as stack:
        async with sipp(answer(), tmp_path, echo=True) as peer:
            dialer = await stack.enter_async_context(SipDialer(TrunkConfig("t", HOST, peer.port), settings))
            call = await dialer.dial(DialRequest("a", ECHO), quiet)
            assert not isinstance(call, NotAnswered)
            await call.media.read()
        async with asyncio.timeout(15):
            end = await call.ended()
        assert dialer.live_calls == 0
    assert end.hangup_by is HangupBy.NETWORK
    assert end.text


async def test_no_number_and_no_digest_reaches_the_logs(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.DEBUG):
        async with simulated(ECHO, tmp_path) as far_end:
            call = await far_end.call()
            await call.hangup()
    assert [record for record in caplog.records if record.name.startswith("baresip")] == []


async def test_calls_end_when_the_stack_dies(tmp_path: Path) -> None:
    async with simulated(ECHO, tmp_path) as far_end:
        call = await far_end.call()
        assert isinstance(call, SipCall)
        runtime = SipRuntime._live
        assert runtime is not None
        told: list[str] = []
        far_end.dialer.when_dead(lambda: told.append("dead"))
        runtime._stack.on_dead()
        assert told == ["dead"]
        assert (await call.ended()).hangup_by is HangupBy.NETWORK
        with pytest.raises(MediaClosed):
            await call.media.write(bytes(320))
        await call._stack_call.hangup()  # the stack lives on in truth, and could not be closed with a call in it


@pytest.mark.sipp
@pytest.mark.parametrize("codec", ["G722", "opus"])
async def test_wideband_calls_run_at_16_khz(codec: str, tmp_path: Path) -> None:
    async with sipp(answer(codec=codec), tmp_path, echo=True) as peer:
        trunk = TrunkConfig("wide", HOST, peer.port, codecs=(codec.lower(), "pcma"))
        async with SipDialer(trunk, LOOPBACK) as dialer:
            call = await dialer.dial(DialRequest("a", ECHO), quiet)
            assert not isinstance(call, NotAnswered)
            assert call.media.rate_hz == 16_000
            sent, listener = chirp(600, 16_000, to_hz=6000), Listener(call)
            async with asyncio.timeout(60):
                await call.media.write(sent)
                while await listener.share_heard(sent, 16_000, 0.8, timeout_s=2.0) <= 0.8:
                    await call.media.write(sent)
            await listener.stop()
    assert {len(frame) for frame in listener.frames} == {640}


@pytest.mark.sipp
async def test_a_trunk_that_registers_does_so_with_digest_and_takes_it_back(tmp_path: Path) -> None:
    async with sipp(registrar(), tmp_path) as peer:
        trunk = TrunkConfig("reg", HOST, peer.port, user="bot", password="pass word;1", register=True)
        async with SipDialer(trunk, LOOPBACK):
            first, second = await peer.until_received("REGISTER", 2)
        withdrawn = (await peer.until_received("REGISTER", 3))[2]
    assert "Authorization" not in first
    assert _digest_is_right(second, "Authorization", "bot", "pass word;1")
    assert re.search(r"^Expires: 0\s*$|;expires=0\b", withdrawn, re.MULTILINE)


@pytest.mark.sipp
async def test_a_refused_registration_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with sipp(registrar("403 Forbidden"), tmp_path) as peer:
        trunk = TrunkConfig("reg", HOST, peer.port, user="bot", password="wrong", register=True)
        with pytest.raises(RegistrationFailed, match=r"trunk 'reg'.*403"):
            await SipDialer.open(trunk, LOOPBACK)
    assert stack_threads() == []


@pytest.mark.sipp
async def test_a_challenged_call_is_repeated_with_digest(tmp_path: Path) -> None:
    header = 'Proxy-Authenticate: Digest realm="trunk", nonce="n1", algorithm=MD5'
    async with sipp(challenge("407 Proxy Authentication Required", header), tmp_path) as peer:
        trunk = TrunkConfig("auth", HOST, peer.port, user="acct", auth_user="login", password="s3cret")
        async with SipDialer(trunk, LOOPBACK) as dialer:
            await dialer.dial(DialRequest("a", ECHO, caller_id="842873000000"), quiet)
        _, repeated = await peer.until_received("INVITE", 2)
    assert _digest_is_right(repeated, "Proxy-Authorization", "login", "s3cret")
    assert "From: <sip:842873000000@" in repeated


def _digest_is_right(message: str, header: str, user: str, password: str) -> bool:
    """Whether the credentials prove the password (RFC 2617 section 3.2.2, without qop)."""
    line = re.search(rf"^{header}: Digest (.*)$", message, re.MULTILINE)
    assert line is not None, message
    fields = dict(re.findall(r'(\w+)="?([^",\r]+)"?', line.group(1)))
    assert fields["username"] == user
    method = message.split(" ", 1)[0]

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    proof = md5(f"{user}:{fields['realm']}:{password}") + f":{fields['nonce']}:" + md5(f"{method}:{fields['uri']}")
    return fields["response"] == md5(proof)
