"""Persona files: YAML to personas, every mistake with its line and its remedy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from telephony.simulator.errors import PersonaError
from telephony.simulator.grammar import ACTS, FLAGS, MAX_CALL, RECEPTIONS, REFER, VOICE, Word
from telephony.simulator.nodes import WRONG, Reader, suggestion
from telephony.simulator.numbers import PATTERN
from telephony.simulator.persona import Act, Answer, Persona, Reception, Refer, Voice
from telephony.simulator.settings import Kind, Setting

_RECEPTIONS = (*RECEPTIONS, *FLAGS)
_KEYS = (
    "number",
    "name",
    "expected_code",
    "contact",
    *_RECEPTIONS,
    "first",
    "voice",
    "play",
    "play_again",
    "refer",
    MAX_CALL.name,
)
_MOST_NESTED = 4


def load_personas(source: Path) -> tuple[Persona, ...]:
    """The personas of one YAML file, or of every *.yaml and *.yml in a folder, in the order of their names.

    Raises `PersonaError` with all problems of all files.
    """
    paths = sorted(one for one in source.iterdir() if one.suffix in (".yaml", ".yml")) if source.is_dir() else [source]
    personas: list[Persona] = []
    problems: list[str] = []
    if not paths:
        problems.append(f"{source}:1: the folder holds no persona; put a .yaml file into it")
    for path in paths:
        reader = Reader(path)
        personas += _read(reader)
        problems += reader.problems
    problems += _double_claims(personas)
    if problems:
        raise PersonaError(problems)
    return tuple(personas)


def _read(reader: Reader) -> list[Persona]:
    nodes = reader.documents()
    if not nodes and not reader.problems:
        reader.problem(1, "the file is empty", "begin with `number:` and `name:`")
    return [_persona(reader, node) for node in nodes]


def _persona(reader: Reader, node: Node) -> Persona:
    entries = reader.mapping(node, _KEYS, "a persona")
    for key in ("number", "name"):
        if isinstance(node, MappingNode) and key not in entries:
            reader.problem(node, f"`{key}` is missing", f"add `{key}:`")
    return Persona(
        numbers=_numbers(reader, entries["number"]) if "number" in entries else (),
        name=reader.text(entries["name"], "`name`") if "name" in entries else "",
        reception=_reception(reader, entries),
        first=_first(reader, entries["first"]) if "first" in entries else (),
        play=_acts(reader, entries["play"]) if "play" in entries else (),
        voice=_filled(reader, entries["voice"], "voice", VOICE) or Voice() if "voice" in entries else Voice(),
        play_again=_acts(reader, entries["play_again"]) if "play_again" in entries else None,
        refer=_filled(reader, entries["refer"], "refer", REFER) or Refer() if "refer" in entries else Refer(),
        expected_codes=_codes(reader, entries["expected_code"]) if "expected_code" in entries else (),
        max_call_ms=reader.value(entries[MAX_CALL.name], MAX_CALL) if MAX_CALL.name in entries else MAX_CALL.default,
        contact=_contact(reader, entries["contact"]) if "contact" in entries else {},
        path=reader.path,
        line=entries.get("number", node).start_mark.line + 1,
    )


def _numbers(reader: Reader, node: Node) -> tuple[str, ...]:
    nodes = node.value if isinstance(node, SequenceNode) else [node]
    if not nodes:
        reader.problem(node, "`number` is an empty list", "name at least one number")
    numbers = []
    for one in nodes:
        number = reader.text(one, "`number`")
        if number and not PATTERN.fullmatch(number):
            remedy = 'write it as "+84901000001", with x for any digit, or "*" for every number'
            reader.problem(one, f"`{number}` is no telephone number", remedy)
        numbers.append(number)
    return tuple(numbers)


def _codes(reader: Reader, node: Node) -> tuple[str, ...]:
    nodes = node.value if isinstance(node, SequenceNode) else [node]
    return tuple(reader.text(one, "`expected_code`") for one in nodes)


def _contact(reader: Reader, node: Node) -> dict[str, str]:
    return {name: reader.text(value, f"`{name}`") for name, value in reader.mapping(node, (), "`contact`").items()}


def _reception(reader: Reader, entries: dict[str, Node]) -> Reception:
    named = [name for name in _RECEPTIONS if name in entries]
    for extra in named[1:]:
        what = f"the persona has both `{named[0]}` and `{extra}`"
        reader.problem(entries[extra], what, "keep one: a call is received in one way")
    if not named:
        return Answer()
    if named[0] != "answer" and "play" in entries:
        reader.problem(
            entries["play"], f"`play` stands beside `{named[0]}`", "remove it: only an answered call has acts"
        )
    return _received(reader, named[0], entries[named[0]])


def _received(reader: Reader, name: str, node: Node) -> Reception:
    if name in FLAGS:
        if reader.value(node, _flag(name)) is False:
            reader.problem(node, f"`{name}: false` says nothing", "leave the line out")
        return FLAGS[name]
    return cast("Reception | None", _filled(reader, node, name, RECEPTIONS[name])) or Answer()


def _first(reader: Reader, node: Node) -> tuple[Reception, ...]:
    found: list[Reception] = []
    for one in reader.items(node, "`first`"):
        name, value = _word(reader, one)
        if name is not None and name not in _RECEPTIONS:
            reader.problem(one, f"there is no reception `{name}`", suggestion(name, _RECEPTIONS))
        elif name is not None:
            word = RECEPTIONS.get(name)
            alone = word.stands_for() if word else FLAGS[name]
            found.append(_received(reader, name, value) if value else cast("Reception", alone))
    return tuple(found)


def _flag(name: str) -> Setting:
    return Setting(name, Kind.FLAG, "how the call is received", True, None, None, None)


def _acts(reader: Reader, node: Node, depth: int = 0) -> tuple[Act, ...]:
    if depth > _MOST_NESTED:
        reader.problem(node, f"acts are nested more than {_MOST_NESTED} deep", "write them one after the other")
        return ()
    found = [_act(reader, one, depth) for one in reader.items(node, "`play`")]
    return tuple(act for act in found if act is not None)


def _act(reader: Reader, node: Node, depth: int) -> Act | None:
    name, value = _word(reader, node)
    if name is None:
        return None
    word = ACTS.get(name)
    if word is None:
        reader.problem(node, f"there is no act `{name}`", suggestion(name, ACTS))
        return None
    if value is None and not word.bare:
        reader.problem(node, f"`{name}` needs a value", f"write `{name}: …`")
        return None
    return cast("Act | None", word.stands_for() if value is None else _filled(reader, value, name, word, depth))


def _word(reader: Reader, node: Node) -> tuple[str | None, Node | None]:
    if isinstance(node, ScalarNode) and node.value:
        return str(node.value), None
    if isinstance(node, MappingNode) and len(node.value) == 1 and isinstance(node.value[0][0], ScalarNode):
        key, value = node.value[0]
        return str(key.value), value
    reader.problem(node, "an entry is one word, perhaps with a value", "write for example `- hangup` or `- wait: 500`")
    return None, None


def _filled(reader: Reader, node: Node, name: str, word: Word, depth: int = 0) -> Any:
    """The object a word stands for, None when a value is wrong (the problem is noted)."""
    settings = {setting.name: setting for setting in word.settings}
    given: dict[str, Node]
    if isinstance(node, MappingNode):
        given = reader.mapping(node, tuple(settings), f"`{name}`")
    else:
        given = {word.short: node} if word.short else {}
    before = len(reader.problems)
    values = {key: _value(reader, one, settings[key], depth) for key, one in given.items()}
    for key, setting in settings.items():
        if setting.required and key not in given:
            reader.problem(node, f"`{name}` needs `{key}`", f"add it: {setting.about}")
    return word.stands_for(**values) if len(reader.problems) == before else WRONG


def _value(reader: Reader, node: Node, setting: Setting, depth: int) -> Any:
    return _acts(reader, node, depth + 1) if setting.kind is Kind.ACTS else reader.value(node, setting)


def _double_claims(personas: Iterable[Persona]) -> list[str]:
    owners: dict[str, Persona] = {}
    problems = []
    for persona in personas:
        for number in persona.numbers:
            owner = owners.setdefault(number.removeprefix("+"), persona)
            if owner is not persona:
                first = f"{owner.name} ({owner.path})"
                problems.append(
                    f"{persona.path}:{persona.line}: {number} already belongs to {first}; give each its own number"
                )
    return problems
