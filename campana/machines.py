"""What a campaign does with machines instead of its script: `machines:` of the campaign file, in the script's words."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bot.script.language import Script
from bot.script.machines import read_machines
from bot.script.nodes import Node, Reader, compose, optional
from bot.script.rendering import RUNTIME_VARIABLES, malformed, placeholders


def check_machines(path: Path) -> list[str]:
    """The mistakes in `machines:` of a campaign file that is readable as YAML, with file, line and remedy."""
    reader = Reader(str(path))
    for key, node in _entries(compose(path.read_text(encoding="utf-8"), str(path))):
        if key == "machines":
            _read(reader, node)
    return [str(problem) for problem in sorted(reader.problems)]


def machines_mistakes(machines: Mapping[str, Any] | None) -> list[str]:
    """The mistakes in the same field when it comes as data, with remedy."""
    reader = Reader("machines")
    if machines:
        # JSON is YAML.
        _read(reader, compose(json.dumps(machines), "machines"))
    return [str(problem) for problem in sorted(reader.problems)]


def _entries(root: Node) -> list[tuple[str, Node]]:
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return [(str(key.value), value) for key, value in pairs]


def _read(reader: Reader, node: Node) -> None:
    read_machines(reader, optional({"machines": node}, "machines"))
    for _, rule in _entries(node):
        for key, message in _entries(rule):
            scalar = key == "message" and isinstance(message, yaml.ScalarNode)
            if scalar and (broken := malformed(str(message.value))) is not None:
                reader.wrong(message, f"`{broken}` in a text is no variable", "Write {name}, or {{ and }} for braces")


def unknown_variables(script: Script, machines: Mapping[str, Any] | None) -> list[str]:
    """The variables of checked `machines:` that the script does not declare, in order."""
    known = {variable.name for variable in script.variables} | RUNTIME_VARIABLES
    rules = (machines or {}).values()
    texts = [str(rule["message"]) for rule in rules if isinstance(rule, dict)]
    return [name for text in texts for name in placeholders(text) if name not in known]


def with_machines(script: Script, machines: Mapping[str, Any] | None) -> Script:
    """The script with the campaign's rules in place of its own; kinds that the campaign does not name keep theirs.

    `machines` is the column of the table campaigns.
    """
    if not machines:
        return script
    # JSON is YAML: the script's own reader keeps the one meaning of these words.
    rules = read_machines(Reader("campaign"), compose(json.dumps(machines), "campaign"))
    named = {kind: rule for kind, rule in rules.items() if kind.value in machines}
    return dataclasses.replace(script, machines={**script.machines, **named})
