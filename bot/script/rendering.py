"""From a script's text and a contact's variables to the lines that are spoken."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.speech.sentences import sentences

#: Known only during the call: the time of the agreed call-back, as it is said.
CALL_BACK_AT = "call_back_at"
RUNTIME_VARIABLES = frozenset({CALL_BACK_AT})

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def placeholders(text: str) -> tuple[str, ...]:
    """Names of the variables in `text`, in order; `{{` and `}}` stand for braces."""
    return tuple(match[1].strip() for match in _PLACEHOLDER.finditer(text) if match[1] is not None)


def malformed(text: str) -> str | None:
    """The first brace or placeholder that means nothing, or None."""
    for match in _PLACEHOLDER.finditer(text):
        if match[0] in ("{", "}") or (match[1] is not None and not _NAME.fullmatch(match[1].strip())):
            return match[0]
    return None


def render(text: str, variables: Mapping[str, str]) -> str:
    """`text` with its variables filled in; a value is spoken as it stands and never read as a placeholder.

    Raises KeyError for a variable without value.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        return clean(variables[match[1].strip()])

    return clean(_PLACEHOLDER.sub(value, text))


def spoken(text: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    """The sentences of `text` with their variables filled in, each a line that is synthesised and cached.

    The text is cut before it is filled in: a value never makes or unmakes a sentence. A sentence without
    any word, as an empty value may leave one, is left out. Raises KeyError for a variable without value.
    """
    rendered = (render(sentence, variables) for sentence in sentences(text))
    return tuple(line for line in rendered if any(c.isalnum() for c in line))


def clean(text: str) -> str:
    """One line of printable text: control characters and runs of white space become one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
