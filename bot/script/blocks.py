"""Reads the steps of a script: each a list of blocks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import yaml

from bot.script.language import (
    AskBack,
    AskOut,
    Block,
    BuiltIn,
    Choice,
    End,
    Goto,
    IntentDeclaration,
    Label,
    Listen,
    PutThrough,
    Say,
    Silence,
    Step,
)
from bot.script.nodes import Node, Reader, key_line, line_of, optional, suggestion

LISTEN_KEYS = ("ask", "intents", "keys", "reprompt", "else", "silence", "min_confidence")
_STEP_NAME = re.compile(r"(?!_)[\w-]+")
_KEY = re.compile(r"[0-9*#]")
_LONGEST_SILENCE_MS = 60_000
#: Built-in intents that have samples; an opt-out is found by rules.
LIKENESSES = tuple(name for name in BuiltIn if name is not BuiltIn.OPT_OUT)


@dataclass
class BlockReader:
    """Reads steps; intents written inside a `listen` are added to `intents`."""

    reader: Reader
    intents: dict[str, IntentDeclaration]
    default_silence: Silence
    _kinds: dict[str, Callable[[Node, int], Block | None]] = field(init=False)

    def __post_init__(self) -> None:
        self._kinds = {
            "say": self._say,
            "listen": self._listen,
            "code": lambda node, line: Label(self.reader.text(node, "code"), line),
            "goto": lambda node, line: Goto(self.reader.text(node, "goto"), line),
            "opt_out": self._opt_out,
            "call_back": self._call_back,
            "transfer": self._transfer,
            "end": self._end,
        }

    def steps(self, node: Node) -> dict[str, Step]:
        """The `steps` section."""
        found: dict[str, Step] = {}
        for name, body in self.reader.mapping(node, "steps").items():
            if not _STEP_NAME.fullmatch(name):
                self.reader.wrong(
                    key_line(name, body), f"step name `{name}` cannot be used", "Use letters, digits, `_` and `-`"
                )
            blocks = [self._block(item) for item in self.reader.sequence(body, f"step `{name}`")]
            found[name] = Step(name, tuple(block for block in blocks if block is not None), key_line(name, body))
        return found

    def _block(self, node: Node) -> Block | None:
        line = line_of(node)
        if isinstance(node, yaml.ScalarNode):
            return self._of_kind(node.value.strip(), _empty_like(node), node, line)
        entries = self.reader.mapping(node, "a block")
        if len(entries) > 1:
            extra = ", ".join(f"`{key}`" for key in list(entries)[1:])
            self.reader.wrong(node, f"a block holds one thing, this one also holds {extra}", "Begin each with `- `")
        for kind, value in entries.items():
            return self._of_kind(kind, value, node, line)
        return None

    def _of_kind(self, kind: str, value: Node, node: Node, line: int) -> Block | None:
        read = self._kinds.get(kind)
        if read is None:
            self.reader.wrong(node, f"unknown block `{kind}`", suggestion(kind, self._kinds))
            return None
        return read(value, line)

    def _say(self, node: Node, line: int) -> Say:
        if not isinstance(node, yaml.MappingNode):
            return Say(self.reader.text(node, "say"), line=line)
        entries = self.reader.mapping(node, "say", ("text", "interruptible"))
        text, flag = entries.get("text"), optional(entries, "interruptible")
        if text is None:
            self.reader.wrong(node, "say has no text", "Add `text:`, and put text that begins with `{` between quotes")
        return Say(
            text="" if text is None else self.reader.text(text, "text of say"),
            interruptible=True if flag is None else self.reader.flag(flag, "interruptible"),
            line=line,
        )

    def _opt_out(self, node: Node, line: int) -> AskOut:
        self._expect_nothing(node, "opt_out")
        return AskOut(line)

    def _end(self, node: Node, line: int) -> End:
        self._expect_nothing(node, "end")
        return End(line)

    def _expect_nothing(self, node: Node, what: str) -> None:
        if not isinstance(node, yaml.ScalarNode) or node.value not in ("", "~", "null", "true"):
            self.reader.wrong(node, f"{what} takes nothing after it", f"Write `- {what}` alone")

    def _call_back(self, node: Node, line: int) -> AskBack:
        if isinstance(node, yaml.ScalarNode):
            self._expect_nothing(node, "call_back")
            return AskBack(line=line)
        ask = optional(self.reader.mapping(node, "call_back", ("ask",)), "ask")
        return AskBack(() if ask is None else self.reader.texts(ask, "ask of call_back"), line)

    def _transfer(self, node: Node, line: int) -> PutThrough:
        if not isinstance(node, yaml.MappingNode):
            return PutThrough(self.reader.text(node, "transfer"), line=line)
        entries = self.reader.mapping(node, "transfer", ("to", "else"))
        to, otherwise = entries.get("to"), optional(entries, "else")
        if to is None:
            self.reader.wrong(node, "transfer leads to nobody", "Add `to:` with a name that stands under `transfers:`")
        return PutThrough(
            to="" if to is None else self.reader.text(to, "to of transfer"),
            otherwise=None if otherwise is None else self._goto(otherwise, "else of transfer"),
            line=line,
        )

    def _listen(self, node: Node, line: int) -> Listen:
        entries = self.reader.mapping(node, "listen", LISTEN_KEYS)
        ask, reprompt = optional(entries, "ask"), optional(entries, "reprompt")
        otherwise, silence = optional(entries, "else"), optional(entries, "silence")
        confidence = optional(entries, "min_confidence")
        choices, keys = optional(entries, "intents"), optional(entries, "keys")
        if choices is None and keys is None:
            self.reader.wrong(node, "listen offers nothing", "Add `intents:` or `keys:`")
        return Listen(
            ask=None if ask is None else self.reader.text(ask, "ask"),
            choices=() if choices is None else self._choices(choices),
            keys={} if keys is None else self._keys(keys),
            reprompt=() if reprompt is None else self.reader.texts(reprompt, "reprompt"),
            otherwise=None if otherwise is None else self._goto(otherwise, "else"),
            silence=None if silence is None else read_silence(self.reader, silence, self.default_silence),
            min_confidence=None if confidence is None else self.reader.number(confidence, "min_confidence", 0.1, 1),
            line=line,
        )

    def _goto(self, node: Node, what: str) -> Goto:
        return Goto(self.reader.text(node, what), line_of(node))

    def _choices(self, node: Node) -> tuple[Choice, ...]:
        entries = self.reader.mapping(node, "intents of listen")
        return tuple(self._choice(name, value) for name, value in entries.items())

    def _choice(self, name: str, node: Node) -> Choice:
        if isinstance(node, yaml.ScalarNode):
            return Choice(name, self.reader.text(node, f"step for intent `{name}`"), line_of(node))
        what = f"intent `{name}`"
        entries = self.reader.mapping(node, what, ("goto", "samples", "keywords", "like"))
        goto = entries.get("goto")
        if goto is None:
            self.reader.wrong(key_line(name, node), f"{what} leads nowhere", "Add `goto:` with a step")
        if name in self.intents:
            self.reader.wrong(
                key_line(name, node), f"duplicate intent `{name}`", "Give its samples once, and name the step here only"
            )
        self.intents[name] = read_intent(self.reader, name, node, entries)
        return Choice(name, "" if goto is None else self.reader.text(goto, f"goto of {what}"), line_of(node))

    def _keys(self, node: Node) -> dict[str, Goto]:
        found: dict[str, Goto] = {}
        for key, value in self.reader.mapping(node, "keys").items():
            if not _KEY.fullmatch(key):
                self.reader.wrong(key_line(key, value), f"`{key}` is no telephone key", 'Use "0" to "9", "*" or "#"')
            found[key] = self._goto(value, f"step for key {key}")
        return found


def _empty_like(node: Node) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:null", "", node.start_mark, node.end_mark)


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
        after_ms=default.after_ms if after is None else int(reader.number(after, "after_ms", 500, _LONGEST_SILENCE_MS)),
        say=default.say if say is None else reader.texts(say, "say of silence"),
        goto=default.goto if goto is None else reader.text(goto, "goto of silence"),
        line=line_of(node),
    )
