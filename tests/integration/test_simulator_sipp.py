"""SIPp as a foreign caller: its own SIP stack against ours."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.simulator import Persona, SimulatedNetwork
from telephony.simulator.g711 import PCMU
from telephony.simulator.persona import Answer, Echo, HangUp, Keys, Reject, RingOut
from tests.support_simulator import tone_pcm

pytestmark = [
    pytest.mark.sipp,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed"),
]

PERSONAS = (
    Persona(("+84901000001",), "Echo", Answer(100), (Echo(),)),
    Persona(("+84901000002",), "Busy", Reject(486)),
    Persona(("+84901000003",), "Rings", RingOut()),
    Persona(("+84901000004",), "Hangs up", Answer(0), (Keys("5"), HangUp(after_ms=200))),
)

INVITE = """
  <send retrans="500"><![CDATA[

INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: sip:sipp@[local_ip]:[local_port]
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000

]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
"""


def _request(
    method: str, cseq: str, *, via: str = "[branch]", to: str = "[peer_tag_param]", retrans: bool = True
) -> str:
    return f"""
  <send{' retrans="500"' if retrans else ""}><![CDATA[

{method} sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={via}
From: sipp <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>{to}
Call-ID: [call_id]
CSeq: {cseq} {method}
Max-Forwards: 70
Content-Length: 0

]]></send>
"""


OK_TO_BYE = """
  <recv request="BYE"/>
  <send><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _sipp(folder: Path, port: int, number: str, steps: str, calls: int = 1, *more: str) -> None:
    """Run a scenario; fails with SIPp's own account when a call went otherwise."""
    scenario = folder / "scenario.xml"
    scenario.write_text(f'<?xml version="1.0"?>\n<scenario name="caller">{steps}</scenario>\n')
    command = ["sipp", "-sf", str(scenario), "-s", number, "-i", "127.0.0.1", "-p", str(_free_port())]
    command += ["-mi", "127.0.0.1", "-mp", str(_free_port() & ~1), "-m", str(calls), "-r", "20", "-nostdin"]
    command += ["-timeout", "20s", "-timeout_error", "-recv_timeout", "8000", *more, f"127.0.0.1:{port}"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode("utf-8", "replace")[-3000:]


@pytest.fixture
async def network() -> AsyncIterator[SimulatedNetwork]:
    async with SimulatedNetwork(PERSONAS) as running:
        yield running


async def test_sipps_own_caller_completes_fifty_calls(network: SimulatedNetwork, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *["sipp", "-sn", "uac", "-s", "+84901000001", "-i", "127.0.0.1", "-p", str(_free_port()), "-m", "50"],
        *["-r", "25", "-d", "300", "-nostdin", "-timeout", "100s", f"127.0.0.1:{network.port}"],
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode("utf-8", "replace")[-3000:]
    records = await network.all_ended(50, 60)
    assert {(record.status, record.ended_by) for record in records} == {(200, "caller")}
    assert len(network.invites) == 50


async def test_a_busy_line(network: SimulatedNetwork, tmp_path: Path) -> None:
    ack = _request("ACK", "1", via="[branch-4]", retrans=False)
    await _sipp(tmp_path, network.port, "0901000002", INVITE + '<recv response="486"/>' + ack, 20)
    records = await network.all_ended(20)
    assert {record.status for record in records} == {486}


async def test_a_ringing_call_that_is_cancelled(network: SimulatedNetwork, tmp_path: Path) -> None:
    ring = INVITE.replace('<recv response="180" optional="true"/>', '<recv response="180"/>')
    cancel = _request("CANCEL", "1", via="[branch-3]", to="")
    refused = '<recv response="200"/><recv response="487"/>' + _request("ACK", "1", via="[branch-6]", retrans=False)
    await _sipp(tmp_path, network.port, "0901000003", ring + cancel + refused)
    (record,) = await network.all_ended(1)
    assert (record.status, record.ended_by) == (487, "caller")


async def test_a_callee_that_hangs_up(network: SimulatedNetwork, tmp_path: Path) -> None:
    steps = INVITE + '<recv response="200" rtd="true"/>' + _request("ACK", "1", retrans=False) + OK_TO_BYE
    await _sipp(tmp_path, network.port, "0901000004", steps, 10)
    records = await network.all_ended(10)
    assert {record.ended_by for record in records} == {"callee"}


async def test_speech_that_sipp_plays_is_heard(network: SimulatedNetwork, tmp_path: Path) -> None:
    (tmp_path / "speech.ul").write_bytes(PCMU.encode(tone_pcm(1500)))
    play = '<nop><action><exec rtp_stream="speech.ul,1,0,PCMU/8000"/></action></nop><pause milliseconds="1800"/>'
    talk = INVITE + '<recv response="200"/>' + _request("ACK", "1", retrans=False) + play
    await _sipp(tmp_path, network.port, "0901000001", talk + _request("BYE", "2") + '<recv response="200"/>')
    (record,) = await network.all_ended(1)
    (span,) = record.bot_speech
    assert span.end_ms - span.start_ms == pytest.approx(1500, abs=120)
    assert PCMU.decode(PCMU.encode(tone_pcm(1500)))[:8000] in record.heard_pcm


async def test_an_answer_whose_ack_comes_late_still_makes_a_call(network: SimulatedNetwork, tmp_path: Path) -> None:
    late = '<recv response="200"/><pause milliseconds="1700"/>' + _request("ACK", "1", retrans=False)
    await _sipp(tmp_path, network.port, "0901000001", INVITE + late + _request("BYE", "2") + '<recv response="200"/>')
    (record,) = await network.all_ended(1)
    assert record.ended_by == "caller"
