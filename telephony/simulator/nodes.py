"""YAML nodes with their lines, and the problems found in them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from telephony.simulator.settings import Kind, Setting

_INTEGER = re.compile(r"[-+]?[0-9]{1,9}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,9}(?:\.[0-9]{0,9})?")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_KEYS = re.compile(r"[0-9*#A-D]{1,64}")

#: Stands for a value that was wrong; the problem is noted already.
WRONG: Any = None


class Reader:
    """Reads one file's nodes and notes every problem as `file:line: what; remedy`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []

    def problem(self, node: Node | int, what: str, remedy: str) -> None:
        """Note a problem at a node, or at a line counted from 1."""
        line = node if isinstance(node, int) else node.start_mark.line + 1
        self.problems.append(f"{self.path}:{line}: {what}; {remedy}")

    def documents(self) -> list[Node]:
        """The file's YAML documents; none when it cannot be read."""
        try:
            return [
                node for node in yaml.compose_all(self.path.read_text(encoding="utf-8-sig"), yaml.SafeLoader) if node
            ]
        except yaml.YAMLError as error:
            what = str(getattr(error, "problem", None) or error).replace("\n", " ")
            # a key without its colon is noticed only where the next thing begins
            late = "could not find expected ':'" in what
            mark = getattr(error, "context_mark" if late else "problem_mark", None)
            self.problem(
                mark.line + 1 if mark else 1, f"no valid YAML ({what})", "correct the indentation or the quotes"
            )
        except UnicodeDecodeError:
            self.problem(1, "the file is not UTF-8", "save it as UTF-8")
        except (OSError, RecursionError) as error:
            self.problem(1, f"the file cannot be read ({error})", "check the path and its permissions")
        return []

    def mapping(self, node: Node, allowed: Collection[str], what: str) -> dict[str, Node]:
        """The entries of a mapping; unknown and repeated keys are problems and are left out."""
        if not isinstance(node, MappingNode):
            self.problem(
                node, f"{what} must be `key: value` pairs", f"use {_listed(allowed)}" if allowed else "write pairs"
            )
            return {}
        entries: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else ""
            if allowed and name not in allowed:
                self.problem(key, f"{what} knows no `{name}`", suggestion(name, allowed))
            elif name in entries:
                self.problem(key, f"`{name}` stands here twice", "keep one of them")
            else:
                entries[name] = value
        return entries

    def items(self, node: Node, what: str) -> list[Node]:
        """The items of a list."""
        if isinstance(node, SequenceNode):
            return list(node.value)
        self.problem(node, f"{what} must be a list", "write one entry a line, each after `- `")
        return []

    def text(self, node: Node, what: str) -> str:
        """A text exactly as written, so that `yes` and `0901` need no quotes; "" when it is wrong."""
        if isinstance(node, ScalarNode) and node.value.strip() and not _is_null(node):
            return str(node.value)
        self.problem(node, f"{what} must be a text that is not empty", "write it in quotes")
        return ""

    def value(self, node: Node, setting: Setting) -> Any:
        """A scalar setting; `WRONG` when it is not what it must be."""
        raw = node.value.strip() if isinstance(node, ScalarNode) else None
        match setting.kind:
            case Kind.TEXT:
                return self.text(node, f"`{setting.name}`")
            case Kind.KEYS | Kind.CHOICE if raw is not None and _is_word(raw, setting):
                return raw
            case Kind.FLAG if raw is not None and raw.lower() in _FLAGS:
                return _FLAGS[raw.lower()]
            case Kind.WHOLE if raw is not None and _INTEGER.fullmatch(raw):
                return self._bounded(node, setting, int(raw))
            case Kind.NUMBER if raw is not None and _NUMBER.fullmatch(raw):
                return self._bounded(node, setting, float(raw))
        self.problem(node, f"`{setting.name}` must be {setting.kind.value}", f"it says {setting.about}")
        return WRONG

    def _bounded(self, node: Node, setting: Setting, value: float) -> Any:
        if setting.low is not None and setting.high is not None and not setting.low <= value <= setting.high:
            what = f"`{setting.name}` is {value:.10g}, outside {setting.low:.10g} to {setting.high:.10g}"
            self.problem(node, what, "choose a value within these bounds")
            return WRONG
        return value


def _is_word(raw: str, setting: Setting) -> bool:
    return raw in setting.choices if setting.kind is Kind.CHOICE else _KEYS.fullmatch(raw) is not None


def _is_null(node: ScalarNode) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def suggestion(name: str, allowed: Collection[str]) -> str:
    """A remedy for a misspelt name."""
    near = difflib.get_close_matches(name, list(allowed), n=1)
    return f"did you mean `{near[0]}`?" if near else f"use one of {_listed(allowed)}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
