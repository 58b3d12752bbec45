"""A trunk: how to reach one carrier, PBX or simulator by SIP, or an Asterisk by AMI, and how it wants numbers."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Literal, assert_never

import phonenumbers

from telephony.errors import InvalidNumber, InvalidTrunk

Transport = Literal["udp", "tcp", "tls"]

#: Codecs that the SIP stack can negotiate, and the rate at which a call over each runs here.
CODEC_RATES_HZ = {"pcmu": 8000, "pcma": 8000, "g722": 16000, "opus": 16000}

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
#: What may stand around the number: no line end, no comma, and no & (it would ring several at once).
_DIAL_STRING = re.compile(r"[A-Za-z0-9_]+/[^\s,&\0]*")
_CONTEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,78}")
_DIALLABLE = re.compile(r"\+?[0-9*#]{1,32}")


class NumberFormat(StrEnum):
    """How a trunk wants the called number written."""

    DEFAULT = "default"
    E164 = "e164"
    PLAIN = "plain"
    NATIONAL = "national"


@dataclass(frozen=True)
class TrunkConfig:
    """One SIP trunk. Every mistake is an `InvalidTrunk` at construction, naming trunk, field and remedy.

    `password` never shows in `repr`. `channels` is the number of simultaneous calls and `cps` the number of new
    calls per second that the carrier allows; both are kept by whoever dials. `codecs` is in order of preference.
    `caller_id` is used for calls that bring none of their own, and so is one of the pool `caller_ids`, which differs
    from attempt to attempt and is the same for one attempt whenever it is asked for. `caller_id_in` is where the
    carrier looks for it: in the From header, or in P-Asserted-Identity (RFC 3325) while From keeps the account's user.
    """

    name: str
    host: str
    port: int = 5060
    kind: Literal["sip"] = "sip"
    transport: Transport = "udp"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    auth_user: str | None = None
    register: bool = False
    number_format: NumberFormat = NumberFormat.E164
    caller_id: str | None = None
    caller_id_in: Literal["from", "p-asserted-identity"] = "from"
    channels: int = 5
    cps: float = 1.0
    codecs: tuple[str, ...] = ("pcma", "pcmu")
    outbound_proxy: str | None = None
    caller_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_address()
        self._check_account()
        _check_common(self)
        self._check_codecs()

    def caller_for(self, attempt_id: str) -> str | None:
        """The number that a call without one of its own shows."""
        return _rotated(self, attempt_id)

    def _check_address(self) -> None:
        if self.kind != "sip":
            raise self._fault("kind", self.kind, "only sip is known here")
        if self.transport not in ("udp", "tcp", "tls"):
            raise self._fault("transport", self.transport, "choose udp, tcp or tls")

    def _check_account(self) -> None:
        if self.register and not self.user:
            raise self._fault("user", self.user, "a trunk that registers needs a user; set it, or register = false")
        for name, denied in (("user", '@:;<>"? '), ("auth_user", ';<>"\\ '), ("outbound_proxy", '"\\<> ')):
            value = getattr(self, name)
            if value is not None and (not value or set(value) & set(denied) or not value.isprintable()):
                raise self._fault(name, value, f"it must be printable, not empty, and without any of {denied.strip()}")
        if self.password is not None and (set(self.password) & set('"\\') or not self.password.isprintable()):
            raise self._fault("password", "(hidden)", "the SIP stack cannot carry quotes, backslashes or line ends")

    def _check_codecs(self) -> None:
        if not self.codecs:
            raise self._fault("codecs", "()", f"name at least one of {', '.join(CODEC_RATES_HZ)}")
        for codec in self.codecs:
            if codec not in CODEC_RATES_HZ:
                raise self._fault("codecs", codec, f"choose among {', '.join(CODEC_RATES_HZ)}")

    def _fault(self, name: str, value: object, remedy: str) -> InvalidTrunk:
        return _fault(self, name, value, remedy)

    @property
    def address(self) -> str:
        """`host:port` as it stands in a SIP URI."""
        return f"[{self.host}]:{self.port}" if _is_ipv6(self.host) else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class AsteriskTrunk:
    """A way out through an Asterisk, reached by its manager interface. Every mistake is an `InvalidTrunk`.

    `dial_string` is what Asterisk is to dial, with `{number}` where the number goes: `PJSIP/{number}@carrier`,
    `SIP/carrier/{number}`, `Local/{number}@from-internal`. `user` and `password` are those of manager.conf.

    Asterisk brings the audio to us: `media_bind` is the local address to listen on (None: the one from which we reach
    the manager interface), `media_port` 0 lets the kernel choose, `media_advertise` is the host at which Asterisk
    reaches us where that is another. `wideband` has the audio at 16 kHz, for trunks with a wideband codec.
    `media` is how: audiosocket needs nothing there; websocket (chan_websocket) needs a section `websocket_client` of
    websocket_client.conf with our address, and so a fixed `media_port`. `amd` says that the PBX's dialplan runs AMD()
    on the calls, so that its result is asked for; behind Local/ it is in any case. `transfer_context` is where a call
    goes that is handed over to an extension without a context.
    The others are as in `TrunkConfig`.
    """

    name: str
    host: str
    dial_string: str
    user: str
    password: str = field(repr=False)
    port: int = 5038
    kind: Literal["asterisk"] = "asterisk"
    tls: bool = False
    tls_ca: Path | None = None
    media_bind: str | None = None
    media_port: int = 0
    media_advertise: str | None = None
    wideband: bool = False
    media: Literal["audiosocket", "websocket"] = "audiosocket"
    websocket_client: str = "campana"
    amd: bool = False
    transfer_context: str = "from-internal"
    number_format: NumberFormat = NumberFormat.E164
    caller_id: str | None = None
    caller_ids: tuple[str, ...] = ()
    channels: int = 5
    cps: float = 1.0

    def __post_init__(self) -> None:
        if self.kind != "asterisk":
            raise _fault(self, "kind", self.kind, "only asterisk is known here")
        _check_common(self)
        self._check_dial_string()
        self._check_manager()
        self._check_media()
        self._check_transfer()

    @property
    def technology(self) -> str:
        """The channel driver that the dial string names, such as PJSIP."""
        return self.dial_string.partition("/")[0]

    @property
    def dials_media(self) -> bool:
        """Whether Asterisk has the audio as a channel of its own, which the customer's is bridged with."""
        return self.wideband or self.media == "websocket"

    @property
    def may_have_amd(self) -> bool:
        """Whether a dialplan stands between, which can have run AMD()."""
        return self.amd or self.technology.lower() == "local"

    def channel(self, number: str) -> str:
        """What Asterisk dials for a number that `is_diallable`."""
        dialled = self.dial_string.replace("{number}", number)
        if self.dials_media and self.technology.lower() == "local" and not dialled.endswith("/n"):
            # Between two bridges Asterisk would take the Local channel out, and with it what we know the call by.
            return f"{dialled}/n"
        return dialled

    def caller_for(self, attempt_id: str) -> str | None:
        """The number that a call without one of its own shows."""
        return _rotated(self, attempt_id)

    def _check_dial_string(self) -> None:
        rest = self.dial_string.replace("{number}", "")
        if rest == self.dial_string or set(rest) & set("{}"):
            remedy = "write {number} where the number goes, such as PJSIP/{number}@carrier"
            raise _fault(self, "dial_string", self.dial_string, remedy)
        if not _DIAL_STRING.fullmatch(rest):
            remedy = "a channel driver, a slash, then one destination, such as PJSIP/{number}@carrier"
            raise _fault(self, "dial_string", self.dial_string, remedy)

    def _check_manager(self) -> None:
        if not self.user or not self.user.isprintable() or " " in self.user:
            raise _fault(self, "user", self.user, "give the name of a manager user, a section of manager.conf")
        if not self.password or not self.password.isprintable():
            raise _fault(self, "password", "(hidden)", "give the secret of the manager user")
        if self.tls_ca is not None and not self.tls:
            raise _fault(self, "tls_ca", str(self.tls_ca), "it is for tls = true")

    def _check_transfer(self) -> None:
        if not is_context(self.transfer_context):
            remedy = "give the name of a context of extensions.conf: letters, digits, . - and _"
            raise _fault(self, "transfer_context", self.transfer_context, remedy)

    def _check_media(self) -> None:
        if not 0 <= self.media_port <= 65535:
            raise _fault(self, "media_port", self.media_port, "give a port up to 65535, or 0 for any free one")
        if self.media not in ("audiosocket", "websocket"):
            raise _fault(self, "media", self.media, "choose audiosocket or websocket")
        if self.media == "websocket" and not self.media_port:
            raise _fault(self, "media_port", 0, "give the port that stands in Asterisk's websocket_client.conf")
        if not _CONTEXT.fullmatch(self.websocket_client):
            remedy = "give the name of a section of websocket_client.conf: letters, digits, . - and _"
            raise _fault(self, "websocket_client", self.websocket_client, remedy)
        for name in ("media_bind", "media_advertise"):
            value = getattr(self, name)
            if value is not None and not (_HOST.fullmatch(value) or _is_ipv6(value)):
                raise _fault(self, name, value, "give a host name or an address, without port")


AnyTrunk = TrunkConfig | AsteriskTrunk


def _check_common(trunk: AnyTrunk) -> None:
    if not trunk.name:
        raise InvalidTrunk("trunk: the name is empty; give each trunk a name")
    if not (_HOST.fullmatch(trunk.host) or _is_ipv6(trunk.host)):
        raise _fault(trunk, "host", trunk.host, "give a host name or an address, without sip: and port")
    if not 1 <= trunk.port <= 65535:
        raise _fault(trunk, "port", trunk.port, "give a port from 1 to 65535")
    if trunk.caller_id is not None and not is_diallable(trunk.caller_id):
        raise _fault(trunk, "caller_id", trunk.caller_id, "give digits, with + in front or without")
    for caller_id in trunk.caller_ids:
        if not is_diallable(caller_id):
            raise _fault(trunk, "caller_ids", caller_id, "give digits, with + in front or without")
    if trunk.number_format not in list(NumberFormat):
        raise _fault(trunk, "number_format", trunk.number_format, f"choose {', '.join(NumberFormat)}")
    object.__setattr__(trunk, "number_format", NumberFormat(trunk.number_format))
    if trunk.channels < 1:
        raise _fault(trunk, "channels", trunk.channels, "at least 1 call at a time")
    if not trunk.cps > 0:
        raise _fault(trunk, "cps", trunk.cps, "more than 0 calls per second")


def _rotated(trunk: AnyTrunk, attempt_id: str) -> str | None:
    if not trunk.caller_ids:
        return trunk.caller_id
    spread = int.from_bytes(blake2b(attempt_id.encode(), digest_size=8).digest(), "big")
    return trunk.caller_ids[spread % len(trunk.caller_ids)]


def _fault(trunk: AnyTrunk, name: str, value: object, remedy: str) -> InvalidTrunk:
    return InvalidTrunk(f"trunk {trunk.name!r}: {name} is {value!r}: {remedy}")


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def is_diallable(number: str) -> bool:
    """Whether a number may stand as the user part of a SIP URI: digits, * and #, at most one + in front."""
    return _DIALLABLE.fullmatch(number) is not None


def is_context(name: str) -> bool:
    """Whether this can be the name of a context of Asterisk's dialplan, and nothing else."""
    return _CONTEXT.fullmatch(name) is not None


def format_number(e164: str, fmt: NumberFormat, region: str | None = None) -> str:
    """Write an E.164 number (`+84912345678`) as a trunk wants it.

    `plain` drops the plus sign; `national` writes numbers of `region` (ISO 3166, such as VN) with their trunk
    prefix (`0912345678`) and those of other countries as E.164, since a national form would reach another person;
    `default` leaves the number as it is. Raises `InvalidNumber` for what is not E.164.
    """
    if fmt is NumberFormat.DEFAULT:
        return e164
    number = _parse(e164)
    match fmt:
        case NumberFormat.E164:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        case NumberFormat.PLAIN:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")
        case NumberFormat.NATIONAL:
            return _national(number, region)
        case _:
            assert_never(fmt)


def _parse(e164: str) -> phonenumbers.PhoneNumber:
    if not re.fullmatch(r"\+[1-9][0-9]{4,14}", e164):
        raise InvalidNumber(f"{e164!r} is not in E.164 form; write + country code and number, such as +84912345678")
    try:
        return phonenumbers.parse(e164)
    except phonenumbers.NumberParseException as exc:
        raise InvalidNumber(f"{e164!r} cannot be dialled: {exc}") from exc


def _national(number: phonenumbers.PhoneNumber, region: str | None) -> str:
    if region is None or phonenumbers.country_code_for_region(region) != number.country_code:
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return phonenumbers.normalize_digits_only(national)
