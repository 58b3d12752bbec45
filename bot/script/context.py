"""What the readers of blocks share: the mistakes found so far and what a script declares beside its steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import yaml

from bot.script.language import BuiltIn, Goto, IntentDeclaration, Silence
from bot.script.nodes import Node, Reader, key_line, line_of, optional
from bot.script.rendering import RUNTIME_VARIABLES

LONGEST_SILENCE_MS: Final = 60_000
LONGEST_PATIENCE_MS: Final = 10_000
#: Built-in intents that have samples; an opt-out is found by rules.
LIKENESSES: Final = tuple(name for name in BuiltIn if name is not BuiltIn.OPT_OUT)
_VARIABLE: Final = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass
class Context:
    """Intents written inside a `listen` are added to `intents`."""

    reader: Reader
    intents: dict[str, IntentDeclaration]
    default_silence: Silence

    def goto(self, node: Node | None, what: str) -> Goto | None:
        """A step that is named, None where nothing stands."""
        return None if node is None else Goto(self.reader.text(node, what), line_of(node))

    def text(self, node: Node | None, what: str) -> str | None:
        """A text, None where nothing stands."""
        return None if node is None else self.reader.text(node, what)

    def needed(self, entries: dict[str, Node], key: str, what: str, node: Node) -> str:
        """A text that must stand there."""
        if optional(entries, key) is None:
            self.reader.wrong(node, f"{what} has no `{key}`", f"Add `{key}:`")
            return ""
        return self.reader.text(entries[key], f"{key} of {what}")

    def texts(self, node: Node | None, what: str) -> tuple[str, ...]:
        """One or several texts, none where nothing stands."""
        return () if node is None else self.reader.texts(node, what)

    def silence(self, node: Node | None) -> Silence | None:
        """A silence of a step's own."""
        return None if node is None else read_silence(self.reader, node, self.default_silence)

    def flag(self, node: Node | None, what: str, *, default: bool) -> bool:
        """true or false, `default` where nothing stands."""
        return default if node is None else self.reader.flag(node, what)

    def whole(self, node: Node | None, what: str, lowest: int, highest: int) -> int | None:
        """A whole number between two bounds, None where nothing stands."""
        return None if node is None else int(self.reader.number(node, what, lowest, highest))

    def patience(self, node: Node | None, what: str) -> int | None:
        """The silence that ends an answer, in ms."""
        return self.whole(node, f"patience_ms of {what}", 200, LONGEST_PATIENCE_MS)

    def variable(self, name: str, at: Node | int) -> str:
        """A name that a block may set."""
        check_variable(self.reader, name, at)
        return str(name)


def check_variable(reader: Reader, name: str, at: Node | int) -> None:
    """Note a name that no variable of the script can have."""
    if name and not _VARIABLE.fullmatch(name):
        reader.wrong(at, f"variable name `{name}` cannot be used", "Use small letters a-z, digits and `_`")
    if name in RUNTIME_VARIABLES:
        reader.wrong(at, f"variable `{name}` is set during the call", "Choose another name")


def raw(reader: Reader, node: Node, what: str) -> str:
    """A text that may be empty."""
    if isinstance(node, yaml.ScalarNode) and not str(node.value).strip():
        return ""
    return reader.text(node, what)


def read_intent(reader: Reader, name: str, node: Node, entries: dict[str, Node]) -> IntentDeclaration:
    """An intent from its already opened mapping; it must have samples, keywords or `like`."""
    samples, keywords = optional(entries, "samples"), optional(entries, "keywords")
    like = optional(entries, "like")
    declared = IntentDeclaration(
        name=name,
        samples=() if samples is None else reader.texts(samples, f"samples of `{name}`"),
        keywords=() if keywords is None else reader.texts(keywords, f"keywords of `{name}`"),
        like=None if like is None else BuiltIn(reader.choice(like, f"like of `{name}`", LIKENESSES, "hello")),
    )
    if not (declared.samples or declared.keywords or like is not None):
        remedy = f"Add `samples:` with sentences as customers say them, or `like:` ({', '.join(LIKENESSES)})"
        reader.wrong(key_line(name, node), f"intent `{name}` has no samples", remedy)
    return declared


def read_silence(reader: Reader, node: Node, default: Silence) -> Silence:
    """A `silence` mapping; what it leaves out is taken from `default`."""
    entries = reader.mapping(node, "silence", ("after_ms", "say", "goto"))
    after, say, goto = (optional(entries, key) for key in ("after_ms", "say", "goto"))
    return Silence(
        after_ms=default.after_ms if after is None else int(reader.number(after, "after_ms", 500, LONGEST_SILENCE_MS)),
        say=default.say if say is None else reader.texts(say, "say of silence"),
        goto=default.goto if goto is None else reader.text(goto, "goto of silence"),
        line=line_of(node),
    )
