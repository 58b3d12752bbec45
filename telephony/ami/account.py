"""How to reach one Asterisk's manager interface, and how long to be patient with it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from telephony.ami.errors import AmiError
from telephony.trunk import AsteriskTrunk

PORT = 5038


@dataclass(frozen=True)
class AmiAccount:
    """A manager user (manager.conf). `secret` never shows in `repr`.

    `tls_ca`: a file with the certificate of the PBX or of its issuer. It is then trusted whatever host name it bears,
    since PBXs make their own; without it the system's authorities and the host name decide.
    """

    host: str
    user: str
    secret: str = field(repr=False)
    port: int = PORT
    tls: bool = False
    tls_ca: Path | None = None

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def ssl_context(self) -> ssl.SSLContext | None:
        """None for a plain connection; raises `AmiError` for a file that holds no certificate."""
        if not self.tls:
            return None
        if self.tls_ca is None:
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        try:
            context.load_verify_locations(self.tls_ca)
        except (OSError, ssl.SSLError) as exc:
            raise AmiError(f"tls_ca: {self.tls_ca}: {exc}; give a file with a certificate in PEM form") from exc
        return context


def account_of(trunk: AsteriskTrunk) -> AmiAccount:
    """The manager user of a trunk."""
    return AmiAccount(trunk.host, trunk.user, trunk.password, trunk.port, trunk.tls, trunk.tls_ca)


@dataclass(frozen=True)
class AmiTimes:
    """Patience, in seconds. A connection that leaves a ping unanswered for `ping_timeout_s` counts as lost."""

    connect_s: float = 5.0
    action_s: float = 10.0
    ping_every_s: float = 10.0
    ping_timeout_s: float = 5.0
    first_wait_s: float = 0.2
    longest_wait_s: float = 15.0
