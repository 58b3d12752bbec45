"""What can go wrong between us and the telephone network."""


class TelephonyError(Exception):
    """The telephone network or the way to it failed."""

    #: Whether the same request may succeed later without anybody repairing anything.
    retryable = False


class MediaClosed(TelephonyError):
    """The call's audio has ended; no frame can be read or written any more."""


class InvalidTrunk(TelephonyError):
    """A trunk's settings cannot work."""


class InvalidNumber(TelephonyError):
    """A telephone number is not in E.164 form."""


class InvalidHeader(TelephonyError):
    """A SIP header that may not be sent."""


class SipStackError(TelephonyError):
    """The SIP stack of this process cannot start, or has died."""


class RegistrationFailed(TelephonyError):
    """The trunk refused our registration, or did not answer it."""

    retryable = True


class MediaServerError(TelephonyError):
    """The server that the telephone system connects its audio to cannot start, or has died."""


class MediaNotConnected(TelephonyError):
    """The telephone system did not connect the audio of a call."""

    retryable = True


class MediaProtocolError(TelephonyError):
    """What came over an audio connection is not its protocol."""


class BadOffer(TelephonyError):
    """What a browser offers for a call cannot be answered."""
