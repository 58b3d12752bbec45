from pathlib import Path

import pytest
from pydantic import SecretStr

from campana.errors import SettingsError
from campana.settings import (
    AccountSettings,
    AsteriskTrunkSettings,
    LlmSettings,
    ModelSettings,
    NodeSettings,
    Settings,
    SipSection,
    SmtpSettings,
    TrunkSettings,
    WebhookSettings,
    WebSettings,
    load_settings,
    shown,
)

DOC = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_without_any_file() -> None:
    settings = load_settings()
    assert settings.account.currency == "VND"
    assert settings.url == "sqlite+aiosqlite:///campana-data/campana.db"


def test_the_file_in_the_current_folder_is_read(tmp_path: Path) -> None:
    write(tmp_path / "campana.toml", 'log_level = "debug"\n[account]\nname = "Bell"\n')
    settings = load_settings()
    assert (settings.log_level, settings.account.name, settings.account.region) == ("debug", "Bell", "VN")


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "a.toml", '[smtp]\nhost = "file.example"\nport = 26\n')
    monkeypatch.setenv("CAMPANA_SMTP__HOST", "env.example")
    smtp = load_settings(file).smtp
    assert (smtp.host, smtp.port) == ("env.example", 26)


def test_a_relative_data_folder_lies_beside_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    settings = load_settings(write(folder / "campana.toml", 'data_folder = "data"\n'))
    assert settings.recordings_folder == folder / "data" / "recordings"


def test_trunks_are_a_list_of_tables(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.toml", '[[trunks]]\nname = "a"\nhost = "h"\n[[trunks]]\nname = "b"\nhost = "i"\ncps = 2\n'
    )
    assert [(t.name, t.cps) for t in load_settings(file).trunks] == [("a", 5.0), ("b", 2.0)]


ASTERISK = """
[[trunks]]
name = "pbx"
kind = "asterisk"
host = "192.0.2.20"
user = "bot"
password = "hunter2"
dial_string = "PJSIP/{number}@carrier"
"""


def test_an_asterisk_is_a_trunk_of_its_own_kind(tmp_path: Path) -> None:
    text = ASTERISK + 'tls = true\ntls_ca = "pbx.pem"\ncaller_ids = ["842873000001", "842873000002"]\n'
    (trunk,) = load_settings(write(tmp_path / "a.toml", text)).trunks
    assert isinstance(trunk, AsteriskTrunkSettings)
    assert (trunk.port, trunk.channels, trunk.media_port) == (5038, 10, 0)
    assert trunk.tls_ca == tmp_path / "pbx.pem"
    assert "hunter2" not in str(shown(load_settings(tmp_path / "a.toml")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[trunks]]\nname = 'a'\nhost = 'h'\ndial_string = 'SIP/{number}'\n", r'trunks\.0: dial_string.*"asterisk"'),
        (ASTERISK + "transport = 'tcp'\n", r'trunks\.0: transport.*of kind "sip".*leave it out, or set kind = "sip"'),
        (ASTERISK + "register_account = true\n", r"trunks\.0: register_account"),
        (ASTERISK.replace("password", "#"), r"trunks\.0\.password: Field required"),
        (ASTERISK.replace('"asterisk"', '"isdn"'), r"trunks\.0: kind: choose sip or asterisk"),
        (ASTERISK + "media_port = 70000\n", r"trunks\.0\.media_port"),
    ],
)
def test_kinds_of_trunks_are_not_mixed_up(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        load_settings(write(tmp_path / "a.toml", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log_level = 3\n", "log_level"),
        ("[smtp]\nhots = 'x'\n", "smtp.hots"),
        ("[[trunks]]\nname = 'a'\n", "trunks.0.host"),
        ("[web]\nport = 99999\n", "web.port"),
        ("not toml", "line 1"),
    ],
)
def test_a_mistake_names_file_and_field(tmp_path: Path, text: str, expected: str) -> None:
    file = write(tmp_path / "bad.toml", text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert "bad.toml" in str(caught.value)
    assert expected in str(caught.value)


def test_a_mistake_in_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMPANA_WEB__PORT", "many")
    with pytest.raises(SettingsError, match="CAMPANA_WEB__PORT"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"), [("CAMPANA_TRUNKS", "[{"), ("CAMPANA_ACCOUNT", "{"), ("CAMPANA_SIP__RTP_PORTS", "[1,")]
)
def test_json_in_the_environment_that_is_none_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=rf"{variable.partition('__')[0]}: not readable as JSON: .*settings\.md"):
        load_settings()


@pytest.mark.parametrize("url", ["foo", "mysql://h/n", "postgresql://h:notaport/x"])
def test_a_database_address_that_is_none_is_told_and_not_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CAMPANA_DATABASE_URL", url)
    with pytest.raises(SettingsError, match=r"database_url: .*write "):
        shown(load_settings())


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such settings file"):
        load_settings(tmp_path / "absent.toml")


def test_secrets_are_hidden_when_shown() -> None:
    settings = Settings(
        database_url="postgresql+psycopg://u:hunter2@h/db",
        smtp=SmtpSettings(password=SecretStr("hunter2")),
        trunks=(TrunkSettings(name="a", host="h", password=SecretStr("hunter2")),),
    )
    assert "hunter2" not in str(shown(settings))
    assert "hunter2" not in repr(settings.smtp)


@pytest.mark.parametrize(
    "section",
    [
        Settings,
        AccountSettings,
        ModelSettings,
        LlmSettings,
        TrunkSettings,
        AsteriskTrunkSettings,
        SipSection,
        SmtpSettings,
        WebSettings,
        WebhookSettings,
        NodeSettings,
    ],
    ids=lambda section: section.__name__,
)
def test_every_setting_stands_in_the_docs(section: type) -> None:
    text = DOC.read_text(encoding="utf-8")
    missing = [name for name in section.model_fields if f"`{name}`" not in text and f"[{name}]" not in text]  # type: ignore[attr-defined]
    assert missing == []
