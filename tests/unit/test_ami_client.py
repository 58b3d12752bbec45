"""The manager client against a scripted peer: logins, lost connections, silence and refusals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from telephony.ami.account import AmiAccount, AmiTimes
from telephony.ami.client import AmiClient, AmiState
from telephony.ami.errors import (
    ActionRefused,
    AmiDisconnected,
    AmiError,
    AmiTimeout,
    AmiUnreachable,
    EventsLost,
    InvalidAction,
    LoginRefused,
    PermissionDenied,
)
from tests.support_manager import HOST, SECRET, USER, ScriptedManager

PATIENT = AmiTimes(ping_every_s=60.0, first_wait_s=0.01, longest_wait_s=0.05)


def account(peer: ScriptedManager, **changes: Any) -> AmiAccount:
    return AmiAccount(**{"host": HOST, "user": USER, "secret": SECRET, "port": peer.port, **changes})


@contextlib.asynccontextmanager
async def connected(times: AmiTimes = PATIENT, **settings: Any) -> AsyncIterator[tuple[ScriptedManager, AmiClient]]:
    async with ScriptedManager.open(**settings) as peer, AmiClient(account(peer), times) as client:
        yield peer, client


class States(list[AmiState]):
    """The states of a client from now on; a short one is not missed."""

    def __init__(self, client: AmiClient) -> None:
        super().__init__()
        client.on_state(self.append)

    async def until(self, state: AmiState, count: int = 1) -> None:
        async with asyncio.timeout(20):
            while self.count(state) < count:  # noqa: ASYNC110 - the client's own task does it
                await asyncio.sleep(0.005)


async def test_the_secret_travels_only_as_a_digest() -> None:
    with structlog.testing.capture_logs() as logs:
        async with connected() as (peer, client):
            assert client.version == "Asterisk Call Manager/7.0.3"
            assert client.local_host == HOST
            (login,) = peer.received("Login")
    assert (login["AuthType"], login["Username"]) == ("MD5", USER)
    assert SECRET not in f"{peer.actions} {logs} {client.account!r}"


async def test_a_wrong_secret_is_told_with_the_remedy() -> None:
    async with ScriptedManager.open() as peer:
        with pytest.raises(
            LoginRefused, match=r"manager user 'campana': Authentication failed; check.*manager\.conf"
        ) as no:
            await AmiClient(account(peer, secret="wrong-secret")).open()
    assert "wrong-secret" not in str(no.value)


async def test_nobody_there_is_told() -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        nowhere = AmiAccount(HOST, USER, SECRET, unused.getsockname()[1])
        with pytest.raises(AmiUnreachable, match=rf"{HOST}:\d+"):
            await AmiClient(nowhere).open()


async def test_another_service_is_told() -> None:
    async with ScriptedManager.open(greeting=b"SSH-2.0-OpenSSH_9.2\r\n") as peer:
        with pytest.raises(AmiError, match="greeting is 'SSH"):
            await AmiClient(account(peer)).open()


async def test_a_service_without_greeting_is_told() -> None:
    async with ScriptedManager.open(greeting=b"") as peer:
        with pytest.raises(AmiUnreachable, match="manager port"):
            await AmiClient(account(peer), AmiTimes(connect_s=0.3)).open()


async def test_a_certificate_file_that_is_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    async with ScriptedManager.open() as peer:
        with pytest.raises(AmiError, match=r"tls_ca: .*ca\.pem.*PEM"):
            await AmiClient(account(peer, tls=True, tls_ca=file)).open()


async def test_tls_to_a_plain_port_is_told() -> None:
    async with ScriptedManager.open() as peer:
        with pytest.raises(AmiUnreachable, match="TLS"):
            await AmiClient(account(peer, tls=True)).open()


async def test_a_missing_permission_is_named() -> None:
    async with connected(refused={"Originate": "Permission denied"}) as (_, client):
        with pytest.raises(PermissionDenied, match=r"'campana' lacks originate: add it to write= in manager\.conf"):
            await client.action("Originate", [("Channel", "PJSIP/1@t")])


async def test_a_refusal_keeps_the_reason() -> None:
    async with connected(refused={"Hangup": "No such channel"}) as (_, client):
        with pytest.raises(ActionRefused, match="Hangup is refused: No such channel") as refused:
            await client.action("Hangup", [("Channel", "x")])
    assert refused.value.reason == "No such channel"


async def test_an_action_that_would_be_two_is_never_sent() -> None:
    async with connected() as (peer, client):
        with pytest.raises(InvalidAction):
            await client.action("Originate", [("Channel", "x\r\n\r\nAction: Command")])
        assert not peer.received("Originate")


async def test_an_action_without_answer_ends_in_time() -> None:
    async with connected(silent={"Originate"}) as (peer, client):
        with pytest.raises(AmiTimeout, match=r"no answer to Originate within 0\.1 s"):
            await client.action("Originate", timeout_s=0.1)
        peer.tell(b"Response: Success\r\nActionID: campana-3\r\n\r\n")
        assert (await client.action("Ping")).success, "a late answer disturbs nothing"


async def test_a_lost_connection_ends_what_waits_and_nothing_is_sent_again() -> None:
    async with connected(silent={"Originate"}) as (peer, client):
        states = States(client)
        asking = asyncio.create_task(client.action("Originate", [("Channel", "PJSIP/1@t")]))
        await peer.until_received("Originate")
        peer.cut()
        with pytest.raises(AmiDisconnected):
            await asking
        peer.silent.clear()
        await states.until(AmiState.CONNECTED)
        assert (await client.action("Ping")).success
        assert (len(peer.received("Originate")), peer.logins) == (1, 2)


async def test_an_unanswered_ping_counts_as_lost() -> None:
    times = AmiTimes(ping_every_s=0.05, ping_timeout_s=0.1, first_wait_s=0.01, longest_wait_s=0.05)
    async with connected(times) as (peer, client):
        states = States(client)
        await peer.until_received("Ping", 2)
        peer.silent.add("Ping")
        await states.until(AmiState.DISCONNECTED)
        peer.silent.clear()
        await states.until(AmiState.CONNECTED)
    assert states[:2] == [AmiState.DISCONNECTED, AmiState.CONNECTED]
    assert states[-1] is AmiState.CLOSED


async def test_events_go_on_after_a_reconnection() -> None:
    async with connected() as (peer, client):
        events = client.subscribe()
        states = States(client)
        peer.event("Hangup", Uniqueid="1")
        assert (await anext(events)).get("Uniqueid") == "1"
        peer.refused["Login"] = "Authentication failed"
        peer.cut()
        await states.until(AmiState.DISCONNECTED)
        with pytest.raises(AmiDisconnected):
            await client.action("Ping")
        peer.refused.clear()
        await states.until(AmiState.CONNECTED)
        peer.event("Hangup", Uniqueid="2")
        assert (await anext(events)).get("Uniqueid") == "2"


async def test_it_comes_back_though_the_login_is_refused_for_a_while() -> None:
    async with connected() as (peer, client):
        peer.refused["Login"] = "Authentication failed"
        peer.cut()
        await peer.until_received("Login", 3)
        assert client.state is AmiState.DISCONNECTED
        peer.refused.clear()
        assert await client.until_connected(20)


async def test_garbage_ends_the_connection_and_not_the_client() -> None:
    async with connected() as (peer, client):
        states = States(client)
        peer.tell(b"x" * 70_000)
        await states.until(AmiState.CONNECTED)
    assert states == [AmiState.DISCONNECTED, AmiState.CONNECTED, AmiState.CLOSED]


async def test_a_subscriber_that_falls_behind_loses_its_events_alone() -> None:
    async with connected() as (peer, client):
        slow, fast = client.subscribe(limit=3), client.subscribe()
        for number in range(5):
            peer.event("Newchannel", Number=str(number))
        assert [(await anext(fast)).get("Number") for _ in range(5)] == ["0", "1", "2", "3", "4"]
        assert [(await anext(slow)).get("Number") for _ in range(3)] == ["0", "1", "2"]
        with pytest.raises(EventsLost, match="more than 3"):
            await anext(slow)


async def test_subscriptions_end_with_the_client() -> None:
    async with connected() as (_, client):
        events = client.subscribe()
        waiting = asyncio.create_task(anext(events, None))
        await asyncio.sleep(0)
        await client.aclose()
        assert await waiting is None
        assert client.state is AmiState.CLOSED
        await client.aclose()


async def test_a_listener_that_fails_does_not_keep_the_others_from_hearing() -> None:
    async with connected() as (peer, client):
        client.on_state(lambda _: 1 // 0)  # type: ignore[arg-type,return-value]
        states = States(client)
        peer.cut()
        await states.until(AmiState.CONNECTED)


async def test_a_list_is_gathered_until_it_is_complete() -> None:
    async with connected(silent={"Status"}) as (peer, client):
        events = client.subscribe()
        asking = asyncio.create_task(client.listed("Status"))
        (action,) = await peer.until_received("Status")
        number = action["ActionID"]
        peer.tell(f"Response: Success\r\nActionID: {number}\r\nMessage: Channel status will follow\r\n\r\n".encode())
        peer.event("Status", ActionID=number, Uniqueid="a")
        peer.event("Hangup", Uniqueid="b")
        peer.event("Status", ActionID=number, Uniqueid="c")
        peer.event("StatusComplete", ActionID=number)
        assert [event.get("Uniqueid") for event in await asking] == ["a", "c"]
        assert (await anext(events)).get("Uniqueid") == "b"
