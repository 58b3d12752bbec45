"""What a hosted speech service's failures mean to us: one sentence with a remedy, and never a secret in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pipecat.frames.frames import ErrorFrame
from pipecat.utils.errors import ErrorCategory, classify_http_status_code, extract_http_status_code
from pipecat.utils.security.redaction import redact_secrets

from bot.errors import SpeechError
from bot.speech.errors import HostedSpeechFailed, ServiceUnreachable

_STATUS: Final = re.compile(r"(?:error code|status(?: code)?|HTTP)\W{0,3}(\d{3})\b", re.IGNORECASE)
_UNREACHABLE: Final = re.compile(r"connect|closed|reset|timed? ?out|unreachable|peer|incomplete", re.IGNORECASE)
#: Names of what HTTP and websocket libraries raise when the line is cut.
_CUT: Final = re.compile(r"Connect|Protocol|Read|Write|Timeout|Closed|Disconnect|Incomplete|Payload")
_MAX_CHARS: Final = 200
#: What happened, the remedy, and whether the same may succeed later.
_MEANINGS: Final[Mapping[ErrorCategory, tuple[str, str, bool]]] = {
    ErrorCategory.INVALID_REQUEST: (
        "refuses the request",
        "check its arguments and settings (voice, model, base_url)",
        False,
    ),
    ErrorCategory.RATE_LIMIT: ("gets too many requests from us", "lower its at_once, or node.calls", True),
    ErrorCategory.QUOTA: ("has used up our allowance", "top up the account there", False),
    ErrorCategory.CONNECTIVITY: ("cannot be reached, or broke off", "check its address and the network", True),
    ErrorCategory.SERVER: ("failed inside", "look at the server", True),
}


class Refusals:
    """Makes our errors of a service's; `secrets` never stand in them, `variables` say where to look."""

    def __init__(self, name: str, secrets: tuple[str, ...], variables: tuple[str, ...], timeout_s: float) -> None:
        self._name = name
        self._secrets = secrets
        self._variables = variables
        self._timeout_s = timeout_s

    def of_frame(self, frame: ErrorFrame, *, hide: str = "") -> SpeechError:
        """The error that a service pushed or yielded; `hide` is text that must not be repeated."""
        if frame.exception is not None:
            return self.of(frame.exception, hide=hide)
        category = frame.category
        if category in (None, ErrorCategory.UNKNOWN):
            category = _category_of_text(frame.error)
        return self._told(category or ErrorCategory.UNKNOWN, _status_in(frame.error), frame.error, hide)

    def of(self, error: BaseException, *, hide: str = "") -> SpeechError:
        """The error that a service raised."""
        if isinstance(error, SpeechError):
            return error
        if isinstance(error, TimeoutError):
            return self.overdue()
        status = next((code for each in _chain(error) if (code := extract_http_status_code(each))), None)
        if status is not None:
            category = classify_http_status_code(status)
        elif any(isinstance(each, OSError) or _CUT.search(type(each).__name__) for each in _chain(error)):
            category = ErrorCategory.CONNECTIVITY
        else:
            category = _category_of_text(str(error))
        return self._told(category, status, f"{type(error).__name__}: {error}", hide)

    def overdue(self) -> SpeechError:
        """It did not answer in time."""
        return HostedSpeechFailed(
            f"speech service {self._name} gave no answer within {self._timeout_s:g} s; "
            "look at the server, or raise its timeout_s in the settings",
            retryable=True,
        )

    def silent(self) -> SpeechError:
        """It answered without any sound."""
        return HostedSpeechFailed(
            f"speech service {self._name} gave no sound for a text; check its voice and model in the settings"
        )

    def clean(self, text: str, hide: str = "") -> str:
        """A service's own words without secrets, in one line."""
        for secret in (*self._secrets, hide):
            if secret:
                text = text.replace(secret, "…")
        return " ".join(redact_secrets(text).split())[:_MAX_CHARS]

    def _told(self, category: ErrorCategory, status: int | None, text: str, hide: str) -> SpeechError:
        told, remedy, retryable = self._meaning(category)
        code = f" (HTTP {status})" if status else ""
        kind = ServiceUnreachable if category is ErrorCategory.CONNECTIVITY else HostedSpeechFailed
        return kind(
            f"speech service {self._name} {told}{code}; {remedy}. It said: {self.clean(text, hide)}",
            retryable=retryable,
        )

    def _meaning(self, category: ErrorCategory) -> tuple[str, str, bool]:
        if category in (ErrorCategory.AUTHENTICATION, ErrorCategory.AUTHORIZATION):
            where = ", ".join(self._variables) or "its arguments"
            return "does not accept our credentials", f"check {where}", False
        return _MEANINGS.get(category, ("failed", "check its arguments and settings", False))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it."""
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__


def _status_in(text: str) -> int | None:
    found = _STATUS.search(text)
    return int(found[1]) if found else None


def _category_of_text(text: str) -> ErrorCategory:
    status = _status_in(text)
    if status is not None:
        return classify_http_status_code(status)
    return ErrorCategory.CONNECTIVITY if _UNREACHABLE.search(text) else ErrorCategory.UNKNOWN
