"""What can be wrong with an Asterisk trunk, found out at a real one without ringing any telephone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from campana.doctor import State, examine
from campana.settings import AsteriskTrunkSettings, Settings, SmtpSettings
from telephony.ami.account import AmiAccount
from telephony.ami.check import Checked, Verdict, check
from telephony.ami.client import AmiClient
from telephony.ami.dialer import AsteriskDialer
from telephony.ami.errors import AmiError, AmiUnreachable, PermissionDenied
from telephony.trunk import AsteriskTrunk
from tests.support_asterisk import Asterisk
from tests.support_asterisk_config import HOST, Trunk
from tests.support_dialer_asterisk import TIMES, dialer, shared_asterisk, through
from tests.support_sipp import free_port

GOOD, UNSURE, BAD = Verdict.GOOD, Verdict.UNSURE, Verdict.BAD
ENDPOINT = "PJSIP/{number}@trunk"


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    dead = Trunk(free_port(), qualify_s=1, qualify_timeout_s=0.3)
    with shared_asterisk(tmp_path_factory.mktemp("asterisk"), trunks={"dead": dead}) as running:
        yield running


async def found(trunk: AsteriskTrunk) -> dict[str, Checked]:
    return {checked.what: checked async for checked in check(trunk, TIMES)}


async def test_a_trunk_that_works_is_found_good(pbx: Asterisk) -> None:
    checks = await found(through(pbx, ENDPOINT))
    assert list(checks) == ["login", "permissions", "events", "dial string", "audio"]
    assert {checked.verdict for checked in checks.values()} == {GOOD}


@pytest.mark.parametrize(
    ("changes", "said", "remedy"),
    [
        ({"password": "wrong"}, "Authentication failed", "user and password"),
        ({"user": "nobody"}, "'nobody'", "user and password"),
        ({"port": 1}, f"{HOST}:1", "manager.conf"),
    ],
)
async def test_a_login_that_fails_is_the_only_finding(
    pbx: Asterisk, changes: dict[str, object], said: str, remedy: str
) -> None:
    (login,) = (await found(through(pbx, ENDPOINT, **changes))).values()
    assert (login.what, login.verdict) == ("login", BAD)
    assert said in login.found
    assert remedy in login.remedy


async def test_a_trunk_that_qualify_has_found_dead(pbx: Asterisk) -> None:
    await pbx.until_cli("pjsip show contacts", "Unavail")
    trunk = through(pbx, "PJSIP/{number}@dead")
    checked = (await found(trunk))["dial string"]
    assert checked.verdict is BAD
    assert "'dead' has no contact that answers" in checked.found
    async with AsteriskDialer(trunk, times=TIMES) as opened:
        probe = await opened.probe()
    assert not probe.ok
    assert "dead" in probe.text


async def test_an_endpoint_that_does_not_exist(pbx: Asterisk) -> None:
    checked = (await found(through(pbx, "PJSIP/nobody/sip:{number}@192.0.2.1")))["dial string"]
    assert checked.verdict is BAD
    assert "'nobody'" in checked.found


async def test_other_channel_drivers_are_left_to_a_call(pbx: Asterisk) -> None:
    checked = (await found(through(pbx, "Local/{number}@from-internal")))["dial string"]
    assert checked.verdict is GOOD
    assert "campana call" in checked.found


async def test_audio_that_asterisk_cannot_bring(pbx: Asterisk) -> None:
    checked = (await found(through(pbx, ENDPOINT, media_bind=HOST, media_advertise="127.0.0.2")))["audio"]
    assert checked.verdict is UNSURE
    assert re.search(r"did not connect to 127\.0\.0\.2:\d+", checked.found)


async def test_an_address_that_is_not_ours(pbx: Asterisk) -> None:
    checked = (await found(through(pbx, ENDPOINT, media_bind="192.0.2.1")))["audio"]
    assert checked.verdict is BAD
    assert "cannot listen on 192.0.2.1" in checked.found


async def test_a_dialer_tells_whether_calls_are_worth_trying(pbx: Asterisk) -> None:
    async with dialer(pbx, ENDPOINT) as opened:
        probe = await opened.probe()
        assert probe.ok, probe
        await opened.aclose()
        assert not (await opened.probe()).ok


@pytest.mark.parametrize(
    ("permissions", "what", "remedy"),
    [
        ({"write": "call"}, "permissions", "add originate to write= of [campana]"),
        ({"write": "originate"}, "permissions", "add call to write= of [campana]"),
        ({"read": "user"}, "events", "add call to read= of [campana]"),
    ],
)
async def test_a_missing_permission_is_named_by_check_and_dialer(
    tmp_path: Path, permissions: dict[str, str], what: str, remedy: str
) -> None:
    async with Asterisk.start(tmp_path, free_port(), **permissions) as pbx:
        checks = await found(through(pbx, ENDPOINT))
        assert checks[what].verdict is BAD
        assert remedy in checks[what].remedy
        if permissions != {"write": "originate"}:
            with pytest.raises(AmiError, match=r"lacks originate|sends manager user 'campana' no event"):
                await AsteriskDialer.open(through(pbx, ENDPOINT), times=TIMES)


async def test_login_over_tls_with_the_certificate_of_the_pbx(tmp_path: Path) -> None:
    async with Asterisk.start(tmp_path, free_port(), tls=True) as pbx:
        secure = AmiAccount(HOST, pbx.ami_user, pbx.ami_secret, pbx.ami_tls_port, tls=True, tls_ca=pbx.certificate)
        async with AmiClient(secure, TIMES) as client:
            assert (await client.action("Ping")).success
            with pytest.raises(PermissionDenied, match="lacks reporting"):
                await client.listed("CoreShowChannels")
        strangers = AmiAccount(HOST, pbx.ami_user, pbx.ami_secret, pbx.ami_tls_port, tls=True)
        with pytest.raises(AmiUnreachable, match=r"TLS: .*tls_ca"):
            await AmiClient(strangers, TIMES).open()


async def test_the_doctor_shows_each_check(pbx: Asterisk, tmp_path: Path) -> None:
    trunk = AsteriskTrunkSettings(
        name="pbx",
        host=HOST,
        port=pbx.ami_port,
        user=pbx.ami_user,
        password=SecretStr(pbx.ami_secret),
        dial_string=ENDPOINT,
    )
    settings = Settings(data_folder=tmp_path, trunks=(trunk,), smtp=SmtpSettings(port=1))
    states = {finding.check: finding.state async for finding in examine(settings)}
    expected = ["login", "permissions", "events", "dial string", "audio"]
    assert [states.get(f"trunk pbx: {what}") for what in expected] == [State.OK] * 5
