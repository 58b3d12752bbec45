"""Settings from a TOML file and the environment; docs/reference/settings.md lists every one.

Order, strongest first: `CAMPANA_…` environment variables (`CAMPANA_SMTP__HOST`), the TOML file, the defaults.
"""

from __future__ import annotations

import os
import re
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSource

from campaigns.frequency import MOST
from campaigns.trunk_health import BACK_OFF, FAILURES_ALLOWED
from campana.errors import SettingsError
from campana.fields import Amount, Currency, Zone
from telephony.trunk import NumberFormat

DEFAULT_FILE = Path("campana.toml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountSettings(_Section):
    """The paying organisation."""

    name: str = Field("default", description="Name of the account on reports and bills.")
    currency: Currency = Field("VND", description="ISO 4217 currency of every price and charge.")
    time_zone: Zone = Field("Asia/Ho_Chi_Minh", description="IANA zone of reports and of campaigns that name none.")
    region: str = Field("VN", pattern="^[A-Z]{2}$", description="Default region of numbers without a country code.")
    credit_limit: Amount | None = Field(
        None, ge=0, description="How far below nought the prepaid balance may go; 0: prepaid; none: pays afterwards."
    )
    calls: int | None = Field(None, ge=1, description="Calls at once of all its campaigns; none: no limit of its own.")


class CallingSettings(_Section):
    """What every campaign keeps to, whoever made it."""

    legal_hours: Path | None = Field(
        None, description="File with legal hours by country and purpose that go before those of the program."
    )
    per_24h: int | None = Field(
        None, ge=1, le=MOST["per_24h"], description="Calls to one number within any 24 hours, of all campaigns."
    )
    per_day: int | None = Field(
        None, ge=1, le=MOST["per_day"], description="Calls to one number a calendar day, in the contact's time zone."
    )
    per_campaign: int | None = Field(
        None, ge=1, le=MOST["per_campaign"], description="Calls to one number by one campaign."
    )
    lifetime: int | None = Field(None, ge=1, le=MOST["lifetime"], description="Calls to one number, ever.")
    no_call_back_days: int | None = Field(
        None, ge=1, le=MOST["no_call_back_days"], description="Days without a call after one that was answered."
    )


class ModelSettings(_Section):
    """Speech models; `campana models list` shows the choice."""

    folder: Path | None = Field(None, description="Where models live; none means the user's data folder.")
    listening: str = Field("stt-base", description="Model that recognises speech.")
    listening_fast: str | None = Field(
        "stt-tiny-en", description="Model for the utterances that have waited too long for it; none: everybody waits."
    )
    listening_fast_above_ms: int = Field(
        150, ge=20, le=5000, description="Milliseconds an utterance may wait before the fast model reads it."
    )
    speaking: str = Field("tts-en-joe", description="Voice of bots that name none.")
    voices: dict[str, str] = Field({}, description="Voices of languages for bots that name none, before speaking.")
    ears: dict[str, str] = Field({}, description="Ears of languages for bots that name none, before listening.")
    phrase_folder: Path | None = Field(None, description="Where spoken lines are kept; none: in the data folder.")
    phrase_disk_mb: int = Field(1024, ge=1, description="Most of them on disk; the longest unused are deleted first.")
    phrase_memory_mb: int = Field(64, ge=1, description="Most of them in memory, of all voices of a process together.")
    workers: int = Field(2, ge=1, le=64, description="Threads shared by recognition and synthesis.")


class LlmSettings(_Section):
    """The language model of scripts that ask one."""

    model: str | None = Field(
        None, min_length=1, description="Model as provider/name, such as openai/gpt-4o-mini; none: scripts name theirs."
    )
    api_base: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1; none: the provider's.",
    )
    api_key: SecretStr | None = Field(None, description="Key of the provider; none: its own environment variable.")
    temperature: float | None = Field(None, ge=0, le=2, description="How freely it words its answers.")
    max_tokens: int = Field(300, ge=16, le=4000, description="Longest answer.")
    prompt_price: Amount | None = Field(None, ge=0, description="US dollars for a million tokens read.")
    completion_price: Amount | None = Field(None, ge=0, description="US dollars for a million tokens written.")

    @model_validator(mode="after")
    def _both_prices(self) -> LlmSettings:
        if (self.prompt_price is None) != (self.completion_price is None):
            raise ValueError("prompt_price and completion_price go together; 0 for what costs nothing")
        return self


#: Arguments by such names are secrets, which have no place in a file or a log.
_SECRET = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)


class ServiceSettings(_Section):
    """A speech service on another machine, run by a class of Pipecat's or of yours."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name by which bots and settings choose it.")
    class_path: str = Field(alias="class", description="Module and class of the service.")
    arguments: dict[str, Any] = Field({}, description="Arguments of the class, such as base_url.")
    settings: dict[str, Any] = Field({}, description="Fields of its Settings, such as model and voice.")
    secrets: dict[str, str] = Field({}, description="For each secret argument the environment variable that holds it.")
    languages: tuple[str, ...] = Field((), description="Languages for which it may be taken unasked; none: only asked.")
    at_once: int = Field(4, ge=1, le=256, description="Requests at once from this process.")
    timeout_s: float = Field(8.0, gt=0, le=60, description="Seconds that one request may take.")

    @model_validator(mode="after")
    def _keeps_secrets_out(self) -> ServiceSettings:
        for name, value in self.arguments.items():
            if _SECRET.search(name) and value != "none":
                raise ValueError(
                    f"arguments: {name} is a secret; put it into an environment variable and name that under secrets, "
                    f'{{ {name} = "VARIABLE" }}; for a server that asks for none write "none"'
                )
        return self


class ServicesSettings(_Section):
    """Speech services on other machines."""

    tts: tuple[ServiceSettings, ...] = Field((), description="Voices.")
    stt: tuple[ServiceSettings, ...] = Field((), description="Ears.")


class _Trunk(_Section):
    """What every way out has."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name that campaigns refer to.")
    number_format: NumberFormat = Field(
        NumberFormat.DEFAULT, description="How the trunk wants numbers: e164 +84…, plain 84…, national 0…, default."
    )
    caller_id: str | None = Field(None, description="Number shown to customers when the campaign names none.")
    caller_ids: tuple[str, ...] = Field((), description="Pool of such numbers instead; each attempt shows one of them.")
    channels: int = Field(10, ge=1, description="Calls at once.")
    cps: float = Field(5.0, gt=0, le=200, description="New calls per second.")
    failures_allowed: int = Field(
        FAILURES_ALLOWED,
        ge=1,
        le=1000,
        description="Calls in a row that fail by the trunk's fault before it is paused.",
    )
    probe_after_s: tuple[Annotated[float, Field(ge=1, le=86400)], ...] = Field(
        tuple(wait.total_seconds() for wait in BACK_OFF),
        min_length=1,
        max_length=20,
        description="Seconds before each probe of the paused trunk; the last is repeated.",
    )

    @model_validator(mode="before")
    @classmethod
    def _no_field_of_another_kind(cls, data: Any) -> Any:
        others = [other for other in _Trunk.__subclasses__() if other is not cls]
        for name in data if isinstance(data, dict) else ():
            for other in others:
                if name in other.model_fields and name not in cls.model_fields:
                    kind, this = other.model_fields["kind"].default, cls.model_fields["kind"].default
                    raise ValueError(
                        f'{name} is a setting of trunks of kind "{kind}", and this one is of kind "{this}"; '
                        f'leave it out, or set kind = "{kind}"'
                    )
        return data


#: Settings of a trunk that its dialler has no use for.
BREAKER_FIELDS = frozenset({"failures_allowed", "probe_after_s"})


class TrunkSettings(_Trunk):
    """A SIP trunk, called directly."""

    kind: Literal["sip"] = Field("sip", description="sip for a SIP trunk, asterisk for an Asterisk.")
    host: str = Field(description="Host of the SIP peer.")
    port: int = Field(5060, ge=1, le=65535, description="Port of the SIP peer.")
    transport: Literal["udp", "tcp", "tls"] = Field("udp", description="Signalling transport.")
    user: str = Field("campana", description="User part of our address, and the digest user name.")
    password: SecretStr | None = Field(None, description="Digest password, if the peer asks for one.")
    auth_user: str | None = Field(None, description="Digest user name where it is another than user.")
    register_account: bool = Field(False, description="Whether to REGISTER before dialling.")
    outbound_proxy: str | None = Field(None, description="SIP URI that requests go by, such as sip:proxy.example.net.")
    codecs: tuple[str, ...] = Field(("pcma", "pcmu"), description="In order of preference: pcma, pcmu, g722, opus.")
    caller_id_in: Literal["from", "p-asserted-identity"] = Field(
        "from", description="Header in which the peer looks for the caller ID."
    )


class AsteriskTrunkSettings(_Trunk):
    """An Asterisk (FreePBX, Issabel …), reached by its manager interface (AMI)."""

    kind: Literal["asterisk"] = Field("asterisk", description="sip for a SIP trunk, asterisk for an Asterisk.")
    host: str = Field(description="Host of the Asterisk.")
    port: int = Field(5038, ge=1, le=65535, description="Port of its manager interface; over TLS usually 5039.")
    user: str = Field(description="Manager user, a section of manager.conf.")
    password: SecretStr = Field(description="Secret of the manager user.")
    tls: bool = Field(False, description="Whether the manager interface is reached over TLS.")
    tls_ca: Path | None = Field(None, description="PEM file with the certificate of the PBX or of its issuer.")
    dial_string: str = Field(description="What Asterisk dials, such as PJSIP/{number}@carrier.")
    media_bind: str | None = Field(None, description="Local address for the audio; none: where we reach AMI from.")
    media_port: int = Field(0, ge=0, le=65535, description="Local TCP port for the audio; 0 takes a free one.")
    media_advertise: str | None = Field(None, description="Host at which Asterisk reaches us, if not media_bind.")
    wideband: bool = Field(False, description="Audio at 16 kHz, for trunks with a wideband codec such as G.722.")
    media: Literal["audiosocket", "websocket"] = Field("audiosocket", description="How Asterisk brings the audio.")
    websocket_client: str = Field(
        "campana", description="With media = websocket: section of Asterisk's websocket_client.conf."
    )
    amd: bool = Field(
        False, description="Whether the PBX's dialplan runs AMD(); with Local/ its result is always taken."
    )
    transfer_context: str = Field("from-internal", description="Context of extensions that calls are handed over to.")


def _kind(value: Any) -> str:
    return str(value.get("kind", "sip") if isinstance(value, dict) else getattr(value, "kind", "sip"))


AnyTrunkSettings = Annotated[
    Annotated[TrunkSettings, Tag("sip")] | Annotated[AsteriskTrunkSettings, Tag("asterisk")],
    Discriminator(_kind, custom_error_type="kind", custom_error_message="kind: choose sip or asterisk"),
]


class SipSection(_Section):
    """The SIP stack of this process, shared by all trunks."""

    bind: str | None = Field(None, description="Local address to call from; none finds one.")
    listen_port: int = Field(0, ge=0, le=65535, description="Local SIP port; 0 takes a free one.")
    rtp_ports: tuple[int, int] = Field((16384, 32767), description="First and last port of the audio.")


class SmtpSettings(_Section):
    """The mail server that carries reports."""

    host: str = Field("127.0.0.1", description="Host of the mail server.")
    port: int = Field(25, ge=1, le=65535, description="Port of the mail server.")
    security: Literal["none", "starttls", "tls"] = Field("none", description="How the connection is protected.")
    user: str | None = Field(None, description="User name, if the server asks for one.")
    password: SecretStr | None = Field(None, description="Password, if the server asks for one.")
    sender: str = Field("campana@localhost", description="From address of reports.")
    dashboard_url: str | None = Field(None, description="Dashboard's address in reports; none leaves the link out.")


class WebSettings(_Section):
    """The dashboard."""

    host: str = Field("127.0.0.1", description="Address to listen on; loopback only until users can log in.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    api_hosts: tuple[str, ...] = Field(
        (), description="Host names by which other machines may address the API, and the API alone."
    )
    api_bind: str | None = Field(
        None, description="Further address for the API alone, such as 0.0.0.0:8081; none: host and port only."
    )

    @model_validator(mode="after")
    def _named_where_others_reach_it(self) -> WebSettings:
        if self.api_bind is not None:
            host, colon, port = self.api_bind.rpartition(":")
            if not (host and colon and port.isascii() and port.isdigit() and int(port) <= 65535):
                raise ValueError(f"api_bind: {self.api_bind!r} is no address and port; write 0.0.0.0:8081")
            if not self.api_hosts:
                raise ValueError("api_bind needs api_hosts: the host names by which other machines address the API")
        return self

    @property
    def api_address(self) -> tuple[str, int] | None:
        """`api_bind` in its parts."""
        host, _, port = (self.api_bind or "").rpartition(":")
        return (host, int(port)) if host else None


class TalkSettings(_Section):
    """Test calls from the browser."""

    calls: int = Field(2, ge=0, le=64, description="Test calls at once, one a user; 0: none.")
    longest_s: float = Field(600.0, ge=10, le=3600, description="Seconds after which the bot ends a test call.")
    stun: tuple[Annotated[str, Field(pattern=r"^stun:\S+$")], ...] = Field(
        (), description="STUN servers to ask for our address, such as stun:stun.example.net:3478; none asks nobody."
    )
    addresses: tuple[str, ...] = Field((), description="Local addresses to offer for the audio; none offers all.")


class WebhookSettings(_Section):
    """Telling other programs by webhook."""

    private_targets: bool = Field(
        False, description="Whether receivers may be on this machine or on a private network."
    )
    timeout_s: float = Field(10.0, ge=1, le=60, description="Seconds that a receiver has to answer.")
    at_once: int = Field(4, ge=1, le=64, description="Deliveries at once.")


class NodeSettings(_Section):
    """This process as one that dials."""

    name: str = Field(
        default_factory=socket.gethostname, description="Name of the node; its first 16 characters count."
    )
    calls: int = Field(16, ge=1, description="Conversations at once on this node; about 8 a core with stt-base.")
    lease_s: float = Field(15.0, ge=2, description="Seconds without a sign of life before another node takes over.")


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix="CAMPANA_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data_folder: Path = Field(Path("campana-data"), description="Database, recordings, phrase cache and list results.")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL; none means SQLite in the data folder. PostgreSQL: postgresql+psycopg://…"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("warning", description="What is logged.")
    account: AccountSettings = AccountSettings()
    calling: CallingSettings = CallingSettings()
    models: ModelSettings = ModelSettings()
    services: ServicesSettings = ServicesSettings()
    llm: LlmSettings = LlmSettings()
    smtp: SmtpSettings = SmtpSettings()
    web: WebSettings = WebSettings()
    talk: TalkSettings = TalkSettings()
    webhooks: WebhookSettings = WebhookSettings()
    node: NodeSettings = Field(default_factory=NodeSettings)
    sip: SipSection = SipSection()
    trunks: tuple[AnyTrunkSettings, ...] = Field((), description="Ways out to the telephone network.")
    secrets: dict[str, SecretStr] = Field(
        {}, description="What scripts write as `{secret:NAME}` in the headers of a webhook, by name."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which arrives as keyword arguments."""
        return env_settings, init_settings

    @property
    def url(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_folder / 'campana.db'}"

    @property
    def recordings_folder(self) -> Path:
        return self.data_folder / "recordings"

    @property
    def phrase_folder(self) -> Path:
        """Cache of spoken lines, shared by processes."""
        return self.models.phrase_folder or self.data_folder / "phrases"

    @property
    def sounds_folder(self) -> Path:
        """Recorded lines of stored bots, by their sha256."""
        return self.data_folder / "sounds"

    @property
    def lists_folder(self) -> Path:
        """Result files of contact list imports."""
        return self.data_folder / "lists"


def load_settings(file: Path | None = None) -> Settings:
    """Read the settings; without `file`, ./campana.toml when it exists.

    Raises `SettingsError` naming file, field and remedy.
    """
    path = file or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    try:
        return Settings(**_beside(path, _read(path))) if path else Settings()
    except ValidationError as error:
        raise SettingsError(_explain(error, path)) from error
    except UnreadableSource as error:
        raise SettingsError(_explain_source(error)) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as source:
            return tomllib.load(source)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such settings file; name another with --config") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}; see docs/reference/settings.md for the form") from error


def _beside(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    """Relative paths lie beside the file that names them, wherever the command is run."""
    folder = data.get("data_folder", "campana-data")
    if isinstance(folder, str):
        data = {**data, "data_folder": path.parent / folder}
    calling = data.get("calling")
    if isinstance(calling, dict) and isinstance(calling.get("legal_hours"), str):
        data = {**data, "calling": {**calling, "legal_hours": path.parent / calling["legal_hours"]}}
    models = data.get("models")
    if isinstance(models, dict) and isinstance(models.get("phrase_folder"), str):
        data = {**data, "models": {**models, "phrase_folder": path.parent / models["phrase_folder"]}}
    trunks = data.get("trunks")
    if isinstance(trunks, list):
        data = {**data, "trunks": [_certificate_beside(path, trunk) for trunk in trunks]}
    return data


def _certificate_beside(path: Path, trunk: Any) -> Any:
    file = trunk.get("tls_ca") if isinstance(trunk, dict) else None
    return {**trunk, "tls_ca": path.parent / file} if isinstance(file, str) else trunk


def _explain(error: ValidationError, path: Path | None) -> str:
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        names = [str(part) for part in item["loc"]]
        if names[:1] == ["trunks"] and names[2:3] in (["sip"], ["asterisk"]):
            del names[2]  # the kind that pydantic tried, which is no part of the file
        variable = "CAMPANA_" + "__".join(names).upper()
        where = f"environment variable {variable}" if variable in os.environ else str(path or "settings")
        lines.append(f"{where}: {'.'.join(names)}: {item['msg'].removeprefix('Value error, ')}")
    return "\n".join([*lines, "Every setting is explained in docs/reference/settings.md."])


def _explain_source(error: UnreadableSource) -> str:
    named = re.search(r'field "(\w+)"', str(error))
    variable = f"CAMPANA_{named[1].upper()}" if named else "CAMPANA_…"
    return (
        f"environment variable {variable}: not readable as JSON: {error.__cause__}; a section's single field is "
        "CAMPANA_SECTION__FIELD, see docs/reference/settings.md"
    )


def shown(settings: Settings) -> dict[str, Any]:
    """The settings as plain data, secrets hidden, for `campana config show`; raises `SettingsError`."""
    data: dict[str, Any] = settings.model_dump(mode="json")
    data["database_url"] = _without_password(settings.url)
    return data


def _without_password(url: str) -> str:
    from storage.database import parse_url
    from storage.errors import BadDatabaseUrl

    try:
        return parse_url(url).render_as_string(hide_password=True)
    except BadDatabaseUrl as error:
        raise SettingsError(f"database_url: {error}") from error
