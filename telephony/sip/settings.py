"""Settings of the one SIP stack of a process."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from telephony.errors import InvalidTrunk
from telephony.trunk import TrunkConfig

LOOPBACK = "127.0.0.1"
#: The rate at which Opus is coded and decoded here; on the wire it is opus/48000/2, whatever this is (RFC 7587).
OPUS_RATE_HZ = 16_000


@dataclass(frozen=True)
class SipSettings:
    """How the stack meets the network. One stack serves every trunk of the process, so they share these.

    `bind`: the local address or interface to call from; None finds one, but never loopback. `listen_port` 0 lets
    the kernel choose; behind a firewall set it and `rtp_ports`, the inclusive range of the audio.
    `jitter_ms`: least and most delay of the jitter buffer. `rtp_timeout_s`: without any audio packet for so long a
    call is ended as lost by the network; 0 never. `no_response_s`: without any answer to INVITE, not even
    100 Trying, for so long the trunk counts as dead; RFC 3261 alone would wait 32 s.
    """

    bind: str | None = None
    listen_port: int = 0
    rtp_ports: tuple[int, int] = (16384, 32767)
    jitter_ms: tuple[int, int] = (20, 60)
    rtp_timeout_s: int = 60
    no_response_s: float = 6.0

    def __post_init__(self) -> None:
        if not 0 <= self.listen_port <= 65535:
            raise InvalidTrunk(f"sip: listen_port is {self.listen_port}; give 0 or a port up to 65535")
        low, high = self.rtp_ports
        if not 1024 <= low < high <= 65535:
            raise InvalidTrunk(f"sip: rtp_ports is {low}-{high}; give a range within 1024-65535")
        least, most = self.jitter_ms
        if not 0 <= least <= most <= 1000:
            raise InvalidTrunk(f"sip: jitter_ms is {least}-{most}; give a range within 0-1000 ms")
        if self.rtp_timeout_s < 0 or not self.no_response_s > 0:
            raise InvalidTrunk("sip: rtp_timeout_s must be 0 or more, and no_response_s more than 0")

    @classmethod
    def reaching(cls, trunk: TrunkConfig) -> SipSettings:
        """Settings that reach a trunk: bound to loopback if it is on loopback, found by the stack otherwise."""
        return cls(bind=LOOPBACK if _is_loopback(trunk.host) else None)

    def directives(self) -> str:
        """The stack's own configuration lines for what its typed settings do not know."""
        lines = [
            f"rtp_ports {self.rtp_ports[0]}-{self.rtp_ports[1]}",
            f"audio_jitter_buffer_ms {self.jitter_ms[0]}-{self.jitter_ms[1]}",
            f"opus_samplerate {OPUS_RATE_HZ}",
            "opus_stereo no",
            "opus_sprop_stereo no",
        ]
        if self.listen_port:
            lines.append(f"sip_listen {self._listen_host()}:{self.listen_port}")
        return "\n".join(lines) + "\n"

    def _listen_host(self) -> str:
        try:
            return str(ipaddress.ip_address(self.bind or ""))
        except ValueError:
            return "0.0.0.0"  # noqa: S104 - the same addresses as without a fixed port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
