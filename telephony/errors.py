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
