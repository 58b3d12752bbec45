"""A trunk: how to reach one carrier, PBX or simulator by SIP, and how it wants numbers written."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, assert_never

import phonenumbers

from telephony.errors import InvalidNumber, InvalidTrunk

Transport = Literal["udp", "tcp", "tls"]

#: Codecs that the SIP stack can negotiate, and the rate at which a call over each runs here.
CODEC_RATES_HZ = {"pcmu": 8000, "pcma": 8000, "g722": 16000}

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
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
    `caller_id` is used for calls that bring none of their own. `caller_id_in` is where the carrier looks for it:
    in the From header, or in P-Asserted-Identity (RFC 3325) while From keeps the account's user.
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

    def __post_init__(self) -> None:
        self._check_address()
        self._check_account()
        self._check_limits()

    def _check_address(self) -> None:
        if not self.name:
            raise InvalidTrunk("trunk: the name is empty; give each trunk a name")
        if self.kind != "sip":
            raise self._fault("kind", self.kind, "only sip is known")
        if not (_HOST.fullmatch(self.host) or self._is_ipv6()):
            raise self._fault("host", self.host, "give a host name or an address, without sip: and port")
        if not 1 <= self.port <= 65535:
            raise self._fault("port", self.port, "give a port from 1 to 65535")
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
        if self.caller_id is not None and not is_diallable(self.caller_id):
            raise self._fault("caller_id", self.caller_id, "give digits, with + in front or without")

    def _check_limits(self) -> None:
        if self.number_format not in list(NumberFormat):
            raise self._fault("number_format", self.number_format, f"choose {', '.join(NumberFormat)}")
        object.__setattr__(self, "number_format", NumberFormat(self.number_format))
        if self.channels < 1:
            raise self._fault("channels", self.channels, "at least 1 call at a time")
        if not self.cps > 0:
            raise self._fault("cps", self.cps, "more than 0 calls per second")
        if not self.codecs:
            raise self._fault("codecs", "()", f"name at least one of {', '.join(CODEC_RATES_HZ)}")
        for codec in self.codecs:
            if codec not in CODEC_RATES_HZ:
                raise self._fault("codecs", codec, f"choose among {', '.join(CODEC_RATES_HZ)}")

    def _is_ipv6(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).version == 6
        except ValueError:
            return False

    def _fault(self, name: str, value: object, remedy: str) -> InvalidTrunk:
        return InvalidTrunk(f"trunk {self.name!r}: {name} is {value!r}: {remedy}")

    @property
    def address(self) -> str:
        """`host:port` as it stands in a SIP URI."""
        return f"[{self.host}]:{self.port}" if self._is_ipv6() else f"{self.host}:{self.port}"


def is_diallable(number: str) -> bool:
    """Whether a number may stand as the user part of a SIP URI: digits, * and #, at most one + in front."""
    return _DIALLABLE.fullmatch(number) is not None


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
