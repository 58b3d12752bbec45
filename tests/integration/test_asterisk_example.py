"""The configuration that compose.yaml gives Asterisk: it boots, and a call gets out by its trunk."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from telephony.ami.check import Verdict, check
from telephony.ami.dialer import AsteriskDialer
from telephony.call import DialRequest, NotAnswered
from telephony.outcomes import DialStatus
from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, Persona, Reject
from telephony.trunk import AsteriskTrunk
from tests.conftest import tool
from tests.support_asterisk import Asterisk, require_asterisk
from tests.support_asterisk_ami import manager
from tests.support_asterisk_config import HOST, Options, prefix
from tests.support_echo import hear_echo

EXAMPLE = Path(__file__).parents[2] / "examples" / "asterisk"
CALLEE, BUSY = "0901000001", "0901000002"


def _localised(text: str, pbx: Asterisk, far_end: int) -> str:
    """The file with this machine's loopback and free ports, its placeholders left as they are."""
    text = text.replace("bind = 0.0.0.0:5060", f"bind = {HOST}:{pbx.sip_port}")
    text = text.replace("sip:sip.example.net:5060", f"sip:{HOST}:{far_end}")
    text = re.sub(r"^port = 5038$", f"port = {pbx.ami_port}", text, flags=re.M)
    text = text.replace("secret = CHANGE-ME", f"secret = {pbx.ami_secret}")
    text = re.sub(r"^rtpstart = \d+$", f"rtpstart = {pbx.ports.rtp[0]}", text, flags=re.M)
    text = re.sub(r"^rtpend = \d+$", f"rtpend = {pbx.ports.rtp[1]}", text, flags=re.M)
    # The test bed reads a file; the example writes to the container's console.
    return text.replace("console =>", "messages.log =>")


def _without_semicolons(file: Path) -> None:
    """Put in force what the example offers as a comment."""
    text = re.sub(r"^;(\[\w+\]|\w+ = )", r"\1", file.read_text(), flags=re.M)
    file.write_text(text.replace("sip:sip.example.net\n", f"sip:{HOST}:9\n"))


@contextlib.asynccontextmanager
async def _example(folder: Path, far_end: int, *, offered: str = "") -> AsyncIterator[Asterisk]:
    require_asterisk()
    pbx = Asterisk(folder, Options())
    try:
        etc = folder / "etc"
        directories = (etc / "asterisk.conf").read_text()
        # As in the container: what Debian's packages bring, and the example's files in place of theirs.
        shutil.copytree(prefix() / "root" / "etc" / "asterisk", etc, dirs_exist_ok=True)
        (etc / "asterisk.conf").write_text(directories)
        for file in EXAMPLE.glob("*.conf"):
            (etc / file.name).write_text(_localised(file.read_text(), pbx, far_end))
        if offered:
            _without_semicolons(etc / offered)
        await pbx.boot()
        yield pbx
    finally:
        await pbx.aclose()


async def _originate(pbx: Asterisk, channel: str) -> None:
    async with manager(pbx) as connection:
        answer = await connection.action(
            Action="Originate", Channel=channel, Application="Wait", Data="1", Async="true"
        )
    assert "Response: Success" in answer, answer


def _complaints(pbx: Asterisk) -> list[str]:
    """Errors and warnings, without the one about a file that Debian's package brings."""
    lines = pbx.log_text().splitlines()
    return [line for line in lines if ("ERROR" in line or "WARNING" in line) and "users.conf is deprecated" not in line]


async def test_the_example_boots_and_its_trunk_carries_calls(tmp_path: Path) -> None:
    personas = [Persona((CALLEE,), "answers", Answer(0), ()), Persona((BUSY,), "busy", Reject(486))]
    async with SimulatedNetwork(personas) as network, _example(tmp_path, network.port) as pbx:
        await pbx.cli("pjsip qualify trunk")
        await pbx.until_cli("pjsip show contacts", "Avail")
        modules = await pbx.cli("module show like audiosocket")
        assert "app_audiosocket.so" in modules
        assert "Running" in modules
        await _originate(pbx, f"PJSIP/{CALLEE}@trunk")
        (record,) = await network.all_ended(1)
        assert (record.invite.number, record.status) == (CALLEE, 200)


async def test_the_example_hands_calls_on_by_its_dialplan(tmp_path: Path) -> None:
    async with (
        SimulatedNetwork([Persona((BUSY,), "busy", Reject(486))]) as network,
        _example(tmp_path, network.port) as pbx,
    ):
        await _originate(pbx, f"Local/+84{BUSY[1:]}@campana-out")
        (record,) = await network.all_ended(1)
        assert (record.invite.number, record.status) == (BUSY, 486)
        assert "agents" in await pbx.cli("dialplan show campana-transfer")


async def test_the_example_gives_asterisk_nothing_to_complain_of(tmp_path: Path) -> None:
    async with SimulatedNetwork([]) as network, _example(tmp_path, network.port) as pbx:
        await pbx.cli("pjsip qualify trunk")
        await pbx.until_cli("pjsip show contacts", "Avail")
        assert _complaints(pbx) == []


async def test_the_example_user_may_dial_and_hang_up_and_nothing_else(tmp_path: Path) -> None:
    async with SimulatedNetwork([]) as network, _example(tmp_path, network.port) as pbx:
        shown = await pbx.cli("manager show user campana")
        rights = dict(re.findall(r"(read|write) perm: (\S+)", shown))
        assert set(rights["read"].split(",")) == {"call", "user"}
        assert set(rights["write"].split(",")) == {"originate", "call"}


def _trunk(pbx: Asterisk) -> AsteriskTrunk:
    return AsteriskTrunk(
        "example", HOST, "PJSIP/{number}@trunk", pbx.ami_user, pbx.ami_secret, port=pbx.ami_port, caller_id="0281000"
    )


async def test_the_doctor_finds_nothing_wrong_with_the_example(tmp_path: Path) -> None:
    async with SimulatedNetwork([]) as network, _example(tmp_path, network.port) as pbx:
        found = [checked async for checked in check(_trunk(pbx))]
        assert {checked.what for checked in found} >= {"login", "permissions", "events", "dial string", "audio"}
        assert [checked for checked in found if checked.verdict is not Verdict.GOOD] == []


async def test_campana_talks_through_the_example_with_those_rights(tmp_path: Path) -> None:
    personas = [Persona((CALLEE,), "echo", Answer(0), (Echo(),)), Persona((BUSY,), "busy", Reject(486))]
    async with SimulatedNetwork(personas) as network, _example(tmp_path, network.port) as pbx:
        async with AsteriskDialer(_trunk(pbx)) as dialer:
            call = await dialer.dial(DialRequest("attempt-1", CALLEE), lambda _phase, _at: None)
            assert not isinstance(call, NotAnswered), call
            await hear_echo(call)
            await call.hangup()
            refused = await dialer.dial(DialRequest("attempt-2", BUSY), lambda _phase, _at: None)
            assert isinstance(refused, NotAnswered)
            assert (refused.dial_status, refused.sip_code) == (DialStatus.BUSY, 486)
        assert network.calls[0].invite.caller == "0281000"
        await pbx.until_cli("core show channels count", "0 active channels")


async def test_what_the_example_offers_in_comments_can_be_put_in_force(tmp_path: Path) -> None:
    async with SimulatedNetwork([]) as network, _example(tmp_path, network.port, offered="pjsip.conf") as pbx:
        assert "trunk/sip:" in await pbx.cli("pjsip show registrations")
        shown = await pbx.cli("pjsip show endpoint trunk") + await pbx.cli("pjsip show transport udp")
        settings = dict(re.findall(r"^ (\w+) +: (.+?) *$", shown, flags=re.M))
        assert settings["from_user"] == "CHANGE-ME"
        assert settings["external_media_address"] == "198.51.100.7"
        assert settings["local_net"] == "192.0.2.0/255.255.255.0"


async def test_a_certificate_made_as_the_page_says_is_trusted_under_any_name(tmp_path: Path) -> None:
    page = (EXAMPLE.parents[1] / "docs" / "how-to" / "connect-asterisk.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^openssl req (?:.*\\\n)*.*$", page, flags=re.M)
    tool("openssl", "openssl")
    async with Asterisk.start(tmp_path, tls=True) as pbx:
        folder = pbx.certificate.parent
        await asyncio.to_thread(subprocess.run, command, shell=True, check=True, cwd=folder, capture_output=True)
        await pbx.restart()
        over_tls = replace(_trunk(pbx), port=pbx.ami_tls_port, tls=True, tls_ca=pbx.certificate)
        for ca, expected in ((pbx.certificate, Verdict.GOOD), (None, Verdict.BAD)):
            async with contextlib.aclosing(check(replace(over_tls, tls_ca=ca))) as checks:
                login = await anext(checks)
            assert (login.what, login.verdict) == ("login", expected), login
