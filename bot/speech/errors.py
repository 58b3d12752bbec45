"""What can go wrong between sound and words."""

from __future__ import annotations

from bot.errors import SpeechError


class PoolFull(SpeechError):
    """More speech work waits than the pool may hold."""

    def __init__(self, max_waiting: int) -> None:
        super().__init__(
            f"{max_waiting} pieces of speech work wait already; "
            "lower node.calls or raise models.workers in the settings",
            retryable=True,
        )


class PoolClosed(SpeechError):
    """The process is ending: no more speech work is taken."""

    def __init__(self) -> None:
        super().__init__("the speech pool is closed")


class BadAudio(SpeechError):
    """Sound in a form that cannot be used."""


class BadLanguage(SpeechError):
    """A language that the model does not know."""


class VoiceUnavailable(SpeechError):
    """No engine can speak with this voice here."""


class SynthesisFailed(SpeechError):
    """The voice gave no sound for a text."""


class BadService(SpeechError):
    """A speech service cannot be used as the settings have it."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"speech service {name}: {what}; see docs/how-to/use-hosted-speech.md")


class HostedSpeechFailed(SpeechError):
    """A speech service on another machine gave no result."""


class ServiceUnreachable(HostedSpeechFailed):
    """There is no connection to a speech service, or it broke off."""
