"""What answers for web services and language models in `campana script chat`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from bot.errors import BotError
from bot.fetching import WebServices
from bot.script.replies import Consult, Consulted, Fetch, ToolCall
from campana.cli.context import stderr

if TYPE_CHECKING:
    from campana.live_model import LiveModel

FAIL: Final = "/fail"
TOOL: Final = "/tool"


class Typed:
    """Lines that are typed, or piped in."""

    def __init__(self, *, quiet: bool) -> None:
        self.shown = sys.stdin.isatty() and not quiet

    def line(self, prompt: str) -> str | None:
        """The next line, None at the end; `input` knows history and editing, but prompts where nobody reads it."""
        if not self.shown:
            raw = sys.stdin.readline()
            return raw.strip() if raw else None
        try:
            return input(prompt).strip()
        except EOFError:
            return None


class AskedOf:
    """The user answers; or a file does for web services, their answers in order and the last one again.

    With `model` the language model itself answers, with `secrets` the web services themselves do.
    """

    def __init__(
        self,
        typed: Typed,
        answers: tuple[Any, ...] | None,
        model: LiveModel | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self._secrets = secrets
        self._typed = typed
        self._model = model
        self._answers = answers
        self._used = 0

    def fetch(self, wanted: Fetch) -> Mapping[str, str] | None:
        """See `bot.script.in_text.Outside`."""
        if self._answers is not None:
            answer = self._answers[min(self._used, len(self._answers) - 1)]
            self._used += 1
            return None if answer is None else asyncio.run(_read(wanted, answer))
        if self._secrets is not None:
            return asyncio.run(_ask(wanted, self._secrets))
        stderr.print(f"webhook {wanted.method} {wanted.url} {dict(wanted.body) or ''}", markup=False, style="yellow")
        values: dict[str, str] = {}
        for name, path in wanted.into.items():
            given = self._typed.line(f"{name} ({path}; {FAIL}: no answer) = ")
            if given is None or given == FAIL:
                return None
            values[name] = given
        return values

    def consult(self, wanted: Consult) -> Consulted:
        """See `bot.script.in_text.Outside`."""
        if self._model is not None:
            return self._model.consult(wanted)
        names = ", ".join(str(_function(tool)) for tool in wanted.tools)
        hint = (
            f"you are the language model; {TOOL} NAME {{json}} first, then its words, or {FAIL}. It may call: {names}"
        )
        stderr.print(hint, markup=False, style="yellow")
        calls: list[ToolCall] = []
        while (line := self._typed.line("model: ")) is not None and line.startswith(TOOL):
            name, _, arguments = line.removeprefix(TOOL).strip().partition(" ")
            calls.append(ToolCall(name, arguments.strip() or "{}"))
        if line is None or line == FAIL:
            return Consulted("", failed=True)
        return Consulted(line, tuple(calls))


def read_answers(path: Path) -> tuple[Any, ...]:
    """The answers of web services in a JSON file: one document, or a list of them; null is a failure."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BotError(f"{path}: cannot read the answers: {error.strerror}. Check the path and its rights") from error
    except ValueError as error:
        raise BotError(f"{path}: not JSON: {error}. Write one answer, or a list of answers") from error
    answers = tuple(found) if isinstance(found, list) else (found,)
    if not answers:
        raise BotError(f"{path}: no answer. Write one answer, or a list of answers")
    return answers


async def _ask(wanted: Fetch, secrets: Mapping[str, str]) -> Mapping[str, str] | None:
    """The values that the service itself answers."""
    async with WebServices.open(secrets) as services:
        return await _values(services, wanted)


async def _read(wanted: Fetch, answer: Any) -> Mapping[str, str] | None:
    """The values of an answer, read as those of a real one are; the request goes nowhere."""
    written = httpx.ByteStream(json.dumps(answer).encode())
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, stream=written))
    async with httpx.AsyncClient(transport=transport) as client:
        return await _values(WebServices(client, {}), replace(wanted, headers={}))


async def _values(services: WebServices, wanted: Fetch) -> Mapping[str, str] | None:
    try:
        return await services.fetch(wanted)
    except BotError as error:
        stderr.print(f"webhook: {error}", markup=False, style="yellow")
        return None


def _function(tool: Mapping[str, object]) -> object:
    inner = tool.get("function")
    return inner.get("name") if isinstance(inner, Mapping) else None
