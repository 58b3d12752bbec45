"""What can go wrong between us and an Asterisk's manager interface."""

from __future__ import annotations

from telephony.errors import TelephonyError


class AmiError(TelephonyError):
    """The manager interface failed or refused us."""


class AmiProtocolError(AmiError):
    """The peer does not speak AMI, or sends more than a message may hold."""


class InvalidAction(AmiError):
    """An action that may not be sent: it would be read as something else."""


class AmiUnreachable(AmiError):
    """No connection to the manager interface."""

    retryable = True


class AmiDisconnected(AmiUnreachable):
    """The connection was lost; what became of the actions sent over it is unknown."""


class AmiTimeout(AmiUnreachable):
    """The manager interface did not answer in time."""


class LoginRefused(AmiError):
    """Asterisk does not accept the manager user or its secret, or not from this address."""


class ActionRefused(AmiError):
    """Asterisk answered an action with an error; `reason` is its own text."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class PermissionDenied(ActionRefused):
    """The manager user may not do this."""


class EventsLost(AmiError):
    """A subscriber fell behind; events are missing from here on."""
