"""YAML as nodes with line numbers, and readers that collect every mistake instead of stopping at the first."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import yaml

from bot.errors import Problem, ScriptErrors

Node = yaml.Node


def line_of(node: Node) -> int:
    """The line of the file, from 1, where `node` begins."""
    return int(node.start_mark.line) + 1


class Key(str):
    """A key of a mapping that knows its line."""

    __slots__ = ("line",)
    line: int

    @classmethod
    def at(cls, name: str, line: int) -> Key:
        key = cls(name)
        key.line = line
        return key


def key_line(name: str, body: Node) -> int:
    """The line where an entry of `Reader.mapping` is named."""
    return name.line if isinstance(name, Key) else line_of(body)


def compose(text: str, file: str) -> Node:
    """The root node of one YAML document; raises `ScriptErrors` when it is none."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 1
        what = exc.problem or exc.context or "unreadable"
        raise ScriptErrors([Problem(file, line, f"not valid YAML: {what}", _YAML_REMEDY)]) from exc
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise ScriptErrors([Problem(file, line, "a character that no text has", "Remove it")]) from exc
    except RecursionError as exc:
        raise too_deep(file) from exc
    if root is None:
        raise ScriptErrors([Problem(file, 1, "the script is empty", "Begin with `steps:`")])
    return root


def too_deep(file: str) -> ScriptErrors:
    """What a script is refused with that is nested deeper than it can be read."""
    return ScriptErrors([Problem(file, 1, "nested too deeply to be read", "Take out surplus brackets and levels")])


_YAML_REMEDY = (
    "Check the indentation, and put text between quotes when it holds `: ` or ` #`, begins with `{`, "
    "or stands within brackets"
)


def suggestion(word: str, known: Iterable[str]) -> str:
    """A remedy that names the nearest known word, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"Use one of: {', '.join(names)}" if names else "There is none to choose from"


@dataclass
class Reader:
    """Reads typed values from nodes; what is wrong goes to `problems` and a harmless value comes back."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, at: Node | int, message: str, remedy: str) -> None:
        """Note a mistake at a node or a line."""
        line = at if isinstance(at, int) else line_of(at)
        self.problems.append(Problem(self.file, line, message, remedy))

    def mapping(self, node: Node, what: str, known: Iterable[str] | None = None) -> dict[str, Node]:
        """The entries of a mapping, in order; unknown and repeated keys are noted and left out."""
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, f"{what} must be a mapping of `key: value` lines", "Indent its keys below it")
            return {}
        allowed = None if known is None else frozenset(known)
        entries: dict[str, Node] = {}
        for key, value in node.value:
            name = self.text(key, f"a key of {what}")
            if allowed is not None and name not in allowed:
                self.wrong(key, f"unknown key `{name}` in {what}", suggestion(name, allowed))
            elif name in entries:
                first = next(key_line(known, entries[known]) for known in entries if known == name)
                self.wrong(key, f"duplicate `{name}` in {what}, first given in line {first}", "Rename or remove one")
            elif name:
                entries[Key.at(name, line_of(key))] = value
        return entries

    def sequence(self, node: Node, what: str) -> list[Node]:
        """The items of a sequence."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self.wrong(node, f"{what} must be a list", "Begin each item on its own line with `- `")
        return []

    def text(self, node: Node, what: str) -> str:
        """A text that is not empty; "" with a note otherwise."""
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(node, f"{what} must be text", "Write it on one line, between quotes where it begins with `{`")
            return ""
        value = str(node.value).strip()
        if not value:
            self.wrong(node, f"{what} is empty", "Write its text or remove it")
        return value

    def texts(self, node: Node, what: str) -> tuple[str, ...]:
        """One text or a list of texts."""
        if isinstance(node, yaml.ScalarNode):
            value = self.text(node, what)
            return (value,) if value else ()
        found = [self.text(item, f"an item of {what}") for item in self.sequence(node, what)]
        return tuple(value for value in found if value)

    def flag(self, node: Node, what: str) -> bool:
        """true or false."""
        value = self.text(node, what).casefold()
        if value not in ("true", "false"):
            self.wrong(node, f"{what} is `{value}`", "Write true or false")
        return value == "true"

    def number(self, node: Node, what: str, lowest: float, highest: float) -> float:
        """A number between two bounds; `lowest` with a note otherwise."""
        value = self.text(node, what)
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not lowest <= number <= highest:
            self.wrong(node, f"{what} is `{value}`", f"Write a number from {lowest:g} to {highest:g}")
            return lowest
        return number

    def choice(self, node: Node, what: str, known: Iterable[str], default: str) -> str:
        """One of the words in `known`; `default` with a note otherwise."""
        allowed = frozenset(known)
        value = self.text(node, what)
        if value in allowed:
            return value
        if value:
            self.wrong(node, f"{what} is `{value}`", suggestion(value, allowed))
        return default


def optional(entries: Mapping[str, Node], key: str) -> Node | None:
    """The node of `key`, None where it is absent or written without a value."""
    node = entries.get(key)
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
        return None
    return node
