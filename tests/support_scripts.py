"""Small scripts, and a conversation with one of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from bot.errors import Problem, ScriptErrors
from bot.script.interpreter import Interpreter
from bot.script.language import Script
from bot.script.loader import load_script
from bot.script.replies import Reply

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "examples" / "demo" / "script.yaml"
DATA = ROOT / "tests" / "data"
#: A Wednesday, 15:00 in Ho Chi Minh City.
NOW = datetime(2026, 3, 4, 8, 0, tzinfo=UTC)
ANNA = {"name": "Anna", "amount": "120 dollars"}

SMALL = """
script: small
variables:
  name: required
  day: {default: Friday}
codes:
  AG: {title: Agrees, result: Completed}
  NU: {title: Not understood, result: NoResult}
intents:
  agree: {like: "yes", samples: [I will pay]}
  refuse: {like: "no", samples: [I will not pay]}
faq:
  amount:
    samples: [How much is it]
    say: It is ten dollars.
    repeat: 1
steps:
  greeting:
    - say: Hello {name}.
    - listen:
        ask: Will you pay on {day}?
        intents:
          agree: agreed
          refuse: goodbye
        keys:
          "1": agreed
        reprompt:
          - Sorry?
          - Once more?
        else: lost
        silence:
          after_ms: 4000
          say: Are you there?
          goto: goodbye
  agreed:
    - code: AG
    - say: Thank you.
    - goto: goodbye
  lost:
    - code: NU
    - say: I do not understand.
    - end
  goodbye:
    - say: Goodbye.
    - end
"""


def script_of(text: str) -> Script:
    """A script from YAML that may be indented with the test."""
    return load_script(dedent(text), "bot.yaml")


def problems_of(text: str) -> tuple[Problem, ...]:
    """The mistakes of a script that must have some."""
    with pytest.raises(ScriptErrors) as caught:
        script_of(text)
    return caught.value.problems


def talk(script: Script, variables: Mapping[str, str] = ANNA, *, time_zone: str = "UTC") -> Interpreter:
    """A conversation whose greeting has been said."""
    conversation = Interpreter(script, variables, now=NOW, time_zone=time_zone)
    conversation.start()
    return conversation


def said(reply: Reply) -> list[str]:
    """The sentences of a reply."""
    return [line.text for line in reply.lines]
