"""Reads `machines:` of a script: what to do when no person takes the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import yaml

from bot.script.language import DEFAULT_MACHINES, MachinePolicy, MachineRule
from bot.script.nodes import Node, Reader, line_of
from bot.who_answered.verdict import Answerer

#: Nobody listens to what is said to the others.
TAKE_A_MESSAGE: Final = frozenset({Answerer.VOICEMAIL, Answerer.SCREENING})
_WORDS: Final = frozenset({MachinePolicy.HANG_UP, MachinePolicy.TALK_ON})


def read_machines(reader: Reader, node: Node | None) -> Mapping[Answerer, MachineRule]:
    """A rule for every kind of machine; what the script does not name keeps its default."""
    rules = dict(DEFAULT_MACHINES)
    if node is None:
        return rules
    for name, entry in reader.mapping(node, "machines", DEFAULT_MACHINES).items():
        kind = Answerer(name)
        rules[kind] = _rule(reader, kind, entry)
    return rules


def _rule(reader: Reader, kind: Answerer, node: Node) -> MachineRule:
    what = f"machines, `{kind}`"
    if isinstance(node, yaml.ScalarNode):
        word = reader.choice(node, what, _WORDS, DEFAULT_MACHINES[kind].policy)
        return MachineRule(MachinePolicy(word), line=line_of(node))
    message = reader.mapping(node, what, ("message",)).get("message")
    if message is None:
        reader.wrong(node, f"{what} says nothing", "Write hang_up, talk_on, or `message:` with a text")
        return DEFAULT_MACHINES[kind]
    if kind not in TAKE_A_MESSAGE:
        reader.wrong(node, f"{what} takes no message", "Write hang_up or talk_on")
        return DEFAULT_MACHINES[kind]
    return MachineRule(MachinePolicy.MESSAGE, reader.text(message, f"message of {what}"), line_of(message))
