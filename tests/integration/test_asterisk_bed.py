"""The test bed itself: a real Asterisk that boots, greets, dials out by a trunk, dies and comes back."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
from pathlib import Path

import pytest

from telephony.simulator.network import SimulatedNetwork
from telephony.simulator.persona import Answer, Echo, Persona
from tests.conftest import tool
from tests.support_asterisk import Asterisk, require_asterisk
from tests.support_asterisk_ami import manager, refused_login
from tests.support_asterisk_config import HOST, Ports, Trunk
from tests.support_sip import loud_ms

CALLEE = "+84900000001"
REPOSITORY = Path(__file__).parents[2]


async def test_a_call_by_the_trunk_reaches_the_callee_who_hears_it(tmp_path: Path) -> None:
    async with (
        SimulatedNetwork([Persona((CALLEE,), "echo", Answer(0), (Echo(),))]) as network,
        Asterisk.start(tmp_path, network.port) as pbx,
    ):
        assert "0 active channels" in await pbx.cli("core show channels count")
        await pbx.cli(f"channel originate Local/{CALLEE}@callback extension 1@playback")
        (record,) = await network.all_ended(1)
        assert (record.invite.number, record.status, record.ended_by) == (CALLEE, 200, "caller")
        tone_ms = loud_ms(record.heard_pcm, 8000)
        assert 500 <= tone_ms <= 1200, f"of a tone of 1000 ms the callee heard {tone_ms} ms"
        assert record.packets_sent > 0
        await pbx.until_cli("core show channels count", "0 active channels")


async def test_the_manager_user_has_the_permissions_asked_for_and_no_more(tmp_path: Path) -> None:
    async with Asterisk.start(tmp_path / "few") as few, Asterisk.start(tmp_path / "more", reporting=True) as more:
        assert few.ami_port != more.ami_port
        for pbx, expected in ((few, "Permission denied"), (more, "Channels will follow")):
            async with manager(pbx) as connection:
                assert expected in await connection.action(Action="CoreShowChannels")
                assert "Permission denied" in await connection.action(Action="Command", Command="core show version")


async def test_the_manager_speaks_tls_with_the_certificate_of_the_bed(tmp_path: Path) -> None:
    async with Asterisk.start(tmp_path, tls=True) as pbx, manager(pbx, tls=True) as connection:
        assert "Ping: Pong" in await connection.action(Action="Ping")


async def test_a_killed_asterisk_comes_back_on_the_same_ports(tmp_path: Path) -> None:
    async with Asterisk.start(tmp_path, 5999) as pbx:
        first, port = pbx.pid, pbx.ami_port
        async with manager(pbx) as before:
            await pbx.kill()
            await before.cut()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, port)
        await pbx.restart()
        assert pbx.pid != first
        assert pbx.ami_port == port
        async with manager(pbx) as after:
            assert "Ping: Pong" in await after.action(Action="Ping")


async def test_a_frozen_asterisk_says_nothing_until_it_is_thawed(tmp_path: Path) -> None:
    async with Asterisk.start(tmp_path) as pbx, manager(pbx) as connection:
        await pbx.freeze()
        asking = asyncio.create_task(connection.action(Action="Ping"))
        done, _ = await asyncio.wait([asking], timeout=0.3)
        assert not done
        pbx.thaw()
        assert "Ping: Pong" in await asking


async def test_a_file_of_ones_own_adds_to_a_generated_manager_conf(tmp_path: Path) -> None:
    """What docs/how-to/connect-asterisk.md does on FreePBX, whose manager.conf is written anew by its pages."""
    custom = tmp_path / "etc" / "manager_custom.conf"
    extra = {"manager.conf": "\n#include manager_custom.conf\n", custom.name: ""}
    async with Asterisk.start(tmp_path, extra=extra, tls=True) as pbx:
        custom.write_text("[general](+)\nbindaddr = 127.0.0.2\n[second]\nsecret = s\nread = call\n")
        await pbx.cli("manager reload")
        assert f"127.0.0.2:{pbx.ami_port}" in await pbx.cli("manager show settings")
        _, writer = await asyncio.open_connection("127.0.0.2", pbx.ami_port)
        writer.close()
        await writer.wait_closed()
        assert "read perm: call" in await pbx.cli("manager show user second")


async def test_tls_can_be_added_while_it_runs(tmp_path: Path) -> None:
    async with Asterisk.start(tmp_path / "other", tls=True) as other, Asterisk.start(tmp_path / "pbx") as pbx:
        keys = f"tlscertfile = {other.certificate}\ntlsprivatekey = {other.certificate.with_suffix('.key')}\n"
        listen = f"tlsenable = yes\ntlsbindaddr = {HOST}:{pbx.ami_tls_port}\n"
        with (tmp_path / "pbx" / "etc" / "manager.conf").open("a") as file:
            file.write(f"\n[general](+)\n{listen}{keys}")
        await pbx.cli("manager reload")
        pbx.certificate.write_bytes(other.certificate.read_bytes())
        async with manager(pbx, tls=True) as connection:
            assert "Ping: Pong" in await connection.action(Action="Ping")


async def test_a_user_from_a_wrong_address_is_told_what_a_wrong_secret_is_told(tmp_path: Path) -> None:
    section = "\n[elsewhere]\nsecret = s\ndeny = 0.0.0.0/0.0.0.0\npermit = 192.0.2.1/255.255.255.255\n"
    async with Asterisk.start(tmp_path, extra={"manager.conf": section}) as pbx:
        for user, secret in (("elsewhere", "s"), (pbx.ami_user, "wrong")):
            answer = await refused_login(pbx, user, secret)
            assert "Authentication failed" in answer
        assert "failed to pass IP ACL as 'elsewhere'" in pbx.log_text()


async def test_each_trunk_has_its_own_far_end_and_qualify(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, 0))
        dead = Trunk(silent.getsockname()[1], qualify_s=1, qualify_timeout_s=0.2)
        async with (
            SimulatedNetwork([]) as network,
            Asterisk.start(tmp_path, network.port, trunks={"dead": dead}) as pbx,
        ):
            shown = await pbx.until_cli("pjsip show contacts", "Unavail")
            states = {
                line.split("/")[0].split()[-1]: line.split()
                for line in shown.splitlines()
                if "@" in line or "/sip:" in line
            }
            assert "NonQual" in states["trunk"]
            assert "Unavail" in states["dead"]


async def test_its_log_tells_nothing_wrong_with_the_configuration(tmp_path: Path) -> None:
    async with Asterisk.start(tmp_path, 5999, tls=True, websockets={"media": f"ws://{HOST}:9/media"}) as pbx:
        wrong = [line for line in pbx.log_text().splitlines() if "ERROR" in line or "WARNING" in line]
        assert wrong == []


def test_two_beds_share_no_port() -> None:
    one, two = Ports.reserve(), Ports.reserve()
    try:
        assert {one.ami, one.ami_tls, one.http, one.sip}.isdisjoint({two.ami, two.ami_tls, two.http, two.sip})
    finally:
        one.release()
        two.release()


def test_a_developer_starts_and_stops_one_by_hand(tmp_path: Path) -> None:
    require_asterisk()
    script, folder = REPOSITORY / "scripts" / "asterisk", tmp_path / "by-hand"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # Its output goes to a file: the Asterisk left running keeps no pipe of ours open.
        with (tmp_path / "out.txt").open("w+") as out:
            done = subprocess.run([script, *arguments], stdout=out, stderr=out, timeout=60, check=False)
            out.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read())

    started = run("start", str(folder), "--far-end", "5999")
    try:
        assert started.returncode == 0, started.stdout
        assert "user campana" in started.stdout
        assert "runs in" in run("start", str(folder)).stdout
        assert "0 active channels" in run("cli", str(folder), "core", "show", "channels").stdout
    finally:
        stopped = run("stop", str(folder))
    assert stopped.returncode == 0, stopped.stdout
    assert run("stop", str(folder)).returncode == 1


def test_an_installed_asterisk_is_not_fetched_again(tmp_path: Path) -> None:
    program = require_asterisk()
    before = hashlib.sha256(program.read_bytes()).digest(), program.stat().st_mtime_ns
    environment = {**os.environ, "CAMPANA_ASTERISK_PREFIX": str(program.parent), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [REPOSITORY / "scripts" / "asterisk", "install"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Asterisk 2" in done.stdout
    assert before == (hashlib.sha256(program.read_bytes()).digest(), program.stat().st_mtime_ns)


def test_a_machine_without_debian_packages_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bash", "mkdir", "dirname", "flock"):
        (tmp_path / "bin" / name).symlink_to(tool(name, "util-linux"))
    environment = {"PATH": str(tmp_path / "bin"), "CAMPANA_ASTERISK_PREFIX": str(tmp_path / "asterisk")}
    done = subprocess.run(
        [REPOSITORY / "scripts" / "asterisk", "install"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "needs a Debian machine" in done.stderr


def test_a_machine_without_a_debian_mirror_is_told_what_to_do(tmp_path: Path) -> None:
    tool("apt-get", "apt")
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "/dev/null"; Dir::State::lists "{tmp_path}/lists";'
    )
    places = {"CAMPANA_ASTERISK_PREFIX": str(tmp_path / "asterisk"), "APT_CONFIG": str(tmp_path / "apt.conf")}
    script = REPOSITORY / "scripts" / "asterisk"
    done = subprocess.run(
        [script, "install"], env={**os.environ, **places}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "no Debian mirror" in done.stderr
    assert not (tmp_path / "asterisk").exists()
