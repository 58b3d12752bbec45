import pytest

from campana.doctor import State, examine
from campana.errors import SettingsError
from campana.node import sip_settings, trunk_config
from campana.settings import ModelSettings, Settings, SipSection, SmtpSettings, TrunkSettings

LOCAL = TrunkSettings(name="pbx", host="127.0.0.1")
CARRIER = TrunkSettings(name="carrier", host="192.0.2.10", cps=2, channels=7)


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
