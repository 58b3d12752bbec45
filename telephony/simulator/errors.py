"""What can go wrong in the simulated network."""

from __future__ import annotations

from collections.abc import Sequence

from telephony.errors import TelephonyError


class SimulatorError(TelephonyError):
    """The simulated network could not be started or ended too early."""


class SipSyntaxError(TelephonyError):
    """A datagram is no SIP message that we can read."""


class SdpError(TelephonyError):
    """A session description is malformed, or names no codec that we speak."""


class PersonaError(TelephonyError):
    """Persona files are wrong; every line of the message is `file:line: what is wrong; remedy`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
