"""The `webhook` block: what is asked of a web service, and what its answer changes."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from bot.script.language import CallWebhook
from bot.script.placeholders import Placeholder, fill, fill_header
from bot.script.progress import Progress
from bot.script.rendering import clean, written
from bot.script.replies import Fetch


def begin(progress: Progress, block: CallWebhook) -> None:
    """Ask the service; the conversation goes on with `take`."""
    if block.say is not None:
        progress.say(block.say)
    progress.outside = _request(progress, block)


def take(progress: Progress, block: CallWebhook, values: Mapping[str, str] | None) -> None:
    """Keep the values of an answer, None for a failure, and go on."""
    if values is None and block.otherwise is not None:
        progress.leave(block.otherwise.step)
        return
    for name in block.into:
        if values is not None and name in values:
            progress.variables.set(name, values[name])
    progress.pass_on()


def _request(progress: Progress, block: CallWebhook) -> Fetch:
    texts, speech = progress.variables.texts, progress.variables.speech

    def value(place: Placeholder) -> str:
        return written(place, texts, speech.language, speech.currency)

    return Fetch(
        url=fill(block.url, lambda place: _in_url(value(place))),
        method=block.method,
        headers={name: clean(fill_header(text, value)) for name, text in block.headers.items()},
        body={name: fill(text, value) for name, text in block.body.items()},
        into=dict(block.into),
        timeout_ms=block.timeout_ms,
    )


def _in_url(value: str) -> str:
    """A value can neither end its part of the address nor climb out of its folder."""
    return quote(value, safe="") if value.strip(".") else ""
