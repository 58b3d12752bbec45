"""Reads a script from YAML: every mistake in it is reported at once, with file, line and remedy."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from bot.errors import BotError, Problem, ScriptErrors
from bot.script.blocks import BlockReader, read_intent, read_silence
from bot.script.check import check, check_recordings
from bot.script.codes import read_codes
from bot.script.context import check_variable
from bot.script.language import (
    AskBack,
    AskOut,
    BuiltIn,
    End,
    Goto,
    IntentDeclaration,
    Question,
    Say,
    Script,
    Silence,
    Step,
    Variable,
)
from bot.script.machines import read_machines
from bot.script.nodes import Node, Reader, compose, key_line, line_of, optional, too_deep
from bot.script.prompts import default_lines
from bot.script.transfers import read_transfers
from bot.script.value_forms import read_currency

DEFAULT_SILENCE_MS = 6000
DEFAULT_MIN_CONFIDENCE = 0.5
#: Intents that are understood at any moment and may be led to a step of the script.
HANDLED = (
    BuiltIn.OPT_OUT,
    BuiltIn.CALL_BACK,
    BuiltIn.WRONG_PERSON,
    BuiltIn.PERSON,
    BuiltIn.WHO_IS_CALLING,
    BuiltIn.REPEAT,
)
#: A built-in intent whose name a script may give to an intent of its own, which then counts instead.
OWN_WORDING = frozenset({BuiltIn.PERSON})
#: The handler of silence; where a step's own or the script's silence leads somewhere, that counts.
SILENCE = "silence"

TOP_KEYS = (
    "script",
    "title",
    "language",
    "start",
    "variables",
    "codes",
    "intents",
    "handlers",
    "faq",
    "silence",
    "min_confidence",
    "machines",
    "transfers",
    "currency",
    "steps",
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")


def load_script(source: Path | str, name: str | None = None) -> Script:
    """A checked script from a file (`Path`) or from YAML text (`str`).

    `name` stands for the file in messages and, where the script gives no name, for the script.
    Raises `ScriptErrors` with every mistake, `BotError` for a file that cannot be read.
    """
    file = name or (str(source) if isinstance(source, Path) else "script")
    text = _read(source, file) if isinstance(source, Path) else source
    reader = Reader(file)
    try:
        script = _read_script(reader, compose(text, file), file)
        if script is not None:
            check(script, reader)
            if isinstance(source, Path):
                check_recordings(script, source.parent, reader)
    except RecursionError as exc:
        raise too_deep(file) from exc
    if reader.problems or script is None:
        raise ScriptErrors(reader.problems)
    return script


def _read(path: Path, file: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise BotError(f"{file}: cannot read the script: {exc.strerror}. Check the path and its rights") from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ScriptErrors([Problem(file, line, "the file is not UTF-8", "Save it in the encoding UTF-8")]) from exc


def _read_script(reader: Reader, root: Node, file: str) -> Script | None:
    top = reader.mapping(root, "the script", TOP_KEYS)
    if "steps" not in top:
        reader.wrong(root, "the script has no steps", "Add `steps:`")
        return None
    language = _language(reader, optional(top, "language"))
    led = _handlers(reader, optional(top, "handlers"))
    silence = _silence(reader, optional(top, "silence"), language, led.pop(SILENCE, None))
    intents = _intents(reader, optional(top, "intents"))
    questions = _questions(reader, optional(top, "faq"), intents)
    steps = BlockReader(reader, intents, silence).steps(top["steps"])
    if not steps:
        return None
    handlers = {BuiltIn(name): target for name, target in led.items()}
    _add_default_handlers(handlers, steps, language)
    name = _text(reader, top, "script", Path(file).stem)
    confidence = optional(top, "min_confidence")
    return Script(
        name=name,
        title=_text(reader, top, "title", name),
        language=language,
        start=_text(reader, top, "start", next(iter(steps))),
        steps=steps,
        codes=read_codes(reader, optional(top, "codes")),
        variables=_variables(reader, optional(top, "variables")),
        intents=intents,
        handlers=handlers,
        questions=questions,
        silence=silence,
        min_confidence=DEFAULT_MIN_CONFIDENCE
        if confidence is None
        else reader.number(confidence, "min_confidence", 0.1, 1),
        file=file,
        machines=read_machines(reader, optional(top, "machines")),
        transfers=read_transfers(reader, optional(top, "transfers")),
        currency=read_currency(reader, optional(top, "currency"), "the script"),
    )


def _text(reader: Reader, entries: dict[str, Node], key: str, default: str) -> str:
    node = optional(entries, key)
    return default if node is None else reader.text(node, key)


def _language(reader: Reader, node: Node | None) -> str:
    if node is None:
        return "en"
    language = reader.text(node, "language")
    if not _LANGUAGE.fullmatch(language):
        reader.wrong(node, f"language is `{language}`", "Write a language tag, such as en or vi")
        return "en"
    return language


def _silence(reader: Reader, node: Node | None, language: str, handler: Goto | None) -> Silence:
    lines = (default_lines(language).still_there,)
    if handler is None:
        default = Silence(DEFAULT_SILENCE_MS, lines)
    else:
        default = Silence(DEFAULT_SILENCE_MS, lines, handler.step, handler.line)
    return default if node is None else read_silence(reader, node, default)


def _variables(reader: Reader, node: Node | None) -> tuple[Variable, ...]:
    if node is None:
        return ()
    return tuple(_variable(reader, name, entry) for name, entry in reader.mapping(node, "variables").items())


def _variable(reader: Reader, name: str, node: Node) -> Variable:
    check_variable(reader, name, key_line(name, node))
    if isinstance(node, yaml.ScalarNode) and node.value == "required":
        return Variable(name)
    entries = reader.mapping(node, f"variable `{name}`", ("required", "default"))
    required, default = optional(entries, "required"), entries.get("default")
    wanted = required is not None and reader.flag(required, f"required of `{name}`")
    if wanted and default is not None:
        reader.wrong(default, f"variable `{name}` is required and has a default", "Leave one of them out")
    if wanted or default is None:
        return Variable(name, None if wanted else "")
    return Variable(name, str(default.value).strip() if isinstance(default, yaml.ScalarNode) else "")


def _intents(reader: Reader, node: Node | None) -> dict[str, IntentDeclaration]:
    found: dict[str, IntentDeclaration] = {}
    if node is None:
        return found
    for name, body in reader.mapping(node, "intents").items():
        if name in set(BuiltIn) - OWN_WORDING:
            reader.wrong(key_line(name, body), f"intent `{name}` is built in", f"Rename it and add `like: {name}`")
            continue
        entries = reader.mapping(body, f"intent `{name}`", ("samples", "keywords", "like"))
        found[name] = read_intent(reader, name, body, entries)
    return found


def _questions(reader: Reader, node: Node | None, intents: dict[str, IntentDeclaration]) -> tuple[Question, ...]:
    if node is None:
        return ()
    found = []
    for name, body in reader.mapping(node, "faq").items():
        entries = reader.mapping(body, f"question `{name}`", ("samples", "keywords", "like", "say", "repeat"))
        if name in intents or name in set(BuiltIn) - OWN_WORDING:
            reader.wrong(key_line(name, body), f"duplicate intent `{name}`", "Rename the question")
        intents[name] = read_intent(reader, name, body, entries)
        answer, repeat = entries.get("say"), optional(entries, "repeat")
        if answer is None:
            reader.wrong(key_line(name, body), f"question `{name}` has no answer", "Add `say:`")
        found.append(
            Question(
                intent=name,
                answer="" if answer is None else reader.text(answer, f"say of `{name}`"),
                repeat=2 if repeat is None else int(reader.number(repeat, f"repeat of `{name}`", 1, 20)),
                line=line_of(body if answer is None else answer),
            )
        )
    return tuple(found)


def _handlers(reader: Reader, node: Node | None) -> dict[str, Goto]:
    if node is None:
        return {}
    entries = reader.mapping(node, "handlers", (*HANDLED, SILENCE))
    return {str(key): Goto(reader.text(value, key), line_of(value)) for key, value in entries.items()}


def _add_default_handlers(handlers: dict[BuiltIn, Goto], steps: dict[str, Step], language: str) -> None:
    """What is understood in every script and leads somewhere has plain answers where the script gives none."""
    lines = default_lines(language)
    if BuiltIn.OPT_OUT not in handlers:
        handlers[BuiltIn.OPT_OUT] = Goto("_opt_out")
        steps["_opt_out"] = Step("_opt_out", (AskOut(), Say(lines.opted_out, interruptible=False), End()))
    if BuiltIn.CALL_BACK not in handlers:
        handlers[BuiltIn.CALL_BACK] = Goto("_call_back")
        steps["_call_back"] = Step("_call_back", (AskBack(), Say(lines.called_back), End()))
    if BuiltIn.WRONG_PERSON not in handlers:
        handlers[BuiltIn.WRONG_PERSON] = Goto("_wrong_person")
        steps["_wrong_person"] = Step("_wrong_person", (Say(lines.wrong_person), End()))
