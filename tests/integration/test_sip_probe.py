"""OPTIONS to a peer that is there, to one that is silent, and to a port where nobody listens."""

import asyncio
import socket

import pytest

from telephony.errors import TelephonyError
from telephony.simulator import Persona, SimulatedNetwork
from telephony.sip.probe import probe
from telephony.trunk import TrunkConfig


def trunk(port: int, host: str = "127.0.0.1") -> TrunkConfig:
    return TrunkConfig("t", host, port)


async def test_a_peer_that_is_there_answers() -> None:
    async with SimulatedNetwork((Persona(("+84901000001",), "A"),)) as network:
        assert await probe(trunk(network.port)) == "answers 200 OK"


async def test_a_silent_peer_is_given_up_in_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert await probe(trunk(silent.getsockname()[1]), timeout_s=0.3) is None
        assert silent.recv(4096).startswith(b"OPTIONS sip:127.0.0.1:")


async def test_a_closed_port_is_told_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    assert await probe(trunk(port), timeout_s=30) is None


async def test_garbage_and_others_answers_are_passed_over() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(5)
        asking = asyncio.create_task(probe(trunk(peer.getsockname()[1])))
        request, address = await asyncio.to_thread(peer.recvfrom, 4096)
        peer.sendto(b"\x00nonsense", address)
        peer.sendto(request, address)
        other = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n"
        peer.sendto(other + b"Call-ID: other\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", address)
        call_id = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"call-id"))
        peer.sendto(other + call_id + b"\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", address)
        assert await asking == "answers 200 OK"


async def test_an_unknown_host_is_named() -> None:
    with pytest.raises(TelephonyError, match="no-such-host"):
        await probe(trunk(5060, "no-such-host.invalid"))
