from pathlib import Path

import pytest
from pydantic import SecretStr

from campana.doctor import State, examine
from campana.errors import SettingsError
from campana.node import asterisk_trunk, dialer_of, sip_settings, trunk_config
from campana.settings import (
    BREAKER_FIELDS,
    AsteriskTrunkSettings,
    ModelSettings,
    Settings,
    SipSection,
    SmtpSettings,
    TrunkSettings,
)
from storage.clock import SystemClock
from telephony.ami.dialer import AsteriskDialer
from telephony.errors import InvalidTrunk
from telephony.sip.dialer import SipDialer

LOCAL = TrunkSettings(name="pbx", host="127.0.0.1")
CARRIER = TrunkSettings(name="carrier", host="192.0.2.10", cps=2, channels=7)

PBX = AsteriskTrunkSettings(
    name="pbx",
    host="192.0.2.20",
    user="bot",
    password=SecretStr("hunter2"),
    dial_string="PJSIP/{number}@carrier",
    caller_ids=("842873000001",),
    media_port=4573,
)


def test_each_kind_of_trunk_gets_its_dialer() -> None:
    settings = Settings(trunks=(CARRIER, PBX))
    kinds = [type(dialer_of(settings, trunk, SystemClock())) for trunk in settings.trunks]
    assert kinds == [SipDialer, AsteriskDialer]
    assert sip_settings(Settings(trunks=(LOCAL, PBX))).bind == "127.0.0.1", "an Asterisk needs no SIP stack"


def test_an_asterisk_of_the_settings_keeps_everything() -> None:
    trunk = asterisk_trunk(PBX)
    told = {name: value for name, value in dict(PBX).items() if name not in BREAKER_FIELDS}
    assert {name: getattr(trunk, name) for name in told} == told | {"password": "hunter2"}
    with pytest.raises(InvalidTrunk, match="dial_string"):
        asterisk_trunk(PBX.model_copy(update={"dial_string": "carrier"}))


def test_a_sip_trunk_of_the_settings_keeps_everything() -> None:
    trunk = TrunkSettings(
        name="a",
        host="h",
        user="u",
        auth_user="digest",
        outbound_proxy="sip:proxy.example.net",
        codecs=("g722",),
        caller_ids=("1", "2"),
        caller_id_in="p-asserted-identity",
    )
    config = trunk_config(trunk)
    assert (config.auth_user, config.outbound_proxy, config.codecs) == ("digest", "sip:proxy.example.net", ("g722",))
    assert (config.caller_ids, config.caller_id_in) == (("1", "2"), "p-asserted-identity")


async def test_the_doctor_tells_an_asterisk_that_is_not_there(tmp_path: Path) -> None:
    absent = PBX.model_copy(update={"host": "127.0.0.1", "port": 1})
    wrong = PBX.model_copy(update={"name": "other", "dial_string": "carrier"})
    settings = Settings(data_folder=tmp_path, trunks=(absent, wrong), smtp=SmtpSettings(port=1))
    found = {finding.check: finding async for finding in examine(settings)}
    assert found["trunk pbx: login"].state is State.FAILED
    assert "manager.conf" in found["trunk pbx: login"].remedy
    assert "dial_string" in found["trunk other"].found


def test_a_trunk_of_the_settings_keeps_its_limits() -> None:
    config = trunk_config(CARRIER)
    assert (config.name, config.host, config.cps, config.channels) == ("carrier", "192.0.2.10", 2, 7)


def test_the_stack_binds_to_loopback_only_for_trunks_there() -> None:
    assert sip_settings(Settings(trunks=(LOCAL,))).bind == "127.0.0.1"
    assert sip_settings(Settings(trunks=(CARRIER,))).bind is None


def test_a_named_address_serves_every_trunk() -> None:
    settings = Settings(trunks=(LOCAL, CARRIER), sip=SipSection(bind="10.0.0.5", listen_port=5070))
    found = sip_settings(settings)
    assert (found.bind, found.listen_port) == ("10.0.0.5", 5070)


def test_trunks_that_one_stack_cannot_reach_are_refused_with_a_remedy() -> None:
    with pytest.raises(SettingsError, match=r"pbx is on this machine's loopback.*sip\.bind"):
        sip_settings(Settings(trunks=(LOCAL, CARRIER)))


async def test_the_doctor_goes_on_after_a_model_that_nobody_knows(tmp_path: object) -> None:
    settings = Settings(data_folder=tmp_path, models=ModelSettings(listening="whisper-9000"), smtp=SmtpSettings(port=1))
    found = {finding.check: finding async for finding in examine(settings)}
    assert found["models"].state is State.FAILED
    assert "whisper-9000" in found["models"].found
    assert found["mail server"].state is State.WARNING
    assert found["trunks"].remedy.startswith("add a [[trunks]]")
